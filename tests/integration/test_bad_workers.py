# SPDX-License-Identifier: Apache-2.0
"""
Workers that misbehave (tests/tools/bad-worker.c), beside a visitor-board that must notice nothing:
each test ends with its workers untouched and serving, whatever the other app did.
"""

import contextlib
import array
import os
import re
import signal
import socket
import time
from pathlib import Path

import pytest

from support import processes
from support.daemon import free_port, wait_until

BACKOFF_CAP_S = 30


class Node:
    """An agentd that runs the visitor-board and, as the app `bad`, a misbehaving one."""

    def __init__(self, daemon, port):
        self.daemon = daemon
        self.port = port
        daemon.wait_ready(2)
        self.board_pids = {worker["pid"] for worker in daemon.workers()}
        self.core = daemon.core_pid()

    def bad(self):
        """The app as status shows it."""
        return next(app for app in self.daemon.status()["apps"] if app["name"] == "bad")

    def worker(self, slot=1):
        return next(worker for worker in self.bad()["workers"] if worker["slot"] == slot)

    def wait_state(self, state, slot=1, timeout_s=10):
        return wait_until(lambda: [w for w in self.bad()["workers"] if (w["slot"], w["state"]) == (slot, state)],
                          timeout_s, f"bad.{slot} is {state}")[0]

    def events(self, name=None, app="bad"):
        found = self.daemon.control("GET", "/v1/events?limit=256").json()["events"]
        return [event for event in found if event["app"] == app and name in (None, event["event"])]

    def wait_event(self, name, timeout_s=10, count=1):
        return wait_until(lambda: self.events(name)[count - 1:], timeout_s, f"event {name}")[0]

    def end(self):
        """Stops agentd; what is left is the fixture's to judge."""
        if self.daemon.alive():
            self.daemon.stop()

    def assert_others_untouched(self):
        """The board's workers are the same, ready and serving; the core is the same and answers."""
        workers = self.daemon.workers()
        assert {worker["pid"] for worker in workers} == self.board_pids
        assert all(worker["state"] == "ready" and worker["restarts"] == 0 for worker in workers)
        for _ in range(4):
            assert self.daemon.request(path="/").status == 200
        assert self.daemon.health("/health/visitor-board").status == 200
        assert self.daemon.health("/live").status == 200
        assert self.daemon.core_pid() == self.core


@pytest.fixture
def node(agentd, build):
    """node("mode", workers=1, ...): a Node whose app `bad` runs bad-worker in that mode."""

    started = []

    def start(mode, make=agentd, **keys):
        port = free_port()
        app = {
            "command": [str(build / "tests" / "tools" / "bad-worker"), mode],
            "listen": [f"127.0.0.1:{port}"],
            "workers": 1,
            "drain_timeout": 1,
            "idle_timeout": 1,
            **keys,
        }
        daemon = make({"apps": {"bad": app}}, wait=False)
        wait_until(lambda: daemon.control_socket.exists() and daemon.core_pid(), what="the core runs")
        wait_until(lambda: daemon.ctl("version").returncode == 0, what="the control API answers")
        started.append(Node(daemon, port))
        return started[-1]

    yield start
    for n in started:
        n.end()


# --- Starting ------------------------------------------------------------------------------------


def test_ready_before_the_holder_has_said_so(agentd, build, tmp_path):
    """
    A worker is quick, and the holder, which has just forked it, slow to tell the core: here it waits
    for systemd to take the scoreboard. Its READY=1 is not lost.
    """
    path = str(tmp_path / "systemd.sock")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(path)
        systemd.setblocking(False)

        def drain():
            with contextlib.suppress(BlockingIOError):
                while systemd.recv(4096):
                    pass

        def drained(condition):
            drain()
            return condition()

        app = {"command": [str(build / "tests/tools/bad-worker"), "good"], "listen": [f"127.0.0.1:{free_port()}"],
               "workers": 1, "ready_timeout": 3, "drain_timeout": 1, "idle_timeout": 1}
        daemon = agentd({"apps": {"quick": app}}, environment={"NOTIFY_SOCKET": path}, wait=False)
        wait_until(lambda: drained(lambda: daemon.log().count(" ready after ") == 3), 20, "all are ready")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as filler, contextlib.suppress(BlockingIOError):
            filler.setblocking(False)
            while True:
                filler.sendto(b"X=1", path)
        assert daemon.ctl("restart", "quick").returncode == 0
        time.sleep(1)
        assert daemon.log().count(" ready after ") == 3
        wait_until(lambda: drained(lambda: daemon.log().count(" ready after ") == 4), 2, "the new one is ready")
        assert "notify socket" not in daemon.log()


