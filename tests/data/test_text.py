"""Files as people have them, each with its outcome, and rows read against Python's csv reader."""

import csv
import io
import logging
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from elsa_groups.base.errors import InputError
from elsa_groups.data.interactions import Interactions
from elsa_groups.data.load import load
from elsa_groups.data.text import find_named, look_at, scan_rows, shown

EVERYTHING = {"min_user_interactions": 0, "min_item_interactions": 0}
ITEMS = [f"i{n:02}" for n in range(12)]
MOST_OF_A_MESSAGE = 700
FEW_EXAMPLES = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def load_bytes(folder: Path, raw: bytes, name: str = "t.csv", dataset: str = "Custom") -> Interactions:
    path = folder / name
    path.write_bytes(raw)
    return load(dataset, folder, **EVERYTHING, path=path)


def refusal(folder: Path, raw: bytes, name: str = "t.csv", dataset: str = "Custom") -> str:
    with pytest.raises(InputError) as caught:
        load_bytes(folder, raw, name, dataset)
    message = str(caught.value)
    assert len(message.replace(str(folder), "")) < MOST_OF_A_MESSAGE
    assert message.isprintable()
    return message


# What people have: tables


def test_a_quote_in_a_tsv_is_a_letter(tmp_path: Path) -> None:
    titles = ["x"] * 12
    titles[2], titles[7] = '"Heroes', 'Low"'
    rows = [f"u{n}\t{item}\t{title}" for n, (item, title) in enumerate(zip(ITEMS, titles, strict=True))]
    data = load_bytes(tmp_path, "\n".join(["user\titem\ttitle", *rows]).encode(), "t.tsv")
    assert data.item_ids == tuple(ITEMS)
    assert data.counts["read/rows"] == data.n_pairs == 12


def test_a_quote_inside_a_field_of_a_csv_is_a_letter(tmp_path: Path) -> None:
    data = load_bytes(tmp_path, b'user,item,name\nu1,i1,7" single\nu2,i2,12" mix\nu3,i3,x\n')
    assert data.user_ids == ("u1", "u2", "u3")
    assert data.counts["read/rows"] == 3


@pytest.mark.parametrize("seed", range(5))
def test_a_csv_of_many_inches_keeps_its_rows(tmp_path: Path, seed: int) -> None:
    titles = [f'{n}" mix' if n * (seed + 3) % 7 < 2 else f"title {n}" for n in range(1440)]
    rows = [f"u{n % 37},i{n},{title}" for n, title in enumerate(titles)]
    data = load_bytes(tmp_path, "\n".join(["user,item,name", *rows]).encode())
    assert data.counts["read/rows"] == data.n_pairs == 1440


@pytest.mark.parametrize("item", ['12" mix', '"Weird Al" Yankovic', '"', '""'])
def test_any_item_of_a_tsv_is_read_as_it_is_written(tmp_path: Path, item: str) -> None:
    data = load_bytes(tmp_path, f"user\titem\nu1\t{item}\nu2\tx\n".encode(), "t.tsv")
    assert data.item_ids == tuple(sorted([item, "x"]))


def test_a_quoted_csv_stays_as_it_is(tmp_path: Path) -> None:
    raw = b'"user","item"\r\n"a ""b"", c","x"\r\n"d","two\r\nlines"\r\n'
    data = load_bytes(tmp_path, raw)
    assert data.user_ids == ('a "b", c', "d")
    assert data.item_ids == ("two\r\nlines", "x")


def test_lines_inside_quotes_that_look_like_rows_are_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    raw = b'user,item,title\nu1,i1,x\nu2,i2,"Heroes\nu3,i3,x\nu4,i4,Low"\nu5,i5,x\n'
    with caplog.at_level(logging.WARNING, logger="elsa_groups.data"):
        assert load_bytes(tmp_path, raw).n_pairs == 3
    assert (
        "2 lines are inside quoted fields and look like rows, the first in the row of line 3" in caplog.text
    )


