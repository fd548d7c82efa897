"""What else differs between a recorded run and the present one."""

import copy

import pytest

from elsa_groups.base.nested import flatten
from elsa_groups.cli.composing import compose_settings
from elsa_groups.commands.reproduce.differences import (
    compare_absent,
    compare_copy,
    compare_files,
    compare_ids,
    compare_lineages,
    compare_types,
)
from elsa_groups.settings.plain import plain

# Where something is, and with what one works: no group follows from it.
# Settings that groups do not follow from: where things are, what computes them, what comes after.
PLACES = (
    *("data_dir", "dataset.path", "dataset.urls", "device", "parent", "threads", "user_file", "vectors"),
    "evaluate",
)

LINEAGE = {
    "schema_version": 1,
    "kind": "groups",
    "run_id": "a",
    "parent": {
        "run_id": "p",
        "model_id": "m-1",
        "checkpoint_sha256": "cd",
        "item_order": {"loss": 0.85},
    },
    "data": {
        "dataset": "LastFM1k",
        "source": {"uri": "data/file.tsv", "sha256": "ab"},
        "filter": {"min_user_interactions": 5, "min_item_interactions": 10},
        "counts": {"lines": 7, "dropped/empty": 2},
        "digest": "d",
        "users_digest": "u",
        "items_digest": "i",
        "n_users": 3,
    },
    "users": {"n_users": 3, "sha256": "us", "n_trained": None, "file_sha256": None},
    "thresholds": {
        "asked": {"similar": {"quantile": 0.9, "value": None}},
        "similar": 0.72,
        "divergent": 0.51,
        "method": "exact",
        "intervals": {},
    },
    "settings": {
        "seed": 42,
        "data_dir": "data",
        "parent": "newest",
        "threads": None,
        "device": "auto",
        "dataset": {"name": "LastFM1k", "path": None, "urls": ["http://a"]},
        "families": {"similar": {"compositions": [[3], [5]], "linkage": "mean"}},
    },
    "groups": {"similar_3": {"sha256": "ef", "shape": [75, 3]}},
    "artifacts": {"groups/similar_3.npy": "01"},
    "environment": {
        "code": {"commit": "c", "dirty": False},
        "python": "3.11.7",
        "platform": "Linux",
        "packages": {"numpy": "2.2"},
        "threads": 2,
    },
}
ABSENT = object()


def _changed(path, value):
    lineage = copy.deepcopy(LINEAGE)
    place = lineage
    for name in path[:-1]:
        place = place[name]
    if value is ABSENT:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return lineage


