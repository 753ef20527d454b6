# SPDX-License-Identifier: Apache-2.0
"""agentctl top in a terminal (tmux), before a fixed node and before the real agentd."""

import fcntl
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

import pytest

from support import top_snapshot
from support.agentctl import (
    FAILED, HOSTILE, OK, UNREACHABLE, USAGE, assert_fits, assert_harmless, binary, clean_environment,
    control, ctl, end, follow, on_terminal, read_lines,
)  # noqa: F401  (fixtures)
from support.daemon import wait_until
from support.tmux import Tmux


@pytest.fixture
def node(control):
    top_snapshot.serve(control)
    return control


def golden(name):
    return (top_snapshot.DATA / f"{name}.txt").read_text().rstrip("\n")


def timeless(text):
    """Without the clock and an age, which go on."""
    return re.sub(r"last \d+ s ago", "last 11 s ago", re.sub(r"\d\d:\d\d:\d\d UTC", "22:25:16 UTC", text))


def shows(name):
    return lambda text: timeless(text) == golden(name)


def top(binary, node, **options):
    return Tmux([binary, "--socket", node.path, "top"], **options)


# --- The screen -----------------------------------------------------------------------------------


@pytest.mark.parametrize("columns,rows", [(80, 24), (200, 50), (60, 12)])
def test_a_fixed_screen(binary, node, columns, rows):
    with top(binary, node, columns=columns, rows=rows) as terminal:
        if (columns, rows) == (60, 12):  # its picture has a chosen row
            terminal.wait("quit")
            terminal.keys("End")
        terminal.wait(shows(f"{columns}x{rows}"))


def test_resize(binary, node):
    with top(binary, node) as terminal:
        terminal.wait(shows("80x24"))
        for columns, rows in ((200, 50), (80, 24), (40, 6), (200, 50)):
            terminal.resize(columns, rows)
            terminal.wait(shows(f"{columns}x{rows}"))
        terminal.resize(10, 2)
        terminal.wait("40x6")
        terminal.resize(80, 24)
        terminal.wait(shows("80x24"))
        assert terminal.show("pane_dead") == "0"


def test_without_utf8_and_without_colours(binary, node):
    with top(binary, node, environment={"LC_ALL": "C"}) as terminal:
        terminal.wait(shows("80x24-ascii"))
    with top(binary, node) as terminal:
        terminal.wait(shows("80x24"))
        assert re.search(r"\x1b\[[0-9;]*[34]8;5;", "\n".join(terminal.screen(escapes=True)))
    with top(binary, node, environment={"NO_COLOR": "1"}) as terminal:
        terminal.wait(shows("80x24-no-color"))
        escapes = "\n".join(terminal.screen(escapes=True))
        assert "\x1b[" in escapes  # bold and reverse stay
        assert not re.search(r"\x1b\[(?:[0-9]+;)*[349][0-8](?:;|m)", escapes)
    with top(binary, node, term="vt100") as terminal:  # has none
        terminal.wait("own 18.6")


def test_keys(binary, node):
    with top(binary, node) as terminal:
        terminal.wait(shows("80x24"))
        terminal.keys("Down", "Down", "Down", "Down")
        terminal.wait(shows("80x24-chosen"))
        terminal.keys("Escape")
        terminal.wait(shows("80x24"))
        terminal.keys("?")
        terminal.wait(shows("80x24-help"))
        terminal.keys("q")  # closes that alone
        terminal.wait(shows("80x24"))
        terminal.keys("C-l")
        terminal.wait(shows("80x24"))
        terminal.keys("q")
        wait_until(lambda: terminal.show("pane_dead") == "1", what="its end")


# --- What it changes ------------------------------------------------------------------------------


