import inspect
import logging
import threading
from pathlib import Path

import numpy as np
import pytest
import yaml

from elsa_groups.base.errors import InputError
from elsa_groups.data.demo import GENRES, communities
from elsa_groups.data.interactions import Interactions
from elsa_groups.data.load import READERS, load
from elsa_groups.data.pairs import Reading

EVERYTHING = {"min_user_interactions": 0, "min_item_interactions": 0}
CONF = Path(__file__).parents[2] / "conf" / "dataset"


def write_table(folder: Path, text: str, name: str = "table.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_filter_takes_users_first_then_items(tmp_path: Path) -> None:
    # users first: c (1 item) goes, then y (left with one user) goes; items first would keep y with a and c
    path = write_table(tmp_path, "user,item\na,x\na,y\nb,x\nb,z\nc,y\n")
    data = load("Custom", tmp_path, min_user_interactions=2, min_item_interactions=2, path=path)
    assert data.user_ids == ("a", "b")
    assert data.item_ids == ("x",)
    assert data.matrix.toarray().tolist() == [[1], [1]]
    assert data.counts["dropped/user_below_minimum"] == 1
    assert data.counts["dropped/item_below_minimum"] == 2


def test_a_user_left_with_nothing_vanishes(tmp_path: Path) -> None:
    path = write_table(tmp_path, "user,item\na,x\nb,x\nc,lonely\n")
    data = load("Custom", tmp_path, min_user_interactions=1, min_item_interactions=2, path=path)
    assert data.user_ids == ("a", "b")


def test_interactions_say_what_they_are(tmp_path: Path) -> None:
    path = write_table(tmp_path, "user,item\nb,y\nb,x\na,y\nb,y\n")
    data = load("Custom", tmp_path, **EVERYTHING, path=path)
    assert data.matrix.dtype == np.float32
    assert data.matrix.toarray().tolist() == [[0, 1], [1, 1]]
    assert data.source.uri == str(path)
    assert (data.dataset, data.min_user_interactions, data.min_item_interactions) == ("Custom", 0, 0)
    assert dict(data.counts) == {
        "read/rows": 4,
        "dropped/no_user_id": 0,
        "dropped/no_item_id": 0,
        "dropped/repeated_pair": 1,
        "distinct/pairs": 3,
        "distinct/users": 2,
        "distinct/items": 2,
        "dropped/user_below_minimum": 0,
        "dropped/item_below_minimum": 0,
        "kept/pairs": 3,
        "kept/users": 2,
        "kept/items": 2,
    }


def test_the_log_says_read_dropped_and_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write_table(tmp_path, "user,item\nb,y\n,x\na,y\nb,y\n")
    with caplog.at_level(logging.INFO, logger="elsa_groups.data"):
        load("Custom", tmp_path, **EVERYTHING, path=path)
    assert caplog.messages[-5:] == [
        f"Custom: {path}",
        "Custom: read 4 rows",
        "Custom: dropped 1 no user id, 1 repeated pair",
        "Custom: distinct 2 interactions, 2 users, 1 items",
        "Custom: kept 2 interactions, 2 users, 1 items",
    ]


@pytest.mark.parametrize(
    ("thresholds", "lower"),
    [((9, 1), "lower min_user_interactions"), ((1, 9), "lower min_item_interactions")],
)
def test_nothing_left_says_counts_and_what_to_lower(
    tmp_path: Path, thresholds: tuple[int, int], lower: str
) -> None:
    path = write_table(tmp_path, "user,item\na,x\na,y\nb,x\n")
    with pytest.raises(InputError) as caught:
        load(
            "Custom",
            tmp_path,
            min_user_interactions=thresholds[0],
            min_item_interactions=thresholds[1],
            path=path,
        )
    assert str(caught.value).endswith(lower)
    assert "distinct/pairs 3, distinct/users 2, distinct/items 2" in str(caught.value)


def test_a_table_without_rows_is_an_error_about_the_file(tmp_path: Path) -> None:
    path = write_table(tmp_path, "user,item\n")
    with pytest.raises(InputError, match=r"got none .read/rows 0.*check the file"):
        load("Custom", tmp_path, **EVERYTHING, path=path)


@pytest.mark.parametrize("value", [-1, 1.5, True, None, "5"])
@pytest.mark.parametrize("name", ["min_user_interactions", "min_item_interactions"])
def test_thresholds_must_be_counts(tmp_path: Path, name: str, value: object) -> None:
    with pytest.raises(InputError, match=f"{name}: expected an integer of at least 0, got"):
        load("Demo", tmp_path, **{**EVERYTHING, name: value})  # type: ignore[arg-type]


def test_unknown_dataset_and_option_name_the_known(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match="expected one of LastFM1k, EchoNest, MovieLens, Custom, Demo, got 'X'"
    ):
        load("X", tmp_path, **EVERYTHING)
    with pytest.raises(InputError, match="Demo: expected options among n_users, n_items, got colour; remove"):
        load("Demo", tmp_path, **EVERYTHING, colour="red")


@pytest.mark.parametrize("dataset", list(READERS))
def test_conf_has_exactly_the_options_of_the_reader(dataset: str) -> None:

    conf = yaml.safe_load((CONF / f"{dataset}.yaml").read_text(encoding="utf-8"))
    options = set(inspect.signature(READERS[dataset]).parameters) - {"folder"}
    assert conf["name"] == dataset
    assert set(conf) - {"defaults"} == options | {"name", "min_user_interactions", "min_item_interactions"}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Interactions:
    folder = tmp_path_factory.mktemp("demo")
    data = load("Demo", folder, min_user_interactions=5, min_item_interactions=5)
    assert list(folder.iterdir()) == []
    return data


def test_demo_is_what_it_says(demo: Interactions) -> None:
    assert (demo.n_users, demo.n_items, demo.n_pairs) == (1000, 1999, 50252)
    assert demo.source.uri == "generated:Demo"
    assert demo.user_ids[:2] == ("user-0000", "user-0001")
    assert demo.item_names is not None
    assert demo.item_names[:2] == ("Ambient No. 1", "Bluegrass No. 1")
    sizes = np.diff(demo.matrix.indptr)
    assert (sizes.min(), int(np.median(sizes)), sizes.max()) == (20, 46, 120)


def test_demo_is_the_same_each_time(demo: Interactions, tmp_path: Path) -> None:
    again = load("Demo", tmp_path, min_user_interactions=5, min_item_interactions=5)
    assert again.digest == demo.digest
    assert again.source == demo.source


def test_demo_communities_are_equal_and_some_users_are_between_two() -> None:
    planted = communities()
    homes = np.bincount([of_user[0] for of_user in planted.values()])
    assert homes.tolist() == [125] * len(GENRES)
    mixed = [of_user for of_user in planted.values() if len(of_user) == 2]
    assert len(mixed) == 96
    assert all(first != second for first, second in mixed)


def test_demo_users_near_each_other_share_a_community(demo: Interactions) -> None:
    planted = communities()
    member = np.zeros((demo.n_users, len(GENRES)), dtype=bool)
    for row, user in enumerate(demo.user_ids):
        member[row, list(planted[user])] = True
    weighted = demo.matrix.toarray() * np.log(demo.n_users / demo.matrix.sum(axis=0))
    left, values, _ = np.linalg.svd(weighted, full_matrices=False)
    vectors = left[:, :64] * values[:64]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    similarity = vectors @ vectors.T
    near = similarity >= np.quantile(similarity[np.triu_indices(demo.n_users, 1)], 0.9)
    rng = np.random.default_rng(3)
    trios = rng.integers(0, demo.n_users, (400_000, 3))
    a, b, c = trios[(trios[:, 0] < trios[:, 1]) & (trios[:, 1] < trios[:, 2])].T
    similar = near[a, b] & near[b, c] & near[a, c]
    pure = (member[a] & member[b] & member[c]).any(axis=1)
    assert similar.sum() > 100
    assert pure[similar].mean() >= 0.95


@pytest.mark.parametrize(("option", "value"), [("n_users", 7), ("n_items", 239), ("n_users", 10.0)])
def test_demo_refuses_sizes_that_hold_no_communities(tmp_path: Path, option: str, value: object) -> None:
    with pytest.raises(InputError, match=f"{option}: expected an integer of at least"):
        load("Demo", tmp_path, **EVERYTHING, **{option: value})


def test_where_nothing_is_cached_a_file_is_read_while_it_is_digested(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    demo = READERS["Demo"](tmp_path, n_users=200, n_items=300)
    # Neither goes on before the other has begun.
    both = threading.Barrier(2, timeout=30)

    def met(returned: object) -> object:
        both.wait()
        return returned

    reading = Reading(lambda: met(demo.source), lambda: met(demo.read()))
    monkeypatch.setitem(READERS, "Demo", lambda folder: reading)
    data = load("Demo", tmp_path, **EVERYTHING)
    assert data.source == demo.source
    monkeypatch.setitem(READERS, "Demo", lambda folder: Reading(lambda: demo.source, pytest.fail))
    assert load("Demo", tmp_path, **EVERYTHING).digest == data.digest
