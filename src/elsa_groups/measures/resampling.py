"""Users drawn anew: random halves of them, and random members as active as those of given groups."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from elsa_groups.base.compiled import compiled
from elsa_groups.base.philox import block, stream_key, uniform_below

Integers = NDArray[np.int64]

_CLASSES = 10
# Users of a half at most: what is drawn from it is to take no longer the more users there are.
_HALF_UP_TO = 5_000


def size_of_half(n_users: int) -> int:
    """Return how many users a half of them has: of more than 10,000 a half is 5,000."""
    return min(n_users // 2, _HALF_UP_TO)


def share_of_half(n_users: int) -> float:
    """Return the share of the users who are in a half of them, in (0, 0.5]."""
    return size_of_half(n_users) / n_users


def random_halves(n_users: int, count: int, *, seed: int) -> Iterator[Integers]:
    """Yield random halves of the users, ascending rows without replacement; see :func:`size_of_half`."""
    key = stream_key(seed, "halves")
    for half in range(count):
        words = np.empty(n_users, np.uint64)
        _words(half, key, words)
        # Stable, so that the half is the same whatever the sort.
        yield np.sort(np.argsort(words, kind="stable")[: size_of_half(n_users)])


@compiled()
def _words(group, key, words):
    for user in range(words.shape[0]):
        words[user] = block(user, group, 0, key)[user & 3]


def match_activity(
    members: Integers, activity: Integers, *, seed: int, key: str, n_groups: int
) -> NDArray[np.int64]:
    """Replace each member by a random user of the same tenth of activity.

    Users in order of activity, equal ones by row, are cut into ten classes of equal size, or as many as
    leave a class more users than a group has members. Each member of groups 0, 1, ..., round and round, is
    replaced by a user drawn uniformly from its class who is not in the new group yet. So the new groups are
    random but for the activity of who is together.

    Parameters
    ----------
    members : (n, size) int64 in [0, n_users)
        Groups to be matched.
    activity : (n_users,) int64
        Items in each user's history.
    seed : int
        With the key it fixes every draw.
    key : str
        Key of the groups.
    n_groups : int
        Random groups wanted.

    Returns
    -------
    (n_groups, size) int64
        Nobody twice in a group.
    """
    n_users, size = len(activity), members.shape[1]
    n_classes = max(1, min(_CLASSES, n_users // size))
    order = np.argsort(activity, kind="stable")
    starts = np.linspace(0, n_users, n_classes + 1).astype(np.int64)
    class_of = np.empty(n_users, np.int64)
    class_of[order] = np.repeat(np.arange(n_classes), np.diff(starts))
    matched = np.empty((n_groups, size), np.int64)
    _match(members, class_of, order, starts, stream_key(seed, "activity", key), matched)
    return matched


@compiled()
def _match(members, class_of, order, starts, key, matched):
    for g in range(matched.shape[0]):
        draw = 0
        for i in range(matched.shape[1]):
            c = class_of[members[g % members.shape[0], i]]
            new = False
            while not new:
                word = block(draw, g, 0, key)[draw & 3]
                user = order[starts[c] + uniform_below(word, starts[c + 1] - starts[c], draw, g, key)]
                draw += 1
                new = True
                for j in range(i):
                    new = new and matched[g, j] != user
            matched[g, i] = user