def test_stress_is_asked_for(binary, node):
    status = top_snapshot.answer("status")
    status["stress"] = {"on": False, "load": None, "last": ""}
    node.get("/v1/status", 200, status)
    node.post("/v1/stress", 200, {"schema_version": 1, "warning": "it earns no credits meanwhile"})
    node.post("/v1/stress/off", 403, {"error": "not permitted: only root may change something"})
    with top(binary, node) as terminal:
        terminal.wait("s stress")
        terminal.keys("s")
        terminal.wait(lambda text: "Start stress?" in text and "85 % CPU for 10 min" in text)
        terminal.keys("n")
        terminal.wait(lambda text: "Start stress?" not in text)
        assert not node.asked("POST")
        terminal.keys("s")
        terminal.wait("Start stress?")
        terminal.keys("y")
        terminal.wait("stress is on; it earns no credits meanwhile")
        assert node.asked("POST") == [("/v1/stress", {"load": 85, "seconds": 600})]
        node.get("/v1/status", 200, top_snapshot.answer("status"))
        terminal.wait("target 85 %")
        terminal.keys("s")
        terminal.wait("Stop the stress?")
        terminal.keys("y")
        terminal.wait("stress off: not permitted: only root")  # a refusal is shown
        assert node.asked("POST")[1:] == [("/v1/stress/off", {})]
        status.pop("stress")  # an agentd without it
        node.get("/v1/status", 200, status)
        terminal.wait(lambda text: "target 85" not in text)
        terminal.keys("s")
        terminal.wait("no stress mode")


def test_keys_while_nobody_answers(binary, node):
    """A daemon that takes its time must not freeze the screen."""
    goes_on, hangs = threading.Event(), threading.Event()

    def hang(body, path):
        hangs.set()
        goes_on.wait(60)

    with top(binary, node) as terminal:
        terminal.wait(shows("80x24"))
        node.routes["GET", "/v1/status"] = hang
        assert hangs.wait(20)
        terminal.keys("?")
        terminal.wait("Keys of agentctl top")
        terminal.keys("x")
        terminal.keys("r")
        terminal.wait("Reload?")
        terminal.keys("n")
        terminal.wait("not reachable, trying again")  # its limit is shorter than the hang
        terminal.keys("q")
        wait_until(lambda: terminal.show("pane_dead") == "1", what="its end")
    goes_on.set()


def test_with_the_real_one(agentd, build, tmp_path):
    daemon = agentd()
    binary = str(build / "agentctl")
    with Tmux([binary, "--socket", str(daemon.control_socket), "top"]) as terminal:
        terminal.wait(lambda text: "visitor-board    2/2 ready" in text and "serving, pass" in text)
        for _ in range(20):
            daemon.request("GET", "/")
        # The host has been looked at, and the history has begun.
        terminal.wait(lambda text: re.search(r"CPU +[█▏▎▍▌▋▊▉░▒]+ +\d+\.\d %", text))
        wait_until(lambda: daemon.control("GET", "/v1/history").json()["number"] >= 1, 20, "a point")
        history = daemon.control("GET", "/v1/history").json()
        assert history["points"] == 120 and history["interval_seconds"] == 5
        assert all(len(values) == 120 for values in history["series"].values())
        assert history["series"]["cpu"][-1] is not None and history["series"]["cpu"][0] is None
        before = {worker["pid"] for worker in daemon.workers()}
        terminal.keys("r")
        terminal.wait("Reload?")
        terminal.keys("y")
        terminal.wait("reload: the configuration is read")
        wait_until(lambda: not before & {w["pid"] for w in daemon.workers() if w["state"] == "ready"}, 30,
                   "other workers")
        terminal.wait("worker-ready")


# --- How it leaves the terminal -------------------------------------------------------------------

IN_A_SHELL = """trap : INT; stty -g >{before}; echo before; {command}; code=$?; stty -g >{after}
echo "ended with $code"; sleep 600"""


