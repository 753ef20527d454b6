# SPDX-License-Identifier: Apache-2.0
"""
agentctl load and watch: their numbers against those of a server that counts, of servers that
misbehave, and of agentd itself; and what a terminal shows.
"""

import fcntl
import itertools
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import threading
import time
from collections import Counter

import pytest

from support.agentctl import FAILED, OK, UNREACHABLE, USAGE, assert_harmless, clean_environment, on_terminal
from support.certificates import Certificate
from support.daemon import free_port, wait_until
from support.http_peer import HttpPeer, message
from support.screen import Screen

BOARD = "visitor-board"
HOSTILE = "i-\x1b[31mred\x1b]0;t\x07\u202egnp\u200b"


def health(name):
    return json.dumps({"ok": True, "instanceId": name}, ensure_ascii=False).encode()


class Peer(HttpPeer):
    """Counts requests; |answer|(request, number) answers, by default as the instances in turn."""

    def __init__(self, answer=None, instances=("i-a", "i-b"), certificate=None):
        super().__init__(certificate)
        self.answer = answer or self.answer_health
        self.instances = itertools.cycle(instances)
        self.named = Counter()
        self.requests = []
        self.complaints = []
        self.accepted = 0
        self.released = threading.Event()

    def serve(self, request):
        with self.lock:
            self.requests.append(request)
            self.accepted += not request.reused
            number = len(self.requests)
        self.answer(request, number)

    def answer_health(self, request, number):
        with self.lock:
            name = next(self.instances)
            self.named[name] += 1
        request.connection.send(message(200, "OK", [("Content-Type", "application/json")], health(name)))

    def complain(self, text):
        self.complaints.append(text)


@pytest.fixture
def ctl(build):
    def run(*arguments, environment=None, timeout_s=60):
        result = subprocess.run([build / "agentctl", *arguments], env=clean_environment(**(environment or {})),
                                capture_output=True, timeout=timeout_s)
        result.stdout, result.stderr = result.stdout.decode(), result.stderr.decode()
        assert "Sanitizer" not in result.stderr and "runtime error" not in result.stderr, result.stderr
        return result

    return run


@pytest.fixture
def load(ctl):
    """load(url, options...): the summary, and the exit code in it."""

    def run(url, *options, environment=None):
        result = ctl("load", url, "--json", *options, environment=environment)
        assert result.stdout, result.stderr
        summary = json.loads(result.stdout)
        summary["code"] = result.returncode
        assert summary["requests"] == summary["answered"] + summary["unanswered"]
        assert summary["unanswered"] == sum(summary["failures"].values())
        assert summary["answered"] == sum(summary["statuses"].values())
        assert summary["answered"] <= summary["sent"] <= summary["requests"]
        return summary

    return run


# --- Exact counts --------------------------------------------------------------------------------


def test_a_rate_sends_each_request_once(load):
    with Peer() as peer:
        summary = load(peer.url, "--rate", "200", "--for", "2s")
        assert summary["requests"] == summary["sent"] == summary["answered"] == len(peer.requests) == 400
        assert {(r.method, r.target, r.body) for r in peer.requests} == {("GET", "/", b"")}
        assert summary["statuses"]["2xx"] == 400 and summary["code"] == OK
        assert {i["instance"]: i["answers"] for i in summary["instances"]} == peer.named
        assert summary["bytes"] == 200 * (len(health("i-a")) + len(health("i-b")))
        latency = summary["latency_ms"]
        assert 0 < latency["p50"] <= latency["p90"] <= latency["p99"] <= 1.02 * latency["max"]
        assert not peer.complaints


def test_connections_are_kept_busy(load):
    with Peer() as peer:
        summary = load(peer.url + "/health?x=1", "--connections", "5", "--for", "1s")
        assert summary["requests"] == summary["answered"] == len(peer.requests) > 5
        assert peer.accepted == 5 and summary["rate"] is None
        assert {r.target for r in peer.requests} == {"/health?x=1"}


