"""Colours of all figures, by which a page knows them, too."""

# Okabe and Ito's colours, which people with any colour vision can tell apart; greys for the background.
BLUE, ORANGE, GREEN = "#0072B2", "#D55E00", "#009E73"
INK, GREY, BAND, GRID = "#202124", "#A9AFB5", "#DDE1E5", "#ECEEF0"
