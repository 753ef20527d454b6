# SPDX-License-Identifier: Apache-2.0
"""The board's API and pages through real HTTP: cursors to the end, keys, tags, readiness; and its contract."""

import json
import os
import re
import sqlite3
import subprocess
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import quote

import pytest

from support.aws_front import REGION
from support.board import FORM, JSON, Board
from support.daemon import free_port, wait_until
from support.fake_imds import FakeImds

HERE = Path(__file__).parent


@pytest.fixture
def start(build, tmp_path):
    """Starts boards with settings of their own; ends them, and looks for what the sanitizers say."""
    boards = []

    def start_one(name="board", **settings):
        (tmp_path / name).mkdir(exist_ok=True)
        boards.append(Board(build, tmp_path / name, **settings).start())
        return boards[-1]

    yield start_one
    for board in boards:
        board.stop()


def send(board, text, **headers):
    return board.request("POST", "/api/messages", json.dumps({"message": text}), {**JSON, **headers})


def send_all(board, count):
    for number in range(count):
        assert send(board, f"number {number}").status == 201


def walk(board, limit=None):
    """All messages by cursors, newest first, and how many answers that took."""
    found, cursor, answers = [], None, 0
    while True:
        query = [f"limit={limit}"] if limit else []
        query += [f"cursor={cursor}"] if cursor else []
        answer = board.request(path="/api/messages?" + "&".join(query)).json()
        answers += 1
        found += answer["messages"]
        cursor = answer["next"]
        if cursor is None:
            return found, answers
        assert answers < 1000


def is_problem(answer, status, kind=None, field=None):
    problem = answer.json()
    assert answer.status == problem["status"] == status, problem
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["title"]
    if kind:
        assert problem["type"] == f"urn:visitor-board:problem:{kind}"
    if field:
        assert problem["field"] == field
    return problem


# --- Reading -------------------------------------------------------------------------------------


@pytest.mark.parametrize("count, limit, answers", [
    (0, None, 1), (1, None, 1), (50, None, 1), (51, None, 2), (120, None, 3), (21, 7, 3), (5, 1, 5), (120, 50, 3),
])
def test_to_the_end(start, count, limit, answers):
    board = start()
    send_all(board, count)
    found, taken = walk(board, limit)
    assert [message["message"] for message in found] == [f"number {n}" for n in reversed(range(count))]
    assert taken == answers
    assert len({message["id"] for message in found}) == count
    assert {message["instanceId"] for message in found} <= {"node-1"}


def test_pages_back_in_time(start):
    board = start()
    send_all(board, 120)
    shown, path = [], "/"
    while path:
        page = board.request(path=path)
        assert page.status == 200
        shown += re.findall(r">(number \d+)<", page.text)
        link = re.search(r'href="(/\?before=[A-Za-z0-9_-]+)"', page.text)
        assert ('href="/"' in page.text) == (path != "/")
        path = link and link[1]
    assert shown == [f"number {n}" for n in reversed(range(120))]


def test_new_messages_do_not_move_the_pages(start):
    board = start()
    send_all(board, 10)
    first = board.request(path="/api/messages?limit=4").json()
    send_all(board, 20)
    second = board.request(path=f"/api/messages?limit=4&cursor={first['next']}").json()
    assert [m["message"] for m in first["messages"] + second["messages"]] == [f"number {n}" for n in range(9, 1, -1)]


def test_cursors_outlive_the_process_and_belong_to_the_board(start):
    board = start()
    send_all(board, 3)
    cursor = board.request(path="/api/messages?limit=1").json()["next"]
    board.stop()
    again = start()
    assert len(again.request(path=f"/api/messages?cursor={cursor}").json()["messages"]) == 2
    again.stop()
    other = start(BOARD_NAME="other")  # on the same file, with the same secret
    is_problem(other.request(path=f"/api/messages?cursor={cursor}"), 400, "bad-cursor", "cursor")
    elsewhere = start("elsewhere")
    is_problem(elsewhere.request(path=f"/api/messages?cursor={cursor}"), 400, "bad-cursor", "cursor")


def test_tampered_cursors(start):
    board = start()
    send_all(board, 2)
    cursor = board.request(path="/api/messages?limit=1").json()["next"]
    bad = {"", "x", cursor + "A", cursor[:-1], cursor + "=", cursor * 2, "A" * 2000, "%00", "%F0%9F%8C%8D",
           quote("' OR 1=1 --"), cursor.swapcase()}
    bad |= {cursor[:i] + ("A" if cursor[i] != "A" else "B") + cursor[i + 1:] for i in range(0, len(cursor), 3)}
    for text in bad - {cursor}:
        answer = board.request(path=f"/api/messages?cursor={text}")
        if text == "%00":
            is_problem(answer, 400)
            continue
        is_problem(answer, 400, "bad-cursor", "cursor")
        page = board.request(path=f"/?before={text}")
        assert page.status == 400 and "not one of this board" in page.text and ">number 1<" in page.text