def test_each_request_on_a_new_connection(load):
    with Peer() as peer:
        summary = load(peer.url, "--rate", "100", "--for", "1s", "--new-connections")
        assert summary["answered"] == len(peer.requests) == peer.accepted == 100
        assert {r.header("connection") for r in peer.requests} == {"close"}


def test_a_form_is_posted(load):
    with Peer(lambda r, n: r.connection.send(message(302, "Found", [("Location", "/nowhere")]))) as peer:
        summary = load(peer.url, "--rate", "20", "--for", "1s", "--data", "message=hello+there")
        assert summary["statuses"]["3xx"] == len(peer.requests) == 20
        assert summary["code"] == OK  # and nobody went to /nowhere
        assert {(r.method, r.target, r.body) for r in peer.requests} == {("POST", "/", b"message=hello+there")}
        assert {r.header("content-type") for r in peer.requests} == {"application/x-www-form-urlencoded"}


def test_the_bound_of_a_rate_is_kept(load):
    """With a connection and answers that take 0.3 s, 10 requests in 1 s queue up for 2 s, and that is seen."""
    def slow(request, number):
        time.sleep(0.3)
        request.connection.send(message(200, "OK", [], b"slow"))

    with Peer(slow) as peer:
        summary = load(peer.url, "--rate", "10", "--connections", "1", "--for", "1s")
        assert summary["answered"] == len(peer.requests) == 10
        assert peer.accepted == 1 and summary["unsent"] == 0
        assert summary["latency_ms"]["max"] >= 10 * 300 - 900  # the last was meant for 0.9 s
        assert summary["latency_ms"]["p50"] >= 0.98 * (5 * 300 - 400)
        assert summary["code"] == OK


def test_what_cannot_be_sent_is_said(ctl):
    """The only connection waits for an answer that never comes."""
    with Peer(lambda r, n: r.connection.receive()) as peer:
        result = ctl("load", peer.url, "--rate", "10", "--connections", "1", "--for", "1s")
        requests = int(re.match(r"(\d+) requests", result.stdout)[1])
        timed_out = int(re.search(r"unanswered +(\d+) timed out", result.stdout)[1])
        unsent = int(re.search(r"unsent +(\d+): all 1 connections were busy for 5 s", result.stdout)[1])
        assert (requests, timed_out, unsent) == (1, 1, 9)
        assert result.returncode == UNREACHABLE


def test_agentd_counts_the_same(agentd, load):
    daemon = agentd({"apps": {BOARD: {"workers": 2}}})
    daemon.wait_ready(2)
    url = f"http://127.0.0.1:{daemon.port}"
    runs = [load(url, "--rate", "300", "--for", "2s"),
            load(url + "/health", "--connections", "8", "--for", "1s"),
            load(url, "--rate", "50", "--for", "1s", "--data", "message=hello", "--new-connections"),
            load(url + "/no-such-page", "--rate", "20", "--for", "1s")]
    assert [run["code"] for run in runs] == [OK, OK, OK, FAILED]
    assert [run["unanswered"] for run in runs] == [0] * 4
    sent = sum(run["answered"] for run in runs)
    assert runs[0]["answered"] == 600 and runs[2]["statuses"]["3xx"] == 50 and runs[3]["statuses"]["4xx"] == 20
    assert sum(i["answers"] for i in runs[1]["instances"] if i["instance"]) == runs[1]["answered"]

    def totals():
        (app,) = [app for app in daemon.status()["apps"] if app["name"] == BOARD]
        return app["requests"]

    wait_until(lambda: totals()["total"] >= sent, 10, "all requests in status", 0.2)
    assert totals()["total"] == sent
    assert totals()["3xx"] == 50 and totals()["4xx"] == 20
    assert daemon.stop() == 0
    assert daemon.metric_sum("RequestCount", App=BOARD) == sent


