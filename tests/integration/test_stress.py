# SPDX-License-Identifier: Apache-2.0
"""
agentctl stress on|off|status: the real agentd-stress under the real holder; what it is allowed,
what ends it, and what it outlives.
"""

import contextlib
import json
import os
import re
import signal
import sqlite3
import subprocess
import threading
import time
from pathlib import Path

import pytest

from support import processes
from support.daemon import wait_until

pytestmark = pytest.mark.alone
PROGRAM = "agentd-stress"
USAGE, NOT_PERMITTED, REFUSED = 2, 5, 7
STRANGER = 65534  # nobody


def stress(daemon):
    return daemon.ctl_json("stress", "status")["stress"]


def stress_pids(daemon):
    return daemon.pids(PROGRAM)


def on(daemon, *arguments):
    """Switches it on, waits until it runs, and returns its pid."""
    result = daemon.ctl("stress", "on", "--wait", *arguments)
    assert result.returncode == 0, result.stderr
    (pid,) = stress_pids(daemon)
    assert stress(daemon)["pid"] == pid
    return pid


def events(daemon, name):
    found = daemon.ctl_json("events", "-n", "256")["events"]
    return [event["text"] for event in found if event["event"] == name]


def wait_ended(daemon, pattern, timeout_s=60):
    """Until it is off and its process gone: how it ended, in status and as the one event."""
    wait_until(lambda: not stress(daemon)["on"], timeout_s, f"stress is off: {stress(daemon)}", 0.2)
    wait_until(lambda: not stress_pids(daemon), 20, "its process has gone")
    wait_until(lambda: not stress(daemon)["alive"], 20, "the core knows that")
    last = stress(daemon)["last"]
    assert re.search(pattern, last), last
    assert events(daemon, "stress-ended")[-1] == f"stress {last}"


def refused(daemon, pattern):
    """Another one is refused for that reason, and changes nothing."""
    result = daemon.ctl("stress", "on")
    assert result.returncode == REFUSED and re.search(pattern, result.stderr), (result.returncode, result.stderr)
    assert not stress_pids(daemon) and not stress(daemon)["on"]


# --- On and off ----------------------------------------------------------------------------------


def test_on_status_off(agentd):
    daemon = agentd()
    assert stress(daemon) == {
        "on": False, "running": False, "alive": False, "load": None, "cores": None, "priority": None, "pid": None,
        "seconds_left": None, "share": 0.0, "started_by": None, "last": "",
    }
    assert "stress is off" in daemon.ctl("stress", "status").stdout
    assert "stress" not in daemon.ctl("status").stdout
    # all of it: on a host that others keep busy, a smaller target may be nothing to do
    pid = on(daemon, "--load", "100", "--for", "5m", "--cores", "1")
    found = stress(daemon)
    assert (found["on"], found["running"], found["load"], found["cores"]) == (True, True, 100, 1)
    assert (found["priority"], found["started_by"]) == ("idle", f"uid {os.getuid()}")
    assert 240 < found["seconds_left"] <= 300
    (text,) = events(daemon, "stress-started")
    assert re.fullmatch(r"stress of 100 % of all CPUs by 1 core for 5 min, priority idle, asked for by uid \d+, pid \d+", text)
    # what it makes is seen, and published
    share = wait_until(lambda: stress(daemon)["share"], 60, "it makes some load", 0.2)
    assert 0 < share <= 100
    assert daemon.status()["stress"]["on"]
    assert "target 100 %" in daemon.ctl("status").stdout
    assert "priority idle" in daemon.ctl("stress", "status").stdout
    metrics = {m["name"]: m for m in daemon.ctl_json("metrics")["metrics"]}
    assert 0 <= metrics["StressLoad"]["last"] <= 100
    assert re.search(r"^agentd_stress_load_ratio [01]\b", daemon.control("GET", "/metrics").text, re.MULTILINE)
    assert stress_pids(daemon) == [pid]
    result = daemon.ctl("stress", "off", "--wait")
    assert result.returncode == 0 and result.stdout == "stress off\n"
    assert not stress_pids(daemon)
    wait_ended(daemon, r"^ended by uid \d+, pid \d+ after ")
    wait_until(lambda: "\nagentd_stress_load_ratio 0\n" in daemon.control("GET", "/metrics").text, what="it is 0 again")
    assert stress(daemon)["share"] == 0
    result = daemon.ctl("stress", "off")
    assert result.returncode == 0 and result.stdout == "stress is off already\n"
    assert len(events(daemon, "stress-ended")) == 1
    daemon.stop()
    data = daemon.metric_data("StressLoad")
    assert data and sum(datum["StatisticValues"]["Sum"] for datum in data) > 0


