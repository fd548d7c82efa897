"""Lists for groups, and how good they are for each member: coupled and decoupled, as grouprec has it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from grouprec.aggregators import Aggregator, normalize_mgains
from numpy.typing import NDArray
from scipy.sparse import csr_array

from elsa_groups.commands.evaluate.measures import COUPLED, CUTOFFS, DECOUPLED, LENGTH, PER_MEMBER
from elsa_groups.commands.evaluate.scorers import Backend, Floats
from elsa_groups.commands.export.group_histories import KnownHistories

Members = NDArray[np.int64]

# Scores of members that are held at a time: 16 MiB.
_SCORES_PER_BLOCK = 2**21


@dataclass(frozen=True, eq=False)
class Material:
    """What lists are made of and judged by.

    Attributes
    ----------
    histories : KnownHistories
        Training histories and held-out items of all users.
    aggregators : mapping of str to Aggregator
        By name, in order.
    novelty : (n_items,) float64
        Of each item: minus log2 of the share of users who have it, with one more user who has all.
    """

    histories: KnownHistories
    aggregators: Mapping[str, Aggregator]
    novelty: Floats

    @classmethod
    def of(cls, histories: KnownHistories, aggregators: Mapping[str, Aggregator]) -> "Material":
        """Return what follows from histories."""
        counts = np.bincount(histories.train.indices, minlength=len(histories.items))
        n_users = int((np.diff(histories.train.indptr) > 0).sum())
        return cls(histories, aggregators, -np.log2((counts + 1) / (n_users + 1)))


def measure_groups(material: Material, backend: Backend, members: Members) -> Floats:
    """Recommend to groups by every aggregator, and measure the lists.

    Parameters
    ----------
    material : Material
        Histories and aggregators.
    backend : Backend
        Whose scores are aggregated.
    members : (n_groups, size) int64
        Rows of users.

    Returns
    -------
    (n_groups, n_aggregators, n_measures) float64
        Measures as in ``MEASURED``; NaN where no member has a held-out item.
    """
    found = [_measure_block(material, backend, block) for block in _blocks(material, members)]
    return np.concatenate(found)


def _blocks(material: Material, members: Members) -> Iterator[Members]:
    """Yield some groups at a time, so that few scores are held."""
    step = max(1, _SCORES_PER_BLOCK // (len(material.novelty) * members.shape[1]))
    for first in range(0, len(members), step):
        yield members[first : first + step]


def _measure_block(material: Material, backend: Backend, members: Members) -> Floats:
    users, places = np.unique(members, return_inverse=True)
    places = places.reshape(members.shape)
    scores = np.asarray(backend.score(users.tolist()), np.float64)
    histories = material.histories
    lists = make_lists(material.aggregators, scores, places, histories.train[users])
    targets = histories.test[users].toarray() > 0
    per_member = {
        COUPLED: judge_lists(lists, targets.astype(np.float64), targets, places),
        DECOUPLED: judge_lists(lists, np.maximum(scores, 0.0), top_of(scores), places),
    }
    judged = [over_members(per_member[of][m]) for of in (COUPLED, DECOUPLED) for m in range(len(PER_MEMBER))]
    novelty = [_mean_of_list(material.novelty, lists[:, :, :k])[..., None] for k in CUTOFFS]
    return np.concatenate([*judged, *novelty], axis=2)


def make_lists(
    aggregators: Mapping[str, Aggregator], scores: Floats, places: Members, train: csr_array
) -> Members:
    """Return the items that each aggregator recommends to each group, as grouprec's ``evaluate`` does.

    Scores of each member are scaled to [0, 1] first, and items in any member's training history are excluded.

    Parameters
    ----------
    aggregators : mapping of str to Aggregator
        In order.
    scores : (n_users, n_items) float64
        Of each user.
    places : (n_groups, size) int64
        Members, as rows of the scores.
    train : csr_array, shape (n_users, n_items)
        Training histories of the same users.

    Returns
    -------
    (n_groups, n_aggregators, 20) int64
        Items, best first; -1 where a list is shorter.
    """
    scaled = normalize_mgains(scores, "minmax")
    lists = np.full((len(places), len(aggregators), LENGTH), -1, np.int64)
    for group, rows in enumerate(places):
        histories = [train.indices[train.indptr[row] : train.indptr[row + 1]] for row in rows]
        of_members, seen = scaled[rows], np.unique(np.concatenate(histories)).tolist()
        for number, aggregator in enumerate(aggregators.values()):
            items = aggregator.aggregate(of_members, LENGTH, exclude=seen)
            lists[group, number, : len(items)] = items
    return lists


def top_of(scores: Floats) -> NDArray[np.bool_]:
    """Return which items each user ranks first, at 10 and at 20, shape (2, n_users, n_items).

    Equal scores are ranked by ascending item, as grouprec does.
    """
    order = np.argsort(-scores, axis=1, kind="stable")
    top = np.zeros((len(CUTOFFS), *scores.shape), np.bool_)
    for place, k in enumerate(CUTOFFS):
        np.put_along_axis(top[place], order[:, :k], values=True, axis=1)
    return top


def judge_lists(lists: Members, gains: Floats, relevant: NDArray[np.bool_], places: Members) -> list[Floats]:
    """Return nDCG and recall at 10 and 20 of each list for each member.

    Parameters
    ----------
    lists : (n_groups, n_aggregators, 20) int64
        From :func:`make_lists`.
    gains : (n_users, n_items) float64 >= 0
        What each item is worth to each user.
    relevant : bool, (n_users, n_items), or (2, n_users, n_items)
        Which items recall counts; for each cutoff, if they differ.
    places : (n_groups, size) int64
        Members, as rows of the gains.

    Returns
    -------
    list of (n_groups, n_aggregators, size) float64
        nDCG at 10 and 20, recall at 10 and 20; NaN for members to whom no item is relevant.
    """
    per_cutoff = np.broadcast_to(relevant, (len(CUTOFFS), *gains.shape))
    discount = 1.0 / np.log2(np.arange(2, LENGTH + 2))
    items, there = lists[:, :, None, :], lists[:, :, None, :] >= 0
    rows = places[:, None, :, None]
    gained = np.where(there, gains[rows, items], 0.0) * discount
    best = -np.sort(-gains, axis=1)[:, :LENGTH]
    ndcg, recall = [], []
    for k, counted in zip(CUTOFFS, per_cutoff, strict=True):
        n_relevant = counted.sum(axis=1)[places][:, None, :]
        ideal = (best[:, :k] @ discount[: best[:, :k].shape[1]])[places][:, None, :]
        hits = (counted[rows, items] & there)[..., :k].sum(axis=3)
        with np.errstate(invalid="ignore", divide="ignore"):
            of_ideal = np.where(ideal > 0.0, gained[..., :k].sum(axis=3) / ideal, 0.0)
            ndcg.append(np.where(n_relevant > 0, of_ideal, np.nan))
            recall.append(hits / np.where(n_relevant > 0, n_relevant, np.nan))
    return ndcg + recall


def over_members(values: Floats) -> Floats:
    """Return mean, min, min / max and Jain's index over members, those with NaN left out.

    Where no member gets anything, the last two are 0 as in grouprec: nobody is served, and none of the lists
    is called fair.

    Parameters
    ----------
    values : (n_groups, n_aggregators, size) float64
        Of each member.

    Returns
    -------
    (n_groups, n_aggregators, 4) float64
        NaN where no member counts.
    """
    counted = ~np.isnan(values)
    n = np.where(counted.any(axis=2), counted.sum(axis=2), np.nan)
    zeroed = np.where(counted, values, 0.0)
    total, squares = zeroed.sum(axis=2), (zeroed**2).sum(axis=2)
    least = np.where(counted, values, np.inf).min(axis=2) + 0.0 * n
    most = zeroed.max(axis=2) + 0.0 * n
    with np.errstate(invalid="ignore", divide="ignore"):
        minmax = np.where(most > 0.0, least / most, 0.0 * n)
        jain = np.where(squares > 0.0, total**2 / (n * squares), 0.0 * n)
    return np.stack([total / n, least, minmax, jain], axis=2)


def _mean_of_list(values: Floats, lists: Members) -> Floats:
    """Return the mean of a value over the items of each list, 0 of an empty one."""
    there = lists >= 0
    total = np.where(there, values[lists], 0.0).sum(axis=2)
    return np.asarray(total / np.maximum(there.sum(axis=2), 1))
