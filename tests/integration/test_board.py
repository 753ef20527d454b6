# SPDX-License-Identifier: Apache-2.0
"""
The visitor board through its own HTTP, under the real agentd: every post is seen by whoever asks
afterwards, what visitors write comes back as text, and a store in trouble costs no page.
"""

import hashlib
import html
import http.client
import os
import random
import re
import resource
import shutil
import signal
import sqlite3
import subprocess
import time
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from support.daemon import Answer, free_port, wait_until

BOARD = "visitor-board"
WORKERS = 4
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
ROW = re.compile(r'<tr><td dir="auto">(.*?)</td><td>(.*?)</td><td class="i\d+">(.*?)</td></tr>', re.S)
TIME = re.compile(r'<time datetime="\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"><span>[^<]+</span> \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC</time>')


@pytest.fixture
def board(agentd):
    """agentd with four workers; none of them had to be started twice."""
    daemon = agentd({"apps": {BOARD: {"workers": WORKERS}}})
    daemon.wait_ready(WORKERS)
    yield daemon


def rows(answer):
    """(text, time, instance) of each message on the page, newest first, unescaped."""
    assert answer.status == 200
    return [tuple(html.unescape(cell) for cell in row) for row in ROW.findall(answer.text)]


def texts(daemon):
    return [row[0] for row in rows(daemon.request())]


def post(daemon, text, **headers):
    """A message as the form sends it; |text| may be bytes."""
    return daemon.request("POST", "/", body="message=" + quote_plus(text), headers={**FORM, **headers})


def post_stored(daemon, text):
    answer = post(daemon, text)
    assert answer.status == 302 and answer.headers["location"] == "/"


def draft_of(answer):
    """What the page has put back into the field."""
    (found,) = re.findall(r"<textarea[^>]*>\n?(.*?)</textarea>", answer.text, re.S)
    return html.unescape(found)


def error_box(answer):
    return re.search(r'<p class="box error" role="alert" id="message-error">(.*?)</p>', answer.text)


# --- Freshness -----------------------------------------------------------------------------------


class Kept:
    """A kept-alive connection of which is known which worker serves it."""

    def __init__(self, daemon):
        self.connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=10)
        self.ask("GET", "/health")
        self.port = self.connection.sock.getsockname()[1]
        self.pid = 0

    def ask(self, method, path, body=None):
        self.connection.request(method, path, body=body, headers=FORM if body else {})
        return Answer(self.connection.getresponse())


def owners(daemon):
    """{client's port: pid of the worker that has the connection}, from /proc."""
    inodes = {}
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if int(fields[1].split(":")[1], 16) == daemon.port:
            inodes[f"socket:[{fields[9]}]"] = int(fields[2].split(":")[1], 16)
    found = {}
    for pid in daemon.worker_pids():
        for fd in os.listdir(f"/proc/{pid}/fd"):
            link = os.readlink(f"/proc/{pid}/fd/{fd}")
            if link in inodes:
                found[inodes[link]] = pid
    return found


def open_to_all(daemon, count=48):
    """Connections by the worker that serves them: {pid: [Kept]}, several of each worker."""
    connections = [Kept(daemon) for _ in range(count)]
    owner = owners(daemon)
    groups = {}
    for kept in connections:
        kept.pid = owner[kept.port]
        groups.setdefault(kept.pid, []).append(kept)
    return groups


