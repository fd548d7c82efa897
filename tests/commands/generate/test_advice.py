"""Settings that an error advises are accepted and fill the groups."""

import re

import numpy as np
import pytest

from elsa_groups.base.distributed import ONE
from elsa_groups.base.errors import InputError, Unfilled
from elsa_groups.cli.composing import compose_settings
from elsa_groups.commands.generate.drawing import draw_all
from elsa_groups.commands.generate.population import Chosen
from elsa_groups.data.load import load

ALWAYS = ["dataset=Demo", "evidence.halves=null", "baseline.n_groups=10", "threads=1", "device=cpu"]


@pytest.fixture(scope="module")
def listeners(tmp_path_factory):
    """Fifty users, and item vectors that nobody has trained."""
    data = load(
        "Demo", tmp_path_factory.mktemp("data"), min_user_interactions=5, min_item_interactions=5, n_users=50
    )
    assert data.n_users == 50
    return data, np.random.default_rng(0).standard_normal((data.n_items, 6)).astype(np.float32)


def draw(listeners, overrides):
    data, encoder = listeners
    settings = compose_settings("generate", [*ALWAYS, *overrides])
    everyone = np.arange(data.n_users)
    return draw_all(settings, data, encoder, Chosen(everyone, everyone), ONE)


def advised(listeners, overrides):
    """Each way that the error names, as overrides."""
    with pytest.raises(Unfilled) as error:
        draw(listeners, overrides)
    told = re.search(r"enough for every type: (.*)\.$", str(error.value))
    assert told, str(error.value)
    return [way.split(" ") for way in told[1].split("; or ")]


def one_family(name, rules, *more):
    seeds = [f"~families.{other}" for other in ("similar", "divergent", "opposing", "random")]
    return [*seeds, f"+families.{name}={{{rules}}}", *more]


FEW = ("sampling.max_draws=100", "sampling.max_restarts=100", "n_groups=20")
CASES = {
    "opposing": [
        *one_family("opposing", "compositions:[[2,1],[3,2]],within:similar,across:divergent", *FEW),
        *("thresholds.similar.quantile=0.999", "thresholds.divergent.quantile=0.001"),
    ],
    "similar, every pair": [
        *one_family("similar", "compositions:[[4]],within:similar,linkage:all", *FEW),
        "thresholds.similar.quantile=0.999",
    ],
    "divergent, any pair": [
        *one_family("divergent", "compositions:[[3]],within:divergent,linkage:any", *FEW),
        "thresholds.divergent.quantile=0.0",
    ],
    "divergent, filtered": [
        *one_family("divergent", "compositions:[[5]],within:divergent,linkage:all", *FEW),
        *("thresholds.divergent.quantile=0.05", "filters=distinct"),
    ],
    "values": [
        *one_family("opposing", "compositions:[[2,2]],within:similar,across:divergent", *FEW),
        *("thresholds.similar.value=0.99", "thresholds.divergent.value=0.02"),
    ],
    "band": [
        *one_family("random", "compositions:[[4]],within:band,linkage:all", *FEW),
        *("thresholds.band.low.quantile=0.5", "thresholds.band.high.quantile=0.505"),
    ],
    "paired": [
        *("families=paired", "n_groups=5", "allow_partial=false", "sampling.max_restarts=50"),
        *("thresholds.similar.quantile=0.97", "thresholds.divergent.quantile=0.01"),
    ],
    "few draws": [
        *one_family("similar", "compositions:[[3]],within:similar"),
        *("sampling.max_draws=2", "sampling.max_restarts=5", "n_groups=50"),
    ],
    "histories": [
        *one_family("similar", "compositions:[[4]],within:similar,linkage:all", *FEW),
        *("thresholds.similar.quantile=0.9995", "similarity.source=history_cosine"),
    ],
}


@pytest.mark.parametrize("case", CASES)
def test_every_way_that_is_advised_is_accepted_and_fills(case, listeners):
    ways = advised(listeners, CASES[case])
    for way in ways:
        results = draw(listeners, [*CASES[case], *way]).results
        assert all(result.groups.accounting.shortfall == 0 for result in results)


def test_what_was_asked_by_quantile_is_advised_by_quantile_too(listeners):
    names = {setting.partition("=")[0] for way in advised(listeners, CASES["opposing"]) for setting in way}
    assert any(name.endswith(".quantile") for name in names)
    assert any(name.endswith(".value") for name in names)
    by_value = {setting.partition("=")[0] for way in advised(listeners, CASES["values"]) for setting in way}
    assert not any(name.endswith(".quantile") for name in by_value)


def test_nothing_is_advised_where_nothing_helps(listeners):
    # Where all thresholds are met there are still no groups of 20 items in common.
    asked = [*CASES["similar, every pair"], "filters.min_common_items.value=500", "filters.budget=2"]
    with pytest.raises(Unfilled) as error:
        draw(listeners, asked)
    assert str(error.value).endswith("Looser thresholds were tried, and none that are accepted fill it.")


def test_what_cannot_be_is_refused_before_thresholds_are_looked_for(listeners, caplog):
    with (
        caplog.at_level("INFO"),
        pytest.raises(InputError, match=r"at most 19,600 groups of 3 from 50 users"),
    ):
        draw(listeners, ["filters=distinct", "n_groups=100000", *one_family("random", "compositions:[[3]]")])
    assert "thresholds over" not in caplog.text


def test_no_thresholds_are_advised_for_more_filtered_groups_than_can_be_tried(listeners):
    asked = [*CASES["similar, every pair"], "filters=distinct", "n_groups=5000", "sampling.max_draws=null"]
    with pytest.raises(Unfilled) as error:
        draw(listeners, [*asked, "thresholds.similar.quantile=0.9"])
    assert "thresholds." not in str(error.value)
