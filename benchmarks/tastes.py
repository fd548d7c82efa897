"""What members have in common: a hundred thousand groups, and the top items of many users."""

import numpy as np
from scipy.sparse import csr_array

from benchmarks.harness import Options, Row, clock, main, seconds
from benchmarks.people import DIM, generated_users
from elsa_groups.base.threads import available_threads
from elsa_groups.measures.tastes import TOP, Profiles, measure_tastes
from elsa_groups.model.recommendations import top_items
from elsa_groups.model.vectors import unit_rows

_ITEMS, _LENGTH = 15_000, 100


def generated_histories(n_users: int) -> csr_array:
    """Draw histories of a hundred items each, popular ones more often."""
    rng = np.random.default_rng(3)
    items = (_ITEMS * rng.random((n_users, _LENGTH)) ** 2).astype(np.int64)
    users = np.repeat(np.arange(n_users), _LENGTH)
    histories = csr_array((np.ones(users.size, np.float32), (users, items.ravel())), shape=(n_users, _ITEMS))
    histories.sort_indices()
    return histories


def tastes_of_100_000_groups(options: Options) -> list[Row]:
    """Measure groups of five, the users' top items being there."""
    n_users, n_groups = 20_000, 10_000 if options.quick else 100_000
    rng = np.random.default_rng(4)
    histories = generated_histories(n_users)
    top = np.argsort(rng.random((n_users, 200)), axis=1)[:, :TOP].astype(np.int32)
    members = np.argsort(rng.random((n_groups, 40)), axis=1)[:, :5] + rng.integers(
        0, n_users - 40, (n_groups, 1)
    )
    profiles = Profiles.of(histories, top)
    measure_tastes(profiles, members[:10], (3, 2))
    took = clock(lambda: measure_tastes(profiles, members, (3, 2)))
    return [Row(f"tastes of {n_groups:,} groups of 5", seconds(took), "10 s", took / 10.0, at_most=1.0)]


def top_items_20_000(options: Options) -> list[Row]:
    """Rank for users of many items, beside the product alone."""
    n_users, threads = 2_000 if options.quick else 20_000, available_threads()
    histories, vectors = generated_histories(n_users), generated_users(n_users)
    encoder = unit_rows(np.random.default_rng(5).standard_normal((_ITEMS, DIM)))
    top_items(vectors[:10], encoder, histories[:10], TOP)
    ours = clock(lambda: top_items(vectors, encoder, histories, TOP, threads=threads))
    product = clock(lambda: [vectors[i : i + 500] @ encoder.T for i in range(0, n_users, 500)])
    name = f"top items of {n_users:,} users, {_ITEMS:,} items, d = {DIM}"
    return [Row(name, seconds(ours), f"{seconds(product)}, the product alone", ours / product)]


CASES = (tastes_of_100_000_groups, top_items_20_000)

if __name__ == "__main__":
    main(*CASES)