# --- Bad servers ---------------------------------------------------------------------------------


def test_refused(load, ctl):
    url = f"http://127.0.0.1:{free_port()}"
    summary = load(url, "--rate", "20", "--for", "1s")
    assert summary["failures"]["refused"] == summary["requests"] == 20
    assert summary["sent"] == 0 and summary["latency_ms"] is None and summary["code"] == UNREACHABLE
    closed = load(url, "--connections", "3", "--for", "1s")
    assert 3 <= closed["failures"]["refused"] <= 3 * 11  # it pauses for 100 ms
    text = ctl("load", url, "--rate", "5", "--for", "1s")
    assert re.search(r"unanswered +5 refused: .*\d", text.stdout)


def answer_drip(request, number):
    request.connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while request.connection.send(b"x"):
        time.sleep(0.2)


def answer_huge(request, number):
    request.connection.send(message(200, "OK", [("X-Served-By", "i-huge")], b"x" * 5_000_000))


def answer_close(request, number):
    request.connection.closed = True


def answer_broken(request, number):
    request.connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
    request.connection.closed = True


def answer_garbage(request, number):
    request.connection.send(b"\x00\xff\x1b[2J no HTTP\r\n\r\n")
    request.connection.closed = True


def answer_big_head(request, number):
    request.connection.send(message(200, "OK", [("X-Long", "x" * 70_000)]))
    request.connection.closed = True


BAD = {
    "reset": (lambda r, n: r.connection.reset(), "reset"),
    "close": (answer_close, "reset"),
    "garbage": (answer_garbage, "protocol"),
    "broken": (answer_broken, "broken_off"),
    "big-head": (answer_big_head, "head_too_large"),
    "drip": (answer_drip, "timed_out"),
}


@pytest.mark.parametrize("name", BAD)
def test_no_answer(load, name):
    answer, failure = BAD[name]
    with Peer(answer) as peer:
        summary = load(peer.url, "--rate", "10", "--for", "1s")
        assert summary["failures"][failure] == summary["sent"] == len(peer.requests) == 10
        assert summary["code"] == UNREACHABLE


def test_errors_and_large_answers(load):
    with Peer(lambda r, n: r.connection.send(message(503 if n % 2 else 200, "Hm", []))) as peer:
        summary = load(peer.url, "--rate", "20", "--for", "1s")
        assert summary["statuses"]["5xx"] == summary["statuses"]["2xx"] == 10
        assert len(peer.requests) == 20 and summary["code"] == FAILED
    with Peer(answer_huge) as peer:
        summary = load(peer.url, "--rate", "10", "--for", "1s")
        assert summary["bytes"] == 10 * 5_000_000 and summary["code"] == OK
        assert summary["instances"] == [{"instance": "i-huge", "answers": 10}]


def test_names_and_certificates(load, tmp_path):
    assert load("http://nowhere.invalid", "--rate", "2", "--for", "1s")["failures"]["name_not_found"] == 2
    certificate = Certificate(tmp_path)
    with Peer(certificate=certificate) as peer:
        trusted = load(peer.url, "--rate", "10", "--for", "1s", environment={"AWS_CA_BUNDLE": str(certificate.path)})
        assert trusted["answered"] == 10 and trusted["code"] == OK
        other = load(peer.url, "--rate", "10", "--for", "1s", environment={"AWS_CA_BUNDLE": "", "SSL_CERT_FILE": ""})
        assert other["failures"]["protocol"] == 10 and other["sent"] == 0
        assert len(peer.requests) == 10


def test_proxies_are_not_loaded(load):
    proxy = f"http://127.0.0.1:{free_port()}"
    with Peer() as peer:
        summary = load(peer.url, "--rate", "5", "--for", "1s",
                       environment={"http_proxy": proxy, "HTTP_PROXY": proxy, "all_proxy": proxy, "no_proxy": ""})
        assert summary["answered"] == len(peer.requests) == 5


