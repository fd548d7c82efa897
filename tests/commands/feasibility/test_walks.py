import numpy as np
import pytest

from elsa_groups.commands.feasibility import walks as module
from elsa_groups.commands.feasibility.orders import can_count_orders, count_orders
from elsa_groups.groups.family import Family, GroupType, Linkage, Rule
from elsa_groups.similarity.limits import Limits

from ...groups.plain_groups import PlainGroups
from ...one_by_one import walk

N_USERS = 8
KEYS = [
    ((4,), Rule.similar, Rule.any),
    ((3,), Rule.divergent, Rule.any),
    ((2, 1), Rule.similar, Rule.divergent),
    ((1, 2), Rule.similar, Rule.divergent),
    ((2, 1), Rule.divergent, Rule.similar),
    ((2, 1, 1), Rule.similar, Rule.divergent),
    ((2, 2), Rule.any, Rule.any),
]
every_key = pytest.mark.parametrize(
    ("sizes", "within", "across"), KEYS, ids=lambda x: str(x).replace(" ", "")
)
every_linkage = pytest.mark.parametrize("linkage", list(Linkage), ids=lambda x: x.name)


@pytest.fixture
def small(unit_rows, similarity_matrix):
    """Eight users, and who of them may be together."""
    vectors = unit_rows(np.random.default_rng(5).normal(size=(N_USERS, 3)))
    similarities = similarity_matrix(vectors)
    similar, divergent = np.quantile(similarities[np.triu_indices(N_USERS, 1)], [0.57, 0.43])

    def make(sizes, within, across, linkage):
        family = Family("kind", (sizes,), within, across, linkage, 1)
        return vectors, PlainGroups(similarities, family, sizes, float(similar), float(divergent))

    return make


def _walk(vectors, plain, n, **options):
    firsts = np.arange(n) % len(vectors)
    return walk(
        vectors, plain.family, plain.sizes, firsts, similar=plain.similar, divergent=plain.divergent,
        rng=np.random.default_rng(3), **options,
    )  # fmt: skip


def _orders(plain, members):
    of_groups = np.array([plain.similarities[np.ix_(group, group)] for group in members])
    limits = Limits(plain.similar, plain.divergent)
    return count_orders(of_groups, GroupType(plain.family, plain.sizes), limits)


@every_key
@every_linkage
def test_sequences_to_each_set_of_members_are_counted(small, sizes, within, across, linkage):
    _, plain = small(sizes, within, across, linkage)
    sequences = plain.sequences()
    groups = [sorted(group) for group in sequences]
    assert groups

    np.testing.assert_array_equal(_orders(plain, groups), list(sequences.values()))


def test_a_set_that_nothing_leads_to_has_no_orders(small):
    _, plain = small((3,), Rule.similar, Rule.any, Linkage.all)
    none = next(
        g for g in ([0, 1, 2], [0, 1, 3], [1, 2, 3], [0, 3, 5]) if frozenset(g) not in plain.sequences()
    )
    assert _orders(plain, [none]) == 0


def test_groups_too_large_to_count_are_told():
    assert can_count_orders((4, 4))
    assert can_count_orders((2, 2, 2, 2))
    assert not can_count_orders((30,))
    assert not can_count_orders((1,) * 8)


@every_key
@every_linkage
def test_the_numbers_of_sequences_and_of_sets_are_estimated_without_bias(
    small, sizes, within, across, linkage
):
    vectors, plain = small(sizes, within, across, linkage)
    sequences = plain.sequences()
    found = _walk(vectors, plain, 8_000, by_turns=False)

    orders = _orders(plain, found.members[found.complete])
    sets = np.zeros(len(found.members))
    sets[found.complete] = found.sequences[found.complete] / orders

    # Within four and a half standard errors: wrong once in 100,000 times.
    for estimate, truth in ((found.sequences, sequences.total()), (sets, len(sequences))):
        error = estimate.std() / len(estimate) ** 0.5
        assert abs(estimate.mean() - truth) <= 4.5 * error + 1e-9 * truth


@every_linkage
@pytest.mark.parametrize("within", [Rule.similar, Rule.divergent], ids=lambda x: x.name)
def test_acceptance_at_each_step_is_the_share_of_others_who_qualify(small, linkage, within):
    vectors, plain = small((4,), within, Rule.any, linkage)
    found = _walk(vectors, plain, 50)

    for members, acceptance in zip(found.members, found.acceptance, strict=True):
        for joined in range(1, 4):
            if members[joined - 1] < 0:
                break
            welcome = plain.welcome((tuple(members[:joined].tolist()),), 0)
            assert acceptance[joined - 1] == pytest.approx(len(welcome) / (N_USERS - joined))
            assert members[joined] in (welcome or [-1])


@every_linkage
def test_the_first_acceptance_of_two_subgroups_is_the_mean_of_both(small, linkage):
    vectors, plain = small((2, 1), Rule.similar, Rule.divergent, linkage)
    found = _walk(vectors, plain, N_USERS)

    for first in range(N_USERS):
        shares = [len(plain.welcome(((first,), ()), s)) / (N_USERS - 1) for s in (0, 1)]
        assert found.acceptance[first, 0] == pytest.approx(np.mean(shares))
        # A round begins with subgroup 1.
        assert found.in_vain[first, 0] == pytest.approx((1 - shares[0]) * (1 - shares[1]))


def test_a_walk_does_not_depend_on_the_batch_it_is_in(small, monkeypatch):
    vectors, plain = small((2, 2), Rule.similar, Rule.divergent, Linkage.mean)
    together = _walk(vectors, plain, 20)
    monkeypatch.setattr(module, "BYTES", 1)

    alone = _walk(vectors, plain, 20)

    for name, values in vars(together).items():
        np.testing.assert_array_equal(getattr(alone, name), values, err_msg=name)
