# SPDX-License-Identifier: Apache-2.0
"""
Reload, scale and drain under load: whatever is changed, and whoever fails or dies in the middle of it, no
request is lost, neither on new connections nor on kept ones, and the totals hold each of them once.
"""

import http.client
import os
import random
import signal
import threading
import time

import pytest

from support.daemon import free_port, wait_until

BOARD = "visitor-board"
# About 1,000 requests a second, if the machine gives it.
RATE = {"clients_new": 4, "clients_kept": 4, "pause_s": 0.004, "max_requests": 400_000}


def pages_and_posts(request_id):
    if request_id % 8 == 0:
        return "POST", "/", b"message=request+%d" % request_id
    return "GET", "/", b""


def app_of(daemon, name=BOARD):
    return next(app for app in daemon.status()["apps"] if app["name"] == name)


def pids_of(daemon):
    return {worker["pid"] for worker in daemon.workers() if worker["state"] == "ready"}


def events_of(daemon, since=0):
    return daemon.ctl_json("events", "--since", str(since), "--lines", "256")["events"]


def last_event(daemon):
    return daemon.ctl_json("events")["last_id"]


def resources_of(daemon):
    """Descriptors and threads of holder and core."""
    pids = (daemon.pid, daemon.core_pid())
    return [(len(os.listdir(f"/proc/{pid}/fd")), len(os.listdir(f"/proc/{pid}/task"))) for pid in pids]


def slow_start(build, seconds):
    """The board, but its start takes a while, so that a roll does."""
    return {"command": ["/bin/sh", "-c", f"sleep {seconds}; exec {build}/visitor-board"]}


def assert_one_generation(daemon, workers):
    """As many as wanted, all started by the newest configuration, and nothing under way."""

    def settled():
        app = app_of(daemon)
        ready = [worker for worker in app["workers"] if worker["state"] == "ready"]
        return not app["rolling"] and not app["roll_queued"] and len(ready) == workers and app

    app = wait_until(settled, 30, "the roll is over", 0.1)
    generations = {w["generation"] for w in app["workers"] if w["state"] == "ready"}
    assert generations == {app["generation"]}, app
    return app


def finish(daemon, flow, workers, before=None):
    """Nothing failed, each request is counted once, and nothing is left over."""
    flow.wait_requests(50)
    rate = flow.sent / (time.monotonic() - flow.records[0].started_at_s)
    flow.stop()
    print(f"{flow.summary()}; {rate:.0f} requests/s")
    flow.assert_none_failed(at_least=50)
    wait_until(lambda: len(daemon.worker_pids()) == workers, 20, "the old workers are gone")
    assert not daemon.zombies()
    if before:
        after = resources_of(daemon)
        assert before[0] == after[0], "the holder leaks"
        # The first window opens the sink's file.
        assert after[1][0] <= before[1][0] + 1 and after[1][1] == before[1][1], "the core leaks"
    assert daemon.stop() == 0
    assert daemon.metric_sum("RequestCount", App=BOARD) == flow.sent


# --- Reload --------------------------------------------------------------------------------------


@pytest.mark.limit(300)
def test_reloads_in_a_row(agentd, load, storm):
    """All workers are replaced each time and nobody notices."""
    rounds, workers = storm(3, 20), 2
    daemon = agentd()
    daemon.wait_ready(workers)
    before = resources_of(daemon)
    flow = load(daemon.port, duration_s=280, make_request=pages_and_posts, **RATE)
    flow.wait_requests(50)
    generation = app_of(daemon)["generation"]
    for turn in range(1, rounds + 1):
        old = pids_of(daemon)
        result = daemon.ctl("reload", "--wait")
        assert result.returncode == 0, result.stderr
        assert "no key changed" in result.stdout and f"reloaded {BOARD}" in result.stdout
        app = assert_one_generation(daemon, workers)
        assert app["generation"] == generation + turn
        assert not old & pids_of(daemon)
        assert app["restarts"] == 0 and app["drain_kills"] == 0
    finish(daemon, flow, workers, before)


