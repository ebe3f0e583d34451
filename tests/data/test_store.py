import hashlib
import multiprocessing
import random
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from fathom.data import cache, store
from fathom.data.dataset import Card, RemoteFile
from fathom.errors import DataError, DownloadError

CONTENT = random.Random(0).randbytes(300_007)
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """/good honours Range, /plain ignores it, /short breaks off, /wrong sends other bytes, /404 has none."""

    protocol_version = "HTTP/1.0"

    def do_GET(self):
        kind = self.path.split("/")[1]
        wanted = self.headers.get("Range")
        self.server.asked.append((kind, wanted))
        if kind == "404":
            self.send_error(404)
            return
        body = bytes(len(CONTENT)) if kind == "wrong" else CONTENT
        start = 0
        if wanted and kind != "plain":
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            if start >= len(body):
                self.send_error(416)
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        else:
            self.send_response(200)
        body = body[start:] + (b"x" * 5_000_000 if kind == "long" else b"")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:100_000] if kind == "short" else body)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.delenv("FATHOM_OFFLINE")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.asked = []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def card_of(server, *kinds):
    base = f"http://127.0.0.1:{server.server_address[1]}" if server else ""
    urls = tuple(kind if "://" in kind else f"{base}/{kind}/thing.bin" for kind in kinds)
    file = RemoteFile(name="thing.bin", urls=urls, sha256=(DIGEST,), size=len(CONTENT))
    return Card(name="thing", title="Thing", example="bytes", splits={"train": 1}, licence="none", files=(file,))


def names(folder):
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(".lock"))


def leave_part(content):
    folder = cache.folder() / "thing"
    folder.mkdir(parents=True)
    (folder / "thing.bin.part").write_bytes(content)


def test_a_file_is_downloaded_verified_and_then_found_in_the_cache(server, capsys):
    (found,) = store.locate(card_of(server, "good"))
    assert (found.origin, found.sha256) == ("download", DIGEST)
    assert found.path.read_bytes() == CONTENT
    assert names(found.path.parent) == ["thing.bin"]
    assert capsys.readouterr().err.count("\n") == 1
    (again,) = store.locate(card_of(server, "good"))
    assert again.origin == "cache"
    assert len(server.asked) == 1


def test_a_killed_download_is_resumed(server):
    leave_part(CONTENT[:123_456])
    (found,) = store.locate(card_of(server, "good"))
    assert server.asked == [("good", "bytes=123456-")]
    assert found.path.read_bytes() == CONTENT


def test_a_complete_part_only_needs_its_name(server):
    leave_part(CONTENT)
    (found,) = store.locate(card_of(server, "good"))
    assert found.path.read_bytes() == CONTENT


def test_a_server_that_ignores_range_starts_again(server):
    leave_part(CONTENT[:123_456])
    (found,) = store.locate(card_of(server, "plain"))
    assert found.path.read_bytes() == CONTENT


def test_a_spoilt_part_is_thrown_away_and_asked_for_again(server):
    leave_part(b"?" * 1000)
    (found,) = store.locate(card_of(server, "good"))
    assert server.asked == [("good", "bytes=1000-"), ("good", None)]
    assert found.path.read_bytes() == CONTENT


def test_a_server_that_breaks_off_is_asked_for_the_rest(server):
    (found,) = store.locate(card_of(server, "short"))
    starts = [int(wanted[len("bytes=") : -1]) if wanted else 0 for _, wanted in server.asked]
    assert len(starts) == 4
    assert starts == sorted(set(starts))
    assert found.path.read_bytes() == CONTENT


@pytest.mark.parametrize("first", ["404", "wrong", "short", "long", "http://127.0.0.1:9/closed"])
def test_the_next_mirror_is_tried(server, first):
    (found,) = store.locate(card_of(server, first, "good"))
    assert found.path.read_bytes() == CONTENT
    assert names(found.path.parent) == ["thing.bin"]


def test_wrong_bytes_from_every_mirror_fail_and_leave_nothing(server):
    with pytest.raises(DownloadError, match=f"expected sha256 {DIGEST[:16]}…, got .* from every mirror") as caught:
        store.locate(card_of(server, "wrong", "404"))
    assert caught.value.exit_code == 1
    assert not isinstance(caught.value, store.UnavailableError)
    assert names(cache.folder() / "thing") == []


def test_no_mirror_at_all_is_said_in_one_line(server):
    with pytest.raises(store.UnavailableError, match=r"answered 404; .* could not be reached") as caught:
        store.locate(card_of(server, "404", "http://127.0.0.1:9/closed"))
    assert "\n" not in str(caught.value)


def test_a_host_that_could_not_be_reached_is_not_asked_twice(server):
    for _ in range(2):
        with pytest.raises(store.UnavailableError):
            store.locate(card_of(server, "http://127.0.0.1:9/closed"))
    assert store._unreachable == {"127.0.0.1:9"}


