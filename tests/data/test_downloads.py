"""Downloads against a server on the loopback address: slow, broken off, altered, wrong, and resumed."""

from __future__ import annotations

import dataclasses
import errno
import gzip
import hashlib
import http.server
import json
import socket
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from vaebench.cli.main import main
from vaebench.data import fetch, transfer
from vaebench.data.downloads import RECORD
from vaebench.data.sources import SOURCES
from vaebench.data.transfer import is_secure
from vaebench.errors import InputError

EXPRESSION, SURVIVAL = SOURCES["tcga"].files
TEXT = b"sample\tage\n" + b"".join(b"TCGA-00-%04d-01\t%d\n" % (i, i) for i in range(5000))
FILES = {EXPRESSION: gzip.compress(np.random.default_rng(0).bytes(200_000)), SURVIVAL: TEXT}


class Server(http.server.ThreadingHTTPServer):
    """Serves ``files``; ``plan`` maps a file to what goes wrong at each request, in turn; ``seen`` records requests."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.plan, self.seen, self.tag = dict(FILES), {}, [], '"one"'

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def log_message(self, format, *args):
        pass

    def do_GET(self):
        import urllib.parse

        name = urllib.parse.unquote(self.path.rsplit("/", 1)[-1])
        trouble = self.server.plan.get(name, [])
        kind = trouble.pop(0) if trouble else "fine"
        self.server.seen.append((name, kind, self.headers.get("Range")))
        if kind in (404, 503):
            self.send_error(kind)
        elif kind == "to http":
            self.send_response(302)
            self.send_header("Location", f"http://data.example/{urllib.parse.quote(name)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif kind == "redirect" or (kind == "loop" and trouble.append("loop") is None):
            self.send_response(302)
            self.send_header("Location", f"{self.server.address}/moved/{urllib.parse.quote(name)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            self.answer(self.server.files[name], kind)

    def answer(self, content: bytes, kind: str):
        start = 0
        wanted = self.headers.get("Range")
        if wanted and kind != "no range" and self.headers.get("If-Range") == self.server.tag:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
        if start >= len(content) > 0 and wanted:
            self.send_error(416)
            return
        shift = 5 if start and kind == "wrong part" else 0
        body = content[start + shift :]
        if start and kind == "half a part":
            body = body[: len(body) // 2]
        self.send_response(206 if start else 200)
        if start:
            first = start + shift
            self.send_header("Content-Range", f"bytes {first}-{first + len(body) - 1}/{len(content)}")
        length = len(body) + (1000 if kind == "too long" else -1000 if kind == "too short" else 0)
        self.send_header("Content-Length", str(length))
        if kind != "no tag":
            self.send_header("ETag", self.server.tag)
        self.end_headers()
        if kind in ("broken off", "no tag"):
            body = body[: len(body) // 2]
        if kind == "slow":
            for i in range(0, len(body), len(body) // 8):
                self.wfile.write(body[i : i + len(body) // 8])
                time.sleep(0.15)
            return
        self.wfile.write(body[:length] if kind == "too short" else body[:40_000] if kind == "stalled" else body)
        if kind == "stalled":
            time.sleep(1.5)
        if kind == "broken off":
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def server():
    with Server() as held:
        thread = threading.Thread(target=held.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield held
        held.shutdown()
        thread.join()


def fetched(server: Server, folder: Path, retries: int = 3, timeout: float = 5.0) -> list[Path]:
    return fetch("tcga", folder, mirror=server.address, timeout=timeout, retries=retries, pause=0.01, quiet=True)


def refused(*words: str, call, error=InputError) -> None:
    with pytest.raises(error) as caught:
        call()
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message


def whole(folder: Path) -> bool:
    left = {path.name for path in folder.iterdir()}
    return left == {*FILES, RECORD} and all((folder / name).read_bytes() == FILES[name] for name in FILES)


def test_first_download_records_the_digest_and_the_second_asks_nothing(server, tmp_path):
    files = fetched(server, tmp_path)
    assert files == [tmp_path / EXPRESSION, tmp_path / SURVIVAL]
    assert whole(tmp_path)
    record = json.loads((tmp_path / RECORD).read_text())
    assert record[SURVIVAL]["sha256"] == hashlib.sha256(TEXT).hexdigest()
    assert record[SURVIVAL]["bytes"] == len(TEXT)
    assert record[SURVIVAL]["from"].startswith(server.address)
    assert len(server.seen) == 2
    fetched(server, tmp_path)
    assert len(server.seen) == 2


def test_slow_server_is_waited_for(server, tmp_path):
    server.plan[SURVIVAL] = ["slow"]
    fetched(server, tmp_path, timeout=1)  # longer than any pause, shorter than the whole transfer
    assert whole(tmp_path)
    assert len(server.seen) == 2


@pytest.mark.parametrize("kind", ["broken off", "stalled"])
def test_transfer_goes_on_where_it_stopped(server, tmp_path, kind):
    server.plan[EXPRESSION] = [kind, kind]
    fetched(server, tmp_path, timeout=0.5)
    assert whole(tmp_path)
    ranges = [asked for name, _, asked in server.seen if name == EXPRESSION]
    assert ranges[0] is None
    starts = [int(asked.removeprefix("bytes=")[:-1]) for asked in ranges[1:]]
    assert 0 < starts[0] < starts[1] < len(FILES[EXPRESSION])


def test_next_call_goes_on_where_the_last_gave_up(server, tmp_path):
    server.plan[EXPRESSION] = ["broken off"]
    refused("broke off 1 times", "resumes", call=lambda: fetched(server, tmp_path, retries=0), error=ConnectionError)
    assert not (tmp_path / EXPRESSION).exists()
    fetched(server, tmp_path)
    start = int(server.seen[1][2].removeprefix("bytes=").removesuffix("-"))
    assert 0 <= len(FILES[EXPRESSION]) // 2 - start < 1 << 14
    assert whole(tmp_path)


def test_file_that_changed_meanwhile_starts_anew(server, tmp_path):
    server.plan[SURVIVAL] = ["broken off"]
    refused("broke off", call=lambda: fetched(server, tmp_path, retries=0), error=ConnectionError)
    server.tag, server.files[SURVIVAL] = '"two"', TEXT.replace(b"TCGA", b"ACGT")
    fetched(server, tmp_path)
    assert (tmp_path / SURVIVAL).read_bytes() == server.files[SURVIVAL]


@pytest.mark.parametrize(
    "kinds",
    [["no tag"], ["broken off", "no range"], ["broken off", "wrong part"], ["broken off", "half a part"], [503, 503]],
)
def test_servers_that_cannot_resume_or_are_busy(server, tmp_path, kinds):
    server.plan[SURVIVAL] = list(kinds)
    fetched(server, tmp_path)
    assert whole(tmp_path)


def test_fewer_bytes_than_announced(server, tmp_path):
    server.plan[SURVIVAL] = ["too long"] * 9
    start = time.perf_counter()
    refused(
        SURVIVAL.replace("+", "%2B"),
        "broke off 4 times",
        call=lambda: fetched(server, tmp_path, timeout=1),
        error=ConnectionError,
    )
    assert time.perf_counter() - start < 10
    assert not (tmp_path / SURVIVAL).exists()


def test_more_bytes_than_announced_leave_a_gzip_that_is_cut_off(server, tmp_path):
    server.plan[EXPRESSION] = ["too short"]
    refused(EXPRESSION, "cut off", call=lambda: fetched(server, tmp_path))
    assert not list(tmp_path.iterdir())
    fetched(server, tmp_path)
    assert whole(tmp_path)


def test_altered_at_the_source(server, tmp_path):
    fetched(server, tmp_path)
    (tmp_path / SURVIVAL).unlink()
    server.files[SURVIVAL] = TEXT.replace(b"1", b"2")
    refused(SURVIVAL, "differs from the one fetched first", RECORD, call=lambda: fetched(server, tmp_path))
    assert not (tmp_path / SURVIVAL).exists()
    server.files[SURVIVAL] = TEXT
    fetched(server, tmp_path)
    assert whole(tmp_path)


def test_published_digest_is_asked_of_the_first_download(server, tmp_path, monkeypatch):
    content = {name: hashlib.sha256(text).hexdigest() for name, text in FILES.items()}
    known = dataclasses.replace(SOURCES["tcga"], digests=content)
    monkeypatch.setitem(SOURCES, "tcga", known)
    fetched(server, tmp_path)
    assert whole(tmp_path)
    monkeypatch.setitem(SOURCES, "tcga", dataclasses.replace(known, digests=content | {SURVIVAL: "0" * 64}))
    refused("published", "0000000000000000...", "altered", call=lambda: fetched(server, tmp_path / "other"))
    assert not (tmp_path / "other" / SURVIVAL).exists()


def test_published_digests_are_those_of_named_files():
    for source in SOURCES.values():
        assert set(source.digests) <= set(source.files)
        assert all(len(digest) == 64 and int(digest, 16) for digest in source.digests.values())
        assert all(address.startswith("https://") for address in source.files.values())


@pytest.mark.parametrize("change", [lambda content: content[:-10], lambda content: content.replace(b"1", b"2")])
def test_altered_here(server, tmp_path, change):
    fetched(server, tmp_path)
    (tmp_path / SURVIVAL).write_bytes(change(TEXT))
    refused(SURVIVAL, "not the file that was fetched first", "delete it", call=lambda: fetched(server, tmp_path))
    assert (tmp_path / SURVIVAL).read_bytes() == change(TEXT)


def test_not_found(server, tmp_path):
    server.plan[EXPRESSION] = [404]
    refused("EB%2B%2BAdjust", "status 404", "mirror", call=lambda: fetched(server, tmp_path))
    assert len(server.seen) == 1
    assert not list(tmp_path.iterdir())


def test_redirects(server, tmp_path):
    server.plan[EXPRESSION] = ["redirect", "redirect"]
    fetched(server, tmp_path)
    assert whole(tmp_path)
    server.plan[EXPRESSION] = ["loop"]
    refused("redirects without end", call=lambda: fetched(server, tmp_path / "other"))


def test_http_is_refused_also_where_a_server_redirects_to_it(server, tmp_path):
    server.plan[EXPRESSION] = ["to http"]
    refused("redirects to http://data.example/", "not https", call=lambda: fetched(server, tmp_path))
    assert not list(tmp_path.iterdir())
    for mirror in ("http://data.example/files", "ftp://data.example", "file:///tmp"):
        refused(
            "neither a local folder nor an https", call=lambda m=mirror: fetch("tcga", tmp_path, mirror=m, quiet=True)
        )
    assert all(is_secure(address) for found in SOURCES.values() for address in found.files.values())
    assert is_secure("http://localhost:8000/x")
    assert not is_secure("http://127.0.0.1.example/x")


def test_a_full_disk_and_a_file_for_a_folder_have_their_names(server, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    refused("file is a file", call=lambda: fetched(server, tmp_path / "file"))

    class Full:
        def write(self, chunk):
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match=r"No space left on device: .*x\.part"):
        transfer._write(Full(), b"x", tmp_path / "x.part")  # pyright: ignore


@pytest.mark.parametrize("text", ["[]", '{"a": []}', '{"a": {"sha256": 5, "bytes": 1}}', '{"a": {"sha256": "x"}}'])
def test_a_damaged_record_is_one_sentence(tmp_path, text):
    (tmp_path / RECORD).write_text(text)
    refused(RECORD, "damaged", call=lambda: fetch("tcga", tmp_path, mirror="http://127.0.0.1:9"))


@pytest.mark.parametrize(
    "content", [b"<!DOCTYPE html><p>Sign in", b"<?xml version='1.0'?><Error>AccessDenied</Error>", b""]
)
def test_page_in_place_of_data(server, tmp_path, content):
    server.files[SURVIVAL] = content
    refused(SURVIVAL, "web page" if content else "empty", call=lambda: fetched(server, tmp_path))
    assert not (tmp_path / SURVIVAL).exists()


def test_nobody_there(tmp_path):
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{held.getsockname()[1]}"
        call = lambda: fetch("tcga", tmp_path, mirror=address, retries=1, pause=0.01, timeout=1, quiet=True)  # noqa: E731
        refused(address, "broke off 2 times", "connection was lost", call=call, error=ConnectionError)


def test_local_folder_in_place_of_a_server(tmp_path):
    origin, kept = tmp_path / "origin", tmp_path / "kept"
    origin.mkdir()
    for name, content in FILES.items():
        (origin / name).write_bytes(content)
    fetch("tcga", kept, mirror=origin)
    assert whole(kept)
    (kept / SURVIVAL).unlink()
    (origin / SURVIVAL).write_bytes(TEXT[:-5])
    refused(SURVIVAL, "not the file", call=lambda: fetch("tcga", kept, mirror=origin))
    (origin / SURVIVAL).unlink()
    refused(SURVIVAL, "does not exist", call=lambda: fetch("tcga", kept, mirror=origin))
    assert {path.name for path in kept.iterdir()} == {EXPRESSION, RECORD}


def test_files_put_there_by_hand_are_recorded(tmp_path):
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)
    fetch("tcga", tmp_path, mirror="http://127.0.0.1:9")
    assert whole(tmp_path)


def test_the_command_says_which_digests_are_trusted_at_first(tmp_path, capsys, monkeypatch):
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)
    command = ["data", "fetch", "tcga", "--folder", str(tmp_path)]
    assert main(command) == 0
    assert "nobody publishes a sha256 of 2 of these files: the first download is trusted" in capsys.readouterr().err
    content = {name: hashlib.sha256(text).hexdigest() for name, text in FILES.items()}
    monkeypatch.setitem(SOURCES, "tcga", dataclasses.replace(SOURCES["tcga"], digests=content))
    assert main(command) == 0
    assert "note:" not in capsys.readouterr().err
    monkeypatch.setitem(SOURCES, "tcga", dataclasses.replace(SOURCES["tcga"], digests=content | {SURVIVAL: "0" * 64}))
    assert main(command) == 0
    assert f"note: {SURVIVAL} has another sha256 than the published file" in capsys.readouterr().err


def test_bad_options(tmp_path):
    refused("'tgca'", "did you mean 'tcga'", call=lambda: fetch("tgca", tmp_path))
    refused("'nowhere'", "neither a local folder nor", call=lambda: fetch("tcga", tmp_path, mirror="nowhere"))
    refused("timeout=0", call=lambda: fetch("tcga", tmp_path / "new", timeout=0))
    refused("'tgca'", call=lambda: fetch("tgca", tmp_path / "new"))
    refused("'nowhere'", call=lambda: fetch("tcga", tmp_path / "new", mirror="nowhere"))
    assert not list(tmp_path.iterdir())
    (tmp_path / RECORD).write_text("{")
    refused(RECORD, "damaged", call=lambda: fetch("tcga", tmp_path, mirror="http://127.0.0.1:9"))
