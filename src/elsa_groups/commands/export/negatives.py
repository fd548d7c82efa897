"""Items that no member of a group has, and groups into parts."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from elsa_groups.base.compiled import compiled
from elsa_groups.base.philox import ZERO, block, stream_key, uniform_below
from elsa_groups.data.split import Split
from elsa_groups.groups.chosen_users import order_by_draws

# Shares of validation and test, those of GroupIM.
_VAL, _TEST = 0.1, 0.2


def split_by_draws(n: int, *, key: np.uint64) -> Split:
    """Draw which of n rows are for training, validation and testing, 7 to 1 to 2.

    Parameters
    ----------
    n : int
        Number of rows.
    key : uint64
        Philox key of the draws.

    Returns
    -------
    Split
        Sorted rows, none in two parts; shares are rounded to the nearest number of rows.

    References
    ----------
    Sankar et al., "GroupIM", SIGIR 2020, doi 10.1145/3397271.3401116.
    """
    return Split.of(order_by_draws(np.arange(n), key), round(n * _VAL), round(n * _TEST))


def draw_negatives(
    known: csr_array,
    rows: NDArray[np.int64],
    items: NDArray[np.int64],
    *,
    n: int,
    seed: int,
    name: str,
) -> NDArray[np.int64]:
    """Draw items that a row does not know, for each of its test items: uniform, without replacement.

    What is drawn follows from the seed, the name, the row and the test item, not from the other lines.
    Costs about n draws a line, each with a binary search in the row.

    Parameters
    ----------
    known : csr_array, shape (n_rows, n_items)
        What must not be drawn; column indices sorted within each row.
    rows, items : (n_lines,) int64
        Row and test item of each line.
    n : int
        How many to draw.
    seed : int
        Seed of the draws.
    name : str
        What the rows are; streams of different names are independent.

    Returns
    -------
    (n_lines, n) int64
        In the order drawn; where a row does not know fewer than n, all of those in ascending order, then -1.
    """
    drawn = np.full((len(rows), n), -1, np.int64)
    _draw(
        known.indptr.astype(np.int64),
        known.indices.astype(np.int64),
        rows.astype(np.int64),
        items.astype(np.int64),
        np.int64(known.shape[1]),
        stream_key(seed, "negatives", name),
        drawn,
    )
    return drawn


@compiled()
def _draw(indptr, indices, rows, items, n_items, key, drawn):
    """Fill a line of ``drawn`` for each row and item."""
    n = drawn.shape[1]
    for line in range(len(rows)):
        history = indices[indptr[rows[line]] : indptr[rows[line] + 1]]
        n_unknown = n_items - len(history)
        counter = rows[line] * n_items + items[line]
        draw = 0
        for place in range(min(n, n_unknown)):
            if n_unknown <= n:
                drawn[line, place] = _unknown_item(history, place)
                continue
            is_new = False
            while not is_new:
                word = block(draw, counter, ZERO, key)[draw & 3]
                rank = uniform_below(word, n_unknown, draw, counter, key)
                item = _unknown_item(history, rank)
                is_new = not (drawn[line, :place] == item).any()
                draw += 1
            drawn[line, place] = item


@compiled()
def _unknown_item(history, rank):
    """Return the item of a rank, from 0, among those that an ascending history lacks."""
    low, high = 0, len(history)
    while low < high:
        middle = (low + high) // 2
        # As many items below this one are unknown.
        if history[middle] - middle <= rank:
            low = middle + 1
        else:
            high = middle
    return rank + low
