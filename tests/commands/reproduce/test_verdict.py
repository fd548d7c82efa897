import copy
import json

import numpy as np
import pytest

from elsa_groups.base.files import write_json
from elsa_groups.commands.reproduce.replay import Replay
from elsa_groups.commands.reproduce.verdict import (
    KeyVerdict,
    Reproduction,
    Verdict,
    compare_files,
    compare_ids,
    compare_lineages,
    compare_settings,
    judge_groups,
)

NEAR = Replay(explained=True, margin=3e-7, turned=1, position=None, complete=True)
FAR = Replay(explained=False, margin=4e-4, turned=2, position=2, complete=True)
NOWHERE = Replay(explained=False, margin=None, turned=0, position=0, complete=True)


def _members(n_groups=75, size=3):
    return np.arange(n_groups * size).reshape(n_groups, size)


def _with(members, *groups):
    """The same with another last member in some groups."""
    members = members.copy()
    members[list(groups), -1] += 1000
    return members


class Explainer:
    """Explains groups as told, and remembers what it was asked."""

    def __init__(self, replays=None, default=NEAR):
        self.replays, self.default, self.asked = replays or {}, default, []

    def __call__(self, key, group, recorded):
        self.asked.append((key, group, recorded.tolist()))
        return self.replays.get(group, self.default)


class TestKeys:
    def test_equal_members_are_identical_and_nothing_is_asked(self):
        explain = Explainer()

        (key,) = judge_groups({"similar_3": _members()}, {"similar_3": _members()}, explain)

        assert key == KeyVerdict("similar_3", Verdict.identical, (75, 3), (75, 3), 0)
        assert explain.asked == []
        assert key.text() == "similar_3: identical, 75 groups"

    def test_groups_that_near_decisions_explain_are_equivalent(self):
        recorded, explain = _members(), Explainer({7: Replay(True, 6e-7, 2, None, True)})

        (key,) = judge_groups({"similar_3": recorded}, {"similar_3": _with(recorded, 4, 7)}, explain)

        assert (key.verdict, key.n_differing, key.margin) == (Verdict.equivalent, 2, 6e-7)
        assert explain.asked == [("similar_3", 4, [12, 13, 14]), ("similar_3", 7, [21, 22, 23])]
        first = key.groups[0]
        assert (first.group, first.recorded, first.regenerated) == (4, (12, 13, 14), (12, 13, 1014))
        assert (first.positions, first.replay) == ((2,), NEAR)
        assert key.text() == (
            "similar_3: equivalent, 2 of 75 groups differ, by decisions within 6.0e-07 of a threshold"
        )

    def test_one_unexplained_group_makes_a_key_different(self):
        recorded, explain = _members(), Explainer({5: FAR, 6: NOWHERE})

        (key,) = judge_groups({"similar_3": recorded}, {"similar_3": _with(recorded, 4, 5, 6)}, explain)

        assert (key.verdict, key.n_differing, len(key.groups)) == (Verdict.different, 3, 3)
        assert key.text().splitlines() == [
            "similar_3: different, 3 of 75 groups differ",
            "  group 5: recorded [15, 16, 17], regenerated [15, 16, 1017];"
            " they part at position 2, decisions up to 4.0e-04 off",
            "  group 6: recorded [18, 19, 20], regenerated [18, 19, 1020];"
            " not found along the present draws from position 0 on",
        ]

    @pytest.mark.parametrize(("unexplained", "asked"), [(0, 20), (19, 20), (20, 21), (45, 46), (None, 50)])
    def test_explaining_stops_at_an_unexplained_group_once_twenty_are_listed(self, unexplained, asked):
        recorded, explain = _members(), Explainer({unexplained: FAR})

        (key,) = judge_groups({"k": recorded}, {"k": _with(recorded, *range(50))}, explain)

        assert (len(explain.asked), len(key.groups), key.n_differing) == (asked, asked, 50)
        assert key.verdict == (Verdict.equivalent if unexplained is None else Verdict.different)

    def test_a_search_given_up_is_said_to_be(self):
        recorded, explain = _members(), Explainer(default=Replay(False, None, 0, 1, False))

        (key,) = judge_groups({"k": recorded}, {"k": _with(recorded, 1)}, explain)

        assert key.text().endswith("too many decisions at a threshold to try them all")

    @pytest.mark.parametrize(
        ("recorded", "regenerated", "reason"),
        [
            (_members(), None, "not regenerated"),
            (None, _members(), "none stored"),
            (_members(75), _members(74), "recorded shape (75, 3), regenerated (74, 3)"),
            (_members(75), _members(75, 4), "recorded shape (75, 3), regenerated (75, 4)"),
        ],
    )
    def test_missing_keys_and_other_shapes_are_different_and_not_compared(
        self, recorded, regenerated, reason
    ):
        explain = Explainer()
        sides = [{} if members is None else {"k": members} for members in (recorded, regenerated)]

        (key,) = judge_groups(*sides, explain)

        assert (key.verdict, key.n_differing, key.groups, key.margin) == (Verdict.different, None, (), None)
        assert explain.asked == []
        assert key.text() == f"k: different, {reason}"

    def test_keys_come_in_the_order_recorded_and_new_ones_last(self):
        a, b, c = (_members() for _ in range(3))

        keys = judge_groups({"z": a, "b": b}, {"new": c, "b": b, "z": a}, Explainer())

        assert [key.key for key in keys] == ["z", "b", "new"]


