"""Drawing groups until filters have kept as many as wanted."""

from dataclasses import replace

import numpy as np
from scipy.sparse import csr_array

from benchmarks.harness import Options, Row, alternate, main, seconds
from benchmarks.people import FAMILIES, generated_users, thresholds_of
from elsa_groups.base.threads import available_threads
from elsa_groups.groups.family import Groups
from elsa_groups.groups.filters import Filters, Lookup
from elsa_groups.groups.rejection import NO_FILTERS, draw_kept_groups

ALL_BUT_DISJOINT = Filters(
    min_history=20,
    min_pair_similarity=0.55,
    max_pair_similarity=0.99,
    min_common_items=2,
    common_items_scope="half",
    max_recommendation_overlap=0.8,
    no_duplicates=True,
    distinct_first=True,
    max_participation=5,
    max_member_overlap=0.34,
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
    vectors, lookup = generated_users(n_users), generated_tastes(n_users)
    limits = thresholds_of(vectors, threads=threads)

    def draw(filters: Filters, count: int = n_groups) -> Groups:
        return draw_kept_groups(
            vectors, replace(FAMILIES[0], n_groups=count), (3,), filters=filters, lookup=lookup, seed=42,
            similar=limits.similar, divergent=limits.divergent, threads=threads,
        )  # fmt: skip

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
