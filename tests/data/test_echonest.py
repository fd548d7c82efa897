from pathlib import Path

import pytest

from elsa_groups.base.errors import InputError
from elsa_groups.data.echonest import mismatched_songs
from elsa_groups.data.load import load

SAMPLE = Path(__file__).parents[2].parent / "shared" / "data" / "tasteprofile_sample"
EVERYTHING = {"min_user_interactions": 0, "min_item_interactions": 0}
needs_sample = pytest.mark.skipif(not SAMPLE.exists(), reason="no Taste Profile sample")


@needs_sample
@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("train_triplets_head5000.txt", (5000, 92, 4172)),
        ("kaggle_visible_head2023.txt", (2023, 153, 1798)),
    ],
)
def test_real_samples_have_the_known_counts(tmp_path: Path, name: str, counts: tuple[int, int, int]) -> None:
    data = load("EchoNest", tmp_path, **EVERYTHING, path=SAMPLE / name)
    assert (data.n_pairs, data.n_users, data.n_items) == counts
    assert data.item_names is None


@needs_sample
def test_mismatched_songs_of_the_real_list_are_left_out(tmp_path: Path) -> None:
    songs = set(mismatched_songs(SAMPLE / "sid_mismatches.txt"))
    assert len(songs) == 18_913
    raw = SAMPLE / "train_triplets_head5000.txt"
    data = load(
        "EchoNest", tmp_path, **EVERYTHING, path=raw, exclude_mismatches=SAMPLE / "sid_mismatches.txt"
    )
    named = sum(row.split("\t")[1] in songs for row in raw.read_text().splitlines())
    assert data.counts["dropped/mismatched_song"] == named == 287
    assert data.n_pairs == 5000 - 287
    assert not set(data.item_ids) & songs


def test_the_cache_tells_lists_apart(tmp_path: Path) -> None:
    raw, mismatches = tmp_path / "t.txt", tmp_path / "m.txt"
    raw.write_text("u1\tSOA\t1\nu1\tSOB\t2\nu1\tSOC\n")
    mismatches.write_text("ERROR: <SOA TRX> some  !=  other\n")
    assert load("EchoNest", tmp_path, **EVERYTHING, path=raw).item_ids == ("SOA", "SOB")
    data = load("EchoNest", tmp_path, **EVERYTHING, path=raw, exclude_mismatches=mismatches)
    assert data.item_ids == ("SOB",)
    assert data.counts["dropped/malformed_line"] == 1
    mismatches.write_text("ERROR: <SOB TRX> some  !=  other\n")
    again = load("EchoNest", tmp_path, **EVERYTHING, path=raw, exclude_mismatches=mismatches)
    assert again.item_ids == ("SOA",)


@pytest.mark.parametrize("text", [None, "SOA\nSOB\n"])
def test_a_wrong_list_is_an_error(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "sid_mismatches.txt"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=r"exclude_mismatches: expected .* or null to keep all songs"):
        load("EchoNest", tmp_path, **EVERYTHING, exclude_mismatches=path)
