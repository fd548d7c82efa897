import hashlib
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from elsa_groups.base.errors import InputError
from elsa_groups.data.archive import Published, find_raw
from elsa_groups.data.download import download

CONTENT = b"".join(hashlib.sha256(bytes([n])).digest() for n in range(250))
MD5 = hashlib.md5(CONTENT).hexdigest()
HALF = len(CONTENT) // 2


@dataclass
class Site:
    """A web server that can misbehave, and what it was asked for."""

    url: str = ""
    content: bytes = CONTENT
    etag: str | None = '"v1"'
    ranges: bool = True
    cut_after: list[int] = field(default_factory=list)  # bytes to send of each answer, before hanging up
    ranges_asked: list[str | None] = field(default_factory=list)

    def start_of(self, headers: dict[str, str]) -> int:
        fresh = headers.get("If-Range", self.etag) == self.etag
        found = re.fullmatch(r"bytes=(\d+)-", headers.get("Range", ""))
        return int(found[1]) if found and fresh and self.ranges else 0


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            if self.path == "/elsewhere":
                self.send_response(302)
                self.send_header("Location", "file:///etc/hostname")
                self.end_headers()
                return
            if self.path != "/file":
                self.send_error(404)
                return
            site.ranges_asked.append(self.headers.get("Range"))
            start, total = site.start_of(dict(self.headers)), len(site.content)
            if start >= total:
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{total}")
                self.end_headers()
                return
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
            if site.etag:
                self.send_header("ETag", site.etag)
            self.send_header("Content-Length", str(total - start))
            self.end_headers()
            body = site.content[start:]
            self.wfile.write(body[: site.cut_after.pop(0)] if site.cut_after else body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    site.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield site
    server.shutdown()
    thread.join()
    server.server_close()


def fetch(folder: Path, *urls: str, md5: str | None = MD5) -> bytes:
    download(urls, folder / "a.zip", md5=md5, instead="raw.tsv")
    assert [path.name for path in folder.iterdir()] == ["a.zip"]
    return (folder / "a.zip").read_bytes()


@pytest.mark.parametrize("md5", [MD5, None])
def test_a_file_is_downloaded_whole(tmp_path: Path, site: Site, md5: str | None) -> None:
    assert fetch(tmp_path / "new" / "folder", f"{site.url}/file", md5=md5) == CONTENT


def test_the_mirror_is_asked_after_a_404(tmp_path: Path, site: Site) -> None:
    assert fetch(tmp_path, f"{site.url}/gone", f"{site.url}/file") == CONTENT


@pytest.mark.parametrize("md5", [MD5, None])
def test_a_cut_connection_is_resumed(tmp_path: Path, site: Site, md5: str | None) -> None:
    site.cut_after = [HALF, 100]
    assert fetch(tmp_path, f"{site.url}/file", md5=md5) == CONTENT
    assert site.ranges_asked == [None, f"bytes={HALF}-", f"bytes={HALF + 100}-"]


def test_a_connection_that_is_always_cut_ends_and_is_resumed_next_time(tmp_path: Path, site: Site) -> None:
    site.cut_after = [HALF, 0, 0, 0]
    with pytest.raises(InputError, match=f"the connection was cut after {HALF:,} bytes"):
        fetch(tmp_path, f"{site.url}/file")
    assert not (tmp_path / "a.zip").exists()
    assert fetch(tmp_path, f"{site.url}/file") == CONTENT
    assert site.ranges_asked[-1] == f"bytes={HALF}-"


def test_a_server_without_ranges_sends_all_again(tmp_path: Path, site: Site) -> None:
    site.ranges, site.cut_after = False, [HALF]
    assert fetch(tmp_path, f"{site.url}/file", md5=None) == CONTENT


@pytest.mark.parametrize("md5", [True, False])
def test_a_changed_file_is_not_patched_together(tmp_path: Path, site: Site, md5: bool) -> None:
    site.cut_after = [HALF, 0, 0, 0]
    with pytest.raises(InputError):
        fetch(tmp_path, f"{site.url}/file", md5=None)
    site.content, site.etag = CONTENT[::-1], '"v2"'
    new_md5 = hashlib.md5(site.content).hexdigest() if md5 else None
    assert fetch(tmp_path, f"{site.url}/file", md5=new_md5) == CONTENT[::-1]


def test_a_part_that_nothing_vouches_for_is_fetched_anew(tmp_path: Path, site: Site) -> None:
    (tmp_path / "a.zip.part").write_bytes(b"of unknown origin")
    assert fetch(tmp_path, f"{site.url}/file", md5=None) == CONTENT
    assert site.ranges_asked == [None]


def test_a_part_is_taken_up_where_the_checksum_will_tell(tmp_path: Path, site: Site) -> None:
    site.etag = None
    (tmp_path / "a.zip.part").write_bytes(CONTENT[:HALF])
    assert fetch(tmp_path, f"{site.url}/file") == CONTENT
    assert site.ranges_asked == [f"bytes={HALF}-"]


@pytest.mark.parametrize("part", [CONTENT, CONTENT + b"too much"])
def test_a_complete_or_overlong_part_is_settled(tmp_path: Path, site: Site, part: bytes) -> None:
    (tmp_path / "a.zip.part").write_bytes(part)
    assert fetch(tmp_path, f"{site.url}/file") == CONTENT


def test_a_wrong_checksum_removes_the_part(tmp_path: Path, site: Site) -> None:
    site.content = b"something else"
    came = hashlib.md5(b"something else").hexdigest()
    with pytest.raises(InputError, match=f"expected md5 {MD5}, got {came}"):
        fetch(tmp_path, f"{site.url}/file")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("url", ["file:///etc/hostname", "ftp://127.0.0.1/file", "/etc/hostname"])
def test_other_addresses_than_http_are_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(InputError, match="expected an http or https address"):
        fetch(tmp_path, url)


def test_no_redirect_leads_to_a_file(tmp_path: Path, site: Site) -> None:
    with pytest.raises(InputError, match="could not be downloaded"):
        fetch(tmp_path, f"{site.url}/elsewhere", md5=None)
    assert list(tmp_path.iterdir()) == []


def test_one_message_says_which_urls_failed_and_what_to_do(tmp_path: Path, site: Site) -> None:
    published = Published("a.zip", "top/raw.tsv", (f"{site.url}/gone", "http://127.0.0.1:9/file"))
    with pytest.raises(InputError) as caught:
        find_raw(tmp_path / "Data", published)
    message = str(caught.value)
    assert f"{site.url}/gone: HTTP Error 404" in message
    assert "http://127.0.0.1:9/file: " in message
    assert message.endswith(
        f"get a.zip and put it, or raw.tsv out of it, into the folder {tmp_path / 'Data'} by hand"
    )


def test_a_folder_that_cannot_be_made_is_in_the_message(tmp_path: Path, site: Site) -> None:
    (tmp_path / "data").write_text("a file is in the way")
    with pytest.raises(InputError, match="cannot write there: "):
        download([f"{site.url}/file"], tmp_path / "data" / "a.zip", md5=None, instead="raw.tsv")


def test_two_at_once_download_once(tmp_path: Path, site: Site) -> None:
    threads = [threading.Thread(target=fetch, args=(tmp_path, f"{site.url}/file")) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "a.zip").read_bytes() == CONTENT
    assert site.ranges_asked == [None]
