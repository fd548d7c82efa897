"""The code that runs: its commit, and what differs from it."""

import logging
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger(__name__)

# What the groups depend on. Data, stores and notes beside it make no checkout dirty.
_CODE = ("src", "conf", "MLproject", "conda.yaml", "requirements.txt", "pyproject.toml")
_MAX_DIFF = 10_000_000


@dataclass(frozen=True)
class Code:
    """Which code runs.

    Attributes
    ----------
    commit : str or None
        Git commit of the checkout; None for an installed package, whose version says it, and where
        git cannot say.
    diff : bytes
        What differs from the commit, files that are not in it included, for ``git apply``; empty where
        nothing does. Beyond 10 MB it is cut.
    """

    commit: str | None
    diff: bytes

    def as_dict(self) -> dict[str, str | bool]:
        """Return the record of it, empty without a commit."""
        return {"commit": self.commit, "dirty": bool(self.diff)} if self.commit else {}


def find_code() -> Code:
    """Return the code of the checkout that this package is in, if it is in one."""
    root = Path(__file__).resolve().parents[3]
    if not (root / "MLproject").exists():
        return Code(None, b"")
    commit, diff = _git(root, "rev-parse", "HEAD"), _diff(root)
    # A project unpacked inside another repository is none of that repository's commits.
    tracked = _git(root, "ls-files", "--error-unmatch", "--", "MLproject")
    if commit is None or diff is None or tracked is None:
        log.warning("code: git does not say which commit %s is, so it is not on record", root)
        return Code(None, b"")
    if len(diff) > _MAX_DIFF:
        log.warning("code: the difference from the commit is %d bytes; %d are kept", len(diff), _MAX_DIFF)
    return Code(commit.decode().strip(), diff[:_MAX_DIFF])


def _diff(root: Path) -> bytes | None:
    compare = ("diff", "--binary", "--no-ext-diff", "--no-color", "--src-prefix=a/", "--dst-prefix=b/")
    changed = _git(root, *compare, "HEAD", "--", *_CODE)
    new = _git(root, "ls-files", "-z", "--others", "--exclude-standard", "--", *_CODE)
    if changed is None or new is None:
        return None
    names = [os.fsdecode(name) for name in new.split(b"\0") if name]
    # Compared with nothing, since the index is not ours to put them into; exit code 1 says that they differ.
    added = [_git(root, *compare, "--no-index", "--", os.devnull, name, fine=1) for name in names]
    return changed + b"".join(part or b"" for part in added)


def _git(root: Path, *arguments: str, fine: int = 0) -> bytes | None:
    """Return what git prints, or None where it is absent or fails."""
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, check=False)
    except OSError:
        return None
    return done.stdout if done.returncode in (0, fine) else None
