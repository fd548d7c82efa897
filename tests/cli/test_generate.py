import pytest

from elsa_groups.cli.generate import _run_name


@pytest.mark.parametrize(
    ("similar", "divergent", "name"),
    [
        ((0.9, None), (0.1, None), "groups q0.90/0.10 seed 7"),
        ((0.975, None), (0.025, None), "groups q0.975/0.025 seed 7"),
        ((0.9, 0.7), (0.1, None), "groups =0.70/q0.10 seed 7"),
        ((0.9, None), (0.1, 0.45), "groups q0.90/=0.45 seed 7"),
    ],
)
def test_a_run_is_named_after_its_thresholds_and_seed(similar, divergent, name):
    thresholds = {
        which: dict(zip(("quantile", "value"), target, strict=True))
        for which, target in (("similar", similar), ("divergent", divergent))
    }
    assert _run_name({"thresholds": thresholds, "seed": 7}) == name