class InShell:
    """agentctl top as a shell runs it, which then says how it ended and how the terminal is."""

    def __init__(self, binary, socket_path, directory):
        self.before, self.after = directory / "before", directory / "after"
        command = f"{binary} --socket {socket_path} top"
        self.terminal = Tmux(["sh", "-c", IN_A_SHELL.format(before=self.before, after=self.after, command=command)])
        self.terminal.wait("quit")
        assert self.terminal.show("alternate_on") == "1"
        assert self.terminal.show("cursor_flag") == "0"

    def pid(self):
        shell = self.terminal.show("pane_pid")
        return int(subprocess.run(["ps", "-o", "pid=", "--ppid", shell], capture_output=True, text=True,
                                  check=True).stdout.split()[0])

    def assert_restored(self, code):
        text = self.terminal.wait("ended with")
        assert f"ended with {code}" in text and text.startswith("before"), text
        assert self.terminal.show("alternate_on") == "0"
        assert self.terminal.show("cursor_flag") == "1"
        assert self.before.read_text() == self.after.read_text()
        assert "quit" not in text  # nothing of it is left on the screen

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.terminal.stop()


@pytest.mark.parametrize("how,code", [("q", 0), ("C-c", 0), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_the_terminal_is_put_back(binary, node, tmp_path, how, code):
    with InShell(binary, node.path, tmp_path) as shell:
        if isinstance(how, str):
            shell.terminal.keys(how)
        else:
            os.kill(shell.pid(), how)
        shell.assert_restored(code)


def test_stopped_and_continued(binary, node):
    """Ctrl-Z gives the terminal to the shell, fg takes it again, in the size that it has by then."""
    script = f"set -m; {binary} --socket {node.path} top; echo 'in the shell'; read word; fg; sleep 600"
    with Tmux(["bash", "-c", script]) as terminal:
        terminal.wait(shows("80x24"))
        terminal.keys("C-z")
        terminal.wait("in the shell")
        assert terminal.show("alternate_on") == "0" and terminal.show("cursor_flag") == "1"
        terminal.resize(200, 50)
        terminal.keys("Enter")
        terminal.wait(shows("200x50"))
        assert terminal.show("cursor_flag") == "0"
        terminal.keys("q")
        terminal.wait(lambda text: "in the shell" in text and "quit" not in text)


def test_the_daemon_is_killed_and_comes_back(agentd, build, tmp_path):
    daemon = agentd()
    with InShell(str(build / "agentctl"), daemon.control_socket, tmp_path) as shell:
        shell.terminal.wait("2/2 ready")
        daemon.kill_holder()
        shell.terminal.wait("agentd is not reachable, trying again")
        daemon.start()
        shell.terminal.wait(lambda text: "serving, pass" in text and "not reachable" not in text)
        daemon.kill_holder()
        shell.terminal.wait("agentd is not reachable, trying again")
        shell.terminal.keys("q")
        shell.assert_restored(0)


# --- What goes over the line ----------------------------------------------------------------------


class Line:
    """A pseudo terminal whose bytes can be looked at."""

    def __init__(self, command, columns=80, rows=24):
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
                                        env=clean_environment(TERM="xterm-256color"))
        os.close(slave)
        self.bytes = b""

    def read(self, until, timeout_s=20):
        deadline = time.monotonic() + timeout_s
        while not until(self.bytes):
            assert time.monotonic() < deadline, self.bytes[-2000:]
            if select.select([self.master], [], [], 0.1)[0]:
                self.bytes += os.read(self.master, 65536)
        return self.bytes

    def leave(self):
        os.write(self.master, b"q")
        code = self.process.wait(20)
        os.close(self.master)
        return code


def rounds(node):
    return sum(path == "/v1/status" for _, path, _ in node.requests)


def test_only_what_changed_is_sent(binary, node):
    """No flicker, and little for a slow line: after the first picture the clock goes on, and no more."""
    line = Line([binary, "--socket", node.path, "top"])
    line.read(lambda data: b"worker-backoff" in data)
    first = len(line.bytes)
    begun = rounds(node)
    line.read(lambda data: rounds(node) >= begun + 4)
    more = line.bytes[first:]
    assert first > 1500
    assert len(more) < 4 * 300, more
    assert b"\x1b[2J" not in more and b"\x1b[J" not in more and b"\x1b[H\x1b" not in more
    assert line.leave() == 0


def test_hostile_texts(binary, node):
    status, events = top_snapshot.answer("status"), top_snapshot.answer("events")
    status["instance_id"] = status["reason"] = status["publish"]["sink"] = status["stress"]["last"] = HOSTILE
    for app in status["apps"]:
        app["name"] = app["roll_failed"] = HOSTILE
        for worker in app["workers"]:
            worker["status"] = worker["last_exit"] = worker["state"] = HOSTILE
    for event in events["events"]:
        event["text"] = event["event"] = event["app"] = event["time"] = HOSTILE
    node.get("/v1/status", 200, status)
    node.get("/v1/events", 200, events)
    for columns, rows in ((80, 24), (200, 50)):
        line = Line([binary, "--socket", node.path, "top"], columns, rows)
        sent = line.read(lambda data: b"quit" in data and b"EVENTS" in data)
        assert line.leave() == 0
        assert b"\x1b]" not in sent and b"\x07" not in sent and b"\x9b5m" not in sent.replace(b"\xe6\xbc\xa2", b"")
        assert "\u202e".encode() not in sent and "\u200b".encode() not in sent and b"\b\x7f" not in sent


# --- Without a terminal ---------------------------------------------------------------------------


def test_as_text(ctl, node):
    result = ctl("top")
    assert result.returncode == OK, result.stderr
    assert_fits(result.stdout)
    assert_harmless(result.stdout)
    lines = timeless(result.stdout).split("\n")
    picture = golden("80x24").split("\n")
    assert lines[0:7] == picture[0:7]
    assert picture[12] in lines  # a worker
    assert "20:22:05  agentd-started    agentd has started" in result.stdout  # more events than on a screen
    assert "quit" not in result.stdout and not result.stdout.endswith("\n\n")
    wide = ctl("top", "--once", environment={"COLUMNS": "200"}).stdout
    assert timeless(wide).split("\n")[:4] == golden("200x50").split("\n")[:4]
    assert ctl("top", environment={"LC_ALL": "C"}).stdout.isascii()
    assert ctl("top", "--json").stdout == ctl("status", "--json").stdout


def test_once_on_a_terminal(binary, node):
    output, status = on_terminal([binary, "--socket", node.path, "top", "--once"])
    assert status == 0
    assert_harmless(output)
    assert timeless(output).split("\n")[:7] == golden("80x24").split("\n")[:7]


def test_again_and_again(binary, node):
    process = follow(binary, node.path, "top", "--interval", "200ms")
    lines = read_lines(process, 100)
    assert sum("serving, pass" in line for line in lines) >= 3
    node.get("/v1/status", 503, {"error": "starts"})
    wait_until(lambda: len(node.requests) > 30, what="some more rounds")
    node.get("/v1/status", 200, top_snapshot.answer("status"))
    read_lines(process, 100)
    assert end(process).count("waiting for it") == 1
    process = follow(binary, node.path, "top", "--interval", "200ms", "--json")
    assert all(line.startswith('{"schema_version":1,') for line in read_lines(process, 3))
    end(process)


def test_what_is_wrong_at_the_start(ctl, control, binary, node, tmp_path):
    assert ctl("top", socket_path=tmp_path / "none").returncode == UNREACHABLE
    assert ctl("top", "--interval", "1ms").returncode == USAGE
    result = ctl("top", "--interval", "soon")
    assert result.returncode == USAGE and "soon" in result.stderr
    node.get("/v1/status", 200, {"schema_version": 2})
    assert ctl("top").returncode == FAILED
    top_snapshot.serve(node)
    with Tmux(["sh", "-c", f"TERM=no-such {binary} --socket {node.path} top; echo code $?; sleep 600"]) as terminal:
        text = terminal.wait("code 1")
        assert "TERM=no-such" in text and "--once" in text


def test_an_older_daemon(ctl, node):
    """Without history, stress and the host's numbers: dashes, no failure."""
    status = top_snapshot.answer("status")
    del status["stress"], status["host"]
    node.get("/v1/status", 200, status)
    node.routes["GET", "/v1/history"] = (404, b"not found\n")
    result = ctl("top")
    assert result.returncode == OK
    assert re.search(r"CPU .* - *\n", result.stdout) and re.search(r"Stress   -\n", result.stdout)
