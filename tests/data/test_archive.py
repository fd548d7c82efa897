import hashlib
import io
import logging
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from elsa_groups.base.errors import InputError
from elsa_groups.base.files import replacing
from elsa_groups.data.archive import Published, extract, find_raw

CONTENT = b"u1\tx\n" * 1000


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


def write_archive(path: Path, members: Mapping[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as zipped:
            for name, content in members.items():
                zipped.writestr(name, content)
        return path
    with tarfile.open(path, "w:gz") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def files_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("archive", ["a.zip", "a.tar.gz", "a.tgz"])
def test_only_the_member_is_extracted(tmp_path: Path, archive: str) -> None:
    write_archive(tmp_path / archive, {"top/README": b"no", "top/raw.tsv": CONTENT, "../evil": b"no"})
    raw = find_raw(tmp_path, Published(archive, "top/raw.tsv", member_md5=md5(CONTENT)))
    assert raw == tmp_path / "top" / "raw.tsv"
    assert raw.read_bytes() == CONTENT
    assert files_in(tmp_path) == [archive, "top/raw.tsv"]


@pytest.mark.parametrize("place", ["raw.tsv", "top/raw.tsv"])
def test_a_raw_file_that_is_there_is_used_as_it_is(tmp_path: Path, place: str) -> None:
    (tmp_path / place).parent.mkdir(exist_ok=True)
    (tmp_path / place).write_bytes(b"my own sample")
    write_archive(tmp_path / "a.zip", {"top/raw.tsv": CONTENT})
    published = Published("a.zip", "top/raw.tsv", (), md5(b"archive"), md5(CONTENT))
    assert find_raw(tmp_path, published).read_bytes() == b"my own sample"


def test_members_beside_come_along_where_there_are_any(tmp_path: Path) -> None:
    write_archive(tmp_path / "a.zip", {"top/titles": b"t", "top/raw.tsv": CONTENT})
    raw = find_raw(tmp_path, Published("a.zip", "top/raw.tsv", beside=("titles", "absent")))
    assert raw.with_name("titles").read_bytes() == b"t"
    assert files_in(tmp_path) == ["a.zip", "top/raw.tsv", "top/titles"]


@pytest.mark.parametrize("archive", ["a.zip", "a.tar.gz"])
def test_a_wrong_member_of_the_published_archive_is_refused(tmp_path: Path, archive: str) -> None:
    path = write_archive(tmp_path / archive, {"raw.tsv": CONTENT})
    published = Published(archive, "raw.tsv", (), md5(path.read_bytes()), md5(b"other"))
    with pytest.raises(InputError, match=f"expected raw.tsv with md5 {md5(b'other')}, got {md5(CONTENT)}"):
        find_raw(tmp_path, published)
    assert files_in(tmp_path) == [archive]


def test_another_archive_of_that_name_is_used_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_archive(tmp_path / "a.zip", {"raw.tsv": CONTENT})
    published = Published("a.zip", "raw.tsv", (), md5(b"the published"), md5(b"its member"))
    with caplog.at_level(logging.WARNING, logger="elsa_groups.data"):
        assert find_raw(tmp_path, published).read_bytes() == CONTENT
    assert "is not the published archive" in caplog.text


@pytest.mark.parametrize("archive", ["a.zip", "a.tar.gz"])
@pytest.mark.parametrize("keep", [0.0, 0.5, 0.9])
def test_a_damaged_archive_leaves_nothing_and_says_what_to_do(
    tmp_path: Path, archive: str, keep: float
) -> None:
    noise = b"".join(hashlib.sha256(bytes([n % 256, n // 256])).digest() for n in range(2000))
    whole = write_archive(tmp_path / archive, {"raw.tsv": noise}).read_bytes()
    (tmp_path / archive).write_bytes(whole[: int(len(whole) * keep)])
    with pytest.raises(InputError, match=r"cannot extract raw.tsv .*replace it, or extract by hand to"):
        find_raw(tmp_path, Published(archive, "raw.tsv"))
    assert files_in(tmp_path) == [archive]


@pytest.mark.parametrize(
    "method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
@pytest.mark.parametrize("place", range(8))
def test_a_damaged_member_leaves_nothing_and_says_what_to_do(tmp_path: Path, method: int, place: int) -> None:
    noise = b"".join(hashlib.sha256(bytes([n])).digest() for n in range(256))
    with zipfile.ZipFile(tmp_path / "a.zip", "w", method) as zipped:
        zipped.writestr("raw.tsv", noise)
        start = 30 + len("raw.tsv")
        size = zipped.getinfo("raw.tsv").compress_size
    content = bytearray((tmp_path / "a.zip").read_bytes())
    # To the last byte of what was compressed, from the fifth, before which LZMA has its version.
    content[start + 4 + place * (size - 5) // 7] ^= 0xFF
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(InputError, match=r"cannot extract raw.tsv .*replace it, or extract by hand to"):
        find_raw(tmp_path, Published("a.zip", "raw.tsv"))
    assert files_in(tmp_path) == ["a.zip"]


def test_a_password_and_an_unknown_method_are_errors_of_one_line(tmp_path: Path) -> None:
    whole = write_archive(tmp_path / "a.zip", {"raw.tsv": CONTENT}).read_bytes()
    entry = whole.index(b"PK\x01\x02")
    for at, value in ((8, 1), (10, 99)):
        content = bytearray(whole)
        content[entry + at] = value
        content[at - 2] = value
        (tmp_path / "a.zip").write_bytes(content)
        with pytest.raises(InputError, match=r"a.zip: cannot extract raw.tsv \([^\n]*\); replace it"):
            find_raw(tmp_path, Published("a.zip", "raw.tsv"))


def test_an_archive_without_the_member_is_an_error(tmp_path: Path) -> None:
    write_archive(tmp_path / "a.zip", {"titles": b"t"})
    with pytest.raises(InputError, match=r"a.zip: expected a member raw.tsv, got none; replace it"):
        find_raw(tmp_path, Published("a.zip", "raw.tsv", beside=("titles",)))
    assert files_in(tmp_path) == ["a.zip"]


def test_a_link_in_an_archive_is_not_followed(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as tar:
        link = tarfile.TarInfo("raw.tsv")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/hostname"
        tar.addfile(link)
    with pytest.raises(InputError, match=r"expected a member raw.tsv, got none"):
        find_raw(tmp_path, Published("a.tar.gz", "raw.tsv"))


def test_a_named_archive_is_extracted_into_the_data_folder(tmp_path: Path) -> None:
    archive = write_archive(tmp_path / "elsewhere" / "mine.zip", {"deep/down/raw.tsv": CONTENT})
    folder = tmp_path / "data"
    published = Published("a.zip", "top/raw.tsv", member_md5=md5(b"other"))
    first = find_raw(folder, published, archive)
    assert first.read_bytes() == CONTENT
    assert files_in(tmp_path / "elsewhere") == ["mine.zip"]
    assert find_raw(folder, published, str(archive)) == first
    write_archive(archive, {"raw.tsv": b"changed"})
    assert find_raw(folder, published, archive).read_bytes() == b"changed"


def test_a_named_raw_file_may_have_any_name(tmp_path: Path) -> None:
    path = tmp_path / "anything"
    path.write_bytes(CONTENT)
    assert find_raw(tmp_path / "data", Published("a.zip", "raw.tsv"), str(path)) == path


@pytest.mark.parametrize("path", ["nowhere.tsv", "."])
def test_a_path_that_is_no_file_is_an_error(tmp_path: Path, path: str) -> None:
    with pytest.raises(
        InputError, match=r"path: expected a raw file or an archive, got .*, which is no file"
    ):
        find_raw(tmp_path, Published("a.zip", "raw.tsv"), tmp_path / path)


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    archive = write_archive(tmp_path / "a.zip", {"raw.tsv": CONTENT})
    (tmp_path / "data").write_text("a file is in the way")
    target = tmp_path / "data" / "raw.tsv"
    with pytest.raises(InputError, match=f"cannot extract raw.tsv .*extract by hand to {target}"):
        extract(archive, {"raw.tsv": target}, required=("raw.tsv",))


def test_the_final_name_appears_only_when_all_is_written(tmp_path: Path) -> None:
    target = tmp_path / "raw.tsv"

    def write(fail: bool) -> None:
        with replacing(target) as part:
            part.write_bytes(b"half")
            assert not target.exists()
            if fail:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(fail=True)
    assert files_in(tmp_path) == []
    write(fail=False)
    assert files_in(tmp_path) == ["raw.tsv"]