BAD = {  # how it ends, and what it writes at last
    "exits": (["/bin/sh", "-c", "echo one; echo two >&2; exit 1"], "exited with status 1", ["one", "two"]),
    "says nothing": (["/bin/false"], "exited with status 1", []),
    "cannot-start": (["/nonexistent/board"], "203/EXEC", None),
    "hangs": (["/bin/sh", "-c", "echo waits; exec sleep 1000"], "not ready within", ["waits"]),
}


def assert_last_lines(errors, lines):
    """Below its message: what the new worker wrote at last."""
    _, title, *shown = errors.splitlines()
    assert shown == [f"    | {line}" for line in lines], errors
    assert (f"last lines of {BOARD}.3 (pid " if lines else f"no last lines of {BOARD}.3 (pid ") in title, errors


@pytest.mark.parametrize("kind", BAD)
def test_reload_to_a_bad_program(agentd, load, build, kind):
    """The first new worker fails and that is all: it is named with its end, and the old ones serve on."""
    command, obituary, lines = BAD[kind]
    daemon = agentd({"apps": {BOARD: {"ready_timeout": 2}}})
    daemon.wait_ready(2)
    old = pids_of(daemon)
    flow = load(daemon.port, duration_s=60, make_request=pages_and_posts, **RATE)
    flow.wait_requests(50)
    since = last_event(daemon)
    daemon.write_config({"apps": {BOARD: {"ready_timeout": 2, "command": command}}})
    result = daemon.ctl("reload", "--wait")
    assert result.returncode == 1, result
    assert f"{BOARD}: worker 3 (pid " in result.stderr and obituary in result.stderr
    if lines is not None:
        assert_last_lines(result.stderr, lines)
    wait_until(lambda: len(daemon.workers()) == 2, 5, "the new one is gone")
    assert pids_of(daemon) == old
    assert daemon.health().json()["status"] == "pass"
    names = [event["event"] for event in events_of(daemon, since)]
    assert "reload-failed" in names and "worker-draining" not in names, names
    assert obituary in app_of(daemon)["roll_failed"] and obituary in daemon.ctl("status").stdout
    # Mended, the next one goes through.
    daemon.write_config({"apps": {BOARD: {"ready_timeout": 2}}})
    result = daemon.ctl("reload", "--wait")
    assert result.returncode == 0, result.stderr
    app = assert_one_generation(daemon, 2)
    assert not app["roll_failed"] and not old & pids_of(daemon)
    finish(daemon, flow, 2)


def test_reload_that_fails_in_the_middle(agentd, load, build, tmp_path):
    """One is replaced, the next new one fails: both generations serve, and status says what to do about it."""
    once = tmp_path / "once"
    broken = ["/bin/sh", "-c", f"mkdir {once} 2>/dev/null || {{ echo no more; exit 1; }}; exec {build}/visitor-board"]
    daemon = agentd()
    daemon.wait_ready(2)
    old = pids_of(daemon)
    flow = load(daemon.port, duration_s=60, make_request=pages_and_posts, **RATE)
    flow.wait_requests(50)
    assert app_of(daemon)["outdated"] == 0
    daemon.write_config({"apps": {BOARD: {"command": broken}}})
    result = daemon.ctl("reload", "--wait")
    assert result.returncode == 1 and "the other workers serve on" in result.stderr, result
    assert result.stderr.endswith("):\n    | no more\n")
    wait_until(lambda: len(daemon.workers()) == 2, 20, "the others are gone")
    assert len(pids_of(daemon) & old) == 1
    app = app_of(daemon)
    assert (app["ready"], app["outdated"], app["rolling"]) == (2, 1, False)
    shown = daemon.ctl("status", environment={"COLUMNS": "200"}).stdout
    assert "not replaced: worker " in shown
    assert "two generations serve: 1 of 2 ready workers is of an older configuration or program" in shown
    assert f"agentctl reload --app {BOARD}" in shown and shown.count("of an older generation\n") == 1
    assert daemon.health().json()["status"] == "pass"
    # Just as it says.
    once.rmdir()
    daemon.write_config({})
    assert daemon.ctl("reload", "--app", BOARD, "--wait").returncode == 0
    app = assert_one_generation(daemon, 2)
    assert app["outdated"] == 0 and not old & pids_of(daemon)
    assert "generation" not in daemon.ctl("status").stdout
    finish(daemon, flow, 2)


