"""Records of groups runs as settings make them, and summary rows of made up groups."""

from collections.abc import Callable
from typing import Any

import pytest

from elsa_groups.cli.composing import compose_settings
from elsa_groups.record.code import Code
from elsa_groups.record.schema import environment_record
from elsa_groups.report.tables import Row, summary_row
from elsa_groups.settings.plain import plain

from ..conftest import make_result

Told = tuple[dict[str, Any], list[Row]]


def _make_told(*overrides: str) -> Told:
    settings = plain(compose_settings("generate", ["dataset=LastFM1k", *overrides]))
    record = {
        "run_id": "0123456789abcdef",
        "parent": {"factors": 64, "files": {"vectors.parquet": "c" * 64}},
        "data": {
            "dataset": settings["dataset"]["name"],
            "filter": {"min_user_interactions": 5, "min_item_interactions": 10},
            "counts": {"distinct/pairs": 92834},
            "n_users": 1870,
            "n_items": 1530,
            "n_pairs": 62997,
        },
        "users": {"n_users": 1234, "n_trained": 987},
        "thresholds": {
            "asked": settings["thresholds"],
            "similar": 0.67891,
            "divergent": 0.49823,
            "band_low": 0.51327,
            "band_high": 0.52468,
            "method": "exact",
            "n_users": 1870,
            "pairs": 1747515,
            "intervals": {},
        },
        "settings": settings,
        "environment": environment_record(Code("d" * 40, b"diff"), device="cpu", threads=2),
    }
    keys = [
        "_".join([name, *map(str, sizes)])
        for name, family in settings["families"].items()
        for sizes in family["compositions"]
    ]
    return record, [summary_row(make_result(key, 20, seed=n)) for n, key in enumerate(keys)]


@pytest.fixture(scope="session")
def make_told() -> Callable[..., Told]:
    """Return the record and the rows of a run that overrides of generate ask for."""
    return _make_told
