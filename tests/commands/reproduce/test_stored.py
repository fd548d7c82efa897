"""What the files of a run say otherwise than its record."""

import numpy as np
import pyarrow.parquet as pq

from elsa_groups.base.digests import folder_digests
from elsa_groups.commands.reproduce.stored import compare_artifacts
from elsa_groups.groups.groups import Accounting, Groups
from elsa_groups.report.tables import members_table, write_parquet


def test_a_table_with_a_damaged_page_is_named_though_its_digest_is_the_recorded_one(tmp_path):
    members, nothing = np.array([[0, 1], [2, 0]]), np.zeros(2, np.int64)
    groups = Groups("pair_2", members, (2,), Accounting(nothing, nothing, nothing))
    for name in ("stored", "again"):
        (tmp_path / name / "groups").mkdir(parents=True)
        table = members_table(groups, members, ("ann", "bob", "cyd"))
        write_parquet(tmp_path / name / "groups" / "pair_2.parquet", table)
    file = tmp_path / "stored" / "groups" / "pair_2.parquet"
    content, pieces = bytearray(file.read_bytes()), pq.read_metadata(file).row_group(0)
    (ids,) = [p for p in map(pieces.column, range(pieces.num_columns)) if p.path_in_schema == "user_id"]
    content[ids.dictionary_page_offset : ids.dictionary_page_offset + 20] = b"\xff" * 20
    file.write_bytes(content)
    lineage = {"groups": {"pair_2": {}}, "artifacts": folder_digests(tmp_path / "stored")}
    (tmp_path / "stored" / "lineage.json").write_text("{}")

    found = compare_artifacts(lineage, tmp_path / "stored", tmp_path / "again")
    (of_ids,) = [each for each in found if each.name == "ids in groups/pair_2.parquet"]
    assert (of_ids.present, of_ids.kind) == (None, "meaning")
