"""Download one file over HTTP: resumed, verified, never half there."""

import fcntl
import http.client
import json
import logging
import os
import re
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError

from tqdm import tqdm

from elsa_groups.base.digests import file_digest
from elsa_groups.base.errors import InputError

log = logging.getLogger(__name__)

TIMEOUT_SECONDS = 60
_CUTS_WITHOUT_PROGRESS = 3
_BLOCK = 1 << 18
_FAILURES = (OSError, http.client.HTTPException, ValueError)


class _CutError(Exception):
    """The connection broke while the body came; unlike an error in writing, worth another try."""


def download(urls: Sequence[str], target: Path, *, md5: str | None, instead: str) -> None:
    """Download a file from the first URL that gives it.

    An earlier partial download beside it (``.part``) is resumed where that is safe. Two processes that want
    the same file wait for each other.

    Parameters
    ----------
    urls : sequence of str
        ``http`` or ``https`` addresses, tried in order.
    target : Path
        Where it goes, complete and verified; its folder is made.
    md5 : str or None
        Checksum (32 hex digits), where it is known.
    instead : str
        Name of the file that may be put beside the target by hand, for the message.

    Raises
    ------
    InputError
        No URL gave it; says what went wrong and which file to put in which folder.
    """
    reasons = [] if urls else ["no URL is configured"]
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _locked(target.parent):
            for url in urls:
                if not target.is_file():
                    _try(url, target, md5, reasons)
    except OSError as error:
        reasons.append(f"cannot write there: {error.strerror}")
    if not target.is_file():
        raise InputError(
            f"{target.name}: expected in {target.parent}, got nothing, and it could not be downloaded "
            f"({'; '.join(reasons)}); get {target.name} and put it, or {instead} out of it, into the folder "
            f"{target.parent} by hand"
        )


def _try(url: str, target: Path, md5: str | None, reasons: list[str]) -> None:
    part = _Part(target.with_name(target.name + ".part"), md5)
    log.info("downloading %s to %s", url, target)
    try:
        _complete(url, part)
        part.path.replace(target)
        part.note.unlink(missing_ok=True)
    except _FAILURES as error:
        reasons.append(f"{url}: {str(error) or type(error).__name__}")
        log.warning("download failed: %s", reasons[-1])


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder against other downloads; the system lets go of it even if the process is killed."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


@dataclass(frozen=True)
class _Part:
    """A file on its way, and beside it a note of the URL and the version (its HTTP validator)."""

    path: Path
    md5: str | None

    @property
    def note(self) -> Path:
        return self.path.with_name(self.path.name + ".json")

    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)

    def validator(self, url: str) -> str | None:
        """Return what this URL called the version that the part is of; None if that is not known."""
        try:
            noted_url, validator = json.loads(self.note.read_text(encoding="utf-8"))
        except (OSError, ValueError, TypeError):
            return None
        return str(validator) if noted_url == url and validator else None

    def verify(self) -> None:
        if self.md5 is None:
            return
        came = file_digest(self.path, "md5")
        if came != self.md5:
            self.remove()
            raise ValueError(f"expected md5 {self.md5}, got {came}")


def _complete(url: str, part: _Part) -> None:
    """Fetch until all is there; a cut connection is taken up again for as long as that brings something."""
    if not url.startswith(("http://", "https://")):
        raise ValueError("expected an http or https address")
    most = cuts = 0
    while not _fetch(url, part):
        cuts = cuts + 1 if part.size() <= most else 0
        most = max(most, part.size())
        if cuts == _CUTS_WITHOUT_PROGRESS:
            raise ConnectionError(f"the connection was cut after {part.size():,} bytes")
    part.verify()


def _fetch(url: str, part: _Part) -> bool:
    """Ask once for what is missing; return whether the part is complete."""
    validator = part.validator(url)
    if validator is None and part.md5 is None:
        part.remove()  # nothing could tell whether the rest would fit to it
    start = part.size()
    headers = {"User-Agent": "elsa-groups"}
    if start:
        headers |= {"Range": f"bytes={start}-"} | ({"If-Range": validator} if validator else {})
    try:
        response = _opener().open(urllib.request.Request(url, headers=headers), timeout=TIMEOUT_SECONDS)
    except HTTPError as error:
        if error.code != 416:
            raise
        if (error.headers.get("Content-Range") or "") == f"bytes */{start}":
            return True
        part.remove()
        return False
    with response:
        return _receive(url, response, part, start)


def _receive(url: str, response: http.client.HTTPResponse, part: _Part, start: int) -> bool:
    """Write what comes; return whether it came to its end."""
    length = response.headers.get("Content-Length")
    if response.status == 206:
        if not re.match(rf"bytes {start}-", response.headers.get("Content-Range") or ""):
            part.remove()
            return False
    else:  # the whole file: the server does not resume, or has another version
        start = 0
        validator = response.headers.get("ETag") or response.headers.get("Last-Modified")
        strong = None if validator is None or validator.startswith("W/") else validator
        part.note.write_text(json.dumps([url, strong]), encoding="utf-8")
    total = None if length is None else start + int(length)
    bar = tqdm(total=total, initial=start, unit="B", unit_scale=True, desc=part.path.stem, disable=None)
    with part.path.open("ab" if start else "wb") as out, bar:
        whole = True
        try:
            for block in iter(lambda: _read_block(response), b""):
                out.write(block)
                bar.update(len(block))
        except _CutError:
            whole = False
    return whole and (total is None or part.size() == total)


def _read_block(response: http.client.HTTPResponse) -> bytes:
    try:
        return response.read(_BLOCK)
    except (OSError, http.client.HTTPException) as error:
        raise _CutError from error


def _opener() -> urllib.request.OpenerDirector:
    """Return an opener that knows no file:// and ftp://, so that no redirect leads there."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.UnknownHandler(),
        urllib.request.HTTPRedirectHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    return opener
