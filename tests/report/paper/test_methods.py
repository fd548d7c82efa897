"""The methods paragraph has the numbers of its record, and nothing that the run did not do."""

import pytest

from elsa_groups.report.paper.methods import methods_paragraph
from elsa_groups.report.paper.types import type_names
from elsa_groups.settings.conf import conf_dir

FAMILIES = sorted(path.stem for path in (conf_dir() / "families").glob("*.yaml"))


def say(told) -> str:
    return methods_paragraph(*told)


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_is_there_with_its_numbers(make_told, name):
    record, rows = make_told(f"families={name}", "seed=4711")
    text = say((record, rows))

    assert text.count("\n") == 1
    assert text.endswith(".\n")
    assert "None" not in text
    families, names = record["settings"]["families"], type_names(record["settings"]["families"])
    for family, asked in families.items():
        sizes = ["+".join(map(str, sizes)) for sizes in asked["compositions"]]
        listed = ", ".join(sizes[:-1]) + f" and {sizes[-1]}" if len(sizes) > 1 else sizes[0]
        assert f"{family} ({listed} members, " in text
    for number in ("62,997", "1,870", "1,530", "92,834", "1,234", "987", "64 factors", "seed 4711"):
        assert number in text
    for row in rows:
        interval = f"(95% CI {row['similarity_low']:.3f} to {row['similarity_high']:.3f})"
        assert f"{row['similarity_mean']:.3f} {interval} in {names[row['key']]}" in text
    assert f"There are 20 groups of each of {len(rows)} types, {20 * len(rows)} in all." in text


@pytest.mark.parametrize(
    ("overrides", "there"),
    [
        (
            ["families=seed"],
            "similar from a similarity of 0.6789 (the 0.9 quantile) and divergent up to 0.4982 (the 0.1"
            " quantile). Quantiles are of the similarity of all 1,747,515 pairs of 1,870 users.",
        ),
        (["families=sagea"], "(the 0.75 quantile) and divergent up to 0.4982 (the 0.25 quantile)"),
        (
            ["families=kaya"],
            "0.6789 (a value that was given) and divergent up to 0.4982 (a value that was given). F",
        ),
        (
            ["families=band"],
            "Two users are in the band from a similarity of 0.5133 (the 0.4 quantile) to 0.5247 (the 0.6"
            " quantile).",
        ),
        (["families=seed", "thresholds.users=train"], "pairs of 1,870 training users."),
    ],
)
def test_thresholds_are_those_that_a_rule_needs(make_told, overrides, there):
    assert there in say(make_told(*overrides))


def test_sampled_quantiles_have_their_intervals(make_told):
    record, rows = make_told()
    record["thresholds"] |= {"method": "sampled", "intervals": {"similar": [0.6, 0.7]}}
    text = say((record, rows))
    assert "(the 0.9 quantile, 95% CI 0.6000 to 0.7000)" in text
    assert "1,747,515 random pairs" in text


def test_random_groups_alone_need_no_threshold_and_break_no_rule(make_told):
    record, rows = make_told()
    random = record["settings"]["families"]["random"]
    record["settings"]["families"] = {"random": random}
    text = say((record, [row for row in rows if row["key"] == "random_3"]))
    assert "Two users are" not in text
    assert "wrong side" not in text
    assert "linkage" not in text
    assert "There are 20 groups of random 3." in text


@pytest.mark.parametrize(
    ("source", "there", "absent"),
    [
        ("elsa", "embeddings from ELSA [@vancura2022elsa] with 64 factors", "no model"),
        ("history_cosine", "c is the cosine of their rows of ones", "embeddings"),
        ("pearson", "c is the Pearson correlation", "embeddings"),
        ("jaccard", "c is the Jaccard index of their histories", "embeddings"),
        ("vectors", "compared by vectors of 64 dimensions from another model", "ELSA"),
    ],
)
def test_what_users_are_compared_by(make_told, source, there, absent):
    path = ["vectors.path=users.parquet"] if source == "vectors" else []
    text = say(make_told(f"similarity.source={source}", *path))
    assert there in text
    assert absent not in text


