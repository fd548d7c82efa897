"""The least and the most similar pair of every group: by them it breaks its rule at any threshold, or not."""

import numpy as np
from numpy.typing import NDArray

from elsa_groups.similarity.users import Users

Floats = NDArray[np.float64]

# Of pairs inside subgroups and of pairs between them.
EXTREMES = ("within_min", "within_max", "across_min", "across_max")


def find_extremes(
    users: Users, members: NDArray[np.int64], subgroup_of_position: NDArray[np.int64]
) -> dict[str, Floats]:
    """Return the smallest and the largest similarity of the pairs of each group, by :data:`EXTREMES`.

    Parameters
    ----------
    users : Users
        Whose groups they are.
    members : (n_groups, size) int64 in [0, n_users)
        Numbers of ``users``.
    subgroup_of_position : (size,) int64
        Subgroup of each position.

    Returns
    -------
    dict of str to (n_groups,) float64 in [0, 1]
        NaN where a group has no such pair.

    Notes
    -----
    Cost: a similarity for each pair of members; memory: the result, a column of
    similarities and the members once more.
    """
    found = {name: np.full(len(members), np.nan) for name in EXTREMES}
    # Columns of an array would have compiled code made for them.
    of_position = np.ascontiguousarray(members.T)
    for first, second in zip(*np.triu_indices(members.shape[1], 1), strict=True):
        values = users.similarities(of_position[first], of_position[second])
        inside = subgroup_of_position[first] == subgroup_of_position[second]
        side = "within" if inside else "across"
        # NaN gives way to any number.
        np.fmin(found[f"{side}_min"], values, out=found[f"{side}_min"])
        np.fmax(found[f"{side}_max"], values, out=found[f"{side}_max"])
    return found