def test_bad_configuration_changes_nothing(agentd):
    daemon = agentd()
    daemon.wait_ready(2)
    old, generation = pids_of(daemon), app_of(daemon)["generation"]
    daemon.write_config({"apps": {BOARD: {"workers": 2000}}})
    result = daemon.ctl("reload", "--wait")
    assert result.returncode == 1 and "workers" in result.stderr
    daemon.write_config({})
    result = daemon.ctl("reload", "--app", "nobody")
    assert result.returncode == 2 and "no such app" in result.stderr
    assert daemon.ctl("reload", "--app", f"{BOARD}.1").returncode == 2
    assert pids_of(daemon) == old and app_of(daemon)["generation"] == generation


def test_reload_of_one_app(agentd, build):
    """The other one's workers stay, and what they are of is shown."""
    other = {"command": [str(build / "tests/tools/delay-worker")], "listen": [f"127.0.0.1:{free_port()}"], "workers": 1}
    daemon = agentd({"apps": {"other": other}})
    daemon.wait_ready(2)
    daemon.wait_ready(1, app="other")
    old, others = pids_of(daemon), daemon.pids("delay-worker")
    result = daemon.ctl("reload", "--app", BOARD, "--wait")
    assert result.returncode == 0 and "other" not in result.stdout, result
    assert not old & pids_of(daemon)
    assert daemon.pids("delay-worker") == others
    app = app_of(daemon, "other")
    assert app["workers"][0]["generation"] < app["generation"]


def test_reloads_at_once(agentd, load, build):
    """The second comes after the first, the third shares the second's roll; each is told its outcome."""
    daemon = agentd({"apps": {BOARD: slow_start(build, 0.3)}})
    daemon.wait_ready(2)
    flow = load(daemon.port, duration_s=60, make_request=pages_and_posts, **RATE)
    flow.wait_requests(50)
    for reloads in (2, 3):
        since, generation = last_event(daemon), app_of(daemon)["generation"]
        running = [daemon.begin("reload", "--wait") for _ in range(reloads)]
        for process in running:
            _, errors = process.communicate(timeout=30)
            assert process.returncode == 0, errors
        names = [event["event"] for event in events_of(daemon, since)]
        assert names.count("reload-done") == 2, names
        app = assert_one_generation(daemon, 2)
        assert generation + 2 <= app["generation"] <= generation + reloads
    finish(daemon, flow, 2)


@pytest.mark.limit(400)
def test_core_killed_in_a_reload(agentd, load, build, storm):
    """Wherever the core dies, the next one brings the roll to its end: one generation, and nothing failed."""
    rounds, workers = storm(5, 60), 2
    daemon = agentd({"apps": {BOARD: slow_start(build, 0.2)}})
    daemon.wait_ready(workers)
    flow = load(daemon.port, duration_s=380, make_request=pages_and_posts, **RATE)
    flow.wait_requests(50)
    waited = 0
    for turn in range(rounds):
        old, generation = pids_of(daemon), app_of(daemon)["generation"]
        core = daemon.core_pid()
        process = daemon.begin("reload", "--wait")
        # The roll takes some 0.7 s; the first kill comes with the request, or before it.
        time.sleep(turn / rounds * 0.9 + random.uniform(0, 0.1))
        os.kill(core, signal.SIGKILL)
        _, errors = process.communicate(timeout=60)
        wait_until(lambda: daemon.core_pid() not in (0, core), 5, "another core")
        daemon.wait_healthy()
        app = assert_one_generation(daemon, workers)
        if process.returncode == 0:  # it had its token
            waited += 1
            assert app["generation"] > generation and not old & pids_of(daemon)
        else:
            assert process.returncode == 4, errors
    assert waited >= rounds / 2, "no reload lived long enough to be killed in"
    assert sum(worker["restarts"] for worker in daemon.workers()) == 0
    finish(daemon, flow, workers)


