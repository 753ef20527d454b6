# SPDX-License-Identifier: Apache-2.0
"""What hostile clients and pages send to the board: it stays text, is refused, or counts against its sender."""

import html
import json
import re
import socket

import pytest

from support.board import FORM, JSON, Board
from support.daemon import wait_until

XSS = [
    "<script>alert(1)</script>",
    "</textarea><script>alert(1)</script>",
    "</td></tr></table><iframe src=javascript:alert(1)>",
    "\"><img src=x onerror=alert(1)>",
    "' onmouseover='alert(1)",
    "<svg/onload=alert(1)>",
    "javascript:alert(1)",
    "{{7*7}}${7*7}<%= 7*7 %>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "\u2028\u2029</script>",
    "\u202e<b>reversed</b>",
]
DANGEROUS = re.compile(rb"<(script|iframe|img|svg/|b>)", re.I)


@pytest.fixture
def start(build, tmp_path):
    boards = []

    def start_one(**settings):
        boards.append(Board(build, tmp_path, **settings).start())
        return boards[-1]

    yield start_one
    for board in boards:
        board.stop()


def cut_scripts(page):
    """The page without the elements that are its own."""
    return re.sub(rb'<script [^>]*src="/assets/[^>]*></script>', b"", page)


def raw(board, data):
    """The first line of the answer to these bytes, which the board must close after, and all that came."""
    with socket.create_connection(("127.0.0.1", board.port), timeout=20) as connection:
        connection.sendall(data)
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
    return received.split(b"\r\n")[0].decode(), received


# --- Text ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", XSS, ids=range(len(XSS)))
def test_markup_stays_text(start, text):
    board = start()
    sent = board.request("POST", "/api/messages", json.dumps({"message": text}), JSON)
    assert sent.status == 201 and sent.json()["message"] == text.strip()
    page = board.request()
    assert not DANGEROUS.search(cut_scripts(page.body)), page.text
    assert html.escape(text.strip(), quote=False) in html.unescape(page.text).replace("&", "&amp;").replace(
        "<", "&lt;").replace(">", "&gt;") or text.strip() in html.unescape(page.text)
    listed = board.request(path="/api/messages")
    assert listed.json()["messages"][0]["message"] == text.strip()
    assert listed.headers["content-type"] == "application/json"
    assert listed.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("text", XSS, ids=range(len(XSS)))
def test_a_draft_stays_text(start, text):
    page = start().request("POST", "/", "message=" + "".join(f"%{b:02X}" for b in (text + "x" * 501).encode()), FORM)
    assert page.status == 400
    assert not DANGEROUS.search(cut_scripts(page.body)), page.text
    assert len(re.findall("</textarea>", page.text)) == 1


@pytest.mark.parametrize("body", [
    b'{"message":"\xff"}', b'{"message":"\xc0\xaf"}', b'{"message":"\xed\xa0\x80"}', b'{"message":"\\ud800"}',
    b'{"message":"x"', b'{"message":"x"} trailing', b"[" * 10000, b'{"message":"x","message":', b"\x00", b"",
    b'{"message":NaN}',
], ids=["ff", "overlong", "surrogate", "escaped-surrogate", "cut", "trailing", "deep", "half", "nul", "empty", "nan"])
def test_damaged_json(start, body):
    board = start()
    answer = board.request("POST", "/api/messages", body, JSON)
    if body == b'{"message":"\\ud800"}':  # a lone surrogate has no UTF-8: stored as U+FFFD, or refused
        assert answer.status in (201, 400, 422)
    else:
        assert answer.status in (400, 422)
        assert board.request(path="/api/messages").json()["messages"] == []
    board.request(path="/api/messages").body.decode("utf-8")


# --- Headers -------------------------------------------------------------------------------------


