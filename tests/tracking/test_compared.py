"""Runs to compare: who is to blame where none can be found."""

import pytest
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE, TEMPORARILY_UNAVAILABLE

from elsa_groups.base.errors import InputError
from elsa_groups.tracking import compared


@pytest.mark.parametrize(
    ("given", "code", "expected"),
    [
        ({"condition": "seed = 1"}, INVALID_PARAMETER_VALUE, "filter: no; got seed = 1"),
        ({"condition": "seed = 1"}, TEMPORARILY_UNAVAILABLE, "tracking store sqlite:///here.db: no"),
        ({"parent": "0123"}, INVALID_PARAMETER_VALUE, "tracking store sqlite:///here.db: no"),
    ],
)
def test_a_filter_is_blamed_if_it_is_the_users_and_else_the_store_is(monkeypatch, given, code, expected):
    def fail(*_):
        raise MlflowException("no", code)

    monkeypatch.setattr(compared, "runs_newest_first", fail)
    monkeypatch.setattr(compared.mlflow, "get_tracking_uri", lambda: "sqlite:///here.db")
    monkeypatch.setattr(compared, "MlflowClient", lambda: None)
    with pytest.raises(InputError) as error:
        compared.find_records(**given)
    assert str(error.value) == expected
