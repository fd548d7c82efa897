"""Which users groups are drawn from: a part of the parent's split, a list of ids, a sample."""

import numpy as np
from numpy.typing import NDArray

from elsa_groups.base.errors import InputError
from elsa_groups.base.philox import philox, stream_key
from elsa_groups.base.words import some_of
from elsa_groups.data.split import Split
from elsa_groups.data.user_sets import UserSet


def rows_of_set(user_set: UserSet, n_users: int, split: Split | None) -> NDArray[np.int64]:
    """Return the rows of a set of users.

    Parameters
    ----------
    user_set : UserSet
        The set.
    n_users : int
        All users.
    split : Split or None
        The parent's; needed unless the set is all.

    Returns
    -------
    (n,) int64
        Ascending.

    Raises
    ------
    InputError
        If there is no split to know the set by.
    """
    if user_set == UserSet.all:
        return np.arange(n_users)
    if split is None:
        raise InputError(
            f"user_set {user_set}: expected a parent with split.json and users.json, which say whom it was"
            " trained on, got one without; use all users, or train a parent here"
        )
    rows: NDArray[np.int64] = getattr(split, user_set.value)
    return rows


def rows_of_ids(listed: bytes, user_ids: tuple[str, ...]) -> NDArray[np.int64]:
    """Return the rows of users listed by id.

    Parameters
    ----------
    listed : bytes
        UTF-8 text, one id a line; empty lines and repeated ids count once or not at all.
    user_ids : tuple of str
        All users.

    Returns
    -------
    (n,) int64
        Ascending.

    Raises
    ------
    InputError
        If an id is no user's; names some and says how many.
    """
    try:
        lines = listed.decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise InputError(f"user_file: expected UTF-8 text, one user id a line, got {error}") from error
    ids = dict.fromkeys(line.removesuffix("\r") for line in lines)
    ids.pop("", None)
    row_of = {user: row for row, user in enumerate(user_ids)}
    if unknown := [user for user in ids if user not in row_of]:
        raise InputError(
            f"user_file: expected ids of users of the data, got {len(unknown):,} of {len(ids):,} that are"
            f" none: {some_of(unknown)}; the filter may have dropped them, leave them out"
        )
    return np.array(sorted(row_of[user] for user in ids), np.int64)


def sample_rows(rows: NDArray[np.int64], n: int, *, seed: int) -> NDArray[np.int64]:
    """Draw some of the rows without replacement: those with the smallest draws, a row's being its own.

    So a smaller sample is part of a larger one of the same seed, and the sample of a set does not depend
    on who is outside it.

    Parameters
    ----------
    rows : (n_rows,) int64
        Ascending, below 2**64.
    n : int
        How many to draw, at least 1.
    seed : int
        Seed of the draw.

    Returns
    -------
    (n,) int64
        Ascending.

    Raises
    ------
    InputError
        If there are fewer rows.
    """
    if len(rows) < n:
        raise InputError(f"user_sample: expected at most the {len(rows):,} users there are, got {n:,}")
    drawn: NDArray[np.int64] = np.sort(order_by_draws(rows, stream_key(seed, "user_sample"))[:n])
    return drawn


def order_by_draws(rows: NDArray[np.int64], key: np.uint64) -> NDArray[np.int64]:
    """Shuffle rows: each has a draw of its own, from the type and the row, by which they are ordered.

    Parameters
    ----------
    rows : (n_rows,) int64
        Ascending, below 2**64.
    key : uint64
        Philox key of the draws.

    Returns
    -------
    (n_rows,) int64
        The same rows; any two of them stand the same way round among whichever others.
    """
    counters = rows.astype(np.uint64)
    zeros, half, low = np.zeros_like(counters), np.uint64(32), np.uint64(0xFFFFFFFF)
    # In NumPy, as compiling takes longer.
    first, second, *_ = philox.py_func(zeros, zeros, counters & low, counters >> half, key)
    return rows[np.argsort(first << half | second, kind="stable")]
