"""Groups of all runs by the same thresholds, against a look at every pair."""

from itertools import combinations, product

import numpy as np
import pytest

from elsa_groups.commands.compare.comparison import BROKEN_AT_STRICTEST, compare_groups_runs, explain_counts
from elsa_groups.commands.compare.strictest import breaking_share, strictest_limits
from elsa_groups.commands.compare.trends import draw_trend
from elsa_groups.groups.family import Rule
from elsa_groups.measures.extremes import find_extremes
from elsa_groups.similarity.limits import Limits
from elsa_groups.similarity.vector_users import VectorUsers


@pytest.mark.parametrize(("within", "across"), list(product(Rule, Rule)))
@pytest.mark.parametrize("sizes", [(3,), (2, 1), (1, 1), (2, 2)])
def test_shares_are_those_of_a_look_at_every_pair(within, across, sizes, unit_rows, similarity_matrix):
    rng = np.random.default_rng(5)
    vectors = unit_rows(rng.normal(size=(30, 4)))
    exact = similarity_matrix(vectors)
    members = np.array([rng.permutation(30)[: sum(sizes)] for _ in range(40)])
    sides = np.repeat(np.arange(len(sizes)), sizes)
    # Pairs that lie on a threshold are among them.
    limits = Limits(
        exact[members[0, 0], members[0, 1]], exact[members[1, 0], members[1, 1]],
        tuple(sorted(exact[members[2, 0], members[3:5, 1]].tolist())),
    )  # fmt: skip

    def breaks(group):
        for i, j in combinations(range(len(group)), 2):
            rule = within if sides[i] == sides[j] else across
            low, high = rule.interval(limits) if rule != Rule.any else (-np.inf, np.inf)
            if not low <= exact[group[i], group[j]] <= high:
                return True
        return False

    extremes = find_extremes(VectorUsers(vectors), members, sides)
    share = breaking_share(extremes, {"within": within.name, "across": across.name}, limits)

    assert share == np.mean([breaks(group) for group in members])


def test_the_strictest_thresholds_are_those_that_meet_all():
    assert strictest_limits([Limits(0.6, 0.4), Limits(0.6, 0.4)]) is None
    assert strictest_limits([Limits(0.6, 0.4), Limits(0.7, 0.5)]) == Limits(0.7, 0.4)
    bands = [Limits(0.6, 0.4, (0.1, 0.5)), Limits(0.6, 0.4, (0.2, 0.6)), Limits(0.6, 0.4)]
    assert strictest_limits(bands) == Limits(0.6, 0.4, (0.2, 0.5))


def test_runs_are_judged_by_one_yardstick_beside_their_own(make_compared):
    runs = [make_compared(str(q), quantile=q, keys=("similar_3",)) for q in (0.5, 0.9)]
    # Similar from 0.625 and from 0.725: the first run has pairs between them.
    ends = {"within_max": np.ones(4), "across_min": np.full(4, np.nan), "across_max": np.full(4, np.nan)}
    for run, least in zip(runs, ([0.63, 0.7, 0.73, 0.8], [0.73, 0.8, 0.9, 0.95]), strict=True):
        run.extremes["similar_3"] = {"within_min": np.array(least), **ends}

    comparison = compare_groups_runs(runs)

    assert [run.value("similar_3", BROKEN_AT_STRICTEST) for run in comparison.runs] == [0.5, 0.0]
    assert "similar from 0.7250, divergent up to 0.2500" in explain_counts(comparison)
    figure = draw_trend(comparison, comparison.variation.settings[0])
    # The page has both; one yardstick is drawn.
    drawn = {axes.get_title(loc="left"): axes for axes in figure.axes}
    assert [*drawn["break the rule at the strictest thresholds"].lines[0].get_ydata()] == [0.5, 0.0]
    assert "groups that break the rule" not in drawn
    # The thresholds of other data are of other pairs.
    other = make_compared("x", quantile=0.5, data="x", keys=("similar_3",))
    assert compare_groups_runs([runs[1], other]).strictest is None
