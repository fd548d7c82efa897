"""What a reader of a run must be told before using its groups: pure functions of numbers at hand."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from elsa_groups.measures.statistics import Result
from elsa_groups.report.tables import Row

# A divergent pair whose cosine may be this high is not one of opposed tastes; above the second it is alike.
OPPOSED_BELOW, ALIKE_ABOVE = -0.1, 0.1
# Of the users that as many random groups would reach.
LOW_COVERAGE = 0.8
# Groups of the busiest user: at least so many, and more than so many times the average user's.
BUSY_GROUPS, BUSY_TIMES = 5, 10.0
# Abandoned attempts for every group.
MANY_RESTARTS = 1.0
# In standard deviations of users: what Cohen, Statistical Power Analysis (1988), calls a small effect.
ACTIVITY_DIFFERENCE = 0.2

# Group types named one by one, the worst first.
_TOLD = 4


@dataclass(frozen=True)
class Caution:
    """Something to know before using the groups.

    Attributes
    ----------
    title : str
        In a few words.
    text : str
        A sentence with the numbers.
    """

    title: str
    text: str


def find_cautions(
    rows: list[Row],
    *,
    n_users: int,
    divergent: float | None,
    users_activity: float,
    ruled: Collection[str],
    held_out: bool = False,
    absent: Collection[str] = (),
) -> tuple[Caution, ...]:
    """Return what must be said of a run, the gravest first; nothing where there is nothing to say.

    Parameters
    ----------
    rows : list of Row
        Summary rows.
    n_users : int
        Eligible users.
    divergent : float in [0, 1] or None
        The threshold, where a family asks for divergent pairs.
    users_activity : float
        Items in a history, mean over the eligible users.
    ruled : collection of str
        Group types whose family has a rule: those that are not random groups themselves.
    held_out : bool
        Whether a part of histories was held out for a later evaluation.
    absent : collection of str
        Group types that were asked for and have not one group.
    """
    found = (
        _shortfall(rows, absent),
        _targets_seen(rows) if held_out else None,
        _wrong_pairs(rows),
        _unrelated(divergent),
        _low_coverage(rows, n_users),
        _busy_user(rows, n_users),
        _restarts(rows),
        _duplicates(rows),
        _activity(rows, users_activity),
        _like_random([row for row in rows if row["key"] in ruled]),
    )
    return tuple(caution for caution in found if caution is not None)


def say_missing(results: Sequence[Result], absent: Mapping[str, str]) -> list[str]:
    """Say of every group type that has fewer groups than asked for, or no confidence intervals, why."""
    short = [
        f"{of.groups.key} has {of.groups.accounting.shortfall:,} groups fewer than asked for:"
        f" {of.groups.accounting.reason}"
        for of in results
        if of.groups.accounting.shortfall
    ]
    none = [f"{key} has not one group: {why.removeprefix(f'{key}: ')}" for key, why in absent.items()]
    bare = [
        f"{of.groups.key} has no confidence intervals: {of.no_interval}." for of in results if of.no_interval
    ]
    return [*short, *none, *bare]


def _tell(rows: list[Row], badness: Callable[[Row], float], numbers: Callable[[Row], str]) -> str:
    """Name the worst group types with their numbers, and say how many more there are."""
    worst = sorted(rows, key=badness, reverse=True)
    more = len(worst) - _TOLD
    told = [f"{row['key']} ({numbers(row)})" for row in worst[:_TOLD]]
    return ", ".join(told) + (f" and {more} more type{'s' if more > 1 else ''}" if more > 0 else "")


def _shortfall(rows: list[Row], absent: Collection[str]) -> Caution | None:
    short = [row for row in rows if row["shortfall"]]
    if not short and not absent:
        return None

    def numbers(row: Row) -> str:
        return f"{row['groups']:,} of {row['groups'] + row['shortfall']:,}"

    told = [_tell(short, lambda row: row["shortfall"] / (row["groups"] + row["shortfall"]), numbers)]
    told += [f"{key} (none)" for key in absent]
    return Caution(
        "There are fewer groups than asked for",
        f"Drawing ended before as many were found in {', '.join(filter(None, told))}; why is said below the"
        " table of group types.",
    )


def _targets_seen(rows: list[Row]) -> Caution | None:
    seen = [row for row in rows if row.get("trained_share", 0.0) > 0]
    if not seen:
        return None

    told = _tell(seen, lambda row: row["trained_share"], lambda row: f"{row['trained_share']:.1%}")
    return Caution(
        "The model has seen targets",
        "Targets are held out of every history here, but ELSA was trained on the whole histories of some"
        f" members: {told}. Draw from user_set=test where that matters.",
    )


def _wrong_pairs(rows: list[Row]) -> Caution | None:
    wrong = [row for row in rows if row["wrong_pair_share"] > 0]
    if not wrong:
        return None

    def numbers(row: Row) -> str:
        n_wrong = round(row["wrong_pair_share"] * row["groups"])
        return f"{n_wrong:,} of {row['groups']:,} groups, {row['wrong_pair_share']:.1%}"

    return Caution(
        "Groups hold pairs that break the rule",
        "At least one pair of members is on the wrong side of its threshold in"
        f" {_tell(wrong, lambda row: row['wrong_pair_share'], numbers)}. Whoever joins need not meet it with"
        " every member, unless the family's linkage is all.",
    )


def _unrelated(divergent: float | None) -> Caution | None:
    if divergent is None:
        return None
    cosine = 2.0 * divergent - 1.0
    if cosine < OPPOSED_BELOW:
        return None
    kind = "somewhat alike" if cosine > ALIKE_ABOVE else "unrelated"
    return Caution(
        f"Divergent tastes are {kind}, not opposed",
        f"Pairs count as divergent up to a similarity of {divergent:.4f}, which is a cosine of"
        f" {signed(cosine)}: 0 is unrelated, and opposed tastes are well below.",
    )


def signed(number: float, digits: int = 3) -> str:
    """Return a number with its sign, the minus as wide as the plus; zero has none.

    >>> signed(0.25, 1), signed(-0.0004), signed(-0.25)
    ('+0.2', '0.000', '−0.250')
    """
    rounded = round(number, digits) + 0.0
    return f"{'+' if rounded > 0 else ''}{rounded:.{digits}f}".replace("-", "−")


def _low_coverage(rows: list[Row], n_users: int) -> Caution | None:
    def by_chance(row: Row) -> float:
        # Random groups miss a user independently of each other.
        return float(1.0 - (1.0 - row["size"] / n_users) ** row["groups"])

    low = [row for row in rows if row["user_coverage"] < LOW_COVERAGE * by_chance(row)]
    if not low:
        return None
    told = _tell(
        low,
        lambda row: by_chance(row) / row["user_coverage"],
        lambda row: f"{row['user_coverage']:.1%} against {by_chance(row):.1%}",
    )
    return Caution(
        "User coverage is low",
        f"Fewer of the {n_users:,} users are reached than as many random groups would reach in {told}.",
    )


def _busy_user(rows: list[Row], n_users: int) -> Caution | None:
    def times(row: Row) -> float:
        return float(row["participation_max"] * n_users / (row["groups"] * row["size"]))

    busy = [row for row in rows if row["participation_max"] >= BUSY_GROUPS and times(row) > BUSY_TIMES]
    if not busy:
        return None

    def numbers(row: Row) -> str:
        share = row["participation_max"] / row["groups"]
        many = f"{row['participation_max']:,} of {row['groups']:,} groups, {share:.1%}"
        return f"{many}, {times(row):.0f} times the average"

    return Caution(
        "One user is drawn again and again",
        f"A single user takes part far more often than the average user in {_tell(busy, times, numbers)}.",
    )


def _restarts(rows: list[Row]) -> Caution | None:
    def each(row: Row) -> float:
        return float(row["restarts"] / row["groups"])

    many = [row for row in rows if each(row) > MANY_RESTARTS]
    if not many:
        return None
    told = _tell(many, each, lambda row: f"{row['restarts']:,} abandoned for {row['groups']:,} groups")
    return Caution(
        "More attempts were abandoned than finished",
        f"Attempts that found no further member outnumber the groups in {told}. Users whom few others fit"
        " are rare there.",
    )


def _duplicates(rows: list[Row]) -> Caution | None:
    twice = [row for row in rows if row["duplicates"] > 0]
    if not twice:
        return None
    told = _tell(
        twice,
        lambda row: row["duplicates"] / row["groups"],
        lambda row: f"{row['duplicates']:,} of {row['groups']:,} groups",
    )
    return Caution("Groups are repeated", f"Groups have the same members as an earlier one in {told}.")


def _activity(rows: list[Row], users_activity: float) -> Caution | None:
    other = [row for row in rows if abs(row["activity_difference"]) > ACTIVITY_DIFFERENCE]
    if not other:
        return None
    told = _tell(
        other,
        lambda row: abs(row["activity_difference"]),
        lambda row: f"{row['activity_mean']:.1f} items, {signed(row['activity_difference'], 2)} sd",
    )
    return Caution(
        "Members are not as active as users are",
        f"A history has {users_activity:.1f} items on average, among all users as in random groups, but not"
        f" in {told}.",
    )


def _like_random(rows: list[Row]) -> Caution | None:
    name = "recommendation_overlap_at_20"
    like = [
        row
        for row in rows
        if f"{name}_low" in row and row[f"{name}_low"] <= row[f"{name}_as_active"] <= row[f"{name}_high"]
    ]
    if not like:
        return None
    told = _tell(
        like,
        lambda row: -abs(row[f"{name}_mean"] - row[f"{name}_as_active"]),
        lambda row: (
            f"{row[f'{name}_mean']:.3f}, 95% {row[f'{name}_low']:.3f} to {row[f'{name}_high']:.3f},"
            f" random {row[f'{name}_as_active']:.3f}"
        ),
    )
    return Caution(
        "Recommendations overlap as in random groups",
        "What members are recommended overlaps no more and no less than in activity-matched random groups,"
        f" as far as one can tell, in {told}.",
    )