class TestLineages:
    def test_equal_records_differ_in_nothing(self):
        assert compare_lineages(LINEAGE, copy.deepcopy(LINEAGE)) == ()

    @pytest.mark.parametrize(
        ("path", "kind"),
        [
            ("data.digest", "input"),
            ("data.source.sha256", "input"),
            ("data.users_digest", "input"),
            ("data.items_digest", "input"),
            ("data.counts.lines", "input"),
            ("data.filter.min_user_interactions", "input"),
            ("users.sha256", "input"),
            ("parent.checkpoint_sha256", "input"),
            ("settings.seed", "input"),
            ("settings.families.similar.linkage", "input"),
            ("thresholds.similar", "threshold"),
            ("thresholds.method", "threshold"),
            ("environment.python", "environment"),
            ("environment.platform", "environment"),
            ("environment.packages.numpy", "environment"),
            ("environment.code.commit", "environment"),
            ("environment.threads", "environment"),
            ("data.source.uri", "environment"),
            ("settings.data_dir", "environment"),
            ("settings.dataset.path", "environment"),
            ("settings.dataset.urls", "environment"),
            ("settings.device", "environment"),
            ("settings.parent", "environment"),
            ("settings.threads", "environment"),
        ],
    )
    def test_an_entry_is_named_by_its_path_with_both_values_and_its_kind(self, path, kind):
        (difference,) = compare_lineages(LINEAGE, _changed(path.split("."), "other"))

        was = LINEAGE
        for name in path.split("."):
            was = was[name]
        assert (difference.name, difference.recorded, difference.present) == (path, was, "other")
        assert difference.kind == kind

    @pytest.mark.parametrize(
        "path",
        [
            "run_id",
            "parent.run_id",
            "parent.model_id",
            "groups",
            "artifacts",
            "thresholds.asked",
        ],
    )
    def test_ids_of_runs_and_what_came_out_are_not_compared(self, path):
        assert compare_lineages(LINEAGE, _changed(path.split("."), "other")) == ()

    def test_a_file_with_a_duplicate_event_less_shows_just_the_file(self):
        present = _changed(("data", "source", "sha256"), "other")
        present["data"]["counts"]["lines"] = 6

        differences = compare_lineages(LINEAGE, present)

        assert [(d.name, d.recorded, d.present, d.kind) for d in differences] == [
            ("data.source.sha256", "ab", "other", "input"),
            ("data.counts.lines", 7, 6, "input"),
        ]

    @pytest.mark.parametrize("section", ["data", "parent", "thresholds", "settings", "environment"])
    @pytest.mark.parametrize("value", [ABSENT, None])
    def test_a_missing_section_is_missing_entries(self, section, value):
        present = _changed((section,), value)

        one, other = compare_lineages(LINEAGE, present), compare_lineages(present, LINEAGE)

        assert one
        assert all(d.present is None and d.recorded is not None for d in one)
        assert all(d.name.startswith(f"{section}.") for d in one)
        assert [(d.name, d.recorded) for d in one] == [(d.name, d.present) for d in other]

    def test_an_older_record_that_says_nothing_of_users_is_not_held_against_them(self):
        assert compare_lineages(_changed(("users",), ABSENT), LINEAGE) == ()

    def test_a_missing_entry_counts_as_null(self):
        assert compare_lineages(LINEAGE, _changed(("settings", "threads"), ABSENT)) == ()
        (difference,) = compare_lineages(LINEAGE, _changed(("environment", "threads"), ABSENT))
        assert (difference.recorded, difference.present) == (2, None)

    def test_an_entry_that_became_a_section_is_named_entry_by_entry(self):
        present = _changed(("thresholds", "intervals"), {"similar": [0.7, 0.8]})

        (difference,) = compare_lineages(LINEAGE, present)

        assert (difference.name, difference.recorded, difference.present) == (
            "thresholds.intervals.similar",
            None,
            [0.7, 0.8],
        )

    def test_kinds_come_inputs_first_then_thresholds_then_environment(self):
        present = copy.deepcopy(LINEAGE)
        present["environment"]["python"] = present["thresholds"]["similar"] = "other"
        present["settings"]["seed"] = present["data"]["source"]["uri"] = "other"

        kinds = [difference.kind for difference in compare_lineages(LINEAGE, present)]

        assert kinds == ["input", "threshold", "environment", "environment"]

    def test_tuples_equal_the_lists_that_json_makes_of_them(self):
        present = _changed(("settings", "dataset", "urls"), ("http://a",))

        assert compare_lineages(LINEAGE, present) == ()