class TestReproduction:
    def _judge(self, *replays):
        recorded = {f"k{i}": _members() for i in range(len(replays))}
        regenerated = {
            key: _with(members, 1) if replay else members
            for (key, members), replay in zip(recorded.items(), replays, strict=True)
        }
        explain = {f"k{i}": replay for i, replay in enumerate(replays)}
        return judge_groups(recorded, regenerated, lambda key, group, members: explain[key])

    @pytest.mark.parametrize(
        ("replays", "verdict"),
        [
            ((), "identical"),
            ((None, None), "identical"),
            ((None, NEAR), "equivalent"),
            ((NEAR, FAR, None), "different"),
        ],
    )
    def test_the_verdict_is_that_of_the_worst_key(self, replays, verdict):
        reproduction = Reproduction(self._judge(*replays), ())

        assert reproduction.verdict.name == verdict
        assert reproduction.as_dict()["verdict"] == verdict
        assert reproduction.text().splitlines()[-1] == f"verdict: {verdict}"

    def test_json_holds_verdicts_groups_and_differences(self, tmp_path):
        differences = compare_lineages(LINEAGE, _changed(("data", "source", "sha256"), "new"))
        reproduction = Reproduction(self._judge(None, FAR), differences)

        write_json(tmp_path / "verdict.json", reproduction.as_dict())

        assert json.loads((tmp_path / "verdict.json").read_text()) == {
            "verdict": "different",
            "reason": None,
            "keys": {
                "k0": {
                    "verdict": "identical",
                    "recorded_shape": [75, 3],
                    "regenerated_shape": [75, 3],
                    "n_differing": 0,
                    "margin": None,
                    "groups": [],
                },
                "k1": {
                    "verdict": "different",
                    "recorded_shape": [75, 3],
                    "regenerated_shape": [75, 3],
                    "n_differing": 1,
                    "margin": None,
                    "groups": [
                        {
                            "group": 1,
                            "recorded": [3, 4, 5],
                            "regenerated": [3, 4, 1005],
                            "positions": [2],
                            "replay": {
                                "explained": False,
                                "margin": 4e-4,
                                "turned": 2,
                                "position": 2,
                                "complete": True,
                                "refiltered": False,
                            },
                        }
                    ],
                },
            },
            "differences": {
                "input": {"data.source.sha256": {"recorded": "ab", "present": "new"}},
                "threshold": {},
                "artifact": {},
                "environment": {},
            },
        }

    def test_the_text_names_inputs_first_and_counts_what_it_leaves_out(self):
        present = copy.deepcopy(LINEAGE)
        present["environment"]["packages"] = {f"p{i}": "1" for i in range(8)}
        present["settings"]["seed"] = 43

        lines = Reproduction((), compare_lineages(LINEAGE, present)).text().splitlines()

        assert lines[0] == "settings.seed: recorded 42, present 43 (input)"
        assert lines[1] == "environment.packages.numpy: recorded 2.2, present None (environment)"
        assert lines[-2:] == ["4 more differ (environment)", "verdict: identical"]

    def test_every_input_is_named_in_the_text(self):
        differences = compare_settings("copy", {f"s{i}": 1 for i in range(8)}, {})

        lines = Reproduction((), differences).text().splitlines()

        assert lines[0] == "settings.s0 in copy: recorded 1, present None (input)"
        assert len(lines) == 8 + 1

    def test_without_groups_to_compare_the_reason_is_said_and_the_verdict_is_different(self):
        differences = compare_lineages(LINEAGE, _changed(("data", "n_users"), 2))

        reproduction = Reproduction((), differences, "nothing could be drawn")

        assert reproduction.verdict == Verdict.different
        assert reproduction.text().splitlines() == [
            "nothing could be drawn",
            "data.n_users: recorded 3, present 2 (input)",
            "verdict: different",
        ]
        content = reproduction.as_dict()
        assert (content["verdict"], content["reason"]) == ("different", "nothing could be drawn")

    def test_inputs_and_files_are_what_a_strict_look_minds(self):
        present = copy.deepcopy(LINEAGE)
        present["environment"]["python"] = present["thresholds"]["method"] = present["data"]["digest"] = "x"
        files = compare_files("stored", {"a.npy": "1", "b.npy": "2"}, {"a.npy": "3", "b.npy": "2", "c": "4"})

        reproduction = Reproduction((), compare_lineages(LINEAGE, present) + files)

        assert [(d.name, d.recorded, d.present) for d in reproduction.unlike] == [
            ("data.digest", "d", "x"),
            ("stored a.npy", "1", "3"),
            ("stored c", None, "4"),
        ]


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
            "parent.item_order",
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

        differences = compare_settings("config.yaml", LINEAGE["settings"], copied)

        assert [(d.name, d.recorded, d.present, d.kind) for d in differences] == [
            ("settings.seed in config.yaml", 42, 43, "input"),
            ("settings.data_dir in config.yaml", "data", None, "environment"),
            ("settings.threads in config.yaml", None, 2, "environment"),
            ("settings.families.similar.linkage in config.yaml", "mean", "all", "input"),
        ]
        assert compare_settings("config.yaml", LINEAGE["settings"], LINEAGE["settings"]) == ()

    def test_ids_that_one_side_lacks_are_named_sorted(self):
        (difference,) = compare_ids("users", ["a", "c", "b"], ["e", "b", "d"])

        assert (difference.name, difference.kind) == ("data.users on one side only", "input")
        assert (difference.recorded, difference.present) == (["a", "c"], ["d", "e"])

    def test_of_many_ids_the_first_twenty_are_named(self):
        (difference,) = compare_ids("items", [f"{i:02d}" for i in range(50)], [])

        assert difference.recorded == [f"{i:02d}" for i in range(20)]

    def test_the_same_ids_are_no_difference(self):
        assert compare_ids("users", ["a", "b"], ("a", "b")) == ()
