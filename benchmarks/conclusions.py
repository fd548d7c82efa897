"""How often random groups of two seeds lead to the same conclusion about aggregators: a control.

Prints a table: python -m benchmarks.conclusions [--seeds 40] [--data-dir data] [--dataset LastFM1k]
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from tqdm import tqdm

from elsa_groups.cli.composing import compose_settings
from elsa_groups.commands.evaluate.leaders import Order, Values, find_orders
from elsa_groups.commands.evaluate.measures import HEADLINES
from elsa_groups.commands.evaluate.measuring import Material, Members, measure_groups
from elsa_groups.commands.evaluate.scorers import find_aggregators, find_backends
from elsa_groups.commands.export.group_histories import known_histories
from elsa_groups.commands.export.plain import Exported
from elsa_groups.commands.inputs import load_interactions
from elsa_groups.data.interactions import Interactions
from elsa_groups.data.split import hold_out
from elsa_groups.measures.jackknife import random_halves, share_of_half
from elsa_groups.settings.commands import Recommender

# As an evaluation does by default, and one of them by two names.
AGGREGATORS = ("ADD", "AVG", "LMS", "MPL", "AVGNM", "FAI", "GreedyLM", "GFAR", "EPFuzzDA")
TWINS = {"ADD", "AVG"}
SIZE, N_GROUPS, HALVES, GROUPS_OF_HALF = 3, 75, 25, 30
# Standard errors of a 95% interval.
REACH = 1.96


def random_groups(users: Members, n_groups: int, rng: np.random.Generator) -> Members:
    """Draw groups of different users uniformly, as the family random does."""
    return np.array([rng.choice(users, SIZE, replace=False) for _ in range(n_groups)])


def evaluate_seed(data: Interactions, seed: int) -> dict[str, Order]:
    """Return the orders by nDCG@20 of random groups: groups and held-out items follow from the seed."""
    everyone = np.arange(data.n_users)
    train, test = hold_out(data.matrix, everyone, target_ratio=0.2, seed=seed)
    exported = Exported(
        data.dataset, "all", data.user_ids, data.item_ids, train, test, {}, None, seed
    )  # fmt: skip
    histories = known_histories(exported, everyone)
    backends, _ = find_backends([Recommender.EASE], histories, None, seed=seed)
    material, backend = Material.of(histories, find_aggregators(AGGREGATORS)), backends["EASE"]
    rng = np.random.default_rng(seed)
    groups = [random_groups(everyone, N_GROUPS, rng)]
    halves = random_halves(data.n_users, HALVES, seed=seed)
    groups += [random_groups(half, GROUPS_OF_HALF, rng) for half in halves]
    values = measure_groups(material, backend, np.concatenate(groups))
    whole, *parts = np.split(values, np.cumsum([len(part) for part in groups])[:-1])
    of = Values("random_3", ("random_3",), {"EASE": whole}, {"EASE": tuple(parts)})
    orders = find_orders(of, AGGREGATORS, share_of_half(data.n_users))
    return {order.measured.protocol: order for order in orders if order.measured in HEADLINES}


def told(order: Order) -> dict[tuple[str, str], int]:
    """Return the pairs that are told apart: 1 where the first is the better, -1 where the second is."""
    found = ((each.first, each.second, each) for each in order.differences if each.is_told)
    return {(first, second): 1 if each.mean > 0 else -1 for first, second, each in found}


@dataclass(frozen=True)
class Agreement:
    """How two seeds agree.

    Attributes
    ----------
    contradicts : bool
        Whether a pair is told one way by one seed, and the other way by the other.
    leader_denied : bool
        Whether the aggregator of the highest mean by one seed is told to be below another by the other.
    within : float
        Share of the pairs of aggregators whose two differences are as near as their standard errors say that
        independent ones would be in 95% of cases.
    """

    contradicts: bool
    leader_denied: bool
    within: float

    @property
    def is_same(self) -> bool:
        """Whether the conclusion is the same within intervals."""
        return not self.contradicts and not self.leader_denied


def is_denied(leader: str, order: Order) -> bool:
    """Whether an order tells that an aggregator is below another."""
    apart = [each for each in order.differences if leader in (each.first, each.second) and each.is_told]
    return any(each.seen_from(leader).mean < 0 for each in apart)


def agree(first: Order, second: Order) -> Agreement:
    """Compare what two seeds say of the same aggregators."""
    one, other = told(first), told(second)
    contradicts = any(other.get(pair, side) != side for pair, side in one.items())
    denied = is_denied(first.leader, second) or is_denied(second.leader, first)
    pairs = zip(first.differences, second.differences, strict=True)
    within = [
        abs(a.mean - b.mean) <= REACH * float(np.hypot(a.error, b.error))
        for a, b in pairs
        if a.error is not None and b.error is not None
    ]
    return Agreement(contradicts, denied, float(np.mean(within)))


def rows_of(orders: Sequence[dict[str, Order]]) -> Iterator[tuple[str, ...]]:
    """Yield a line of the table for each protocol."""
    for protocol in orders[0]:
        each = [of[protocol] for of in orders]
        found = [agree(a, b) for a, b in combinations(each, 2)]
        n_told = np.mean([len(told(order)) for order in each])
        twins = sum({*pair} == TWINS for order in each for pair in told(order))
        shares = [
            np.mean([getattr(of, name) for of in found]) for name in ("is_same", "contradicts", "within")
        ]
        counts = (f"{len(each)}", f"{len(found)}", f"{n_told:.1f}")
        yield (protocol, *counts, *(f"{share:.1%}" for share in shares), f"{twins}")


def main() -> None:
    """Evaluate random groups of many seeds, and compare every two."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=40)
    parser.add_argument("--data-dir", type=Path, default=Path("data"))
    parser.add_argument("--dataset", default="LastFM1k")
    asked = parser.parse_args()
    settings = compose_settings("generate", [f"dataset={asked.dataset}", f"data_dir={asked.data_dir}"])
    data = load_interactions(settings.dataset, settings.data_dir)
    orders = [evaluate_seed(data, seed) for seed in tqdm(range(1, asked.seeds + 1))]
    n_pairs = len(AGGREGATORS) * (len(AGGREGATORS) - 1) // 2
    columns = (
        *("protocol", "seeds", "pairs of seeds", f"told apart, of {n_pairs}", "same conclusion"),
        *("contradict", "differences as near as 95% intervals say", "ADD and AVG told apart"),
    )
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    for row in rows_of(orders):
        print(f"| {' | '.join(row)} |")


if __name__ == "__main__":
    main()
