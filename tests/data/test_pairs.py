from collections import Counter

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from elsa_groups.data.pairs import collect_pairs, keep_active

EVENTS = st.lists(st.tuples(st.sampled_from(["", *"abcdé"]), st.sampled_from(["", *"uvwxyz"])), max_size=60)


def frame(events: list[tuple[str, str]]) -> pl.LazyFrame:
    return pl.LazyFrame(events, schema={"user": pl.String, "item": pl.String}, orient="row")


def brute_force(events: list[tuple[str, str]], min_user: int, min_item: int) -> set[tuple[str, str]]:
    pairs = {(user, item) for user, item in events if user and item}
    of_user = Counter(user for user, _ in pairs)
    pairs = {(user, item) for user, item in pairs if of_user[user] >= min_user}
    of_item = Counter(item for _, item in pairs)
    return {(user, item) for user, item in pairs if of_item[item] >= min_item}


@given(events=EVENTS, min_user=st.integers(0, 4), min_item=st.integers(0, 4))
def test_filter_is_that_of_plain_python(events: list[tuple[str, str]], min_user: int, min_item: int) -> None:
    pairs = keep_active(
        collect_pairs(frame(events), {}), min_user_interactions=min_user, min_item_interactions=min_item
    )
    expected = sorted(brute_force(events, min_user, min_item))
    came = [(pairs.user_ids[r], pairs.item_ids[c]) for r, c in zip(pairs.rows, pairs.columns, strict=True)]
    assert came == expected
    assert pairs.user_ids == tuple(sorted({user for user, _ in expected}))
    assert pairs.item_ids == tuple(sorted({item for _, item in expected}))
    dropped = sum(count for name, count in pairs.counts.items() if name.startswith("dropped/"))
    assert pairs.counts["read/lines"] == len(events)
    assert pairs.counts["read/lines"] - dropped == pairs.counts["kept/pairs"] == len(expected)


def test_pairs_do_not_depend_on_the_order_of_events() -> None:
    rng = np.random.default_rng(0)
    events = [(f"u{u}", f"i{i}") for u, i in rng.integers(0, 40, (500, 2))]
    shuffled = [events[at] for at in rng.permutation(len(events))]
    first, second = collect_pairs(frame(events), {}), collect_pairs(frame(shuffled), {})
    assert (first.user_ids, first.item_ids) == (second.user_ids, second.item_ids)
    assert first.rows.tolist() == second.rows.tolist()
    assert first.columns.tolist() == second.columns.tolist()


def test_the_first_reason_that_holds_is_counted() -> None:
    events = pl.LazyFrame({"user": ["a", None, "a"], "item": ["x", "x", ""], "n": [1, 2, 3]})
    pairs = collect_pairs(events, {"big": pl.col("n") > 1, "huge": pl.col("n") > 2})
    assert [pairs.counts[f"dropped/{why}"] for why in ("big", "huge", "no_user_id", "no_item_id")] == [
        2,
        0,
        0,
        0,
    ]


def test_an_item_takes_its_most_frequent_name_and_the_first_of_equals() -> None:
    rows = [
        ("a", "x", "B"),
        ("b", "x", "B"),
        ("c", "x", "A"),
        ("a", "y", "D"),
        ("b", "y", "C"),
        ("a", "z", ""),
    ]
    events = pl.LazyFrame(rows, schema=["user", "item", "name"], orient="row")
    pairs = collect_pairs(events, {})
    assert pairs.item_ids == ("x", "y", "z")
    assert pairs.item_names == ("B", "C", "z")
    assert pairs.counts["distinct/pairs"] == 6