def test_header_injection(start):
    """Nothing of a request gets into the head of an answer."""
    board = start()
    evil = "%0d%0aX-Evil:%201%0d%0a%0d%0a<script>"
    for path in (f"/?error={evil}", f"/?before={evil}", f"/{evil}", f"/api/messages?cursor={evil}",
                 f"/api/messages?limit={evil}", f"/assets/{evil}", f"/api/{evil}"):
        answer = board.request(path=path)
        assert "x-evil" not in answer.headers
        assert b"<script>" not in cut_scripts(answer.body)
    posted = board.request("POST", "/", f"message={evil}", FORM)
    assert posted.status in (302, 400) and "x-evil" not in posted.headers
    assert "set-cookie" not in posted.headers
    for name, value in (("Host", "evil.example"), ("X-Forwarded-Host", "evil.example"),
                        ("X-Forwarded-Proto", "javascript"), ("Forwarded", "host=evil.example;proto=http")):
        for answer in (board.request(headers={name: value}),
                       board.request("POST", "/", "message=x", {**FORM, name: value})):
            assert b"evil" not in answer.body
            assert "evil" not in str(answer.headers)
        assert answer.headers["location"] == "/"


@pytest.mark.parametrize("data", [
    b"POST /api/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
    b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    b"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /%00 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nIdempotency-Key : x\r\n\r\n",
])
def test_smuggling(start, data):
    board = start()
    line, received = raw(board, data)
    assert " 400 " in line
    assert received.count(b"HTTP/1.1 ") == 1
    assert board.request(path="/api/messages").json()["messages"] == []


def test_security_headers_are_on_everything(start):
    board = start()
    for method, path, body in (("GET", "/", None), ("GET", "/health", None), ("GET", "/ready", None),
                               ("GET", "/api/messages", None), ("GET", "/api/stats", None),
                               ("GET", "/api/openapi.json", None), ("GET", "/nothing", None), ("PUT", "/", None),
                               ("GET", "/api/nothing", None), ("POST", "/", "message=x"), ("POST", "/", "%"),
                               ("POST", "/api/messages", "{"), ("GET", "/%zz", None)):
        answer = board.request(method, path, body, FORM if body else {})
        about = (method, path, answer.status)
        assert answer.headers["x-content-type-options"] == "nosniff", about
        assert answer.headers["referrer-policy"] == "same-origin", about
        assert "default-src 'none'" in answer.headers["content-security-policy"], about
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"], about
        assert "unsafe-inline" not in answer.headers["content-security-policy"], about
        assert "server" not in answer.headers and "access-control-allow-origin" not in answer.headers, about


# --- Other sites' pages --------------------------------------------------------------------------


@pytest.mark.parametrize("headers, taken", [
    ({}, True),
    ({"Sec-Fetch-Site": "same-origin"}, True),
    ({"Sec-Fetch-Site": "none"}, True),
    ({"Sec-Fetch-Site": "cross-site"}, False),
    ({"Sec-Fetch-Site": "same-site"}, False),
    ({"Origin": "http://127.0.0.1:{port}"}, True),
    ({"Origin": "http://127.0.0.1"}, False),
    ({"Origin": "https://evil.example"}, False),
    ({"Origin": "null"}, False),
    ({"Origin": "https://evil.example", "Sec-Fetch-Site": "same-origin"}, True),
    ({"Origin": "http://127.0.0.1:{port}", "Sec-Fetch-Site": "cross-site"}, False),
])
def test_cross_site_posts(start, headers, taken):
    board = start()
    headers = {name: value.format(port=board.port) for name, value in headers.items()}
    form = board.request("POST", "/", "message=form", {**FORM, **headers})
    api = board.request("POST", "/api/messages", '{"message":"api"}', {**JSON, **headers})
    assert (form.status, api.status) == ((302, 201) if taken else (403, 403))
    if not taken:
        assert "another site" in form.text
        assert api.json()["type"] == "urn:visitor-board:problem:cross-origin"
    assert len(board.request(path="/api/messages").json()["messages"]) == (2 if taken else 0)
    assert board.request(headers=headers).status == 200, "reading is free"


