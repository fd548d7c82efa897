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


STARS = "userId,movieId,rating,timestamp\n1,10,4.0,8\n1,20,3.5,8\n2,20,5.0,8\n"
NEW = {
    "10m": ("ml-10M100K", "ratings.dat", "1::10::4.5::8\n1::20::3::8\n2::20::5::8\n"),
    "20m": ("ml-20m", "ratings.csv", STARS),
    "32m": ("ml-32m", "ratings.csv", STARS),
    "latest-small": (
        "ml-latest-small",
        "ratings.csv",
        "userId,movieId,rating,timestamp\n1,10,4,8\n2,20,5,8\n",
    ),
    "latest": ("ml-latest", "ratings.csv", STARS),
}


def put_new(folder: Path, variant: str, archive: str | None) -> None:
    home, name, text = NEW[variant]
    if archive is None:
        (folder / home).mkdir(parents=True)
        (folder / home / name).write_text(text)
        return
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / archive, "w") as zipped:
        zipped.writestr(f"{home}/{name}", text)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("variant", list(NEW))
def test_every_published_variant_is_found(tmp_path: Path, variant: str, zipped: bool) -> None:
    put_new(tmp_path / "MovieLens", variant, f"ml-{variant}.zip" if zipped else None)
    for _ in range(2):
        data = load_all(tmp_path)
        assert data.matrix.toarray().tolist() == [[1, 0], [0, 1]]
        assert Path(data.source.uri).parent.name == NEW[variant][0]


@pytest.mark.parametrize(
    "name",
    [
        "MovieLens/ml-latest-small (1).zip",
        "MovieLens/archive.zip",
        "MovieLens/my-films/ratings.csv",
        "MovieLens/down/loads/u.data",
        "MovieLens/ratings_small.csv",
        "MovieLens/u1.base",
        "ml-latest-small.zip",
        "ml-20m/ratings.csv",
    ],
)
def test_what_is_not_recognised_is_named_and_nothing_else_taken(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"PK")
    with pytest.raises(InputError) as caught:
        load_all(tmp_path)
    named = tmp_path.joinpath(*Path(name).parts[: 2 if name.startswith("MovieLens") else 1])
    assert f"got {named}; rename it, set path" in str(caught.value)
    assert "or set variant=1m to have that downloaded" in str(caught.value)


def test_what_was_extracted_from_a_named_archive_and_notes_are_no_variant(tmp_path: Path) -> None:
    put(tmp_path, "25m", "archive")
    archive = (tmp_path / "MovieLens" / "ml-25m.zip").rename(tmp_path / "mine.zip")
    load_all(tmp_path, path=archive)
    (tmp_path / "MovieLens" / "README.txt").write_text("notes")
    with pytest.raises(InputError, match=r"get ml-1m.zip and put it"):
        load_all(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "movieId,userId,rating,timestamp\n10,1,4.0,8\n20,1,3.5,8\n20,2,5.0,8\n",
        '"userId","movieId","rating","timestamp"\n"1","10","4.0","8"\n"1","20","3.5","8"\n"2","20","5.0","8"\n',
        "userId,movieId,rating\n1,10,4.0\n1,20,3.5\n2,20,5.0\n",
        ",userId,movieId,rating,timestamp\n0,1,10,4.0,8\n1,1,20,3.5,8\n2,2,20,5.0,8\n",
        "rating,timestamp,movie_id,user_id\n4.0,8,10,1\n3.5,8,20,1\n5.0,8,20,2\n",
    ],
)
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_columns_go_by_their_names(tmp_path: Path, text: str, mark: bytes, ending: str) -> None:
    path = tmp_path / "ratings.csv"
    path.write_bytes(mark + text.replace("\n", ending).encode())
    data = load_all(tmp_path, path=path)
    assert (data.user_ids, data.item_ids) == (("1", "2"), ("10", "20"))
    assert data.matrix.toarray().tolist() == [[1, 0], [0, 1]]
    assert data.counts["read/lines"] == 3
    assert data.counts["dropped/malformed_line"] == 0


@pytest.mark.parametrize(("name", "separator"), [("u.data", "\t"), ("ratings.dat", "::")])
def test_a_timestamp_may_be_missing_where_there_is_no_header(
    tmp_path: Path, name: str, separator: str
) -> None:
    path = tmp_path / name
    path.write_text("1,10,4\n2,20,5\n2,20,5,8\n".replace(",", separator))
    data = load_all(tmp_path, path=path)
    assert data.n_pairs == 2
    assert data.counts["dropped/malformed_line"] == 1


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "tags.csv",
            "userId,movieId,tag,timestamp\n1,10,4,8\n",
            "a file of tags .*give ratings.csv",
        ),
        ("ratings.csv", "userId,movieId,tag,timestamp\n1,10,4,8\n", "a file of tags .4 columns: 'userId'"),
        ("movies.csv", "movieId,title,genres\n10,A,B\n", "seems to be a file of movies"),
        ("links.csv", "movieId,imdbId,tmdbId\n10,1,2\n", "seems to be a file of links"),
        ("tags.dat", "1::10::2009::8\n", "seems to be a file of tags .*give ratings.dat"),
        ("movies.dat", "1::Heat::Crime\n", "seems to be a file of movies"),
        (
            "ratings.csv",
            "1,10,4.0,8\n",
            "expected a header with userId, movieId .* got 4 columns: '1'",
        ),
        ("ratings.dat", "1,10,4.0,8\n", "expected lines of user, film, rating and timestamp .* got 1 column"),
        ("u.data", "0\t1\t10\t4\t8\n", "expected lines of user, film, rating .* got 5 columns"),
        ("ratings.csv", "", "expected a header"),
    ],
)
def test_what_are_no_ratings_is_refused_by_name(tmp_path: Path, name: str, text: str, message: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        load_all(tmp_path, path=path)


def test_titles_are_utf8_or_latin1_and_go_by_their_names(tmp_path: Path) -> None:
    put_new(tmp_path / "MovieLens", "10m", None)
    titles = tmp_path / "MovieLens/ml-10M100K/movies.dat"
    for encoding in ("utf-8", "utf-8-sig", "latin-1"):
        titles.write_bytes("10::Misérables, Les::Drama\r\n20::B::Drama\r\n".encode(encoding))
        assert load_all(tmp_path).item_names == ("Misérables, Les", "B")
    path = tmp_path / "ratings.csv"
    path.write_text(NEW["20m"][2])
    (tmp_path / "movies.csv").write_text('genres,title,movieId\nDrama,"Misérables, Les",10\nDrama,B,20\n')
    assert load_all(tmp_path, path=path).item_names == ("Misérables, Les", "B")
