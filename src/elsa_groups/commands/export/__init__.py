"""Write groups in the formats that other programs read."""
