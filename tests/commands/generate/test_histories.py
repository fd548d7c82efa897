"""Histories as files."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.sparse import csr_array

from elsa_groups.commands.generate import histories
from elsa_groups.commands.generate.histories import write_history
from elsa_groups.data.interactions import Interactions, Source


@pytest.fixture
def interactions() -> Interactions:
    matrix = csr_array(np.array([[1, 0, 1], [0, 1, 0], [1, 1, 1]], np.float32))
    return Interactions("Demo", matrix, ("u", "ü", "w"), ("a", "b", "c"), None, Source("x", "0" * 64), 0, 0)


@pytest.mark.parametrize("piece", [1, 2, 100])
def test_every_pair_is_a_row_with_its_ids(interactions, tmp_path, monkeypatch, piece):
    monkeypatch.setattr(histories, "_USERS_PER_PIECE", piece)
    part = csr_array(np.array([[0, 0, 1], [0, 0, 0], [1, 1, 0]], np.float32))
    write_history(tmp_path / "part.parquet", part, interactions)
    table = pq.read_table(tmp_path / "part.parquet")
    assert [column for column in table.schema.names] == ["user_index", "item_index", "user_id", "item_id"]
    assert [tuple(row.values()) for row in table.to_pylist()] == [
        (0, 2, "u", "c"), (2, 0, "w", "a"), (2, 1, "w", "b"),
    ]  # fmt: skip
    assert pa.types.is_dictionary(table.schema.field("user_id").type)


def test_the_same_pairs_are_the_same_bytes(interactions, tmp_path):
    for name in ("one", "two"):
        write_history(tmp_path / name, interactions.matrix.copy(), interactions)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