def test_core_killed_in_a_reload_that_fails(agentd, load):
    """The next one knows what the last one waited for: the old generation serves on."""
    daemon = agentd({"apps": {BOARD: {"ready_timeout": 3}}})
    daemon.wait_ready(2)
    old = pids_of(daemon)
    flow = load(daemon.port, duration_s=60, make_request=pages_and_posts, **RATE)
    flow.wait_requests(50)
    daemon.write_config({"apps": {BOARD: {"ready_timeout": 3, "command": ["/bin/sleep", "1000"]}}})
    process = daemon.begin("reload", "--wait")
    wait_until(lambda: daemon.pids("sleep"), 5, "the new one hangs")
    core = daemon.core_pid()
    os.kill(core, signal.SIGKILL)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 1 and "not ready within" in errors, errors
    assert daemon.core_pid() not in (0, core)
    assert pids_of(daemon) == old
    wait_until(lambda: not daemon.pids("sleep"), 5, "it is killed")
    finish(daemon, flow, 2)


class IdleConnection(threading.Thread):
    """Asks once; when started it rests for so long, and asks again on the same connection."""

    def __init__(self, port, rest_s):
        super().__init__(daemon=True)
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        self.rest_s = rest_s
        self.failure = None
        self.told_to_close = False
        self.ask()

    def ask(self):
        self.connection.request("GET", "/")
        answer = self.connection.getresponse()
        answer.read()
        assert answer.status == 200
        self.told_to_close = answer.getheader("Connection", "").lower() == "close"

    def run(self):
        socket = self.connection.sock
        time.sleep(self.rest_s)
        try:
            assert self.connection.sock is socket, "it was closed"
            self.ask()
        except Exception as error:  # pylint: disable=broad-except
            self.failure = f"after {self.rest_s} s: {error!r}"


@pytest.mark.limit(200)
def test_idle_connections_across_a_reload(agentd, storm):
    """One that speaks again while the old workers wait for it is answered, and told to close."""
    rests_s = storm([0.5, 1, 2], [1, 2, 4, 8, 16, 32, 48, 64])
    daemon = agentd({"apps": {BOARD: {"idle_timeout": 65, "drain_timeout": 30}}})
    daemon.wait_ready(2)
    old = pids_of(daemon)
    idle = [IdleConnection(daemon.port, rest_s) for rest_s in rests_s for _ in range(4)]
    result = daemon.ctl("reload", "--wait")
    assert result.returncode == 0, result.stderr
    assert old <= set(daemon.worker_pids()), "they wait for who is connected"
    for connection in idle:
        connection.start()
    for connection in idle:
        connection.join(max(rests_s) + 15)
    assert not [connection.failure for connection in idle if connection.failure]
    assert all(connection.told_to_close for connection in idle)
    wait_until(lambda: not old & set(daemon.worker_pids()), 10, "the old ones are gone, nobody is left")
    assert daemon.stop() == 0
    assert daemon.metric_sum("RequestCount", App=BOARD) == 2 * len(idle)


# --- Scale ---------------------------------------------------------------------------------------


def test_scale_under_load(agentd, load):
    """Up and down by hand; a new core keeps the number, a reload forgets it."""
    daemon = agentd()
    daemon.wait_ready(2)
    flow = load(daemon.port, duration_s=60, make_request=pages_and_posts, **RATE)
    flow.wait_requests(50)
    for workers in (4, 1, 3):
        result = daemon.ctl("scale", BOARD, str(workers), "--wait")
        assert result.returncode == 0, result.stderr
        assert f"{workers} workers instead of" in result.stdout
        flow.wait_requests(50)
    app = app_of(daemon)
    assert (app["wanted"], app["scaled"]) == (3, True) and "scaled by hand" in daemon.ctl("status").stdout
    core = daemon.core_pid()
    os.kill(core, signal.SIGKILL)
    wait_until(lambda: daemon.core_pid() not in (0, core), 5, "another core")
    daemon.wait_healthy()
    daemon.wait_ready(3)
    assert app_of(daemon)["wanted"] == 3
    assert daemon.ctl("reload", "--wait").returncode == 0
    assert (app_of(daemon)["wanted"], app_of(daemon)["scaled"]) == (2, False)
    for words in (("nobody", "1"), (BOARD, "65"), (BOARD, "x"), (f"{BOARD}.1", "1"), (BOARD,)):
        assert daemon.ctl("scale", *words).returncode == 2, words
    finish(daemon, flow, 2)