def test_a_quote_that_is_not_closed_names_its_line(tmp_path: Path) -> None:
    message = refusal(tmp_path, b'user,item,title\nu1,i1,x\nu2,i2,"Heroes\nu3,i3,x\n')
    assert "got in line 3 a quote that opens there and is not closed" in message


@pytest.mark.parametrize("name", ["t.csv", "t.tsv"])
def test_a_row_wider_than_the_header_is_refused_with_its_line(tmp_path: Path, name: str) -> None:
    raw = "user,item\nu1,i1\n1,u2,i2\n2,u3,i3\n".replace(",", "," if name == "t.csv" else "\t")
    message = refusal(tmp_path, raw.encode(), name)
    assert "got 3 in line 3 (3 columns: '1', 'u2', 'i2') and more than 2 in 2 rows" in message


def test_an_index_column_is_no_matter(tmp_path: Path) -> None:
    assert load_bytes(tmp_path, b",user,item\n0,u1,i1\n1,u2,i2\n").user_ids == ("u1", "u2")


@pytest.mark.parametrize("name", ["t.csv", "t.tsv"])
def test_bare_carriage_returns_end_lines(tmp_path: Path, name: str) -> None:
    raw = "user,item\ru1,i1\ru2,i2\r".replace(",", "," if name == "t.csv" else "\t")
    assert load_bytes(tmp_path, raw.encode(), name).n_pairs == 2


def test_a_stray_carriage_return_is_a_letter_or_refused_with_its_line(tmp_path: Path) -> None:
    assert load_bytes(tmp_path, b"user,item\nu1,i\r1\nu2,i2\n").item_ids == ("i\r1", "i2")
    message = refusal(tmp_path, b'user,item\n"u1",i\r1\nu2,i2\n')
    assert "got in line 2 a CR that neither ends the line nor is quoted" in message


def test_messages_are_short_whatever_the_file_is(tmp_path: Path) -> None:
    matrix = ",".join(["", *(f"item {n}" for n in range(19_999))]) + "\nu1" + ",0" * 19_999 + "\n"
    message = refusal(tmp_path, matrix.encode())
    assert "none among 20,000 columns: '', 'item 0', 'item 1'," in message
    assert "it seems to be a matrix of users by items" in message
    old = "\r".join(["a,b", *(f"u{n},i{n}" for n in range(200_000))])
    assert "none among 2 columns: 'a', 'b'" in refusal(tmp_path, old.encode())
    assert "no line end in the first" in refusal(tmp_path, b"x," * 1_000_000)


@pytest.mark.parametrize(
    ("codec", "name"),
    [("utf-16", "UTF-16"), ("utf-16-le", "UTF-16LE"), ("utf-16-be", "UTF-16BE"), ("utf-32", "UTF-32")],
)
@pytest.mark.parametrize("dataset", ["Custom", "LastFM1k", "EchoNest", "MovieLens"])
def test_other_encodings_are_refused_by_name(tmp_path: Path, codec: str, name: str, dataset: str) -> None:
    raw = ("user,item\n" + "u1,i1\n" * 50).encode(codec)
    message = refusal(tmp_path, raw, dataset=dataset)
    assert f"what seems to be {name} text; convert it, as by: iconv -f {name} -t UTF-8" in message


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (b"PK\x03\x04rest", "a zip archive or an Excel file"),
        (b"PAR1rest", "a Parquet file"),
        (b"\x1f\x8brest", "a gzip file"),
        (b"\n <!DOCTYPE html>", "a web page or XML"),
    ],
)
def test_other_files_are_refused_by_name(tmp_path: Path, raw: bytes, kind: str) -> None:
    assert f"what seems to be {kind}; unpack or replace it" in refusal(tmp_path, raw)


