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
    cuts = np.array([np.nextafter(divergent, np.inf), similar])
    gap, width = abs(similar - divergent), (high - low) / n_bins
    width = gap / max(1, round(gap / width))
    if width < _NARROWEST * (high - low):
        edges = np.concatenate([np.linspace(low, high, n_bins + 1), cuts])
    else:
        start = min(similar, divergent)
        first, last = np.floor((low - start) / width), np.ceil((high - start) / width)
        edges = start + width * np.arange(first, last + 1)
        # Exactly the thresholds, not what sums of widths come to; the ends hold all values.
        for cut in cuts:
            edges[np.abs(edges - cut).argmin()] = cut
        edges[0], edges[-1] = min(edges[0], low), max(edges[-1], high)
    edges = np.unique(edges)
    # A divergent value at the very end needs an edge above it.
    return edges if len(edges) > 1 else np.array([low, np.nextafter(high, np.inf)])