def test_stats(start):
    board = start()
    assert board.request(path="/api/stats").json() == {"total": 0, "lastHour": {"instances": [], "others": 0}}
    send_all(board, 3)
    assert board.request(path="/api/stats").json() == {
        "total": 3, "lastHour": {"instances": [{"instanceId": "node-1", "messages": 3}], "others": 0}}


@pytest.mark.parametrize("path", ["/", "/api/messages", "/api/messages?limit=1", "/api/openapi.json"])
def test_tags(start, path):
    board = start()
    send_all(board, 2)
    first = board.request(path=path)
    tag = first.headers["etag"]
    assert first.headers["cache-control"] == "no-cache"
    for listed in (tag, f'"other", W/{tag}', "*"):
        again = board.request(path=path, headers={"If-None-Match": listed})
        assert (again.status, again.body, again.headers["etag"]) == (304, b"", tag)
        assert "content-length" not in again.headers or again.headers["content-length"] == first.headers["content-length"]
    assert board.request(path=path, headers={"If-None-Match": '"other"'}).status == 200
    send_all(board, 1)
    changed = board.request(path=path, headers={"If-None-Match": tag})
    assert changed.status == (304 if path == "/api/openapi.json" else 200)


# --- Posting -------------------------------------------------------------------------------------


def test_the_same_key_again(start):
    board = start()
    first = send(board, "hello", **{"Idempotency-Key": '"k-1"'})
    assert first.status == 201 and "idempotent-replayed" not in first.headers
    again = send(board, "hello", **{"Idempotency-Key": '"k-1"'})
    assert (again.status, again.json()) == (201, first.json())
    assert again.headers["idempotent-replayed"] == "true"
    is_problem(send(board, "other", **{"Idempotency-Key": '"k-1"'}), 422, "key-reused", "Idempotency-Key")
    assert send(board, "hello", **{"Idempotency-Key": "k-2"}).status == 201
    assert send(board, "hello").status == 201
    assert len(walk(board)[0]) == 3
    # The key is the board's, not the process's.
    board.stop()
    later = send(start(), "hello", **{"Idempotency-Key": "k-1"})
    assert later.json() == first.json()


def test_the_same_key_at_once(start):
    board = start()
    answers = []
    clients = [threading.Thread(target=lambda: answers.append(send(board, "once", **{"Idempotency-Key": "k"})))
               for _ in range(16)]
    for client in clients:
        client.start()
    for client in clients:
        client.join(100)
    assert [answer.status for answer in answers] == [201] * 16
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert [answer.headers.get("idempotent-replayed") for answer in answers].count(None) == 1
    assert len(walk(board)[0]) == 1


def test_what_the_server_refuses(start):
    board = start()
    is_problem(board.request(path="/api/nothing"), 404)
    is_problem(board.request("DELETE", "/api/messages"), 405)
    is_problem(board.request("POST", "/api/messages", b"x" * 20000, JSON), 413)
    is_problem(board.request("POST", "/api/messages", b"{}", {"Content-Type": "text/plain"}), 415)
    assert board.request("POST", "/api/stats").headers["allow"] == "GET, HEAD"


# --- Readiness and trouble -----------------------------------------------------------------------


def test_ready(start):
    board = start()
    answer = board.request(path="/ready")
    assert answer.status == 200
    (dependency,) = answer.json()["dependencies"]
    assert answer.json()["ok"] is dependency["ok"] is True
    assert dependency["name"] == "sqlite" and 0 <= dependency["latencyMs"] < 20000


