import zipfile
from pathlib import Path

import pytest

from elsa_groups.base.errors import InputError
from elsa_groups.data.interactions import Interactions
from elsa_groups.data.load import load

EVERYTHING = {"min_user_interactions": 0, "min_item_interactions": 0}
FILES = {
    "ml-100k/u.data": b"1\t10\t4\t8\n1\t20\t3\t8\n2\t20\t5\t8\n",
    "ml-100k/u.item": "10|Misérables, Les|x\n20|B|x\n".encode("latin-1"),
    "ml-1m/ratings.dat": b"1::10::4::8\n1::20::3::8\n2::20::5::8\n",
    "ml-1m/movies.dat": "10::Misérables, Les::Drama\n20::B::Drama\n".encode("latin-1"),
    "ml-25m/ratings.csv": b"userId,movieId,rating,timestamp\n1,10,4.0,8\n1,20,3.5,8\n2,20,5.0,8\n",
    "ml-25m/movies.csv": 'movieId,title,genres\n10,"Misérables, Les",Drama\n20,B,Drama\n'.encode(),
}
VARIANTS = ["100k", "1m", "25m"]


def files_of(variant: str) -> dict[str, bytes]:
    return {name: content for name, content in FILES.items() if name.startswith(f"ml-{variant}/")}


def put(folder: Path, variant: str, how: str) -> None:
    """Put a variant there as an unpacked archive, its bare files, or the archive."""
    home = folder / "MovieLens"
    home.mkdir(exist_ok=True)
    if how == "archive":
        with zipfile.ZipFile(home / f"ml-{variant}.zip", "w") as archive:
            for name, content in files_of(variant).items():
                archive.writestr(name, content)
        return
    for name, content in files_of(variant).items():
        path = home / (name if how == "unpacked" else Path(name).name)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)


def load_all(folder: Path, **options: object) -> Interactions:
    return load("MovieLens", folder, **EVERYTHING, **options)


@pytest.mark.parametrize("how", ["unpacked", "bare", "archive"])
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("named", [True, False])
def test_the_variant_that_is_there_is_read(tmp_path: Path, variant: str, how: str, named: bool) -> None:
    put(tmp_path, variant, how)
    for _ in range(2):  # the second time an archive lies beside what was extracted from it
        data = load_all(tmp_path, variant=variant if named else None)
        assert data.user_ids == ("1", "2")
        assert data.item_ids == ("10", "20")
        assert data.item_names == ("Misérables, Les", "B")
        assert data.matrix.toarray().tolist() == [[1, 0], [0, 1]]
        assert data.counts["read/lines"] == 3
        assert data.counts["dropped/low_rating"] == 1


def test_min_rating_is_the_lowest_that_counts(tmp_path: Path) -> None:
    put(tmp_path, "25m", "unpacked")
    assert load_all(tmp_path, min_rating=3.5).n_pairs == 3
    assert load_all(tmp_path, min_rating=4).n_pairs == 2
    assert load_all(tmp_path, min_rating=5).n_pairs == 1


def test_several_variants_are_named_and_one_can_be_chosen(tmp_path: Path) -> None:
    put(tmp_path, "1m", "archive")
    put(tmp_path, "25m", "unpacked")
    with pytest.raises(
        InputError, match=r"variant: expected one MovieLens .* got ml-1m, ml-25m; set variant"
    ):
        load_all(tmp_path)
    assert load_all(tmp_path, variant="25m").source.uri.endswith("ml-25m/ratings.csv")


@pytest.mark.parametrize("variant", VARIANTS)
def test_an_archive_can_be_named(tmp_path: Path, variant: str) -> None:
    put(tmp_path, variant, "archive")
    archive = (tmp_path / "MovieLens" / f"ml-{variant}.zip").rename(tmp_path / "mine.zip")
    for _ in range(2):
        data = load_all(tmp_path, path=archive)
        assert data.item_names == ("Misérables, Les", "B")
        assert Path(data.source.uri).is_relative_to(tmp_path / "MovieLens")


def test_films_without_titles_go_by_their_ids(tmp_path: Path) -> None:
    put(tmp_path, "1m", "unpacked")
    (tmp_path / "MovieLens/ml-1m/movies.dat").write_bytes(b"10::Heat::Crime\n")
    assert load_all(tmp_path).item_names == ("Heat", "20")
    (tmp_path / "MovieLens/ml-1m/movies.dat").unlink()
    assert load_all(tmp_path).item_names is None


def test_ratings_that_are_no_numbers_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "ratings.csv"
    path.write_text("userId,movieId,rating,timestamp\n1,10,good,8\n1,10,nan,8\n1,10,5,8\n1,10\n")
    data = load_all(tmp_path, path=path)
    assert data.counts["read/lines"] == 4
    assert data.counts["dropped/unreadable_rating"] == 2
    assert data.counts["dropped/malformed_line"] == 1


def test_a_blank_line_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "ratings.dat"
    path.write_text("1::10::5::8\n\n")
    assert load_all(tmp_path, path=path).counts["dropped/malformed_line"] == 1


def test_nothing_there_asks_for_1m(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"get ml-1m.zip and put it, or ratings.dat out of it, into the folder"
    ):
        load_all(tmp_path)


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        (
            "variant",
            "2m",
            "variant: expected one of 100k, 1m, 10m, .*, latest or null, got '2m'",
        ),
        ("min_rating", "4", "min_rating: expected a number of stars such as 4.0, got '4'"),
        ("min_rating", float("nan"), "min_rating: expected a number of stars such as 4.0, got nan"),
    ],
)
def test_wrong_options_are_errors(tmp_path: Path, option: str, value: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_all(tmp_path, **{option: value})


def test_a_file_of_no_known_layout_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "ratings.txt"
    path.write_text("1::10::4::8\n")
    with pytest.raises(InputError, match=r"path: expected a file \*.data, \*.dat, \*.csv, got"):
        load_all(tmp_path, path=path)
