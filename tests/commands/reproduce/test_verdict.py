"""Group types judged by their recorded digests, and what is said of those that differ."""

import json

import numpy as np
import pytest

from elsa_groups.base.digests import array_digest
from elsa_groups.base.files import write_json
from elsa_groups.commands.reproduce.differences import Difference
from elsa_groups.commands.reproduce.verdict import Reproduction, Verdict, judge_groups


def _members(n_groups=75, size=3):
    return np.arange(n_groups * size).reshape(n_groups, size)


def _with(members, *groups):
    """The same with another last member in some groups."""
    members = members.copy()
    members[list(groups), -1] += 1000
    return members


def _record(**members):
    return {
        name: {"sha256": array_digest(array), "shape": list(array.shape)} for name, array in members.items()
    }


def _distance(name, members, position):
    return 0.25 if members[position] >= 1000 else -1e-7


def _judge(record, stored, regenerated):
    (found,) = judge_groups(
        record,
        {} if stored is None else {"k": stored},
        {} if regenerated is None else {"k": regenerated},
        _distance,
    )
    return found


class TestGroupTypes:
    def test_members_of_the_recorded_digest_on_both_sides_are_identical(self):
        found = _judge(_record(k=_members()), _members(), _members())

        assert (found.verdict, found.faults, found.n_differing) == (Verdict.identical, (), 0)
        assert found.text() == "k: identical, 75 groups"

    def test_a_changed_stored_member_is_named_with_position_candidates_and_distances(self):
        found = _judge(_record(k=_members()), _with(_members(), 7), _members())

        assert found.verdict == Verdict.different
        assert found.faults == ("stored members are not those recorded", "1 of 75 groups differ")
        (group,) = found.groups
        assert (group.group, group.position) == (7, 2)
        assert (group.stored, group.regenerated) == ((21, 22, 1023), (21, 22, 23))
        assert (group.stored_distance, group.regenerated_distance) == (0.25, -1e-7)
        assert found.text().splitlines() == [
            "k: different, stored members are not those recorded; 1 of 75 groups differ",
            "  group 7: stored [21, 22, 1023], regenerated [21, 22, 23]; they part at position 2:"
            " stored user 1023 (+2.5e-01 from the limit), regenerated user 23 (-1.0e-07 from the limit)",
        ]

    def test_groups_drawn_otherwise_are_different_however_near_the_limit(self):
        found = judge_groups(
            _record(k=_members()), {"k": _members()}, {"k": _with(_members(), 3)}, lambda *_: 0.0
        )[0]

        assert found.verdict == Verdict.different
        assert found.faults == ("regenerated members are not those recorded", "1 of 75 groups differ")
        assert found.groups[0].stored_distance == 0.0

    def test_both_sides_alike_but_not_as_recorded_are_different(self):
        found = _judge(_record(k=_members()), _with(_members(), 3), _with(_members(), 3))

        assert found.verdict == Verdict.different
        assert found.n_differing == 0
        assert len(found.faults) == 2

    def test_users_that_the_record_does_not_know_never_match(self):
        unknown = _members() - 1000

        found = _judge(_record(k=unknown), unknown, unknown)

        assert found.verdict == Verdict.different
        assert found.faults[1] == "regenerated members are users that the record does not know"

    def test_all_groups_are_counted_twenty_listed_and_five_printed(self):
        found = _judge(_record(k=_members()), _members(), _with(_members(), *range(50)))

        assert (found.n_differing, len(found.groups)) == (50, 20)
        lines = found.text().splitlines()
        assert len(lines) == 7
        assert lines[-1] == "  45 more groups differ"

    @pytest.mark.parametrize(
        ("stored", "regenerated", "faults"),
        [
            (None, None, ("no readable file is stored", "none were drawn again")),
            (None, _members(), ("no readable file is stored",)),
            (_members(), None, ("none were drawn again",)),
            (_members(74), _members(), ("recorded shape (75, 3), stored (74, 3)",)),
            (_members(), _members(75, 4), ("recorded shape (75, 3), regenerated (75, 4)",)),
        ],
    )
    def test_what_is_absent_or_of_another_shape_is_different(self, stored, regenerated, faults):
        found = _judge(_record(k=_members()), stored, regenerated)

        assert (found.verdict, found.faults, found.groups) == (Verdict.different, faults, ())
        assert found.text() == f"k: different, {'; '.join(faults)}"

    def test_groups_drawn_now_that_the_record_lacks_are_different_and_come_last(self):
        members = {"z": _members(), "b": _members()}

        found = judge_groups(_record(**members), members, {"new": _members(), **members}, _distance)

        assert [(each.name, each.verdict.value) for each in found] == [
            ("z", "identical"),
            ("b", "identical"),
            ("new", "different"),
        ]
        assert found[-1].faults == ("drawn now, but not in the record",)

    def test_a_record_consistent_with_its_store_but_not_with_what_is_drawn_is_different(self):
        forged = _with(_members(), 9)

        assert _judge(_record(k=forged), forged, _members()).verdict == Verdict.different
        removed = np.delete(_members(), 9, axis=0)
        assert _judge(_record(k=removed), removed, _members()).verdict == Verdict.different