# --- Too fast ------------------------------------------------------------------------------------


def posts_until_429(board, limit=100, **headers):
    for number in range(limit):
        answer = board.request("POST", "/", f"message=number+{number}", {**FORM, **headers})
        if answer.status == 429:
            assert 0 < int(answer.headers["retry-after"]) <= 61
            assert f"number {number}</textarea>" in answer.text
            return number
        assert answer.status == 302
    return None


def forwarded(*addresses):
    return {"X-Forwarded-For": ", ".join(addresses)}


def test_rate_limit(start):
    board = start(BOARD_POSTS_PER_MINUTE="3")
    assert posts_until_429(board) == 3
    refused = board.request("POST", "/api/messages", '{"message":"x"}', JSON)
    assert refused.status == 429 and refused.json()["type"] == "urn:visitor-board:problem:too-fast"
    assert int(refused.headers["retry-after"]) > 0
    # Nobody is trusted, so nobody gets another limit by what it says; and reading goes on.
    assert posts_until_429(board, **forwarded("192.0.2.1")) == 0
    assert board.request().status == board.request(path="/ready").status == 200
    wait_until(lambda: "BOARD_TRUSTED_PROXIES" in board.log() and "BOARD_POSTS_PER_MINUTE" in board.log(), 10,
               "the log tells of both")


def test_rate_limit_behind_a_proxy(start):
    board = start(BOARD_POSTS_PER_MINUTE="3", BOARD_TRUSTED_PROXIES="127.0.0.1, 10.0.0.0/8")
    assert posts_until_429(board, **forwarded("192.0.2.1")) == 3
    assert posts_until_429(board, **forwarded("192.0.2.2")) == 3
    assert posts_until_429(board, **forwarded("198.51.100.9", "192.0.2.1")) == 0, "the client's own word counted"
    assert posts_until_429(board, **forwarded("192.0.2.1", "10.1.2.3")) == 0, "the inner proxy is trusted as well"
    assert posts_until_429(board, **forwarded("2001:db8:0:1::1")) == 3
    assert posts_until_429(board, **forwarded("2001:db8:0:1:ffff::2")) == 0, "a customer has a whole /64"
    assert posts_until_429(board, **forwarded("2001:db8:0:2::1")) == 3
    assert posts_until_429(board, **forwarded("<script>")) == 3, "that is the proxy itself"
    assert posts_until_429(board) == 0


def test_two_lines_of_forwarded_for(start):
    """A proxy that adds a line of its own puts it behind the client's."""
    board = start(BOARD_POSTS_PER_MINUTE="2", BOARD_TRUSTED_PROXIES="127.0.0.1")
    statuses = []
    for number in range(4):
        line, _ = raw(board, b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Forwarded-For: 203.0.113.%d\r\n"
                             b"X-Forwarded-For: 192.0.2.1\r\nContent-Length: 9\r\n"
                             b"Content-Type: application/x-www-form-urlencoded\r\n\r\nmessage=x" % number)
        statuses.append(line.split()[1])
    assert statuses == ["302", "302", "429", "429"]


def test_counters_reach_statsd(start):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as statsd:
        statsd.bind(("127.0.0.1", 0))
        statsd.settimeout(20)
        board = start(BOARD_POSTS_PER_MINUTE="1", STATSD_HOST="127.0.0.1", STATSD_PORT=str(statsd.getsockname()[1]))
        assert posts_until_429(board) == 1
        board.request(path="/?before=x")
        board.request("POST", "/", "message=x", {**FORM, "Origin": "null"})
        seen = {}
        while len(seen) < 3:
            for line in statsd.recv(2000).decode().split("\n"):
                name, count = re.fullmatch(r"board\.(\w+):(\d+)\|c", line).groups()
                seen[name] = seen.get(name, 0) + int(count)
        assert seen == {"rate_limited": 1, "bad_cursor": 1, "cross_origin": 1}
