"""Figures inside of a page: drawings whose letters and colours are the page's own."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from elsa_groups.report.colors import BAND, BLUE, GREEN, GREY, GRID, INK, ORANGE

# Letters of all drawings: a page of any run stays below 3 MB.
PICTURES_UP_TO = 2_400_000

# What the style sheet of the page calls the colours of figures; it has others for the dark.
_COLORS = {
    INK: "ink", GREY: "mark", BAND: "band", GRID: "grid", BLUE: "blue", ORANGE: "orange", GREEN: "green",
    "#FFFFFF": "paper",
}  # fmt: skip
_HEX = re.compile("|".join(_COLORS), re.IGNORECASE)
_DROPPED = (
    re.compile(r"<metadata>.*?</metadata>", re.DOTALL),
    re.compile(r"<style.*?</style>", re.DOTALL),
    re.compile(r"<!--.*?-->", re.DOTALL),
    # Groups are numbered anew in every figure; what is referred to has a name of its own.
    re.compile(r'(?<=<g) id="[^"]*"'),
    re.compile(r"\n *"),
)
_FONT = re.compile(r"font: ([\d.]+px) [^;\"]*")
_BOLD = re.compile(r"font: (?:bold|700) ([\d.]+px) [^;\"]*")


@dataclass(frozen=True)
class Picture:
    """A figure on the page.

    Attributes
    ----------
    name : str
        Of its file.
    title : str
        What it says at its top.
    alt : str
        What it shows: below it, and for those who do not see it.
    svg : str
        The picture.
    """

    name: str
    title: str
    alt: str
    svg: str


def fitting(pictures: Sequence[Picture]) -> list[Picture]:
    """Return the first pictures that have at most ``PICTURES_UP_TO`` letters together."""
    shown: list[Picture] = []
    room = PICTURES_UP_TO
    for picture in pictures:
        room -= len(picture.svg)
        if room < 0:
            break
        shown.append(picture)
    return shown


def inline_svg(picture: Picture) -> Markup:
    """Return a picture as an element of the page, named by the caption ``caption-<name>``.

    Text stays text; the page's style sheet decides on colours and letters.
    """
    drawing = picture.svg[picture.svg.index("<svg") :]
    for dropped in _DROPPED:
        drawing = dropped.sub("", drawing)
    drawing = _BOLD.sub(r"font-size: \1; font-weight: 650", drawing)
    drawing = _FONT.sub(r"font-size: \1", drawing)
    drawing = _HEX.sub(lambda found: f"var(--{_COLORS[found.group().upper()]})", drawing)
    tag, _, rest = drawing.partition(">")
    (box,) = re.findall(r'viewBox="([^"]*)"', tag)
    named = f'role="img" aria-labelledby="{escape(f"caption-{picture.name}")}"'
    return Markup(f'<svg viewBox="{box}" {named}>{rest}')
