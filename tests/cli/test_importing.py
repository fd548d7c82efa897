"""No search for garbage while libraries are imported, and none among them later."""

import gc

import pytest

from elsa_groups.cli.importing import importing


@pytest.fixture(autouse=True)
def thawed():
    yield
    gc.unfreeze()
    gc.enable()


def test_garbage_is_looked_for_again_afterwards_but_not_among_what_was_imported():
    with importing():
        assert not gc.isenabled()
        imported = [object()]
    assert gc.isenabled()
    assert gc.is_tracked(imported)
    assert not any(each is imported for each in gc.get_objects())


def test_who_collects_no_garbage_goes_on_so():
    gc.disable()
    with pytest.raises(ImportError), importing():
        raise ImportError("no such library")
    assert not gc.isenabled()
