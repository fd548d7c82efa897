"""Lists of checksums, which may be a stranger's."""

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