def test_never_ready(node):
    n = node("silent", ready_timeout=1)
    late = n.wait_event("worker-late")
    assert late["text"].startswith("not ready within 1") and late["text"].endswith("killed")
    died = n.wait_event("worker-died")
    assert died["pid"] == late["pid"] and "SIGKILL" in died["text"]
    assert re.search(r"next start (at once|in \d)", died["text"])
    assert not os.path.exists(f"/proc/{late['pid']}")
    # an app without a ready worker must get no requests, and the node says so
    assert n.daemon.health().status == 503
    assert n.daemon.health("/health/bad").status == 503
    n.wait_event("worker-late", count=2)  # it is tried again
    n.assert_others_untouched()


def test_exits_at_once(node):
    n = node("exit")
    loop = n.wait_event("crash-loop")
    assert loop["severity"] in ("err", "error") and "goes on trying" in loop["text"]
    died = n.events("worker-died")
    assert len(died) == 5 and "status 7" in died[0]["text"]
    bad = n.bad()
    assert bad["crash_loop"] and bad["ready"] == 0
    health = n.daemon.health()
    assert health.status == 503 and health.json()["status"] == "fail" and health.json()["ok"] is False
    assert n.daemon.ctl("health").returncode == 3
    # no faster than the cap allows, and for ever
    wait = re.search(r"next start in ([\d.]+) s", died[4]["text"])
    assert wait and BACKOFF_CAP_S / 2 <= float(wait[1]) <= BACKOFF_CAP_S
    assert n.worker()["state"] == "backoff" and "status 7" in n.worker()["last_exit"]
    n.assert_others_untouched()
    n.wait_event("worker-died", timeout_s=BACKOFF_CAP_S + 5, count=6)
    assert len(n.events("crash-loop")) == 1  # told once


def test_crash_loop_beside_a_ready_worker(node):
    n = node("exit-unless-first", workers=2)
    n.wait_event("crash-loop")
    health = n.daemon.health()
    assert health.status == 200 and health.json()["status"] == "degraded" and health.json()["ok"] is True
    assert n.daemon.status()["status"] == "degraded"
    assert n.daemon.request(port=n.port).body == b"bad\n"
    assert n.worker(1)["restarts"] == 0
    n.assert_others_untouched()


def test_child_says_ready(node):
    n = node("child-says-ready", ready_timeout=1)
    n.wait_event("worker-late")
    assert not n.events("worker-ready")
    assert "not from a worker's main process" in n.daemon.log()
    n.assert_others_untouched()


REFUSALS = {
    "missing program": ({"command": ["/nonexistent/program"]}, ("203", "/nonexistent/program")),
    "not executable": ({"command": ["/etc/passwd"]}, ("203", "/etc/passwd")),
    "a directory": ({"command": ["/etc"]}, ("203", "/etc")),
    "missing directory": ({"directory": "/nonexistent/place"}, ("200", "/nonexistent/place")),
    "unknown user": ({"user": "no-such-user"}, ("user",)),
    "unknown group": ({"group": "no-such-group"}, ("group",)),
}