class TestBeside:
    def test_settings_that_another_copy_has_otherwise_are_named_with_their_kind(self):
        copied = copy.deepcopy(LINEAGE["settings"])
        copied["seed"], copied["threads"] = 43, 2
        copied["families"]["similar"]["linkage"] = "all"
        del copied["data_dir"]

        differences = compare_copy("settings", "config.yaml", LINEAGE["settings"], copied)

        assert [(d.name, d.recorded, d.present, d.kind) for d in differences] == [
            ("settings.seed in config.yaml", 42, 43, "input"),
            ("settings.data_dir in config.yaml", "data", None, "environment"),
            ("settings.threads in config.yaml", None, 2, "environment"),
            ("settings.families.similar.linkage in config.yaml", "mean", "all", "input"),
        ]
        assert compare_copy("settings", "config.yaml", LINEAGE["settings"], LINEAGE["settings"]) == ()

    def test_every_setting_that_is_changed_or_gone_in_the_copy_is_named_and_counts_if_groups_follow(self):
        recorded = plain(compose_settings("generate", ["dataset=Demo", "parent=p"]))
        paths = list(flatten(recorded))
        assert len(paths) > 50
        for path in paths:
            copied = copy.deepcopy(recorded)
            place = copied
            *outer, last = path.split(".")
            for name in outer:
                place = place[name]
            for change in (lambda of, name: of.update({name: "another"}), lambda of, name: of.pop(name)):
                change(place, last)
                found = compare_copy("settings", "config.yaml", recorded, copied)
                if flatten(recorded)[path] is None and last not in place:
                    assert found == ()
                    continue
                assert [each.name for each in found] == [f"settings.{path} in config.yaml"]
                assert (found[0].kind == "environment") == path.startswith(PLACES)

    def test_ids_that_one_side_lacks_are_counted_and_not_shown(self):
        (difference,) = compare_ids("users", ["a", "c", "b"], ["e", "b", "d", "f"])

        assert (difference.name, difference.kind) == ("data.users on one side only", "input")
        assert (difference.recorded, difference.present) == (2, 3)

    def test_the_same_ids_are_no_difference(self):
        assert compare_ids("users", ["a", "b"], ("a", "b")) == ()


class TestTypes:
    def test_other_candidates_and_rejections_are_named_and_what_the_record_lacks_is_not(self):
        before = {"family": "a", "sizes": [2], "candidates": 30, "rejected": {"no_duplicates": 5}}
        now = before | {"candidates": 31, "rejected": {"no_duplicates": 6}}

        found = compare_types({"a_2": before, "gone_2": before}, {"a_2": now, "new_2": now})

        assert [(d.name, d.recorded, d.present, d.kind) for d in found] == [
            ("groups.a_2.candidates", 30, 31, "artifact"),
            ("groups.a_2.rejected", {"no_duplicates": 5}, {"no_duplicates": 6}, "artifact"),
        ]
        assert compare_types({"a_2": {"family": "a", "sizes": [2]}}, {"a_2": now}) == ()

    def test_what_is_missing_of_a_type_and_why_is_compared_where_it_is_recorded(self):
        now = {"family": "a", "sizes": [2], "shape": [3, 2], "sha256": "x"}
        before = now | {"shape": [4, 2], "sha256": "y", "shortfall": 2, "no_interval": "few"}

        found = compare_types({"a_2": before}, {"a_2": now})

        assert [(d.name, d.recorded, d.present, d.kind) for d in found] == [
            ("groups.a_2.shortfall", 2, None, "artifact"),
            ("groups.a_2.no_interval", "few", None, "artifact"),
        ]

    def test_a_type_without_a_group_is_absent_for_the_recorded_reason(self):
        before, now = {"absent": {"a_2": "few", "b_2": "none", "c_2": "none"}}, {"absent": {"a_2": "many"}}
        found = compare_absent(before, now | {"absent": now["absent"] | {"c_2": "none", "d_2": "new"}})
        assert [(d.name, d.recorded, d.present, d.kind) for d in found] == [
            ("absent.a_2", "few", "many", "artifact"),
            ("absent.b_2", "none", None, "artifact"),
        ]
        assert compare_absent({}, now) == ()


class TestFiles:
    def test_a_changed_file_that_says_who_is_who_is_a_difference_of_meaning(self):
        stored = compare_files("stored", {"a": "1", "b": "2", "c": "3"}, {"a": "x", "b": "y"}, {"a", "c"})

        assert [(d.name, d.recorded, d.present, d.kind) for d in stored] == [
            ("stored a", "1", "x", "meaning"),
            ("stored b", "2", "y", "artifact"),
            ("stored c", "3", None, "artifact"),
        ]
