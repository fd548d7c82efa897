"""BibTeX has what the paragraph cites, no more and no less, in a form that can be read."""

import re

import pytest

from elsa_groups.report.paper.methods import methods_paragraph
from elsa_groups.report.paper.references import used_references, write_bibliography
from elsa_groups.settings.conf import conf_dir

FAMILIES = sorted(path.stem for path in (conf_dir() / "families").glob("*.yaml"))
ASKED = [[f"families={name}"] for name in FAMILIES]
ASKED += [["dataset=Demo"], ["dataset=EchoNest"], ["dataset=MovieLens"], ["evidence.halves=null"]]
ASKED += [["dataset=Custom", "dataset.path=a.csv"], ["similarity.source=jaccard"], ["filters=kaya"]]
ASKED += [["similarity.source=vectors", "vectors.path=users.parquet"]]


def keys_of(bibliography: str) -> list[str]:
    return re.findall(r"^@\w+\{([^,\s]+),$", bibliography, re.MULTILINE)


@pytest.mark.parametrize("overrides", ASKED, ids=lambda overrides: " ".join(overrides))
def test_what_is_cited_is_there_and_nothing_else(make_told, overrides):
    record, rows = make_told(*overrides)
    cited = re.findall(r"\[@([\w-]+)\]", methods_paragraph(record, rows))
    keys = keys_of(write_bibliography(record))
    assert keys == list(used_references(record))
    assert sorted(keys) == sorted(set(cited))


def test_entries_are_whole(make_told):
    text = write_bibliography(make_told("families=minority", "filters=kaya")[0])
    for entry in re.sub(r"^%.*\n", "", text, flags=re.MULTILINE).strip().split("\n\n"):
        head, *fields, end = entry.splitlines()
        assert re.fullmatch(r"@\w+\{[\w-]+,", head)
        assert end == "}"
        for field in fields:
            value = re.fullmatch(r"  (\w+) = \{(.+)\}", field.removesuffix(","))[2]
            # Braces close inside each value, and none before it opens.
            depth = [value[:place].count("{") - value[:place].count("}") for place in range(len(value) + 1)]
            assert (min(depth), depth[-1]) == (0, 0)
        assert [field.endswith(",") for field in fields] == [True] * (len(fields) - 1) + [False]


def test_elsa_is_cited_as_its_authors_ask(make_told):
    text = write_bibliography(make_told()[0])
    assert "doi = {10.1145/3523227.3551482}" in text
    assert r"Van{\v{c}}ura, Vojt{\v{e}}ch" in text


def test_the_program_has_its_version_and_commit(make_told):
    record = make_told()[0]
    version = record["environment"]["packages"]["elsa-groups"]
    assert f"note = {{Version {version}, commit {'d' * 40}}}" in write_bibliography(record)
    record["environment"]["code"] = {}
    assert f"note = {{Version {version}}}" in write_bibliography(record)


def test_data_of_ones_own_ask_for_a_reference(make_told):
    custom = write_bibliography(make_told("dataset=Custom", "dataset.path=a.csv")[0])
    assert custom.startswith("% The data set is your own")
    assert "your own" not in write_bibliography(make_told("dataset=Demo")[0])


def test_the_same_record_gives_the_same_bytes(make_told):
    one, other = make_told()[0], make_told()[0]
    assert write_bibliography(one) == write_bibliography(other)
