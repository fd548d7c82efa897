"""Drawing groups until filters have kept as many as wanted."""

import numpy as np
from scipy.sparse import csr_array

from benchmarks.harness import Options, Row, alternate, main, seconds
from benchmarks.people import KEYS, SEED, generated_users, thresholds_of
from elsa_groups.base.runtime import Runtime
from elsa_groups.base.threads import available_threads
from elsa_groups.groups.candidates import Lookup
from elsa_groups.groups.filters import (
    NO_FILTERS,
    CommonItemsScope,
    DistinctFirst,
    Filters,
    MaxMemberOverlap,
    MaxPairSimilarity,
    MaxParticipation,
    MaxRecommendationOverlap,
    MinCommonItems,
    MinHistory,
    MinPairSimilarity,
    NoDuplicates,
)
from elsa_groups.groups.groups import Groups
from elsa_groups.groups.rejection import draw_kept_groups
from elsa_groups.groups.sampler import Law
from elsa_groups.similarity.vector_users import VectorUsers

ALL_BUT_DISJOINT = Filters(
    min_history=MinHistory(20),
    min_pair_similarity=MinPairSimilarity(0.55),
    max_pair_similarity=MaxPairSimilarity(0.99),
    min_common_items=MinCommonItems(2, CommonItemsScope.half),
    max_recommendation_overlap=MaxRecommendationOverlap(0.8),
    no_duplicates=NoDuplicates(True),
    distinct_first=DistinctFirst(True),
    max_participation=MaxParticipation(5),
    max_member_overlap=MaxMemberOverlap(0.34),
)
_N_ITEMS, _MEAN_HISTORY, _TOP = 13_794, 150, 20


def generated_tastes(n_users: int) -> Lookup:
    """Histories of gamma lengths, items by Zipf's law; top items drawn among the most popular."""
    rng = np.random.default_rng(7)
    lengths = np.maximum(rng.gamma(2.0, _MEAN_HISTORY / 2, n_users).astype(np.int64), 5)
    users = np.repeat(np.arange(n_users), lengths)
    items = np.floor(_N_ITEMS ** rng.random(len(users))).astype(np.int64) - 1
    histories = csr_array((np.ones(len(users), np.float32), (users, items)), shape=(n_users, _N_ITEMS))
    histories.sum_duplicates()
    top = np.array([rng.choice(400, _TOP, replace=False) for _ in range(n_users)])
    return Lookup(histories, top_items=top)


def all_filters_20_000(options: Options) -> list[Row]:
    n_users, n_groups, threads = 20_000, 1_000 if options.quick else 10_000, available_threads()
    users, lookup = VectorUsers(generated_users(n_users)), generated_tastes(n_users)
    runtime = Runtime(threads)
    law = Law(thresholds_of(users, runtime).limits, SEED)

    def draw(filters: Filters, count: int = n_groups) -> Groups:
        return draw_kept_groups(users, KEYS[0].asking_for(count), law, filters, lookup, runtime=runtime)

    draw(ALL_BUT_DISJOINT, 10)
    timing = alternate(lambda: draw(ALL_BUT_DISJOINT), lambda: draw(NO_FILTERS), rounds=3)
    kept = draw(ALL_BUT_DISJOINT).accounting
    return [
        Row(
            f"{n_groups:,} groups of three of {kept.candidates:,} drawn, all filters but disjoint,"
            f" N = {n_users:,}; minutes",
            seconds(timing.ours),
            f"{seconds(timing.against)} without filters",
            timing.ours / 60,
            at_most=1.0,
            peak=timing.peak,
        )
    ]


CASES = (all_filters_20_000,)

if __name__ == "__main__":
    main(*CASES)
