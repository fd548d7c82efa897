"""What is said where a package is not installed that only some commands need."""

import pytest

from elsa_groups.base import extras
from elsa_groups.base.errors import InputError
from elsa_groups.cli.commands import COMMANDS
from elsa_groups.cli.composing import compose_settings
from elsa_groups.commands.generate.generate import check_machine

EXPECTED = r"evaluate: expected grouprec, which is not installed; `pip install elsa-groups\[evaluate\]`"


@pytest.fixture
def _no_grouprec(monkeypatch):
    monkeypatch.setattr(extras, "find_spec", lambda _: None)


@pytest.mark.usefixtures("_no_grouprec")
def test_evaluate_names_the_extra_that_brings_grouprec():
    with pytest.raises(InputError, match=EXPECTED):
        COMMANDS["evaluate"].load()


@pytest.mark.usefixtures("_no_grouprec")
def test_generate_says_so_before_any_work_where_groups_are_to_be_evaluated():
    check_machine(compose_settings("generate", ["dataset=Demo"]))
    with pytest.raises(InputError, match=EXPECTED):
        check_machine(compose_settings("generate", ["dataset=Demo", "evaluate=true"]))
