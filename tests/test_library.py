"""Groups from arrays are those that the command generate draws, without MLflow and Hydra."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_array

from elsa_groups import draw_groups
from elsa_groups.base.distributed import ONE
from elsa_groups.base.errors import InputError, Unfilled
from elsa_groups.cli.composing import compose_settings
from elsa_groups.commands.generate.drawing import draw_all
from elsa_groups.commands.generate.population import choose_users
from elsa_groups.data.load import load

ROOT = Path(__file__).resolve().parents[1]
FAMILIES = {
    "similar": {"compositions": [[3], [4]], "within": "similar"},
    "opposing": {"compositions": [[2, 1]], "within": "similar", "across": "divergent", "linkage": "all"},
    "random": {"compositions": [[3]], "n_groups": 9},
}
# As the command line says the same.
ASKED = (
    *("~families.divergent", "families.similar.compositions=[[3],[4]]", "++families.random.n_groups=9"),
    *("families.opposing.compositions=[[2,1]]", "++families.opposing.linkage=all", "n_groups=20", "seed=7"),
    *("thresholds.similar.quantile=0.8", "evidence.halves=4", "baseline.n_groups=50"),
)
SETTINGS = {
    "thresholds": {"similar": {"quantile": 0.8}},
    "evidence": {"halves": 4},
    "baseline": {"n_groups": 50},
}


@pytest.fixture(scope="module")
def interactions():
    options = {"n_users": 150, "n_items": 240}
    return load("Demo", Path("unused"), min_user_interactions=1, min_item_interactions=1, **options)


@pytest.fixture(scope="module")
def encoder(interactions):
    return np.random.default_rng(8).normal(size=(interactions.n_items, 16)).astype(np.float32)


def drawn_by_command(interactions, encoder, *overrides):
    settings = compose_settings("generate", ["dataset=Demo", *ASKED, *overrides])
    return draw_all(settings, interactions, encoder, choose_users(settings, interactions, None, None), ONE)


def assert_same(found, drawn, *, but=()):
    assert list(found) == [result.groups.key for result in drawn.results]
    assert found.thresholds == drawn.thresholds
    for result in drawn.results:
        groups = found[result.groups.key]
        members = drawn.embeddings.rows[result.groups.members]
        assert groups.members.tobytes() == members.tobytes()
        assert groups.members.dtype == members.dtype
        assert set(result.measures) - set(groups.measures) == set(but)
        for name, values in groups.measures.items():
            np.testing.assert_array_equal(values, result.measures[name])
        expected = [of for of in result.evidence if of.measure not in but]
        assert list(groups.evidence) == expected


OVERLAPS = ("recommendation_overlap_at_20", "recommendation_overlap_at_10")


def test_vectors_histories_and_items_give_the_groups_and_measures_of_the_command(interactions, encoder):
    drawn = drawn_by_command(interactions, encoder)
    found = draw_groups(
        drawn.embeddings.vectors, FAMILIES, histories=interactions.matrix, items=encoder, n_groups=20, seed=7,
        settings=SETTINGS,
    )  # fmt: skip
    assert_same(found, drawn)
    assert found["opposing_2_1"].sizes == (2, 1)
    assert found["random_3"].members.shape == (9, 3)


@pytest.mark.parametrize("source", ["history_cosine", "pearson", "jaccard"])
def test_histories_give_the_groups_of_the_command(interactions, encoder, source):
    drawn = drawn_by_command(interactions, encoder, f"similarity.source={source}")
    found = draw_groups(interactions.matrix, FAMILIES, source=source, n_groups=20, seed=7, settings=SETTINGS)
    assert list(found) == [result.groups.key for result in drawn.results]
    for result in drawn.results:
        members = drawn.embeddings.rows[result.groups.members]
        assert found[result.groups.key].members.tobytes() == members.tobytes()
        assert not {name for name in found[result.groups.key].measures if name.startswith("recommendation")}
        assert found[result.groups.key].measures["jaccard"].tolist() == result.measures["jaccard"].tolist()


def test_vectors_alone_have_measures_of_similarity_alone(interactions, encoder):
    drawn = drawn_by_command(interactions, encoder)
    # Of any length, and with two users who have no direction.
    vectors = np.vstack(
        [np.zeros((1, 16)), 3.0 * drawn.embeddings.vectors.astype(np.float64), np.zeros((1, 16))]
    )
    found = draw_groups(vectors, FAMILIES, n_groups=20, seed=7, settings=SETTINGS)
    assert (found.n_users, found.n_left_out) == (len(vectors) - 2, 2)
    assert set(found["opposing_2_1"].measures) == {"similarity", "within", "across"}
    assert {of.baseline for of in found["similar_3"].evidence} == {"random"}
    assert found["similar_3"].evidence[0].interval is not None
    assert "activity_difference" not in found["similar_3"].summary
    assert found["similar_3"].summary["wrong_pair_share"] <= 1
    assert found["similar_3"].members.min() >= 1


def test_numbers_are_those_of_conf_unless_given(interactions):
    found = draw_groups(
        interactions.matrix, {"random": {"compositions": [[2]]}}, settings={"evidence": {"halves": None}}
    )
    settings = compose_settings("generate", ["dataset=Demo"])
    assert found["random_2"].members.shape == (settings.n_groups, 2)
    same = draw_groups(
        interactions.matrix, {"random": {"compositions": [[2]]}}, n_groups=settings.n_groups,
        seed=settings.seed, settings={"evidence": {"halves": None}},
    )  # fmt: skip
    assert same["random_2"].members.tobytes() == found["random_2"].members.tobytes()


VECTORS = np.eye(4)
ONES = csr_array(np.ones((4, 5)))


@pytest.mark.parametrize(
    ("users", "options", "message"),
    [
        ([1.0, 2.0], {}, r"users: expected numbers of shape .*, got float64 of shape \(2,\)"),
        ([["a"]], {}, "users: expected numbers"),
        (np.diag([1.0, np.nan, np.inf]), {}, "users: expected finite vectors, got NaN or infinity in 2 of 3"),
        (VECTORS, {"histories": csr_array(np.ones((3, 5)))}, "histories: expected a row for each of the 4"),
        (VECTORS, {"histories": np.ones((4, 5))}, "histories: expected a sparse matrix of users by items"),
        (VECTORS, {"items": VECTORS}, "items: expected histories beside them"),
        (VECTORS, {"histories": ONES, "items": np.ones((5, 3))}, "items: expected 4 dimensions, .* got 3"),
        (VECTORS, {"histories": ONES, "items": np.ones((4, 4))}, "items: expected one row for each of the 5"),
        (ONES, {"histories": ONES}, "expected none beside users who are histories"),
        (ONES, {"source": "elsa"}, "source: expected one of history_cosine, pearson, jaccard, got 'elsa'"),
        (VECTORS, {"settings": {"history": "inputs"}}, "settings: expected some of .* got history"),
        (VECTORS, {"settings": {"thresholds": {"users": "test"}}}, "thresholds.users: expected none"),
        (VECTORS, {"settings": {"filters": {"min_history": {"value": 2}}}}, "expected the histories"),
        (
            VECTORS,
            {"histories": ONES, "settings": {"filters": {"max_recommendation_overlap": {"value": 0.5}}}},
            "expected the recommended items of users, got none",
        ),
    ],
)  # fmt: skip
def test_what_is_not_as_described_is_refused_by_name(users, options, message):
    with pytest.raises(InputError, match=message):
        draw_groups(users, FAMILIES, **options)


def test_groups_that_cannot_be_drawn_are_said_to_be_so():
    with pytest.raises(Unfilled, match="similar_3"):
        draw_groups(VECTORS, {"similar": {"compositions": [[3]], "within": "similar", "linkage": "all"}},
                    settings={"thresholds": {"similar": {"quantile": None, "value": 0.9}},
                              "sampling": {"max_restarts": 5}})  # fmt: skip


def blocks(path):
    return re.findall(r"```python\n(.*?)```", (ROOT / path).read_text("utf-8"), re.DOTALL)


def test_the_examples_of_the_docs_run_and_import_neither_mlflow_nor_hydra(tmp_path):
    code = [
        "import sys",
        *(block for block in blocks("README.md") if "draw_groups" in block),
        *blocks("docs/library.md"),
        "print(sorted({'mlflow', 'hydra', 'omegaconf', 'matplotlib'} & set(sys.modules)))",
    ]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(code)], cwd=tmp_path, env=environment, capture_output=True,
        text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    assert said[:2] == ["(75, 3)", "(75, 3)"]
    assert said[-1] == "[]"