@pytest.mark.limit(1800)
@pytest.mark.parametrize("among_others", [False, True], ids=["alone", "among-others"])
def test_post_is_seen_by_every_worker(board, load, storm, among_others):
    """A GET that begins after a POST's 302 shows it, whichever workers answer the two."""
    groups = open_to_all(board)
    assert len(groups) == WORKERS, "not every worker got a connection"
    flow = None
    if among_others:
        flow = load(board.port, duration_s=1700, max_requests=10**7, pause_s=0.02, clients_new=2, clients_kept=2,
                    make_request=lambda n: ("POST", "/", b"message=other") if n % 2 else ("GET", "/", b""))
    pairs = set()
    for number in range(storm(1500, 20_000) // 2):
        writer_pid, reader_pid = random.sample(list(groups), 2)
        writer, reader = random.choice(groups[writer_pid]), random.choice(groups[reader_pid])
        text = f"interleaved {number}"
        answer = writer.ask("POST", "/", "message=" + quote_plus(text))
        assert answer.status == 302
        shown = [row[0] for row in rows(reader.ask("GET", "/"))]
        assert text in shown, f"post {number} by worker {writer_pid} is missing on worker {reader_pid}: {shown[:3]}"
        assert among_others or shown[0] == text
        pairs.add((writer_pid, reader_pid))
    print(f"{len(pairs)} pairs of workers")
    assert len(pairs) == WORKERS * (WORKERS - 1)
    if flow:
        flow.stop().assert_none_failed(at_least=50)
    # status is up to a second old
    wait_until(lambda: min(worker["requests"] for worker in board.workers()) > 50, 5, "requests at each worker", 0.2)
    assert [worker["restarts"] for worker in board.workers()] == [0] * WORKERS
    for kept in (kept for group in groups.values() for kept in group):
        kept.connection.close()


def test_newest_first_and_fifty(board):
    for number in range(60):
        post_stored(board, f"number {number}")
    wanted = [f"number {number}" for number in range(59, 9, -1)]
    for _ in range(8):
        assert texts(board) == wanted


def test_messages_survive_a_restart(board):
    post_stored(board, "before the restart")
    assert board.stop() == 0
    board.start()
    assert texts(board) == ["before the restart"]
    for pid in board.worker_pids():
        os.kill(pid, signal.SIGKILL)
    post_stored(board, "after all were killed")
    assert texts(board) == ["after all were killed", "before the restart"]


def test_rows_of_another_program_are_seen(board):
    """Within a second: somebody's shell does not tell the workers."""
    assert texts(board) == []
    with sqlite3.connect(board.dir / "board.db") as database:
        database.execute("INSERT INTO messages (id, message, timestamp, instance_id) VALUES ('', ?, 'now', 'shell')",
                         ("<i>by hand</i>",))
    database.close()
    wait_until(lambda: rows(board.request()) == [("<i>by hand</i>", "now", "shell")], 3, "the row is seen")


# --- What visitors write -------------------------------------------------------------------------


def test_empty_page(board):
    answer = board.request()
    assert rows(answer) == []
    assert "No messages yet." in answer.text
    assert "<title>Visitor Board</title>" in answer.text
    assert f"Served by: {html.escape(board.status()['instance_id'])}<" in answer.text


@pytest.mark.parametrize("text", [
    "<script>alert(1)</script>",
    "\"'><img src=x onerror=alert(1)>",
    "</td></tr></table><h1>x</h1>",
    "&lt;b&gt; &amp; &#60;",
    "Grüße aus Åland, 你好, שלום, 🌍👩‍👩‍👧",
    "two\nlines\tand a tab",
    "100 % + 1 = & ; ?",
    "'); DROP TABLE messages;--",
], ids=lambda text: quote(text, safe=" ")[:20])
def test_text_comes_back_as_text(board, text):
    post_stored(board, text)
    answer = board.request()
    (row,) = rows(answer)
    assert row[0] == text
    assert row[2] == board.status()["instance_id"]
    assert len(TIME.findall(answer.text)) == 1
    assert html.escape(text, quote=True).replace("&#x27;", "&#39;") in answer.text
    for markup in ("<script>", "<img", "<h1>x"):
        assert markup not in answer.text
    assert answer.text.count("<script") == 1, "its own"


@pytest.mark.parametrize("body, text", [
    ("", "(no text)"),
    ("message=+%0D%0A+", "(no text)"),
    ("other=1", "(no text)"),
    ("message=++trimmed%0D%0A", "trimmed"),
    ("message=one&message=two", "one"),
    ("message=" + "%F0%9F%8C%8D" * 500, "🌍" * 500),
])
def test_form(board, body, text):
    assert board.request("POST", "/", body=body, headers=FORM).status == 302
    assert texts(board) == [text]


@pytest.mark.parametrize("text, words, draft", [
    ("x" * 501, "more than 500 characters", "x" * 501),
    ("🌍" * 501, "more than 500 characters", "🌍" * 501),
    ("a\0b", "control characters", "ab"),
    ("\x1b[31m<red>", "control characters", "[31m<red>"),
], ids=["501", "501-wide", "NUL", "escape"])
def test_refused_text(board, text, words, draft):
    """It comes back in the field, so that nobody has to write it again."""
    post_stored(board, "there already")
    page = post(board, text)
    assert page.status == 400
    assert words in error_box(page)[1]
    assert draft_of(page) == draft
    assert not error_box(board.request()), "the box is on everybody's page"
    assert texts(board) == ["there already"]


@pytest.mark.parametrize("code, words", [
    ("too-long", "more than 500 characters"),
    ("characters", "control characters"),
])
def test_error_in_the_address(board, code, words):
    post_stored(board, "there already")
    page = board.request(path=f"/?error={code}")
    assert words in error_box(page)[1]
    assert [row[0] for row in rows(page)] == ["there already"]


def test_unknown_error_is_not_shown(board):
    page = board.request(path="/?error=%3Cscript%3Ealert(1)%3C/script%3E")
    assert error_box(page)[1] == "That did not work. Please try again."
    assert "alert(1)" not in page.text


@pytest.mark.parametrize("body, headers, status", [
    (b"message=\xff\xfe", FORM, 400),
    (b"message=caf%E9", FORM, 400),
    (b"message=100%", FORM, 400),
    (b"&".join([b"a"] * 17), FORM, 400),
    (b"message=x", {"Content-Type": "text/plain"}, 415),
    (b"message=x", {"Content-Type": "application/json"}, 415),
    (b"message=x", {"Content-Type": "multipart/form-data; boundary=x"}, 415),
    (b"message=" + b"x" * 20000, FORM, 413),
], ids=["raw-bytes", "latin-1", "percent", "fields", "text", "json", "multipart", "too-large"])
def test_refused_form(board, body, headers, status):
    answer = board.request("POST", "/", body=body, headers=headers)
    assert answer.status == status
    if status in (400, 415):
        assert "was not posted" in error_box(answer)[1]
    assert texts(board) == []


def test_form_type_with_parameters(board):
    for number, kind in enumerate(["application/x-www-form-urlencoded; charset=UTF-8",
                                   "Application/X-WWW-Form-URLencoded"]):
        answer = board.request("POST", "/", body=f"message=n{number}", headers={"Content-Type": kind})
        assert answer.status == 302
    assert texts(board) == ["n1", "n0"]


# --- HTTP ----------------------------------------------------------------------------------------


def test_health(board):
    answer = board.request(path="/health")
    assert answer.status == 200 and answer.headers["content-type"] == "application/json"
    assert answer.json() == {"ok": True, "instanceId": board.status()["instance_id"]}
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", ["/", "/health", "/?error=too-long"])
def test_head(board, path):
    post_stored(board, "something")
    head, get = board.request("HEAD", path), board.request(path=path)
    assert head.status == get.status == 200
    assert head.body == b""
    ignored = ("date",)
    assert {k: v for k, v in head.headers.items() if k not in ignored} == \
        {k: v for k, v in get.headers.items() if k not in ignored}
    assert int(head.headers["content-length"]) == len(get.body)


@pytest.mark.parametrize("method, path, status, allowed", [
    ("PUT", "/", 405, {"GET", "HEAD", "POST"}),
    ("DELETE", "/", 405, {"GET", "HEAD", "POST"}),
    ("PATCH", "/", 405, {"GET", "HEAD", "POST"}),
    ("OPTIONS", "/", 405, {"GET", "HEAD", "POST"}),
    ("TRACE", "/", 405, {"GET", "HEAD", "POST"}),
    ("POST", "/health", 405, {"GET", "HEAD"}),
    ("GET", "/nothing", 404, None),
    ("POST", "/nothing", 404, None),
    ("GET", "/health/", 404, None),
])
def test_other_methods_and_paths(board, method, path, status, allowed):
    answer = board.request(method, path)
    assert answer.status == status
    if allowed:
        assert set(re.split(r",\s*", answer.headers["allow"])) == allowed


def pages(board):
    """Every kind of page that it shows."""
    return [board.request(), board.request(path="/?error=too-long"),
            board.request("POST", "/", body="%", headers=FORM), post(board, "x", **{"Content-Type": "text/plain"})]


def test_security_headers(board):
    answers = pages(board)
    assert [answer.status for answer in answers] == [200, 200, 400, 415]
    for answer in answers:
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert answer.headers["cache-control"] == ("no-cache" if answer.status == 200 else "no-store")


def test_policy_allows_what_the_page_wants_and_nothing_inline(board):
    for answer in pages(board):
        policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
        assert policy["style-src"] == policy["script-src"] == policy["img-src"] == policy["connect-src"] == "'self'"
        assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
        assert policy["form-action"] == "'self'"
        assert b" style=" not in answer.body and b"<style" not in answer.body
        assert re.search(r" on\w+=", answer.text) is None and len(re.findall("<script", answer.text)) == 1


def test_files_of_the_page_are_kept_for_ever(board):
    types = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
    paths = re.findall(r'(?:href|src)="(/assets/[^"]+)"', board.request().text)
    assert sorted(Path(path).suffix for path in paths) == sorted(types)
    for path in paths:
        answer = board.request("GET", path)
        assert answer.status == 200 and answer.headers["content-type"] == types[Path(path).suffix]
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert hashlib.sha256(answer.body).hexdigest()[:16] == path.split(".")[1]
        # During a rolling release the page may be of a node with another version.
        other = board.request("GET", path.replace(path.split(".")[1], "0123456789abcdef"))
        assert other.status == 200 and other.body == answer.body and other.headers["cache-control"] == "no-store"
        for wrong in ("0123456789abcdeg", "0123456789abcde", "0123456789abcdef0"):
            assert board.request("GET", path.replace(path.split(".")[1], wrong)).status == 404
    assert board.request("GET", "/assets/../page.c").status in (400, 404)
    assert board.request("GET", "/assets/").status == 404


# --- Access log ----------------------------------------------------------------------------------

ACCESS = re.compile(r": (GET|HEAD|POST|PUT) (/.*) (\d{3}) (\d+) us$", re.M)


def worker_logs(daemon):
    files = sorted((daemon.dir / "run" / "log").glob(f"{BOARD}.*.log"))
    return "".join(path.read_text() for path in files)


def test_access_log(agentd):
    daemon = agentd()
    environment = [f"BOARD_DATABASE={daemon.dir / 'board.db'}", "BOARD_ACCESS_LOG=1"]
    assert daemon.stop() == 0
    daemon.write_config({"apps": {BOARD: {"environment": environment}}})
    daemon.start()
    before = time.monotonic()
    daemon.request(path="/?error=too-long")
    daemon.request("HEAD", "/health")
    daemon.request("PUT", "/")
    daemon.request(path="/no%20such%20page")
    daemon.request(path="/two%0Alines")
    post(daemon, "a message of a visitor")
    took_us = (time.monotonic() - before) * 1e6
    lines = wait_until(lambda: len(found := ACCESS.findall(worker_logs(daemon))) >= 6 and found, 5, "six lines")
    seen = sorted((method, path, int(status)) for method, path, status, _ in lines)
    assert [line for line in seen if "lines" not in line[1]] == [
        ("GET", "/", 200), ("GET", "/no such page", 404), ("HEAD", "/health", 200), ("POST", "/", 302),
        ("PUT", "/", 405)]
    (odd,) = (line for line in seen if "lines" in line[1])
    assert odd[2] == 400, "a line of the log is one line"
    assert 0 < sum(int(line[3]) for line in lines) < took_us
    assert "a message of a visitor" not in worker_logs(daemon)


def test_no_access_log_by_default(board):
    post_stored(board, "x")
    assert texts(board) == ["x"]
    assert board.stop() == 0
    assert not ACCESS.findall(worker_logs(board))


# --- A store in trouble --------------------------------------------------------------------------


def notice(answer):
    return re.search(r'<p class="box notice">(.*?)</p>', answer.text)


def test_file_that_may_not_grow(board):
    """As a full disk: posts are refused, the page and /health stay; with room posts are stored again."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    pids = board.worker_pids()
    for pid in pids:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (128 * 1024, limits[1]))
    stored = 0
    while (answer := post(board, f"number {stored}")).status == 302:
        stored += 1
        assert stored < 1000
    assert answer.status == 503 and answer.headers["retry-after"]
    assert "not have been stored" in error_box(answer)[1] or "was not stored" in error_box(answer)[1]
    assert draft_of(answer) == f"number {stored}"
    assert stored > 0
    for _ in range(8):
        assert texts(board)[0] == f"number {stored - 1}"
        assert post(board, "refused").status == 503
    assert board.health().status == 200
    for pid in pids:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)
    post_stored(board, "there is room")
    assert texts(board)[:2] == ["there is room", f"number {stored - 1}"]
    assert board.worker_pids() == pids


def test_damaged_database(board):
    """The last good page with a notice; a file put right is taken without a restart."""
    post_stored(board, "in the backup")
    for _ in range(16):  # each worker has a page
        board.request()
    assert board.stop() == 0
    backup, database = board.dir / "backup", board.dir / "board.db"
    shutil.copy(database, backup)
    board.start()
    board.wait_ready(WORKERS)
    groups = open_to_all(board)
    one_each = [group[0] for group in groups.values()]
    for kept in one_each:
        assert [row[0] for row in rows(kept.ask("GET", "/"))] == ["in the backup"]
    pids = board.worker_pids()

    def replace(content):
        (board.dir / "new").write_bytes(content)
        os.rename(board.dir / "new", database)
        for name in ("board.db-wal", "board.db-shm"):
            (board.dir / name).unlink(missing_ok=True)

    replace(b"This is certainly no database.\n" * 1000)
    for kept in one_each:
        page = wait_until(lambda: notice(answer := kept.ask("GET", "/")) and answer, 5, "a notice")
        assert "last ones" in notice(page)[1]
        assert [row[0] for row in rows(page)] == ["in the backup"]
        assert kept.ask("POST", "/", "message=x").status == 503
    replace(backup.read_bytes())
    for kept in one_each:
        wait_until(lambda: not notice(kept.ask("GET", "/")), 5, "no notice")
        assert kept.ask("POST", "/", "message=again").status == 302
    assert texts(board) == ["again"] * len(one_each) + ["in the backup"]
    assert board.worker_pids() == pids
    for kept in (kept for group in groups.values() for kept in group):
        kept.connection.close()


def test_generation_file_is_cut_short(agentd):
    """It kills a worker that looks at it. The first successor mends it, so others may live on; nothing is lost."""
    daemon = agentd(start=False)
    environment = daemon.config["apps"][BOARD]["environment"] + ["ASAN_OPTIONS=handle_sigbus=0"]
    daemon.write_config({"apps": {BOARD: {"environment": environment}}})
    daemon.start()
    daemon.wait_ready(2)
    post_stored(daemon, "before")
    pids = daemon.worker_pids()
    os.truncate(daemon.dir / "board.db.generation", 0)

    def some_new():
        try:
            daemon.request()
        except OSError:
            pass
        except http.client.HTTPException:
            pass
        now = daemon.worker_pids()
        return len(now) == 2 and set(now) != set(pids)

    wait_until(some_new, 10, "a new worker")
    daemon.wait_ready(2)
    assert daemon.dir.joinpath("board.db.generation").stat().st_size == 4096
    for number in range(20):
        post_stored(daemon, f"after {number}")
        assert texts(daemon)[0] == f"after {number}"
    assert texts(daemon)[-1] == "before"


# --- By hand -------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments, environment, status, words", [
    (["--help"], {}, 0, "BOARD_DATABASE"),
    (["--version"], {}, 0, "visitor-board "),
    (["--nonsense"], {}, 2, "--nonsense"),
    ([], {"PORT": "0"}, 2, "PORT"),
    ([], {"PORT": "http"}, 2, "PORT"),
    ([], {"BOARD_ACCESS_LOG": "yes"}, 2, "BOARD_ACCESS_LOG"),
    ([], {"BOARD_NAME": "two words"}, 2, "BOARD_NAME"),
    ([], {"BOARD_NAME": "x" * 65}, 2, "BOARD_NAME"),
    ([], {"BOARD_POSTS_PER_MINUTE": "many"}, 2, "BOARD_POSTS_PER_MINUTE"),
    ([], {"AVAILABILITY_ZONE": "<b>"}, 2, "AVAILABILITY_ZONE"),
    ([], {"TABLE_NAME": "no table"}, 2, "TABLE_NAME"),
    ([], {"BOARD_RETENTION_DAYS": "-1"}, 2, "BOARD_RETENTION_DAYS"),
    ([], {"BOARD_TRUSTED_PROXIES": "10.0.0.0/8,10.1.0.0/8"}, 2, '"10.1.0.0/8"'),
    ([], {"BOARD_TRUSTED_PROXIES": "the-load-balancer"}, 2, '"the-load-balancer"'),
    ([], {"BOARD_DATABASE": "/no/such/place/board.db"}, 1, "/no/such/place/board.db"),
])
def test_command_line(build, tmp_path, arguments, environment, status, words):
    base = {"PORT": str(free_port()), "BOARD_DATABASE": str(tmp_path / "board.db")}
    result = subprocess.run([str(build / BOARD), *arguments], env={**os.environ, **base, **environment}, check=False,
                            cwd=tmp_path, capture_output=True, text=True, timeout=20, stdin=subprocess.DEVNULL)
    assert result.returncode == status, result
    assert words in (result.stdout if status == 0 else result.stderr)


def test_alone(build, tmp_path):
    """Without agentd it listens itself, on PORT of the loopback, and SIGTERM ends it."""
    port = free_port()
    environment = {**os.environ, "PORT": str(port), "INSTANCE_ID": "by <hand>", "BOARD_DATABASE": str(tmp_path / "db")}
    process = subprocess.Popen([str(build / BOARD)], env=environment, stdin=subprocess.DEVNULL,
                               stderr=subprocess.PIPE, text=True)
    try:
        def ask(method="GET", path="/", body=None):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            try:
                connection.request(method, path, body=body, headers=FORM if body else {})
                return Answer(connection.getresponse())
            except OSError:
                return None
            finally:
                connection.close()

        wait_until(lambda: ask(path="/health"), 10, "it answers")
        assert ask(path="/health").json()["instanceId"] == "by <hand>"
        assert ask("POST", "/", "message=hello").status == 302
        assert rows(ask())[0][0] == "hello" and rows(ask())[0][2] == "by <hand>"
    finally:
        process.terminate()
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 0, errors
    assert "Sanitizer" not in errors
