from pathlib import Path

import polars as pl
import pytest

from elsa_groups.base.errors import InputError
from elsa_groups.data.interactions import Interactions
from elsa_groups.data.load import load

EVERYTHING = {"min_user_interactions": 0, "min_item_interactions": 0}


def load_text(folder: Path, text: str, name: str = "table.csv", **options: object) -> Interactions:
    path = folder / name
    path.write_bytes(text.encode())
    return load("Custom", folder, **EVERYTHING, path=path, **options)


@pytest.mark.parametrize(("name", "comma"), [("t.csv", ","), ("t.tsv", "\t"), ("T.CSV", ",")])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_ids_stay_as_they_are_written(tmp_path: Path, name: str, comma: str, ending: str) -> None:
    rows = [["n", "user", "item"], ["1", "007", "1.0"], ["2", "7", "1"], ["3", "10", "2"]]
    data = load_text(tmp_path, ending.join(comma.join(row) for row in rows), name)
    assert data.user_ids == ("007", "10", "7")
    assert data.item_ids == ("1", "1.0", "2")


def test_quotes_quote(tmp_path: Path) -> None:
    data = load_text(tmp_path, 'user,item\n"a ""b"", c",x\nd,"two\nlines"\n')
    assert data.user_ids == ('a "b", c', "d")
    assert data.item_ids == ("two\nlines", "x")


def test_missing_ids_are_counted(tmp_path: Path) -> None:
    data = load_text(tmp_path, 'user,item\na,x\n,x\n"",x\na,\nb\n')
    assert data.user_ids == ("a",)
    assert data.counts["read/rows"] == 5
    assert data.counts["dropped/no_user_id"] == 2
    assert data.counts["dropped/no_item_id"] == 2


@pytest.mark.parametrize("dtype", [pl.Int64, pl.String, pl.Categorical])
def test_parquet_of_any_id_type(tmp_path: Path, dtype: type[pl.DataType]) -> None:
    path = tmp_path / "t.parquet"
    users = pl.Series(["10", "9", None]).cast(dtype)
    pl.DataFrame({"who": users, "what": ["x", "y", "z"], "more": [[1], [2], [3]]}).write_parquet(path)
    data = load("Custom", tmp_path, **EVERYTHING, path=path, user_column="who", item_column="what")
    assert data.user_ids == ("10", "9")
    assert data.item_ids == ("x", "y")
    assert data.counts["dropped/no_user_id"] == 1


def test_not_a_number_is_a_missing_id(tmp_path: Path) -> None:
    table = pl.DataFrame({"user": [1.0, float("nan"), None], "item": ["x", "y", "z"]})
    table.write_parquet(tmp_path / "table.parquet")
    data = load("Custom", tmp_path, **EVERYTHING, path=tmp_path / "table.parquet")
    assert data.user_ids == ("1.0",)
    assert data.counts["dropped/no_user_id"] == 2


def test_other_columns_give_other_data_from_the_same_file(tmp_path: Path) -> None:
    text = "user,item,shop\na,x,s\nb,y,s\n"
    assert load_text(tmp_path, text).item_ids == ("x", "y")
    assert load_text(tmp_path, text, item_column="shop").item_ids == ("s",)


def test_a_missing_column_lists_those_there(tmp_path: Path) -> None:
    with pytest.raises(
        InputError,
        match=r"item_column: expected one column 'song' in .*, got none among 2 col.*: 'user', 'item'",
    ):
        load_text(tmp_path, "user,item\na,x\n", item_column="song")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("user,item\na,x,more\n", "t.csv"),
        ("", "t.csv"),
        ("no parquet", "t.parquet"),
        ("user,item\na,x\n", "t.xls"),
    ],
)
def test_an_unreadable_file_is_an_error_that_names_it(tmp_path: Path, text: str, name: str) -> None:
    with pytest.raises(InputError, match=f"{name}.*correct the (file|path)"):
        load_text(tmp_path, text, name)


@pytest.mark.parametrize("options", [{}, {"path": None}, {"path": "nowhere.csv"}, {"path": "."}])
def test_no_file_is_an_error(tmp_path: Path, options: dict[str, object]) -> None:
    with pytest.raises(InputError, match=r"path: expected a .csv, .tsv or .parquet file, got"):
        load("Custom", tmp_path, **EVERYTHING, **options)


def test_one_column_cannot_be_both(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected two columns, got 'user' twice"):
        load_text(tmp_path, "user,item\na,x\n", item_column="user")