@pytest.mark.parametrize("keys, words", REFUSALS.values(), ids=REFUSALS.keys())
def test_cannot_be_started(node, keys, words):
    """The event says why, and the worker's log or agentd's names the thing that is missing."""
    if ("user" in keys or "group" in keys) and os.geteuid() != 0:
        pytest.skip("only root may change users; others run workers as themselves")
    n = node("good", **keys)
    n.wait_event("crash-loop")
    events = [event["text"] for event in n.events() if event["event"] in ("worker-died", "worker-refused")]
    assert len(events) >= 5
    log = n.daemon.log() + "".join(p.read_text() for p in (n.daemon.dir / "run" / "log").glob("bad.*"))
    for word in words:
        assert all(word in text for text in events) or word in log, (word, events)
    assert any(word in events[0] for word in words), events[0]
    assert n.daemon.health().status == 503
    n.assert_others_untouched()


# --- Stopping ------------------------------------------------------------------------------------


def test_deaf_to_sigterm(node):
    n = node("deaf")
    n.daemon.wait_healthy()
    first = n.worker()["pid"]
    begun = time.monotonic()
    result = n.daemon.ctl("restart", "bad", "--wait", "--timeout", "15")
    assert result.returncode == 0, result.stderr
    n.wait_event("worker-late")
    wait_until(lambda: processes.read_process(first) is None, 15, "the deaf worker is gone")
    assert time.monotonic() - begun < 12  # the deadline of 1 s, the grace of 5 s
    assert "not drained within" in n.events("worker-late")[0]["text"]
    assert [app["drain_kills"] for app in n.daemon.status()["apps"] if app["name"] == "bad"] == [1]
    assert n.daemon.request(port=n.port).status == 200  # by its successor
    n.assert_others_untouched()
    begun = time.monotonic()
    assert n.daemon.stop() == 0
    assert time.monotonic() - begun < 12


def test_a_stop_waits_for_the_core_to_kill(agentd, build):
    """The holder's own deadline lies behind all that the core may wait for, its last window too."""
    deaf = {"command": [str(build / "tests/tools/bad-worker"), "deaf"], "listen": [], "workers": 1}
    at_once = {"drain_timeout": 0, "idle_timeout": 0}
    daemon = agentd({"apps": {"bad": {**deaf, **at_once}, "visitor-board": at_once}})
    daemon.wait_ready(1, app="bad")
    assert daemon.stop() == 0
    assert "not drained within" in daemon.log() and "not stopped in time" not in daemon.log()


def test_second_sigterm_does_not_wait(node):
    n = node("deaf", drain_timeout=100)
    n.daemon.wait_healthy()
    n.daemon.process.send_signal(signal.SIGTERM)
    wait_until(lambda: n.events("worker-draining"), what="it drains")
    n.daemon.process.send_signal(signal.SIGTERM)
    begun = time.monotonic()
    n.daemon.wait_exit()
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize("death", [signal.SIGKILL, signal.SIGABRT])
def test_grandchildren_die_with_the_worker(node, death):
    n = node("grandchildren")
    n.daemon.wait_healthy()
    first = n.worker()["pid"]

    def living():
        return [p for p in n.daemon.family() if p.name == "bad-worker" and not p.zombie]

    own = {p.pid for p in wait_until(lambda: len(living()) == 4 and living(), what="it has three descendants")}
    os.kill(first, death)
    n.wait_event("worker-ready", count=2)
    wait_until(lambda: not [p for p in n.daemon.family() if p.pid in own and not p.zombie], what="they are gone")
    n.assert_others_untouched()


# --- The notify socket ---------------------------------------------------------------------------


