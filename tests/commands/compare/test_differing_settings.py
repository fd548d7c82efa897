"""What differs between records, value by value."""

import pytest

from elsa_groups.commands.compare.differing_settings import ABSENT, Varying, find_variation, order_of_runs


def varying(entries) -> dict:
    return {entry.name: entry.values for entry in entries}


def variation(make_compared, *changes):
    return find_variation([make_compared(str(n), **change).lineage for n, change in enumerate(changes)])


def test_the_same_records_differ_in_nothing(make_compared):
    found = variation(make_compared, {}, {}, {})
    assert (found.settings, found.sources, found.surroundings) == ((), (), ())


def test_settings_sources_and_surroundings_are_told_apart(make_compared):
    found = variation(
        make_compared, {}, {"quantile": 0.8, "linkage": "all"}, {"data": "b", "model": "a", "commit": "1"}
    )

    assert varying(found.settings) == {
        "thresholds.similar.quantile": (0.9, 0.8, 0.9),
        "families.similar.linkage": ("mean", "all", "mean"),
        "families.opposing.linkage": ("mean", "all", "mean"),
        "families.random.linkage": ("mean", "all", "mean"),
    }
    assert varying(found.sources) == {
        "data.digest": ("d" * 64, "d" * 64, "b" * 64),
        "parent.run_id": ("c" * 32, "c" * 32, "a" * 32),
        "parent.checkpoint_sha256": ("c" * 64, "c" * 64, "a" * 64),
    }
    assert varying(found.surroundings) == {"environment.code.commit": ("0" * 40, "0" * 40, "1" * 40)}


def test_numbers_of_groups_that_families_take_from_the_run_are_told_once(make_compared):
    found = variation(make_compared, {"n_groups": 10}, {"n_groups": 20})
    assert varying(found.settings) == {"n_groups": (10, 20)}


def test_a_number_of_groups_of_one_family_alone_is_told(make_compared):
    lineages = [make_compared(str(n)).lineage for n in range(2)]
    lineages[1]["settings"]["families"]["similar"]["n_groups"] = 50
    assert varying(find_variation(lineages).settings) == {"families.similar.n_groups": (10, 50)}


def test_what_a_run_lacks_is_absent_and_null_is_a_value(make_compared):
    lineages = [make_compared(str(n)).lineage for n in range(2)]
    del lineages[0]["settings"]["families"]["random"]
    lineages[1]["settings"]["thresholds"]["similar"]["value"] = 0.75
    found = varying(find_variation(lineages).settings)
    assert found["families.random.within"] == (ABSENT, "any")
    assert found["thresholds.similar.value"] == (None, 0.75)


def test_places_and_means_are_no_settings(make_compared):
    lineages = [make_compared(str(n)).lineage for n in range(2)]
    lineages[1]["settings"] |= {"threads": 4}
    found = find_variation(lineages)
    assert found.settings == ()
    assert varying(found.surroundings) == {"settings.threads": (None, 4)}


def test_numbers_typed_otherwise_are_the_same_and_truth_is_none(make_compared):
    lineages = [make_compared(str(n)).lineage for n in range(2)]
    lineages[0]["settings"] |= {"one": 1, "yes": True}
    lineages[1]["settings"] |= {"one": 1.0, "yes": 1}
    assert varying(find_variation(lineages).settings) == {"yes": (True, 1)}


@pytest.mark.parametrize(
    ("name", "values", "numeric"),
    [
        ("thresholds.similar.quantile", (0.9, 1), True),
        ("seed", (1, 2), False),
        ("pin", (True, False), False),
        ("sampling.max_draws", (None, 5), False),
        ("families.similar.linkage", ("all", "any"), False),
    ],
)
def test_settings_on_a_scale_are_numbers_but_for_seeds(name, values, numeric):
    assert Varying(name, values).is_numeric == numeric


def test_runs_are_ordered_by_numbers_before_texts_and_else_as_they_came():
    settings = [Varying("a", (10, 9.5, "x", 9.5, None)), Varying("b", (1, 1, 1, 0, 1))]
    assert order_of_runs(settings, 5) == [3, 1, 0, 4, 2]
    assert order_of_runs([], 3) == [0, 1, 2]
