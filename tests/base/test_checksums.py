"""Lists of checksums, which may be a stranger's."""

import os

import pytest

from elsa_groups.base.checksums import check_sums, read_sums, write_sums
from elsa_groups.base.errors import InputError

DIGEST = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"


def test_files_are_listed_by_name_with_their_digests(tmp_path):
    (tmp_path / "b").write_text("hello")
    (tmp_path / "a").write_text("hello")
    write_sums(tmp_path)
    assert (tmp_path / "SHA256SUMS").read_text() == f"{DIGEST}  a\n{DIGEST}  b\n"
    # A file that came later is nobody's business.
    (tmp_path / "c").write_text("new")
    assert check_sums(tmp_path) == {"a", "b"}


@pytest.mark.parametrize(
    "line",
    [f"{DIGEST}  ../a", f"{DIGEST}  /etc/passwd", f"{DIGEST}  ..", f"{DIGEST} a", f"{DIGEST[1:]}  a", ""],
)
def test_what_is_no_line_of_a_list_is_refused(tmp_path, line):
    (tmp_path / "SHA256SUMS").write_text(f"{DIGEST}  a\n{line}\n")
    with pytest.raises(InputError, match="line 2: expected a SHA-256 and the name of a file, got"):
        read_sums(tmp_path / "SHA256SUMS")


@pytest.mark.parametrize(
    ("content", "message"), [(b"\xff\xfe", "no text"), (b"a" * (1 << 20) + b"a", "more than 1,048,576 bytes")]
)
def test_what_is_no_list_is_refused(tmp_path, content, message):
    (tmp_path / "SHA256SUMS").write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_sums(tmp_path / "SHA256SUMS")


def listing(folder, name):
    (folder / "SHA256SUMS").write_text(f"{DIGEST}  {name}\n")


def test_links_lead_nowhere(tmp_path):
    folder, outside = tmp_path / "folder", tmp_path / "outside"
    folder.mkdir()
    outside.write_text("hello")
    (folder / "a").symlink_to(outside)
    listing(folder, "a")
    with pytest.raises(InputError, match="a is missing, which SHA256SUMS lists"):
        check_sums(folder)
    listing(tmp_path, "outside")
    (folder / "SHA256SUMS").unlink()
    (folder / "SHA256SUMS").symlink_to(tmp_path / "SHA256SUMS")
    with pytest.raises(InputError, match="expected a list of checksums, got a link or no file"):
        check_sums(folder)


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "SHA256SUMS")
    with pytest.raises(InputError, match="got a link or no file"):
        read_sums(tmp_path / "SHA256SUMS")
    (tmp_path / "SHA256SUMS").unlink()
    os.mkfifo(tmp_path / "a")
    listing(tmp_path, "a")
    with pytest.raises(InputError, match="a is missing"):
        check_sums(tmp_path)


def test_what_never_ends_is_not_read(tmp_path):
    (tmp_path / "SHA256SUMS").symlink_to("/dev/zero")
    with pytest.raises(InputError, match="got a link or no file"):
        read_sums(tmp_path / "SHA256SUMS")


def test_a_name_that_no_file_can_have_is_missing(tmp_path):
    listing(tmp_path, "a" * 1000)
    with pytest.raises(InputError, match="aaa is missing, which SHA256SUMS lists"):
        check_sums(tmp_path)