def test_not_ready(start):
    """A broken file: /ready says so, /health stays; and all is well again when the file is."""
    board = start()
    send_all(board, 1)
    database = board.dir / "board.db"
    with sqlite3.connect(database) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    good = database.read_bytes()

    def replace(content):
        (board.dir / "new").write_bytes(content)
        os.rename(board.dir / "new", database)
        for name in ("board.db-wal", "board.db-shm"):
            (board.dir / name).unlink(missing_ok=True)

    replace(b"This is certainly no database.\n" * 1000)
    answer = wait_until(lambda: (a := board.request(path="/ready")).status == 503 and a, 20, "not ready")
    (dependency,) = answer.json()["dependencies"]
    assert answer.json()["ok"] is dependency["ok"] is False and dependency["error"].startswith("store_")
    assert board.request(path="/health").json() == {"ok": True, "instanceId": "node-1"}
    is_problem(wait_until(lambda: (a := board.request(path="/api/messages")).status == 503 and a, 20, "no list"),
               503, "unavailable")
    refused = send(board, "refused")
    is_problem(refused, 503, "unavailable")
    assert int(refused.headers["retry-after"]) > 0
    form = board.request("POST", "/", "message=my+draft", FORM)
    assert form.status == 503 and int(form.headers["retry-after"]) > 0 and "my draft</textarea>" in form.text
    replace(good)
    wait_until(lambda: board.request(path="/ready").status == 200, 20, "ready again")
    wait_until(lambda: send(board, "again").status == 201, 20, "stores again")
    assert [m["message"] for m in walk(board)[0]] == ["again", "number 0"]


@pytest.mark.parametrize("environment, error", [
    ({"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, "store_credentials"),
    ({"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "s"}, "store_unreachable"),
], ids=["no-credentials", "unreachable"])
def test_dynamodb_is_not_there(start, tmp_path, environment, error):
    """Nothing hangs, /health stays, and nothing of the node's files and hosts is told to visitors."""
    board = start(TABLE_NAME="messages", AWS_REGION="eu-west-1", DYNAMODB_ENDPOINT_URL=f"http://127.0.0.1:{free_port()}",
                  AWS_EC2_METADATA_DISABLED="true", HOME=str(tmp_path), AWS_SESSION_TOKEN="", AWS_PROFILE="",
                  **environment)
    page = board.request()
    assert page.status == 503 and int(page.headers["retry-after"]) > 0 and "can&#39;t be read" in page.text
    ready = board.request(path="/ready")
    assert ready.status == 503
    (dependency,) = ready.json()["dependencies"]
    assert (dependency["name"], dependency["ok"], dependency["error"]) == ("dynamodb", False, error)
    form = board.request("POST", "/", "message=my+draft", FORM)
    assert form.status == 503 and "my draft</textarea>" in form.text
    is_problem(send(board, "x"), 503, "unavailable")
    is_problem(board.request(path="/api/stats"), 503, "unavailable")
    assert board.request(path="/health").status == 200
    for answer in (page, ready, form):
        assert str(tmp_path).encode() not in answer.body and b"127.0.0.1" not in answer.body
    assert "no AWS credentials" in board.log() or "can't be reached" in board.log()


@pytest.mark.parametrize("given, shown", [("", f"{REGION}b"), ("eu-south-2c", "eu-south-2c")], ids=["imds", "given"])
def test_availability_zone(start, given, shown):
    """Of the environment, else of IMDS; the page has it also while the store is away."""
    with FakeImds(SimpleNamespace(keys={})) as imds:
        board = start(TABLE_NAME="messages", AWS_REGION=REGION, DYNAMODB_ENDPOINT_URL=f"http://127.0.0.1:{free_port()}",
                      AVAILABILITY_ZONE=given, **imds.environment())
        wait_until(lambda: f"in {shown}<" in board.request().text, 20, "the zone is on the page")
        asked = imds.counts["/latest/meta-data/placement/availability-zone"]
    assert asked == (0 if given else 1)
    assert not imds.violations


# --- The contract --------------------------------------------------------------------------------


def test_document(start):
    board = start()
    served = board.request(path="/api/openapi.json").json()
    source = Path(os.environ["AGENTD_SOURCE"]) / "apps" / "visitor-board" / "openapi.json"
    assert served == json.loads(source.read_text())


@pytest.mark.limit(600)
def test_schemathesis(start, tmp_path):
    program = os.environ.get("AGENTD_SCHEMATHESIS")
    if not program:
        pytest.skip("AGENTD_SCHEMATHESIS names no schemathesis (it needs Python 3.11)")
    board = start()
    command = [program, "--config-file", str(HERE / "schemathesis.toml"), "run", "--no-color", "--checks", "all",
               f"http://127.0.0.1:{board.port}/api/openapi.json"]
    began = time.monotonic()
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=580, check=False)
    print(result.stdout[-8000:], result.stderr[-2000:], f"{time.monotonic() - began:.0f} s")
    assert result.returncode == 0
    assert re.search(r"Tested: +5\b", result.stdout), "not every operation was asked (its own address is none)"
