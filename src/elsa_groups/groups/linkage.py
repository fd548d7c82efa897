"""Rule and linkage: which of a candidate's similarities to a subgroup decide, and by how much they do.

Where all similarities are at hand, whoever asks whether a candidate meets a rule asks here. The sampler's
loop (:mod:`elsa_groups.groups.joining`) stops at the first similarity that decides, and comes to the same.
"""

import numpy as np

from elsa_groups.base.compiled import compiled
from elsa_groups.groups.family import Linkage
from elsa_groups.similarity.scores import reference_similarity

_MEAN, _ALL = int(Linkage.mean), int(Linkage.all)


@compiled()
def deciding(similarities, linkage, low, high):
    """Return the lowest and the highest similarity that decide whether a candidate meets a rule.

    Parameters
    ----------
    similarities : (n_members,) float64
        Of the candidate to the members of a subgroup, in the order in which they joined; at least one.
    linkage : int
        By :class:`~elsa_groups.groups.family.Linkage`. Mean: the mean decides. All: the lowest and the
        highest. Any: the one that is nearest to the rule's interval, or deepest in it.
    low, high : float
        The rule's interval.
    """
    if linkage == _MEAN:
        total, least, most = 0.0, similarities[0], similarities[0]
        for value in similarities:
            total += value
            least, most = min(least, value), max(most, value)
        # A mean lies among what it is of: that of equal values is the value, whatever rounding makes of it.
        mean = min(most, max(least, total / similarities.shape[0]))
        return mean, mean
    lowest = highest = best = similarities[0]
    for value in similarities:
        lowest, highest = min(lowest, value), max(highest, value)
        if max(low - value, value - high) < max(low - best, best - high):
            best = value
    if linkage == _ALL:
        return lowest, highest
    return best, best


@compiled()
def slack(similarities, linkage, low, high):
    """Return by how much a candidate meets a rule; negative if it misses it. Parameters as :func:`deciding`.

    It is not negative exactly where the similarities that decide lie in the interval.
    """
    lowest, highest = deciding(similarities, linkage, low, high)
    return min(lowest - low, high - highest)


@compiled()
def deciding_of_all(kernel, members, linkage, low, high, lowest, highest):
    """Fill in the lowest and the highest similarity to some members that decide, for every user."""
    similarities = np.empty(members.shape[0])
    for user in range(lowest.shape[0]):
        for m in range(members.shape[0]):
            similarities[m] = reference_similarity(kernel, user, members[m])
        lowest[user], highest[user] = deciding(similarities, linkage, low, high)
