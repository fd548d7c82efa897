"""What jobs of a sweep have in common is made once, and nothing outlives the sweep."""

from elsa_groups.base.keeping import keeping, kept


def test_the_last_of_a_kind_is_made_once_while_results_are_kept():
    made: list[str] = []

    def make(name: str) -> str:
        made.append(name)
        return name

    with keeping():
        asked = [("data", "a"), ("data", "a"), ("parent", "p"), ("data", "b"), ("data", "a"), ("parent", "p")]
        found = [kept(kind, name, lambda name=name: make(name)) for kind, name in asked]
    assert found == ["a", "a", "p", "b", "a", "p"]
    assert made == ["a", "p", "b", "a"]


def test_outside_of_a_sweep_nothing_is_kept():
    made: list[int] = []
    with keeping():
        kept("data", "a", lambda: made.append(1))
    for _ in range(2):
        kept("data", "a", lambda: made.append(1))
    assert len(made) == 3
