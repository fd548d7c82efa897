from pathlib import Path

import numpy as np
import pytest

from elsa_groups.base.errors import InputError
from elsa_groups.data.interactions import Interactions
from elsa_groups.data.load import load

SHARED = Path(__file__).parents[2].parent / "shared"
NAME = "userid-timestamp-artid-artname-traid-traname.tsv"
EVERYTHING = {"min_user_interactions": 0, "min_item_interactions": 0}


def shared(path: str) -> Path:
    if not (SHARED / path).exists():
        pytest.skip(f"no sample {path}")
    return SHARED / path


def line(user: str, artist: str, name: str = "Name") -> str:
    return f"{user}\t2009-05-04T23:08:57Z\t{artist}\t{name}\t\tSome track"


def load_text(folder: Path, raw: str | bytes) -> Interactions:
    path = folder / "LastFM1k" / NAME
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(raw.encode() if isinstance(raw, str) else raw)
    return load("LastFM1k", folder, **EVERYTHING)


@pytest.mark.parametrize(
    ("thresholds", "kept"), [((5, 10), (62_997, 1_870, 1_530)), ((10, 20), (53_215, 1_860, 804))]
)
def test_hetrec_listeners_have_the_known_counts(
    listeners: Path, thresholds: tuple[int, int], kept: tuple[int, int, int]
) -> None:
    data = load(
        "LastFM1k", listeners, min_user_interactions=thresholds[0], min_item_interactions=thresholds[1]
    )
    assert (data.n_pairs, data.n_users, data.n_items) == kept
    assert data.counts["read/lines"] == 188_298
    assert data.counts["dropped/malformed_line"] == 0
    assert data.counts["dropped/no_item_id"] == 3_721
    assert [data.counts[f"distinct/{what}"] for what in ("pairs", "users", "items")] == [
        92_834,
        1_892,
        17_632,
    ]


def test_real_sample_has_the_known_counts(tmp_path: Path) -> None:
    sample = shared(f"data/lastfm1k_sample/{NAME}")
    data = load("LastFM1k", tmp_path, **EVERYTHING, path=sample)
    assert (data.n_pairs, data.n_users, data.n_items) == (205, 2, 204)
    assert data.counts["read/lines"] == 5000
    assert data.counts["dropped/no_item_id"] == 353
    assert data.item_names is not None
    name_of = dict(zip(data.item_ids, data.item_names, strict=True))
    assert name_of["a7f7df4a-77d8-4f12-8acd-5c60c93f4de8"] == "坂本龍一"


def test_shuffled_lines_give_the_same_rows(listeners: Path, tmp_path: Path) -> None:
    lines = (listeners / "LastFM1k" / NAME).read_bytes().splitlines(keepends=True)
    order = np.random.default_rng(0).permutation(len(lines))
    shuffled = load_text(tmp_path, b"".join(lines[at] for at in order))
    data = load("LastFM1k", listeners, **EVERYTHING)
    assert shuffled.digest == data.digest
    assert shuffled.item_names == data.item_names
    assert shuffled.counts == data.counts
    assert shuffled.source.sha256 != data.source.sha256


def test_quotes_are_data(tmp_path: Path) -> None:
    data = load_text(
        tmp_path, "\n".join([line("u1", "a1", '"Weird'), line("u2", '"a2', 'Al" Y'), line("u3", "a3")])
    )
    assert data.item_ids == ('"a2', "a1", "a3")
    assert data.item_names == ('Al" Y', '"Weird', "Name")


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("last", [True, False])
def test_line_ends_do_not_matter(tmp_path: Path, ending: str, last: bool) -> None:
    text = ending.join([line("u1", "a1"), line("u2", "a2")]) + (ending if last else "")
    data = load_text(tmp_path, text)
    assert data.counts["read/lines"] == 2
    assert data.matrix.toarray().tolist() == [[1, 0], [0, 1]]


def test_only_lines_of_five_tabs_are_good(tmp_path: Path) -> None:
    bad = [line("u8", "a8") + "\tmore", "u9\t2009\ta9\tName\t", "", "\x01"]
    data = load_text(
        tmp_path, "\n".join([line("u1", "a1"), *bad, line("u2", "a2"), line("u2", ""), line("", "a1")])
    )
    assert data.user_ids == ("u1", "u2")
    assert data.item_ids == ("a1", "a2")
    assert data.counts["read/lines"] == 8
    assert data.counts["dropped/malformed_line"] == 4
    assert data.counts["dropped/no_item_id"] == 1
    assert data.counts["dropped/no_user_id"] == 1


def test_ids_are_strings_sorted_by_code_point(tmp_path: Path) -> None:
    text = "\n".join([line("10", "007"), line("9", "7"), line("é", "7.0"), line("z", "B"), line("Z", "a")])
    data = load_text(tmp_path, text)
    assert data.user_ids == ("10", "9", "Z", "z", "é")
    assert data.item_ids == ("007", "7", "7.0", "B", "a")


def test_invalid_utf8_names_the_line(tmp_path: Path) -> None:
    raw = f"{line('u1', 'a1')}\n{line('u2', 'a2')}\n".encode() + b"u3\t2009\ta3\tBj\xf6rk\t\tJoga\n"
    with pytest.raises(InputError, match=r"expected UTF-8 text, got byte 0xf6 in line 3; convert or replace"):
        load_text(tmp_path, raw)


def test_empty_file_is_an_error_about_the_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"read/lines 0.*check the file"):
        load_text(tmp_path, "")


def test_a_file_name_is_no_pattern(tmp_path: Path) -> None:
    path = tmp_path / "events[1]*.tsv"
    path.write_text(line("u1", "a1"))
    (tmp_path / "events1x.tsv").write_text("\n".join([line("u2", "a2"), line("u3", "a3")]))
    data = load("LastFM1k", tmp_path, **EVERYTHING, path=path)
    assert data.user_ids == ("u1",)