def test_vectors_say_whether_items_have_any(make_told):
    record, rows = make_told("similarity.source=vectors", "vectors.path=users.parquet")
    assert "items have no vectors" in say((record, rows))
    record["parent"]["files"]["item_vectors.parquet"] = "c" * 64
    assert "items have no vectors" not in say((record, rows))


def test_the_mean_of_all_users_is_said_to_be_subtracted(make_told):
    assert "mean of all users is subtracted" in say(make_told("similarity.center=mean"))


@pytest.mark.parametrize(
    ("overrides", "there"),
    [
        (["user_set=test"], "1,234 users that the model was tested on."),
        (["user_sample=1234"], "a random sample of 1,234 users."),
        (["user_file=some.txt"], "1,234 users that a list names."),
        (["history=inputs", "holdout.target_ratio=0.25"], "Of every history 25% was held out"),
        (["evidence.halves=7"], "7 random halves"),
        (["sampling.max_draws=null"], "anew when no user fits before"),
        (["sampling.max_draws=1234"], "anew when 1,234 candidates"),
        (["dataset=MovieLens", "dataset.min_rating=3.5"], "the rating is at least 3.5."),
        (["dataset=Demo"], "It is generated"),
    ],
)
def test_settings_are_told_where_they_are_not_the_usual(make_told, overrides, there):
    assert there in say(make_told(*overrides))
    assert there not in say(make_told())


def test_shares_of_groups_with_a_wrong_pair_leave_random_groups_out(make_told):
    record, rows = make_told()
    assert "No group holds a pair" in say((record, rows))
    for number, row in enumerate(rows):
        row["wrong_pair_share"] = number / 10
    told = say((record, rows)).partition("wrong side of its threshold is ")[2].partition(". ")[0]
    assert told.startswith("0.0% in similar 3, 10.0% in similar 5, ")
    assert told.endswith("60.0% in opposing 4+1")


def test_missing_groups_are_counted(make_told):
    record, rows = make_told()
    rows[0] |= {"groups": 13, "shortfall": 7}
    text = say((record, rows[:-1]))
    assert "13 groups of similar 3, 20 groups of similar 5" in text
    assert "7 fewer of similar 3." in text
    assert "No group was found of random 3." in text


def test_a_type_without_interval_says_why(make_told):
    record, rows = make_told()
    rows[1] = {name: value for name, value in rows[1].items() if name != "similarity_low"}
    for row in rows[1:3]:
        row["no_interval"] = "half of the users cannot fill it"
    text = say((record, rows))
    assert f"{rows[1]['similarity_mean']:.3f} in similar 5" in text
    assert "No interval of similar 5 and divergent 3: half of the users cannot fill it." in text


def test_no_filter_is_told_where_none_is_on(make_told):
    assert "is kept only if" not in say(make_told())


def test_every_filter_that_is_on_is_told(make_told):
    record, rows = make_told("filters=sagea", "filters.max_participation.value=9")
    rows[0] |= {"rejected_no_duplicates": 3, "candidates": 23}
    n_drawn = sum(row["candidates"] for row in rows)
    assert (
        "at least 6 items in common in a random half of the catalogue, no other group of the type has the"
        " same members and no user is in more than 9 groups of the type;"
        f" 3 of {n_drawn} groups drawn were rejected." in say((record, rows))
    )


def test_names_are_plain_text(make_told):
    record, rows = make_told()
    record["data"]["dataset"] = "a*b_c [@d]\nnew"
    assert say((record, rows)).startswith(r"The data set is a\*b\_c \[@d\] new.")


def test_versions_and_commit_are_told(make_told):
    record, rows = make_told()
    version = record["environment"]["packages"]["numpy"]
    text = say((record, rows))
    assert f"NumPy {version} [@harris2020numpy]" in text
    assert "(commit dddddddddddd, with changes that code.diff holds)" in text
    record["environment"]["code"] = {}
    assert "commit" not in say((record, rows))