def rss_anon_kib(pid):
    return int(re.search(r"RssAnon:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1])


def flood_and_watch(n, memory_limit_kib=None):
    """Until the flood is over, /health and a restart of the other app go on as if nothing was."""
    before = rss_anon_kib(n.core)
    slowest = 0
    result = n.daemon.ctl("restart", "visitor-board", "--wait", "--timeout", "20")
    assert result.returncode == 0, result.stderr
    while n.worker()["status"] != "flood is over":
        begun = time.monotonic()
        assert n.daemon.health().status == 200
        slowest = max(slowest, time.monotonic() - begun)
    assert slowest < 2, f"/health took {slowest:.3f} s"
    n.board_pids = {worker["pid"] for worker in n.daemon.workers() if worker["state"] == "ready"}
    assert len(n.board_pids) == 2
    assert n.worker()["state"] == "ready" and n.worker()["restarts"] == 0
    # one line, not ten thousand
    assert n.daemon.log().count("notify socket") == 1
    assert n.daemon.core_pid() == n.core
    if memory_limit_kib:
        assert rss_anon_kib(n.core) - before < memory_limit_kib


def test_floods_the_notify_socket(node):
    flood_and_watch(node("flood"))


def test_floods_the_notify_socket_in_flat_memory(node, plain_agentd):
    flood_and_watch(node("flood", make=plain_agentd), memory_limit_kib=1024)


def test_passes_a_socket_that_is_slow_to_close(node):
    n = node("linger")
    n.wait_event("worker-died", count=3)  # each has left one behind
    n.assert_others_untouched()


def test_last_message_of_a_worker_that_is_gone(agentd):
    """STOPPING=1 may be read after the holder has told of the end: that is nobody's mistake."""
    daemon = agentd({"agent": {"core_silence": 30}})
    for _ in range(5):
        daemon.wait_ready(2)
        core, worker = daemon.core_pid(), daemon.workers()[0]["pid"]
        os.kill(core, signal.SIGSTOP)
        os.kill(worker, signal.SIGTERM)
        wait_until(lambda: worker not in [p.pid for p in daemon.family()], 10, "it is reaped")  # pylint: disable=cell-var-from-loop
        os.kill(core, signal.SIGCONT)
        wait_until(lambda: worker not in {w["pid"] for w in daemon.workers()}, 10, "the core knows")  # pylint: disable=cell-var-from-loop
    assert daemon.core_pid() == core
    assert "not from a worker's main process" not in daemon.log()


def test_descriptors_on_the_notify_socket(agentd):
    """Descriptors that come along are closed, whoever sends them and how many."""
    daemon = agentd()
    daemon.wait_ready(2)
    core = daemon.core_pid()
    before = len(os.listdir(f"/proc/{core}/fd"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender, open(os.devnull) as null:
        sender.settimeout(5)
        for i in range(300):
            rights = array.array("i", [null.fileno()] * (1 + i % 253))
            sender.sendmsg([b"STATUS=x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)], 0,
                           str(daemon.dir / "run" / "notify.sock"))
    wait_until(lambda: len(os.listdir(f"/proc/{core}/fd")) <= before + 2, 5, "they are closed")
    assert daemon.core_pid() == core and daemon.health().status == 200


def test_terminal_escapes(node):
    n = node("escapes")
    n.daemon.wait_healthy()
    assert n.worker()["status"].endswith("gnp end")
    for verb in (["status"], ["events"], ["logs", "bad"]):
        shown = n.daemon.ctl(*verb)
        assert shown.returncode == 0
        for character in shown.stdout:
            assert character == "\n" or character.isprintable() or character == "\t", repr(character)
    assert "red" in n.daemon.ctl("status", environment={"COLUMNS": "200"}).stdout
    assert "\x1b" not in n.daemon.log()
    n.assert_others_untouched()


# --- Shared memory -------------------------------------------------------------------------------


def test_truncates_its_shared_memory(node):
    n = node("truncate")
    n.daemon.wait_healthy()
    # sealed: it can neither shrink nor grow, nor add a seal of its own
    assert n.worker()["status"] == "shrink EPERM grow EPERM extend EPERM gate EPERM EPERM seal EPERM"
    time.sleep(1.5)  # a sample is taken
    n.assert_others_untouched()


@pytest.mark.parametrize("mode", ["zeros", "ones", "random", "backwards"])
def test_scribbles_over_its_scoreboard(node, mode):
    n = node(mode, workers=2)
    n.daemon.wait_healthy()
    for _ in range(20):
        assert n.daemon.request(path="/").status == 200
    bad = n.wait_event("scoreboard-bad")
    assert "requests count no more" in bad["text"]
    time.sleep(1.2)
    n.assert_others_untouched()
    events = n.events("scoreboard-bad")
    assert len(events) == 2  # once a worker
    assert {event["slot"] for event in events} == {1, 2}
    board = wait_until(lambda: [app for app in n.daemon.status()["apps"] if app["name"] == "visitor-board"
                                and app["requests"]["total"] >= 24], 5, "the board's requests are counted")[0]
    assert board["requests"]["total"] == 24 and board["requests"]["5xx"] == 0
    # what it can't be believed is not shown as if it were
    assert all(worker["in_flight"] < 1000 and worker["requests"] < 2**32 for worker in n.bad()["workers"])
    assert n.bad()["requests"]["total"] < 2**56
    # a new core meets the same memory
    os.kill(n.core, signal.SIGKILL)
    wait_until(lambda: n.daemon.core_pid() not in (0, n.core), what="a new core")
    n.daemon.wait_healthy()
    n.core = n.daemon.core_pid()
    n.assert_others_untouched()
    os.kill(n.worker()["pid"], signal.SIGKILL)  # folded into the totals
    n.wait_event("worker-ready")
    n.assert_others_untouched()
    assert n.daemon.stop() == 0
    total = n.daemon.metric_sum("RequestCount", App="visitor-board")
    assert total == 20 + 3 * 4
    assert max((max(d["StatisticValues"]["Maximum"] if "StatisticValues" in d else d["Value"], 0)
                for d in n.daemon.metric_data("InFlight")), default=0) < 1000


def test_scribbles_over_the_gate(node):
    """Its siblings share the gate; the worst that it can do is to make them wait some milliseconds."""
    n = node("gate", workers=3)
    n.daemon.wait_healthy()
    for _ in range(50):
        begun = time.monotonic()
        assert n.daemon.request(port=n.port).body == b"bad\n"
        assert time.monotonic() - begun < 3
    n.assert_others_untouched()


def test_gate_of_the_board_is_scribbled_over(agentd):
    """The real workers' gate full of nonsense: every connection is still accepted."""
    daemon = agentd()
    daemon.wait_ready(2)
    descriptors = f"/proc/{daemon.pid}/fd"
    gate = next(fd for fd in os.listdir(descriptors) if "gate" in os.readlink(f"{descriptors}/{fd}"))
    for pattern in (b"\xff", b"\0", b"\x7f", b"\x80\x01"):
        with open(f"{descriptors}/{gate}", "r+b", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            for _ in range(25):
                file.seek(0)
                file.write(pattern * (size // len(pattern)))
                begun = time.monotonic()
                assert daemon.request().status == 200
                assert time.monotonic() - begun < 3
    assert len(daemon.worker_pids()) == 2


# --- The rest ------------------------------------------------------------------------------------


def test_closes_its_listener(node):
    n = node("close-listeners")
    n.daemon.wait_healthy()
    # the holder's copy is open: connections wait for the next worker, none is refused
    os.kill(n.worker()["pid"], signal.SIGKILL)
    n.wait_event("worker-ready", count=2)
    n.assert_others_untouched()


def test_writes_100_megabytes(node):
    n = node("write-much")
    n.daemon.wait_healthy()
    log = n.daemon.dir / "run" / "log"
    largest = 0

    def size():
        return sum(path.stat().st_size for path in log.glob("bad.1.log*"))

    deadline = time.monotonic() + 20
    while n.worker()["status"] != "all is written" and time.monotonic() < deadline:
        largest = max(largest, size())
    wait_until(lambda: size() < 9 * 1024 * 1024, 10, "the log file is cut")
    assert "the last line" in n.daemon.ctl("logs", "bad", "-n", "3").stdout
    assert n.worker()["state"] == "ready"
    n.assert_others_untouched()


def test_ignores_everything(node):
    """No READY, no answer, deaf to SIGTERM: gone when agentd is."""
    n = node("silent", ready_timeout=60)
    n.wait_state("starting")
    begun = time.monotonic()
    assert n.daemon.stop() == 0
    assert time.monotonic() - begun < 5