@pytest.mark.parametrize(
    ("raw", "name", "advice"),
    [
        (b"user;item\nu1;i1\n", "t.csv", "separated by ';': write ',' instead"),
        (b"user,item\nu1,i1\n", "t.tsv", "separated by ',': write '\\t' instead"),
        (b'"user"\t"item"\n"u1"\t"i1"\n', "t.tsv", "in a .tsv a quote is a letter"),
        (b"u1,i1\nu2,i2\n", "t.csv", "put a header first if these are no names"),
        (b"user,item,item\nu1,i1,i2\n", "t.csv", "got 2 of them among 3 columns"),
    ],
)
def test_a_header_without_the_columns_says_what_the_file_seems_to_be(
    tmp_path: Path, raw: bytes, name: str, advice: str
) -> None:
    assert advice in refusal(tmp_path, raw, name)


def test_a_quoted_file_that_is_not_utf8_names_the_line(tmp_path: Path) -> None:
    assert "got byte 0xf6 in line 3" in refusal(tmp_path, b'user,item\n"a",x\n"Bj\xf6rk",y\n')


# What people have: marks

EVENTS = {
    "LastFM1k": "".join(f"u{n % 3}\t2009\ta{n}\tName\t\tTrack\n" for n in range(9)),
    "EchoNest": "".join(f"u{n % 3}\tSO{n}\t1\n" for n in range(9)),
    "MovieLens": "".join(f"{n % 3}\t{n}\t5\t8\n" for n in range(9)),
}
HEADERS = {
    "LastFM1k": "userid\ttimestamp\tartid\tartname\ttraid\ttraname\n",
    "EchoNest": "user\tsong\tplay_count\n",
    "MovieLens": "user_id\titem_id\trating\ttimestamp\n",
}