def test_what_it_may(agentd):
    """No privilege, nothing inherited, idle, and the holder's child in its session."""
    daemon = agentd()
    pid = on(daemon, "--load", "10")
    process = processes.read_process(pid)
    assert (process.ppid, process.session) == (daemon.pid, os.getsid(daemon.pid))
    assert "--load 10 --for 600s --priority idle" in process.command
    fields = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    assert fields["NoNewPrivs"] == "1"
    assert {int(fields[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {0}
    assert os.readlink(f"/proc/{pid}/fd/0") == "/dev/null"
    # beside what it opens itself
    own = {os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")}
    assert not [link for link in own if re.match(r"socket:|/memfd:", link)], own
    environment = Path(f"/proc/{pid}/environ").read_text().split("\0")
    assert {item.partition("=")[0] for item in environment if item} <= {"PATH", "LANG"}, environment

    def schedulers():
        return {os.sched_getscheduler(int(task)) for task in os.listdir(f"/proc/{pid}/task")}

    wait_until(lambda: os.SCHED_IDLE in schedulers(), what="its threads are idle ones")
    pid = on(daemon, "--load", "10", "--priority", "normal")
    assert stress(daemon)["priority"] == "normal"
    assert schedulers() == {os.SCHED_OTHER}


def test_second_on_changes_it(agentd):
    daemon = agentd()
    first = on(daemon, "--load", "10")
    second = on(daemon, "--load", "20", "--for", "90")
    assert first != second and stress_pids(daemon) == [second]
    found = stress(daemon)
    assert found["load"] == 20 and found["seconds_left"] <= 90
    assert not events(daemon, "stress-ended")
    (text,) = events(daemon, "stress-changed")
    assert text.startswith("stress of 20 % of all CPUs for 1 min 30 s, priority idle, asked for by ")
    # many at once: the last one counts, and one process is left
    for load in range(11, 17):
        assert daemon.ctl("stress", "on", "--load", str(load)).returncode == 0
    last = on(daemon, "--load", "17")
    assert "--load 17 " in processes.read_process(last).command


def test_ends_by_time(agentd):
    daemon = agentd()
    on(daemon, "--load", "10", "--for", "2s")
    wait_ended(daemon, "^ended after 2 s$")


def test_its_death_ends_it(agentd):
    daemon = agentd()
    os.kill(on(daemon, "--load", "10"), signal.SIGKILL)
    wait_ended(daemon, "^ended after .*: agentd-stress died with signal 9$")
    on(daemon, "--load", "10")  # and another one may be asked for


def test_configuration(agentd):
    daemon = agentd({"stress": {"max_seconds": 60}})
    result = daemon.ctl("stress", "on", "--for", "61")
    assert result.returncode == USAGE and "1 to 60 s are allowed (stress.max_seconds)" in result.stderr
    result = daemon.ctl("stress", "on")  # ten minutes are too long, too
    assert result.returncode == USAGE
    on(daemon, "--for", "60s", "--load", "10")
    daemon.write_config({"stress": {"enabled": False}})
    assert daemon.ctl("reload", "--wait").returncode == 0
    wait_ended(daemon, r"stress\.enabled")
    refused(daemon, r"stress\.enabled")


# --- What is wrong -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments, allowed",
    [
        (["--load", "0"], "1 to 100"),
        (["--load", "101"], "1 to 100"),
        (["--load", "85%"], "whole number"),
        (["--cores", "0"], "1 to"),
        (["--cores", "9999"], f"1 to {os.cpu_count()} are allowed"),
        (["--cores", "x"], "whole number"),
        (["--for", "0"], "1s to 24h"),
        (["--for", "1500ms"], "1s to 24h"),
        (["--for", "25h"], "1s to 24h"),
        (["--for", "soon"], "a duration is wanted"),
        (["--for", "61m"], "1 to 3600 s are allowed"),
        (["--priority", "high"], "idle or normal"),
        (["--speed", "9"], "no option --speed"),
        (["now"], "usage: agentctl stress on"),
    ],
)
def test_bad_arguments(node, arguments, allowed):
    result = node.ctl("stress", "on", *arguments)
    assert result.returncode == USAGE, result
    assert allowed in result.stderr and result.stderr.count("\n") == 1, result.stderr
    assert not stress_pids(node) and not events(node, "stress-started")


@pytest.mark.parametrize(
    "body", ['{"load":0}', '{"load":"85"}', '{"seconds":-1}', '{"priority":"high"}', '{"laod":85}', "[]", "{", "x" * 5000]
)
def test_bad_bodies(node, body):
    result = node.control_text("POST", "/v1/stress", body)
    assert result.status in (400, 413), result.text
    assert not events(node, "stress-started")


@pytest.fixture(scope="module")
def node(build):
    """One agentd for all that is refused."""
    import tempfile

    from support.daemon import Agentd, Answer, UnixConnection

    class Node(Agentd):
        def control_text(self, method, path, body):
            connection = UnixConnection(self.control_socket)
            with contextlib.closing(connection):
                connection.request(method, path, body=body, headers={"Content-Type": "application/json"})
                return Answer(connection.getresponse())

    with tempfile.TemporaryDirectory(prefix="agentd-test-") as directory:
        daemon = Node(build, directory)
        daemon.start()
        yield daemon
        assert not daemon.finish()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become other users")
def test_who_may_change_it(agentd, public_agentctl):
    daemon = agentd()
    daemon.dir.chmod(0o755)
    (daemon.dir / "run").chmod(0o755)
    daemon.control_socket.chmod(0o666)  # as a member of control.group may read

    def ctl(*arguments):
        return subprocess.run(
            [public_agentctl, "--socket", str(daemon.control_socket), *arguments],
            user=STRANGER, group=STRANGER, extra_groups=[], cwd="/", capture_output=True, text=True, timeout=30, check=False,
        )

    assert ctl("stress", "status").returncode == 0
    result = ctl("stress", "on", "--load", "10")
    assert result.returncode == NOT_PERMITTED and "only root" in result.stderr
    assert not stress_pids(daemon)
    pid = on(daemon, "--load", "10")
    assert ctl("stress", "off").returncode == NOT_PERMITTED
    assert ctl("stress", "on", "--load", "20").returncode == NOT_PERMITTED
    assert stress_pids(daemon) == [pid]
    assert f"stress of 10 % refused to uid {STRANGER}" in daemon.log()


# --- Guards --------------------------------------------------------------------------------------


class SlowDatabase:
    """Holds the board's database most of the time, so that posts wait for it, and posts."""

    def __init__(self, daemon):
        self.daemon = daemon
        self.ending = threading.Event()
        self.database = sqlite3.connect(daemon.dir / "board.db", isolation_level=None, check_same_thread=False, timeout=30)
        self.threads = [threading.Thread(target=self.run, args=(step,), daemon=True) for step in (self.hold, self.post)]
        for thread in self.threads:
            thread.start()

    def run(self, step):
        while not self.ending.is_set():
            step()

    def hold(self):
        self.database.execute("BEGIN IMMEDIATE")
        self.ending.wait(0.5)
        self.database.execute("COMMIT")
        time.sleep(0.05)

    def post(self):
        with contextlib.suppress(OSError):
            form = {"Content-Type": "application/x-www-form-urlencoded"}
            self.daemon.request("POST", "/", body=b"message=slow", headers=form, timeout_s=20)

    def end(self):
        self.ending.set()
        for thread in self.threads:
            thread.join(30)
        self.database.close()


@pytest.mark.limit(200)
def test_guard_latency(agentd):
    daemon = agentd({"stress": {"latency_ms": 100}})
    on(daemon, "--load", "10")
    slow = SlowDatabase(daemon)
    try:
        wait_ended(daemon, r"^ended after .*: the p99 of visitor-board is \d+ ms, over stress\.latency_ms \(100\)$")
        refused(daemon, "the p99 of visitor-board is")
    finally:
        slow.end()
    # a good interval, and it is allowed again
    deadline = time.monotonic() + 60
    while daemon.ctl("stress", "on", "--load", "10").returncode == REFUSED:
        assert time.monotonic() < deadline
        daemon.request()
        time.sleep(0.1)
    assert stress(daemon)["on"]


def test_guard_no_worker(agentd):
    daemon = agentd({"apps": {"visitor-board": {"workers": 1}}})
    on(daemon, "--load", "10")
    os.kill(daemon.worker_pids()[0], signal.SIGKILL)
    wait_ended(daemon, "^ended after .*: no worker of visitor-board is ready$")
    daemon.wait_healthy()
    on(daemon, "--load", "10")


def test_guard_no_worker_refuses(agentd):
    daemon = agentd({"apps": {"visitor-board": {"workers": 1}}})
    (worker,) = daemon.worker_pids()
    daemon.write_config({"apps": {"visitor-board": {"command": ["/bin/false"], "workers": 1}}})
    assert daemon.ctl("reload", "--wait").returncode == 1  # the old worker stays; what comes after it can't
    os.kill(worker, signal.SIGKILL)
    wait_until(lambda: daemon.health().status == 503, what="no worker is left")
    refused(daemon, "no worker of visitor-board is ready")


def test_guard_drain(agentd):
    daemon = agentd()
    on(daemon, "--load", "10")
    assert daemon.ctl("drain").returncode == 0
    wait_ended(daemon, "^ended after .*: the node is drained, not serving$")
    refused(daemon, "the node is drained")
    assert daemon.ctl("undrain").returncode == 0
    on(daemon, "--load", "10")


def test_guard_termination(agentd):
    """A stop ends it first: the workers have the CPU for what is in flight."""
    daemon = agentd({"health": {"lame_duck": 100}})
    on(daemon, "--load", "10")
    daemon.process.send_signal(signal.SIGTERM)
    wait_ended(daemon, "^ended after .*: the node is draining, not serving$")
    assert daemon.request().status == 200  # the lame duck serves
    refused(daemon, "the node is draining")
    daemon.process.send_signal(signal.SIGTERM)  # a second one: at once
    assert daemon.wait_exit(40) == 0


class Steal:
    """/proc/stat of the agentd alone, in a mount namespace of its own: this host's, with |share| of steal on top."""

    def __init__(self, directory):
        self.path = Path(directory) / "stat"
        self.extra = 0
        self.share = 0.0
        self.ending = threading.Event()
        self.last = self.read()
        self.write()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    @staticmethod
    def read():
        return [int(word) for word in Path("/proc/stat").read_text().splitlines()[0].split()[1:]]

    def write(self):
        """In place, in one piece: who has it open reads it anew."""
        now = self.read()
        self.extra += int((sum(now[:8]) - sum(self.last[:8])) * self.share)
        self.last = list(now)
        now[7] += self.extra
        lines = Path("/proc/stat").read_text().splitlines()
        text = "\n".join(["cpu  " + " ".join(map(str, now)), *lines[1:]]) + "\n"
        with open(self.path, "r+b" if self.path.exists() else "wb") as file:
            file.write(text.encode().ljust(16384, b" "))

    def run(self):
        while not self.ending.wait(0.05):
            self.write()

    def end(self):
        self.ending.set()
        self.thread.join(10)


def can_unshare():
    return subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode == 0


@pytest.mark.limit(200)
@pytest.mark.skipif(not can_unshare(), reason="this user can make no mount namespace")
def test_guard_steal(agentd, tmp_path):
    steal = Steal(tmp_path)
    daemon = agentd(start=False)
    plain = daemon.command_line()
    script = f"mount --bind {steal.path} /proc/stat && exec \"$@\""
    daemon.command_line = lambda: ["unshare", "--mount", "sh", "-c", script, "sh", *plain]
    try:
        daemon.start()
        on(daemon, "--load", "10")
        time.sleep(7)  # an interval and more without steal
        assert stress(daemon)["on"]
        steal.share = 1.0  # half of all is steal
        wait_ended(daemon, r"^ended after .*: CPUSteal is \d+ %, over stress\.steal_percent \(20\)$")
        refused(daemon, "CPUSteal is")
        steal.share = 0.0
        wait_until(lambda: daemon.ctl("stress", "on", "--load", "10").returncode == 0, 60, "it is allowed again", 0.5)
    finally:
        steal.end()


# --- What it outlives ----------------------------------------------------------------------------


def test_core_killed(agentd):
    """Stress goes on, the next core knows it, changes it, and ends it when it was to end."""
    daemon = agentd()
    pid = on(daemon, "--load", "10", "--for", "15s")
    core = daemon.core_pid()
    for _ in range(3):
        os.kill(core, signal.SIGKILL)
        core = wait_until(lambda: daemon.core_pid() not in (0, core) and daemon.core_pid(), what="the next core")
        wait_until(lambda: daemon.ctl("version").returncode == 0 and daemon.control("GET", "/v1/stress"), what="it answers")
        found = stress(daemon)
        assert (found["on"], found["running"], found["pid"], found["load"]) == (True, True, pid, 10)
        assert stress_pids(daemon) == [pid]
    assert not events(daemon, "stress-ended")
    wait_ended(daemon, "^ended after 15 s$")
    on(daemon, "--load", "10")


def test_core_is_down_at_the_end(agentd):
    """Without any core it ends by itself, and the next one tells."""
    daemon = agentd({"agent": {"core_silence": 300}})
    on(daemon, "--load", "10", "--for", "4s")
    core = daemon.core_pid()
    os.kill(core, signal.SIGSTOP)
    try:
        wait_until(lambda: not stress_pids(daemon), 30, "it ends by itself")
    finally:
        os.kill(core, signal.SIGKILL)
    wait_until(lambda: daemon.core_pid() not in (0, core), what="the next core")
    wait_until(lambda: daemon.ctl("version").returncode == 0, what="it answers")
    wait_ended(daemon, "^ended after 4 s$")


@pytest.mark.parametrize("stopped", [False, True], ids=["runs", "stopped"])
def test_holder_killed(agentd, stopped):
    """No thread of it is left, not even of one that can't act."""
    daemon = agentd()
    pid = on(daemon, "--load", "50")
    if stopped:
        os.kill(pid, signal.SIGSTOP)
    daemon.kill_holder()

    def gone():
        process = processes.read_process(pid)
        return process is None or process.zombie

    wait_until(gone, 10, "agentd-stress has gone with the holder")
    wait_until(lambda: not [p for p in daemon.family() if not p.zombie], 20, "so has all else")
    daemon.reap_orphans()
    daemon.start()  # on the same ledger where there is a store; never resumed in any case
    assert not stress_pids(daemon) and not stress(daemon)["on"]


def test_json(agentd):
    """Each verb has its JSON."""
    daemon = agentd()
    answer = json.loads(daemon.ctl("stress", "on", "--load", "10", "--json").stdout)
    assert (answer["schema_version"], answer["was_on"], answer["warning"]) == (1, False, None)
    assert answer["stress"]["load"] == 10
    assert json.loads(daemon.ctl("stress", "on", "--load", "11", "--json").stdout)["was_on"] is True
    answer = json.loads(daemon.ctl("stress", "off", "--json").stdout)
    assert answer["was_on"] is True and answer["stress"]["on"] is False
