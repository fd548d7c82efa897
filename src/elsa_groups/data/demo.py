"""Generated listeners with planted tastes: data for a first run and for tests, without any file."""

import hashlib
import json
from pathlib import Path

import numpy as np

from elsa_groups.base.errors import InputError
from elsa_groups.data.interactions import Source
from elsa_groups.data.pairs import Pairs, Reading

VERSION = 1
GENRES = ("Ambient", "Bluegrass", "Cumbia", "Dub", "Electro", "Flamenco", "Gospel", "Hip-hop")
_SEED = 20250101
_LOYALTY = 0.9  # share of a user's taste that goes to the user's own communities
_MIXED_EVERY = 10  # one user in ten is between two communities
_SHORTEST, _MEDIAN, _LONGEST = 20, 45, 120  # distinct items in a history
_FEWEST = {"n_users": len(GENRES), "n_items": 2 * _LONGEST}


def read_demo(folder: Path, *, n_users: int = 1000, n_items: int = 2000) -> Reading:
    """Plan the generated data.

    Parameters
    ----------
    folder : Path
        Not used: there are no files.
    n_users, n_items : int
        Size of the catalogue and of its audience; items that nobody chose vanish.

    Returns
    -------
    Reading
        The same pairs each time; `communities` says who belongs where.

    Raises
    ------
    InputError
        A size is too small to hold the communities.
    """
    for name, size in (("n_users", n_users), ("n_items", n_items)):
        if isinstance(size, bool) or not isinstance(size, int) or size < _FEWEST[name]:
            raise InputError(
                f"{name}: expected an integer of at least {_FEWEST[name]}, got {size!r}; raise it"
            )
    settings = json.dumps([VERSION, _SEED, n_users, n_items, len(GENRES), _LOYALTY, _MIXED_EVERY])
    source = Source("generated:Demo", hashlib.sha256(settings.encode()).hexdigest())
    return Reading(lambda: source, lambda: _generate(n_users, n_items), cached=False)


def communities(n_users: int = 1000) -> dict[str, tuple[int, ...]]:
    """Return the planted communities of each user: one, or two for a user in between.

    Parameters
    ----------
    n_users : int
        As given to the reader.

    Returns
    -------
    dict of str to tuple of int
        User id to places in `GENRES`, the home community first.
    """
    return {_user_id(user, n_users): _communities_of(user) for user in range(n_users)}


def _communities_of(user: int) -> tuple[int, ...]:
    turn, home = divmod(user, len(GENRES))
    mixed_turn, last = divmod(turn, _MIXED_EVERY)
    if last != _MIXED_EVERY - 1:
        return (home,)
    return home, (home + 1 + mixed_turn % (len(GENRES) - 1)) % len(GENRES)


def _generate(n_users: int, n_items: int) -> Pairs:
    rng = np.random.default_rng(_SEED)
    genre = np.arange(n_items) % len(GENRES)
    place = np.arange(n_items) // len(GENRES)
    popularity = 1 / (place + 10.0) ** 0.8  # a long tail within each community
    popularity /= popularity.sum()
    lengths = np.clip(rng.lognormal(np.log(_MEDIAN), 0.45, n_users), _SHORTEST, _LONGEST).astype(np.int64)
    chosen = []
    for user, length in enumerate(lengths):
        own = np.isin(genre, _communities_of(user))
        taste = popularity * np.where(own, _LOYALTY / popularity[own].sum(), 1 - _LOYALTY)
        # Gumbel noise: the largest are a draw without replacement by taste
        keys = np.log(taste) + rng.gumbel(size=n_items)
        chosen.append(np.sort(np.argpartition(-keys, length)[:length]))
    user_ids = tuple(_user_id(user, n_users) for user in range(n_users))
    item_ids = tuple(f"item-{item:0{len(str(n_items))}d}" for item in range(n_items))
    names = tuple(f"{GENRES[g]} No. {p + 1}" for g, p in zip(genre, place, strict=True))
    counts = {"read/pairs": int(lengths.sum())}
    return Pairs(
        np.repeat(np.arange(n_users), lengths), np.concatenate(chosen), user_ids, item_ids, names, counts
    )


def _user_id(user: int, n_users: int) -> str:
    return f"user-{user:0{len(str(n_users))}d}"
