"""Bins that end at the thresholds, so that no bar shows values on both sides of one."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Bins cannot be narrower than this share of all of them: thresholds that are nearly the same are edges beside
# equal bins then.
_NARROWEST = 1 / 200


def bin_edges(low: float, high: float, *, similar: float, divergent: float, n_bins: int) -> Floats:
    """Return the edges of about ``n_bins`` bins, equally wide as long as thresholds allow.

    Parameters
    ----------
    low, high : float
        Ends of what is counted; thresholds beyond them are covered, too.
    similar, divergent : float
        Thresholds. Values equal to either are counted with those that it takes: similar ones above their
        edge, divergent ones below theirs, which is the next larger number.
    n_bins : int
        How many, roughly.

    Returns
    -------
    (n_edges,) float64
        Ascending; the last bin is closed.
    """
    low, high = min(low, similar, divergent), max(high, similar, divergent)
    # Identical values still need bins of some width.
    if high - low < 1e-9:
        low, high = low - 0.01, high + 0.01
    start, width = low, (high - low) / n_bins
    gap = abs(similar - divergent)
    between = gap / max(1, round(gap / width))
    if between >= _NARROWEST * (high - low):
        start, width = min(similar, divergent), between
    cuts = np.array([np.nextafter(divergent, np.inf), similar])
    # A threshold at an end has a bin beyond it, so that what it takes is apart from all else.
    first = np.floor((low - start) / width) - _is_near(low, cuts, width)
    last = np.ceil((high - start) / width) + _is_near(high, cuts, width)
    even = [edge for edge in start + width * np.arange(first, last + 1) if not _is_near(edge, cuts, width)]
    edges = np.unique([*even, *cuts])
    # Sums of widths may end a little short of what is counted.
    edges[0], edges[-1] = min(edges[0], low), max(edges[-1], high)
    return edges


def _is_near(value: float, cuts: Floats, width: float) -> bool:
    """Whether a value is a cut, but for what sums of widths may be off."""
    return bool(np.abs(cuts - value).min() < width / 1000)
