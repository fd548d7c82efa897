"""Tables of histories: what groups were drawn by, and what was held out for a later evaluation."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.sparse import csr_array

from elsa_groups.data.interactions import Interactions

# Users of one piece, so that a table of tens of millions of pairs is never whole in memory.
_USERS_PER_PIECE = 2**16


def write_history(path: Path, part: csr_array, interactions: Interactions) -> None:
    """Write pairs of a user and an item as parquet: user_index, item_index, user_id, item_id.

    Parameters
    ----------
    path : Path
        The file; equal pairs give equal bytes.
    part : csr_array, shape (n_users, n_items)
        Which of the interactions; rows and columns are theirs.
    interactions : Interactions
        Whose ids are written, dictionary-encoded: each once.
    """
    user_ids, item_ids = (
        pa.array(ids, pa.string()) for ids in (interactions.user_ids, interactions.item_ids)
    )
    ids = pa.dictionary(pa.int32(), pa.string())
    kinds = {"user_index": pa.int32(), "item_index": pa.int32(), "user_id": ids, "item_id": ids}
    with pq.ParquetWriter(path, pa.schema(kinds.items()), compression="zstd") as writer:
        for start in range(0, part.shape[0], _USERS_PER_PIECE):
            piece = part[start : start + _USERS_PER_PIECE]
            users = np.repeat(np.arange(start, start + piece.shape[0], dtype=np.int32), np.diff(piece.indptr))
            items = piece.indices.astype(np.int32)
            named = pa.DictionaryArray.from_arrays
            columns = [users, items, named(users, user_ids), named(items, item_ids)]
            writer.write_table(pa.table(columns, schema=writer.schema))