@pytest.mark.parametrize("dataset", list(EVENTS))
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("before", ["", "header"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_marks_line_ends_and_headers_do_not_matter(
    tmp_path: Path, dataset: str, ending: str, before: str, mark: bytes
) -> None:
    plain = load_bytes(tmp_path, EVENTS[dataset].encode(), "plain.data", dataset)
    text = (HEADERS[dataset] if before else "") + EVENTS[dataset]
    other = load_bytes(tmp_path, mark + text.replace("\n", ending).encode(), "other.data", dataset)
    assert other.digest == plain.digest
    assert other.counts == plain.counts
    assert other.item_names == plain.item_names


# Rows read are the rows of the file

LETTERS = st.text(st.sampled_from("ab\",;\t '|\u00e9\ufeff"), max_size=5)
LINES = st.text(st.sampled_from('ab", \r\n'), max_size=6)
DIALECTS = {
    "minimal": {"quoting": csv.QUOTE_MINIMAL},
    "all": {"quoting": csv.QUOTE_ALL},
    "nonnumeric": {"quoting": csv.QUOTE_NONNUMERIC},
}


def rows_of(path: Path, separator: str, *, quotes: bool, n: int) -> list[tuple[int, ...]]:
    text = look_at(path, separator, quotes=quotes)
    scanned = scan_rows(text, {str(at): at for at in range(n)}, header=True).collect(engine="streaming")
    return [(size, *(field or "" for field in row)) for size, *row in scanned.iter_rows()]


def expected_rows(rows: list[list[str]], n: int) -> list[tuple[int, ...]]:
    padded = [row or [""] for row in rows]
    return [(len(row), *(row + [""] * n)[:n]) for row in padded]


@FEW_EXAMPLES
@given(
    data=st.data(),
    n=st.integers(2, 4),
    dialect=st.sampled_from(list(DIALECTS)),
    ending=st.sampled_from(["\n", "\r\n", "\r"]),
    mark=st.booleans(),
    lines=st.booleans(),
    last=st.booleans(),
)
def test_a_written_csv_is_read_as_pythons_reader_does(
    tmp_path: Path,
    data: st.DataObject,
    n: int,
    dialect: str,
    ending: str,
    mark: bool,
    lines: bool,
    last: bool,
) -> None:
    fields = LINES if lines else LETTERS
    table = data.draw(st.lists(st.lists(fields, min_size=1, max_size=5), max_size=8))
    out = io.StringIO(newline="")
    if ending == "\r":
        # with as many LF as CR nobody can tell which ends the lines
        table = [[field.replace("\n", "") for field in row] for row in table]
    # a field with a CR is not quoted by every version of Python where lines end with LF
    style = DIALECTS["all" if lines else dialect]
    writer = csv.writer(out, lineterminator=ending, **style)  # type: ignore[arg-type]
    writer.writerows([[f"column {at}" for at in range(n)], *table])
    text = out.getvalue() if last else out.getvalue().removesuffix(ending)
    path = tmp_path / "t.csv"
    path.write_bytes(b"\xef\xbb\xbf" * mark + text.encode())
    expected = list(csv.reader(io.StringIO(text, newline="")))[1:]
    assert rows_of(path, ",", quotes=True, n=n) == expected_rows(expected, n)


@FEW_EXAMPLES
@given(
    lines=st.lists(st.text(st.sampled_from('ab",\u00e9 '), max_size=12), max_size=8),
    ending=st.sampled_from(["\n", "\r\n"]),
)
def test_any_csv_is_read_as_pythons_reader_does_or_refused(
    tmp_path: Path, lines: list[str], ending: str
) -> None:
    text = ending.join(["user,item", *lines])
    path = tmp_path / "t.csv"
    path.write_bytes(text.encode())
    expected = list(csv.reader(io.StringIO(text, newline="")))[1:]
    # a row more at the end is one unless a quote is open there
    closed = list(csv.reader(io.StringIO(text + "\nend", newline="")))[-1] == ["end"]
    if closed:
        assert rows_of(path, ",", quotes=True, n=2) == expected_rows(expected, 2)
    else:
        with pytest.raises(InputError, match="is not closed"):
            rows_of(path, ",", quotes=True, n=2)


@FEW_EXAMPLES
@given(
    table=st.lists(
        st.lists(st.text(st.sampled_from("ab\",'\u00e9\ufeff "), max_size=5), min_size=1, max_size=4),
        min_size=1,
    ),
    separator=st.sampled_from(["\t", "::", "|"]),
    ending=st.sampled_from(["\n", "\r\n", "\r"]),
    header=st.booleans(),
    mark=st.booleans(),
)
def test_lines_are_cut_at_separators_alone(
    tmp_path: Path, table: list[list[str]], separator: str, ending: str, header: bool, mark: bool
) -> None:
    path = tmp_path / "t.data"
    text = "".join(separator.join(row) + ending for row in table)
    path.write_bytes(b"\xef\xbb\xbf" * mark + ("h" + ending if header else "").encode() + text.encode())
    if not header and not mark and text.startswith("\ufeff"):
        table = [[table[0][0][1:], *table[0][1:]], *table[1:]]
    scanned = scan_rows(look_at(path, separator), {"0": 0, "2": 2}, header=header).collect(engine="streaming")
    assert scanned.rows() == [(len(row), row[0], row[2] if len(row) > 2 else None) for row in table]


def test_batches_of_pythons_reader_make_up_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("elsa_groups.data.text._BATCH", 7)
    raw = "user,item,t\n" + "".join(f'u{n % 5},i{n},{n}" x\n' for n in range(100))
    assert load_bytes(tmp_path, raw.encode()).n_pairs == 100


def test_named_columns_are_found_in_any_order_once() -> None:
    names = {"user": ("userid",), "item": ("movieid", "item")}
    assert find_named(["Movie ID", "x", "user_id"], names) == {"user": 2, "item": 0}
    assert find_named(["movieId", "item", "userId"], names) is None
    assert find_named(["u1", "i1"], names) is None


def test_columns_are_shown_by_their_number_and_the_first() -> None:
    assert shown(["a"]) == "1 column: 'a'"
    assert shown(["x" * 40] + ["b\0"] * 9) == f"10 columns: '{'x' * 30}...'" + r", 'b\x00'" * 7 + ", ..."
