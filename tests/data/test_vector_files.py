"""Vectors are read from every form that tables and arrays have, and nothing else is taken for them."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from elsa_groups.base.errors import InputError
from elsa_groups.data.vector_files import check_vector_file, read_vectors

NUMBERS = np.arange(12, dtype=np.float64).reshape(4, 3)
IDS = ["a", "b", "c", "d"]


def table(**columns):
    return pa.table(columns)


def listed(kind, numbers=NUMBERS):
    return pa.array([row.tolist() for row in numbers], kind)


@pytest.mark.parametrize(
    "columns",
    [
        {"u": IDS, "v": listed(pa.list_(pa.float64()))},
        {"u": IDS, "v": listed(pa.large_list(pa.float32()))},
        {"u": IDS, "v": listed(pa.list_(pa.float32(), 3))},
        {"u": pa.array(IDS).dictionary_encode(), "v": listed(pa.list_(pa.float64()))},
        {"u": IDS, "x": NUMBERS[:, 0], "y": NUMBERS[:, 1].astype(np.int64), "z": NUMBERS[:, 2]},
    ],
)
def test_lists_and_columns_of_numbers_are_vectors(columns, tmp_path):
    pq.write_table(table(**columns), tmp_path / "v.parquet", row_group_size=3)
    named = read_vectors(tmp_path / "v.parquet", most=4)
    assert named.ids == IDS
    assert named.vectors.tolist() == NUMBERS.tolist()


def test_numbers_as_ids_are_read_as_they_are_written(tmp_path):
    pq.write_table(table(u=[7, 10, 2, 1], x=[1.0, 2.0, 3.0, 4.0]), tmp_path / "v.parquet")
    assert read_vectors(tmp_path / "v.parquet", most=4).ids == ["7", "10", "2", "1"]


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64, np.int64])
def test_arrays_go_with_a_file_of_ids(kind, tmp_path):
    np.save(tmp_path / "v.npy", NUMBERS.astype(kind))
    # As Windows writes it; an empty line is an id like any other, and unknown.
    (tmp_path / "v.txt").write_bytes(b"\xef\xbb\xbfa\r\nb\r\nc\r\nd\r\n")
    named = read_vectors(check_vector_file(tmp_path / "v.npy", "vectors.path"), most=4)
    assert named.ids == IDS
    assert named.vectors.dtype == (np.float32 if np.dtype(kind).itemsize < 8 else np.float64)
    assert named.vectors.tolist() == NUMBERS.tolist()


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"v": listed(pa.list_(pa.float64())), "u": IDS}, "expected a first column of ids"),
        ({"u": IDS}, "expected a first column of ids"),
        ({"u": IDS, "v": listed(pa.list_(pa.float64())), "w": IDS}, "expected a first column of ids"),
        ({"u": [1.5, 2.0, 3.0, 4.0], "x": NUMBERS[:, 0]}, "expected ids in the first column"),
        ({"u": ["a", None, "c", "d"], "x": NUMBERS[:, 0]}, "with 1 missing"),
        ({"u": IDS, "v": pa.array([[1.0], [1.0, 2.0], [3.0], [4.0]])}, "lists of one length"),
        ({"u": IDS, "v": pa.array([[1.0], None, [3.0], [4.0]])}, "lists of one length"),
        ({"u": IDS, "v": pa.array([[1.0], [None], [3.0], [4.0]])}, "lists of one length"),
        ({"u": IDS, "x": pa.array([1.0, None, 2.0, 3.0])}, "got NaN or infinity in 1 of 4"),
        ({"u": [*IDS, "e"], "x": np.arange(5.0)}, "expected 1 to 4 rows, as the data have"),
        ({"u": pa.array([], pa.string()), "x": np.arange(0.0)}, "expected 1 to 4 rows"),
    ],
)
def test_other_tables_are_refused(columns, message, tmp_path):
    pq.write_table(table(**columns), tmp_path / "v.parquet")
    with pytest.raises(InputError, match=message):
        read_vectors(tmp_path / "v.parquet", most=4)


def test_a_small_file_that_claims_to_hold_much_is_refused_before_it_is_read(tmp_path):
    # Four lists of 100,000 equal numbers take a few hundred bytes.
    huge = pa.array([[0.5] * 100_000] * 4, pa.list_(pa.float32()))
    pq.write_table(table(u=IDS, v=huge), tmp_path / "v.parquet")
    with pytest.raises(InputError, match="of 1 to 65,536 dimensions, got 4 of 100,000"):
        read_vectors(tmp_path / "v.parquet", most=4)


@pytest.mark.parametrize("name", ["v.parquet", "v.npy"])
def test_what_is_no_such_file_is_one_error(name, tmp_path):
    (tmp_path / name).write_bytes(b"\x80\x04pickled")
    (tmp_path / "v.txt").write_text("a\n")
    with pytest.raises(InputError, match=rf"{name}: expected readable vectors, got an error"):
        read_vectors(tmp_path / name, most=4)


def test_objects_are_not_unpickled(tmp_path):
    np.save(tmp_path / "v.npy", np.array([[{}]], object), allow_pickle=True)
    (tmp_path / "v.txt").write_text("a\n")
    with pytest.raises(InputError, match="objects, which are not read"):
        read_vectors(tmp_path / "v.npy", most=4)


def test_places_that_hold_no_vectors_are_refused_by_their_setting(tmp_path):
    (tmp_path / "v.csv").touch()
    (tmp_path / "v.npy").touch()
    for name, message in (
        *(("v.csv", "with the suffix '.csv'"), ("w.npy", "which is no file")),
        ("v.npy", "got no .*v.txt; write the ids there"),
    ):
        with pytest.raises(InputError, match=f"vectors.items: .*{message}"):
            check_vector_file(tmp_path / name, "vectors.items")
