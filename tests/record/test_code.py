"""Which code ran: the commit of a checkout, and what differs from it."""

import subprocess

import pytest

from elsa_groups.record import code
from elsa_groups.record.code import Code, find_code


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A project folder that the code believes to run from, and a function that runs git in it."""
    root = tmp_path / "checkout"
    module = root / "src" / "elsa_groups" / "record" / "code.py"
    module.parent.mkdir(parents=True)
    module.write_text("one\n")
    (root / "MLproject").write_text("name: project\n")
    monkeypatch.setattr(code, "__file__", str(module))
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)
    # No repository above the folder, and no settings of the person who runs the tests.
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "none"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")

    def git(*arguments, **options):
        who = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
        command = ["git", "-C", str(root), *who, *arguments]
        return subprocess.run(command, capture_output=True, check=True, **options).stdout.decode().strip()

    return root, git


def commit(git):
    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "first")
    return git("rev-parse", "HEAD")


def test_code_of_a_clean_checkout_is_its_commit(checkout):
    head = commit(checkout[1])

    assert find_code() == Code(head, b"")
    assert find_code().as_dict() == {"commit": head, "dirty": False}
    assert len(head) == 40


def test_the_difference_makes_the_code_again_from_its_commit(checkout):
    root, git = checkout
    head = commit(git)
    (root / "src" / "elsa_groups" / "record" / "code.py").write_text("two\n")
    (root / "conf").mkdir()
    (root / "conf" / "new ü.yaml").write_text("a: 1\n")
    (root / "conf" / "binary").write_bytes(bytes(range(256)))

    found = find_code()
    assert found.as_dict() == {"commit": head, "dirty": True}
    git("stash", "-q", "--include-untracked")
    assert find_code().diff == b""
    git("apply", input=found.diff)

    assert (root / "src" / "elsa_groups" / "record" / "code.py").read_text() == "two\n"
    assert (root / "conf" / "new ü.yaml").read_text() == "a: 1\n"
    assert (root / "conf" / "binary").read_bytes() == bytes(range(256))


def test_looking_changes_nothing_in_the_checkout(checkout):
    root, git = checkout
    commit(git)
    (root / "conf").mkdir()
    (root / "conf" / "new.yaml").touch()
    before = git("status", "--porcelain")

    find_code()

    assert git("status", "--porcelain") == before


@pytest.mark.parametrize("name", ["mlruns/file", "notes.md", "src/ignored.py"])
def test_files_that_are_no_code_or_ignored_make_no_checkout_dirty(checkout, name):
    root, git = checkout
    (root / ".gitignore").write_text("ignored.py\n")
    commit(git)
    (root / name).parent.mkdir(exist_ok=True)
    (root / name).touch()

    assert find_code().diff == b""


def test_code_is_unknown_without_a_repository_a_commit_or_git(checkout, monkeypatch, tmp_path):
    _, git = checkout

    assert find_code() == Code(None, b"")
    assert find_code().as_dict() == {}
    git("init", "-q")
    assert find_code() == Code(None, b"")
    commit(git)
    assert find_code().commit
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_code() == Code(None, b"")


def test_an_installed_package_is_not_taken_for_the_repository_it_lies_in(checkout):
    root, git = checkout
    (root / "MLproject").unlink()
    commit(git)

    assert find_code() == Code(None, b"")


@pytest.mark.parametrize("ignored", [True, False])
def test_a_project_unpacked_inside_another_repository_has_none_of_its_commits(checkout, ignored, caplog):
    root, _ = checkout
    (root.parent / "other.txt").write_text("another project\n")
    if ignored:
        (root.parent / ".gitignore").write_text("checkout/\n")

    def around(*arguments):
        who = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
        subprocess.run(["git", "-C", str(root.parent), *who, *arguments], capture_output=True, check=True)

    around("init", "-q")
    around("add", "other.txt", *([".gitignore"] if ignored else []))
    around("commit", "-q", "-m", "another project")
    assert find_code() == Code(None, b"")
    assert "git does not say which commit" in caplog.text