def test_a_name_cannot_command_the_terminal(ctl):
    with Peer(instances=(HOSTILE,)) as peer:
        for verb in (("load", "--rate", "5", "--for", "1s"), ("watch", "--interval", "100ms", "--for", "1s")):
            result = ctl(verb[0], peer.url, *verb[1:])
            assert "i-[31mred]0;tgnp" in result.stdout
            assert_harmless(result.stdout)
            assert_harmless(result.stderr)


# --- The command line ----------------------------------------------------------------------------


@pytest.mark.parametrize("words, allowed", [
    (["load"], "usage: agentctl load URL"),
    (["load", "ftp://x"], "http:// or https://"),
    (["load", "http://u:p@x/"], "no user and no password"),
    (["load", "http://x", "--rate", "0"], "1 to 10000"),
    (["load", "http://x", "--rate", "10001"], "1 to 10000"),
    (["load", "http://x", "--connections", "0"], "1 to 1000"),
    (["load", "http://x", "--connections", "1001"], "1 to 1000"),
    (["load", "http://x", "--for", "0"], "1s to 1h"),
    (["load", "http://x", "--for", "61m"], "1s to 1h"),
    (["load", "http://x", "--for", "soon"], "30s"),
    (["load", "http://x", "--data", "x" * 70_000], "65536 bytes"),
    (["load", "http://x", "--interval", "1s"], "takes no --interval"),
    (["watch", "http://x", "--interval", "99ms"], "100ms to 60s"),
    (["watch", "http://x", "--interval", "61s"], "100ms to 60s"),
    (["watch", "http://x", "--for", "25h"], "1s to 24h"),
    (["watch", "http://x", "--rate", "1"], "takes no --rate"),
])
def test_bad_usage(ctl, words, allowed):
    result = ctl(*words)
    assert result.returncode == USAGE and not result.stdout
    assert allowed in result.stderr and result.stderr.count("\n") == 1


def test_it_says_to_whom_before_it_sends(ctl):
    url = f"http://127.0.0.1:{free_port()}/"
    result = ctl("load", url, "--rate", "3", "--for", "1s")
    assert result.stderr == (f"Sends GET to {url}: 3 requests/s over up to 1000 connections, for 1 s. "
                             "Ctrl-C ends it.\n")


def test_too_few_descriptors(build):
    result = subprocess.run(["bash", "-c", 'ulimit -n 200; exec "$@"', "-", build / "agentctl", "load",
                             "http://127.0.0.1:1"], capture_output=True, env=clean_environment(), timeout=20)
    assert result.returncode == FAILED and b"1000 connections want more descriptors" in result.stderr


# --- Interrupted ---------------------------------------------------------------------------------


def start(build, *words, **options):
    return subprocess.Popen([build / "agentctl", *words], env=clean_environment(), stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, **options)


@pytest.mark.parametrize("how", [("--rate", "100"), ("--connections", "4")], ids=["open", "closed"])
def test_an_interrupt_ends_it_with_the_summary(build, how):
    with Peer() as peer:
        process = start(build, "load", peer.url, "--json", "--for", "1h", *how)
        wait_until(lambda: len(peer.requests) > 30, 20, "requests")
        process.send_signal(signal.SIGINT)
        stdout, _ = process.communicate(timeout=20)
        summary = json.loads(stdout)
        assert summary["interrupted"] and process.returncode == OK
        assert summary["requests"] == summary["answered"] == len(peer.requests)


