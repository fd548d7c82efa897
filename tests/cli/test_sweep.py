"""What is said of a sweep's jobs where there are many."""

from elsa_groups.cli.sweep import Sweep, describe_sweep
from elsa_groups.tracking.run import DESCRIPTION_LENGTH
from elsa_groups.tracking.sweep import JobEnd


def described(ends: list[JobEnd]) -> str:
    swept = tuple((f"job={number}", "x" * 500) for number in range(len(ends)))
    return describe_sweep(Sweep("a" * 32, swept, (), ("here", 1)), ends)


def test_a_few_jobs_are_described_one_by_one():
    ends = [JobEnd("b" * 32, "FINISHED", None), JobEnd("c" * 32, "FAILED", "no users")]
    text = described(ends)
    assert [line[:9] for line in text.splitlines()[2:]] == ["- `job=0 ", "- `job=1 "]
    assert text.endswith(f"FAILED, run `{'c' * 32}`: no users")


def test_of_many_jobs_those_that_failed_are_described():
    ends = [JobEnd(f"{n:032}", "FAILED" if n in (7, 90) else "FINISHED", None) for n in range(300)]
    text = described(ends)
    assert "298 finished, 2 did not." in text
    assert [line[:9] for line in text.splitlines() if line.startswith("- ")] == ["- `job=7 ", "- `job=90"]


def test_a_description_is_never_longer_than_mlflow_keeps():
    text = described([JobEnd(f"{n:032}", "FAILED", "because " * 90) for n in range(300)])
    assert len(text) < DESCRIPTION_LENGTH
    assert text.endswith("\n- 275 more")