def test_scale_to_none_and_back(agentd):
    """With no worker left /health fails and says why; connections wait for the next one."""
    daemon = agentd()
    assert daemon.ctl("scale", BOARD, "0", "--wait").returncode == 0
    wait_until(lambda: not daemon.worker_pids(), 10, "all are gone")
    health = daemon.health()
    assert health.status == 503 and "scaled to 0" in health.json()["reason"]
    assert daemon.ctl("scale", BOARD, "1", "--wait").returncode == 0
    assert daemon.health().status == 200
    assert daemon.request().status == 200


# --- Drain ---------------------------------------------------------------------------------------


def test_drain_and_back_under_load(agentd, load):
    """503 at once and for as long as it is wanted, also by a new core; the workers serve on."""
    daemon = agentd()
    daemon.wait_ready(2)
    flow = load(daemon.port, duration_s=60, make_request=pages_and_posts, **RATE)
    flow.wait_requests(50)
    old = pids_of(daemon)
    result = daemon.ctl("drain")
    health = daemon.health()
    assert result.returncode == 0 and "Auto Scaling group" in result.stdout, result
    assert health.status == 503
    body = health.json()
    assert (body["status"], body["state"]) == ("fail", "drained") and "by hand" in body["reason"]
    assert daemon.health(f"/health/{BOARD}").status == 503
    assert "already" in daemon.ctl("drain").stdout
    core = daemon.core_pid()
    os.kill(core, signal.SIGKILL)
    wait_until(lambda: daemon.core_pid() not in (0, core), 5, "another core")
    wait_until(lambda: daemon.control_socket.exists() and daemon.ctl("status").returncode == 0, 5, "it answers")
    assert daemon.health().status == 503
    status = daemon.status()
    assert (status["state"], status["healthy"]) == ("drained", False) and status["drained_s"] is not None
    assert "drained by hand" in daemon.ctl("status").stdout
    flow.wait_requests(100)
    assert pids_of(daemon) == old
    assert daemon.ctl("undrain", "--wait").returncode == 0
    assert daemon.health().status == 200
    names = [event["event"] for event in events_of(daemon)]
    assert names.count("node-drained") == 1 and names.count("node-undrained") == 1
    finish(daemon, flow, 2)


def test_drain_waits_for_quiet(agentd, load):
    """--wait: until nobody asks any more, or it is late."""
    daemon = agentd()
    flow = load(daemon.port, duration_s=60, pause_s=0.05)
    flow.wait_requests(10)
    assert daemon.ctl("drain", "--timeout", "500ms").returncode == 6
    flow.stop()
    quiet_s = time.monotonic()
    assert daemon.ctl("drain", "--wait").returncode == 0
    assert time.monotonic() - quiet_s >= 4.5


def test_refused_while_stopping(agentd):
    """In the lame duck there is nothing to change; who drained before waits less."""
    daemon = agentd({"health": {"lame_duck": 8}})
    daemon.process.send_signal(signal.SIGTERM)
    wait_until(lambda: daemon.health().status == 503, 5, "/health says 503")
    for words in (("drain",), ("undrain",), ("reload",), ("scale", BOARD, "1"), ("restart",)):
        result = daemon.ctl(*words)
        assert result.returncode == 7 and "stopping" in result.stderr, (words, result)
    daemon.process.send_signal(signal.SIGINT)
    assert daemon.wait_exit(20) == 0


def test_restart_forgets_what_was_by_hand(agentd):
    """A drain ends with agentd; a stop of a drained node has its lame duck behind it."""
    daemon = agentd({"health": {"lame_duck": 3}})
    assert daemon.ctl("drain").returncode == 0
    time.sleep(2)
    begun_s = time.monotonic()
    assert daemon.stop() == 0
    assert time.monotonic() - begun_s < 2.9
    daemon.write_config({})
    daemon.start()
    assert daemon.health().status == 200