def test_a_second_interrupt_waits_for_nobody(build):
    with Peer(lambda r, n: r.connection.receive()) as peer:
        process = start(build, "load", peer.url, "--json", "--connections", "3")
        wait_until(lambda: len(peer.requests) == 3, 20, "requests")
        process.send_signal(signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
        process.send_signal(signal.SIGINT)
        stdout, _ = process.communicate(timeout=5)
        summary = json.loads(stdout)
        assert summary["failures"]["given_up"] == summary["sent"] == 3
        assert process.returncode == UNREACHABLE


# --- Watch ---------------------------------------------------------------------------------------


def test_watch_prints_a_line_a_poll_and_the_table(ctl):
    with Peer(instances=("i-a", "i-b", "i-a")) as peer:
        result = ctl("watch", peer.url, "--interval", "100ms", "--for", "2s")
        *lines, _, url, polls, titles, first, second = result.stdout.splitlines()
        shown = Counter(re.fullmatch(r"\d\d:\d\d:\d\dZ  200  .*s  (i-[ab])(?:  \(new\))?", line)[1] for line in lines)
        assert sum("(new)" in line for line in lines) == 2
        assert {r.target for r in peer.requests} == {"/health"}
        assert peer.accepted == len(peer.requests)
        assert 0 <= len(peer.requests) - len(lines) <= 1  # the last may be dropped
        assert url == f"each 100 ms  {peer.url}/health"
        assert polls == f"{len(lines)} polls, {len(lines)} answered, 0 failed"
        assert titles.split() == ["INSTANCE", "ANSWERS", "SHARE", "LAST", "STATUS", "LATENCY", "NOTE"]
        for line in (first, second):
            assert int(line.split()[1]) == shown[line.split()[0]]
        assert result.returncode == OK and not result.stderr


def test_watch_json(ctl):
    def answer(request, number):
        if number % 3 == 0:
            request.connection.reset()
        else:
            request.connection.send(message(503, "Down", [("X-Instance-Id", "i-x")], b"<html>"))

    with Peer(answer) as peer:
        result = ctl("watch", peer.url + "/deep?x", "--json", "--interval", "100ms", "--for", "2s")
        polls = [json.loads(line) for line in result.stdout.splitlines()]
        assert [poll["poll"] for poll in polls] == list(range(1, len(polls) + 1)) and len(polls) >= 3
        assert {(p["instance"], p["status"], p["failure"]) for p in polls} == {("i-x", 503, None), (None, None, "reset")}
        assert all((poll["error"] is None) == (poll["failure"] is None) for poll in polls)
        assert {r.target for r in peer.requests} == {"/deep?x"}
        assert result.returncode == OK


def test_watch_of_nobody(ctl):
    result = ctl("watch", f"127.0.0.1:{free_port()}", "--interval", "100ms", "--for", "1s")
    assert result.returncode == UNREACHABLE
    assert re.search(r"^(\d+) polls, 0 answered, \1 failed: \1 refused$", result.stdout, re.M)


def test_a_poll_that_hangs_holds_up_no_other(build):
    def answer(request, number):
        if number == 1:
            request.connection.receive()
        else:
            peer.answer_health(request, number)

    with Peer(answer) as peer:
        process = start(build, "watch", peer.url, "--json", "--interval", "100ms")
        wait_until(lambda: len(peer.requests) > 10, 20, "polls after the one that hangs")
        process.send_signal(signal.SIGTERM)
        stdout, _ = process.communicate(timeout=10)
        assert len(stdout.splitlines()) >= 8 and process.returncode == OK


def test_watch_ends_with_its_reader(build):
    with Peer() as peer:
        process = start(build, "watch", peer.url, "--interval", "100ms")
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(20) == FAILED
        assert b"can't write the output" in process.stderr.read()
        process.stderr.close()


def test_watch_sees_who_comes_and_goes(build):
    """As when a group scales: a new instance appears, one ends."""
    with Peer(instances=("i-1",)) as peer:
        process = start(build, "watch", peer.url, "--json", "--interval", "100ms")
        wait_until(lambda: peer.named["i-1"] > 3, 20, "the first")
        peer.instances = itertools.cycle(("i-1", "i-2"))
        wait_until(lambda: peer.named["i-2"] > 3, 20, "the second")
        process.send_signal(signal.SIGINT)
        stdout, _ = process.communicate(timeout=10)
        new = [poll["instance"] for poll in map(json.loads, stdout.splitlines()) if poll["new"]]
        assert new == ["i-1", "i-2"]


# --- On a terminal -------------------------------------------------------------------------------


class Terminal:
    """A process with a stream of its own on a terminal that is looked at."""

    def __init__(self, build, *words, stream="stdout", rows=24, columns=80):
        self.master, slave = pty.openpty()
        self.screen = Screen(rows, columns)
        self.resize(rows, columns)
        other = {"stdout": "stderr", "stderr": "stdout"}[stream]
        self.process = subprocess.Popen([build / "agentctl", *words], env=clean_environment(), stdin=slave,
                                        **{stream: slave, other: subprocess.PIPE})
        os.close(slave)

    def resize(self, rows, columns):
        self.screen.rows, self.screen.columns = rows, columns
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self):
        """What there is; false at the end."""
        if not select.select([self.master], [], [], 0.1)[0]:
            return True
        try:
            data = os.read(self.master, 65536)
        except OSError:
            return False
        self.screen.feed(data.decode())
        return bool(data)

    def wait(self, condition, what):
        deadline = time.monotonic() + 30
        while not condition(self.screen.text):
            assert time.monotonic() < deadline, f"no {what}:\n{self.screen.text}"
            self.read()

    def end(self, sent=signal.SIGINT):
        self.process.send_signal(sent)
        while self.read():
            pass
        os.close(self.master)
        other = self.process.stdout or self.process.stderr
        text = other.read().decode()
        other.close()
        return self.process.wait(10), text