def test_offline_never_asks(server, monkeypatch):
    monkeypatch.setenv("FATHOM_OFFLINE", "1")
    with pytest.raises(store.UnavailableError, match="FATHOM_OFFLINE forbids"):
        store.locate(card_of(server, "good"))
    assert server.asked == []


def test_a_cache_that_cannot_be_written_is_said(server, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FATHOM_CACHE", str(tmp_path / "file"))
    with pytest.raises(store.UnavailableError, match=r"can't write to .*; set FATHOM_CACHE"):
        store.locate(card_of(server, "good"))


def _locate(port, queue):
    server = type("Server", (), {"server_address": ("127.0.0.1", port)})()
    store.quiet = True
    queue.put(store.locate(card_of(server, "good"))[0].path.read_bytes() == CONTENT)


@pytest.mark.slow
def test_processes_that_want_one_file_take_turns(server):
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    processes = [context.Process(target=_locate, args=(server.server_address[1], queue)) for _ in range(3)]
    for process in processes:
        process.start()
    assert [queue.get(timeout=60) for _ in processes] == [True, True, True]
    for process in processes:
        process.join()
    assert len(server.asked) == 1


def test_folders_of_the_user_come_first_in_their_order(tmp_path, monkeypatch):
    for name in ("b", "c"):
        (tmp_path / name / "thing").mkdir(parents=True)
        (tmp_path / name / "thing" / "thing.bin").write_bytes(CONTENT)
    monkeypatch.setenv("FATHOM_DATA", f"{tmp_path / 'a'}:{tmp_path / 'b'}:{tmp_path / 'c'}")
    (found,) = store.locate(card_of(None, "x://none"))
    assert (found.origin, found.path) == ("folder", tmp_path / "b" / "thing" / "thing.bin")


@pytest.mark.parametrize(
    ("content", "message"), [(CONTENT[:-1] + b"?", "damaged"), (CONTENT[:1000], "1,000 bytes, should be")]
)
def test_a_damaged_file_is_named_with_both_digests(tmp_path, monkeypatch, content, message):
    (tmp_path / "thing").mkdir()
    (tmp_path / "thing" / "thing.bin").write_bytes(content)
    monkeypatch.setenv("FATHOM_DATA", str(tmp_path))
    with pytest.raises(
        DataError, match=rf"thing\.bin: expected sha256 {DIGEST[:16]}…, got .*{message}.*data get"
    ) as caught:
        store.locate(card_of(None, "x://none"))
    assert caught.value.exit_code == 1
    assert "\n" not in str(caught.value)


def test_get_replaces_a_damaged_file_in_the_cache(server):
    folder = cache.folder() / "thing"
    folder.mkdir(parents=True)
    (folder / "thing.bin").write_bytes(b"spoilt")
    with pytest.raises(DataError):
        store.locate(card_of(server, "good"))
    (found,) = store.get(card_of(server, "good"))
    assert found.path.read_bytes() == CONTENT


def test_get_leaves_the_users_own_damaged_file_alone(tmp_path, monkeypatch):
    (tmp_path / "thing").mkdir()
    (tmp_path / "thing" / "thing.bin").write_bytes(b"mine")
    monkeypatch.setenv("FATHOM_DATA", str(tmp_path))
    with pytest.raises(DataError):
        store.get(card_of(None, "x://none"))
    assert (tmp_path / "thing" / "thing.bin").read_bytes() == b"mine"


# --- the cache ------------------------------------------------------------------------------------------------------


def test_a_digest_is_computed_once_until_the_file_changes(tmp_path, monkeypatch):
    calls = []
    real = cache.digest
    monkeypatch.setattr(cache, "digest", lambda path: calls.append(path) or real(path))
    path = tmp_path / "file"
    path.write_bytes(b"one")
    assert cache.remembered_digest(path) == cache.remembered_digest(path) == hashlib.sha256(b"one").hexdigest()
    assert len(calls) == 1
    path.write_bytes(b"another")
    assert cache.remembered_digest(path) == hashlib.sha256(b"another").hexdigest()


@pytest.mark.parametrize("note", ["", "[]", '{"key": 1}', "null"])
def test_a_spoilt_note_is_written_again(tmp_path, note):
    path = tmp_path / "file"
    path.write_bytes(b"one")
    expected = cache.remembered_digest(path)
    (kept,) = (cache.folder() / "digests").iterdir()
    kept.write_text(note)
    assert cache.remembered_digest(path) == expected
    assert expected in kept.read_text()


def test_say_says_a_line_once_and_can_be_silenced(capsys, monkeypatch):
    for _ in range(2):
        store.say("hello")
    assert capsys.readouterr().err == "hello\n"
    monkeypatch.setattr(store, "quiet", True)
    store.say("other")
    assert capsys.readouterr().err == ""


def test_the_caches_default_place_is_the_platforms(monkeypatch):
    monkeypatch.delenv("FATHOM_CACHE")
    assert cache.folder().name == "fathom"