class TestReproduction:
    def _found(self, stored, *differences, reason=None):
        types = () if reason else (_judge(_record(k=_members()), stored, _members()),)
        return Reproduction(types, differences, reason)

    def test_files_that_give_members_another_meaning_make_the_verdict_different(self):
        meaning = Difference("stored groups/k_ids.npy", "1", "2", "meaning")
        artifact = Difference("stored report.html", "1", "2", "artifact")

        assert self._found(_members()).verdict == Verdict.identical
        assert self._found(_members(), artifact).verdict == Verdict.identical
        assert self._found(_members(), meaning).verdict == Verdict.different
        assert self._found(_members(), meaning, artifact).unlike == [meaning, artifact]

    def test_without_groups_the_reason_is_said_and_the_verdict_is_different(self):
        found = self._found(None, reason="nothing could be drawn")

        assert found.text().splitlines() == ["nothing could be drawn", "verdict: different"]
        assert (found.as_dict()["verdict"], found.as_dict()["reason"]) == (
            "different",
            "nothing could be drawn",
        )

    def test_json_holds_verdicts_groups_and_differences(self, tmp_path):
        seed = Difference("settings.seed", 42, 43, "input")

        write_json(tmp_path / "verdict.json", self._found(_with(_members(), 1), seed).as_dict())

        assert json.loads((tmp_path / "verdict.json").read_text()) == {
            "verdict": "different",
            "reason": None,
            "group_types": {
                "k": {
                    "verdict": "different",
                    "faults": ["stored members are not those recorded", "1 of 75 groups differ"],
                    "recorded_shape": [75, 3],
                    "stored_shape": [75, 3],
                    "regenerated_shape": [75, 3],
                    "n_differing": 1,
                    "groups": [
                        {
                            "group": 1,
                            "stored": [3, 4, 1005],
                            "regenerated": [3, 4, 5],
                            "position": 2,
                            "stored_distance": 0.25,
                            "regenerated_distance": -1e-7,
                        }
                    ],
                }
            },
            "differences": {
                "input": {"settings.seed": {"recorded": 42, "present": 43}},
                "meaning": {},
                "threshold": {},
                "artifact": {},
                "store": {},
                "environment": {},
            },
        }

    def test_every_input_is_printed_and_of_the_environment_five(self):
        differences = [Difference(f"settings.s{i}", 1, None, "input") for i in range(8)]
        differences += [Difference(f"environment.p{i}", 1, 2, "environment") for i in range(8)]

        lines = self._found(_members(), *differences).text().splitlines()

        assert lines[1] == "settings.s0: recorded 1, present None (input)"
        assert len(lines) == 1 + 8 + 6 + 1
        assert lines[-2:] == ["3 more differ (environment)", "verdict: identical"]