def test_the_live_line(build):
    with Peer() as peer:
        terminal = Terminal(build, "load", peer.url, "--rate", "50", "--for", "1h", stream="stderr")
        line = re.compile(r"^ *(\d+) s  [\d.]+/s  (\d+) answered  0 failed  p50 (?:-|\S+ \S+)  p99 (?:-|\S+ \S+)  \d+ open$", re.M)
        terminal.wait(lambda text: (found := line.search(text)) and int(found[1]) >= 3, "third second")
        assert len(line.findall(terminal.screen.text)) == 1  # drawn over, not below
        code, summary = terminal.end()
        assert len(line.findall(terminal.screen.text)) == 1
        answered = int(re.search(r"answered +(\d+)", summary)[1])
        assert code == OK and answered == len(peer.requests)
        assert "(interrupted)" in summary and "i-a" in summary


def test_the_live_table(build):
    with Peer(instances=[f"i-{n}" for n in range(5)]) as peer:
        terminal = Terminal(build, "watch", peer.url, "--interval", "100ms", rows=24, columns=80)
        terminal.wait(lambda text: all(f"i-{n}" in text for n in range(5)), "table of five")
        assert terminal.screen.text.count("INSTANCE") == 1 and terminal.screen.clears == 0
        terminal.resize(6, 70)  # two find place, and who doesn't is still counted
        terminal.wait(lambda text: "(all others)" in text and terminal.screen.clears == 1, "smaller table")
        assert "i-3" not in terminal.screen.text
        terminal.resize(30, 100)
        terminal.wait(lambda text: "i-4" in text and "(all others)" not in text, "larger table")
        code, errors = terminal.end()
        assert code == OK and not errors
        lines = terminal.screen.text.splitlines()
        assert sum("INSTANCE" in line for line in lines) == 1
        counts = {name: int(count) for name, count in re.findall(r"^(i-\d) +(\d+) ", terminal.screen.text, re.M)}
        polls = int(re.search(r"(\d+) polls", terminal.screen.text)[1])
        assert sum(counts.values()) == polls and 0 <= len(peer.requests) - polls <= 1


def test_help_fits_and_warns(build):
    text, status = on_terminal([build / "agentctl", "load", "--help"], columns=80)
    assert status == 0 and "Load only what is yours" in re.sub(r"\s+", " ", text)
