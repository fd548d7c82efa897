"""What of groups runs is compared, and what is said of it."""

from types import SimpleNamespace

import pytest

from elsa_groups.base.errors import InputError
from elsa_groups.cli.composing import compose_settings
from elsa_groups.commands.compare import compare
from elsa_groups.commands.compare.comparison import compare_groups_runs
from elsa_groups.commands.compare.differing_settings import find_variation
from elsa_groups.settings.commands import CompareSettings
from elsa_groups.settings.plain import plain
from elsa_groups.tracking import compared
from elsa_groups.tracking.load import Record
from elsa_groups.tracking.run import DESCRIPTION_LENGTH


@pytest.fixture
def records(make_compared, monkeypatch) -> dict[str, Record]:
    """Records by their ids, which a store has."""
    composed = [plain(compose_settings("generate", ["dataset=Demo", f"seed={n}"])) for n in range(2)]
    lineages = [make_compared(str(n)).lineage | {"settings": one} for n, one in enumerate(composed)]
    found = {str(n): Record(str(n), "0", str(n), one, SimpleNamespace()) for n, one in enumerate(lineages)}
    monkeypatch.setattr(compared, "open_record", found.__getitem__)
    return found


ASKED = CompareSettings(runs="0,1")


def test_a_record_that_is_older_than_a_setting_means_its_default(records):
    for name in ("similarity", "user_sample", "history", "filters"):
        del records["0"].lineage["settings"][name]
    lineages = [record.lineage for record in records.values()]
    assert len(find_variation(lineages).settings) > 4
    variation = find_variation([record.lineage for record in compare.records_of(ASKED)])
    assert [setting.name for setting in variation.settings] == ["seed"]


def test_settings_that_cannot_be_read_are_refused_with_whose_they_are(records):
    records["1"].lineage["settings"]["seed"] = "many"
    with pytest.raises(InputError, match=r"compare: run 1: settings of the record: seed: .*many"):
        compare.records_of(ASKED)


def test_a_command_that_would_be_cut_is_left_to_the_page(make_compared):
    for n_runs, is_whole in ((3, True), (300, False)):
        comparison = compare_groups_runs([make_compared(f"{n:032}", seed=n) for n in range(n_runs)])
        command = compare.again_command(comparison)
        text = compare.describe_comparison(comparison, command)
        assert len(text) <= DESCRIPTION_LENGTH
        assert text.endswith(f"`{command}`") == is_whole
        assert text.endswith("Again: by the command at the end of the page.") != is_whole
