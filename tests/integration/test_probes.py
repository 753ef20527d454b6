# SPDX-License-Identifier: Apache-2.0
"""
Probes and limits: workers that hang or are sick are found and replaced, and nobody else is.

Apps with quick settings: a second between probes, a second for an answer, two failures. Here are no
control groups (the booted machine's tests have them), so limits are what agentd itself does.
"""

import os
import signal
import time

import pytest

from support.daemon import free_port, wait_until

QUICK = {"probe_interval": 1, "probe_timeout": 1, "probe_failures": 2}


def bad_app(build, mode, **keys):
    """The app `bad`: tests/tools/bad-worker in that mode."""
    return {
        "command": [str(build / "tests" / "tools" / "bad-worker"), mode],
        "listen": [f"127.0.0.1:{free_port()}"],
        "workers": 1,
        "drain_timeout": 1,
        "idle_timeout": 1,
        **keys,
    }


def port_of(app):
    return int(app["listen"][0].rpartition(":")[2])


def app_status(daemon, name):
    return next(app for app in daemon.status()["apps"] if app["name"] == name)


def events(daemon, name, app):
    found = daemon.control("GET", "/v1/events?limit=256").json()["events"]
    return [event for event in found if event["event"] == name and event["app"] == app]


def wait_event(daemon, name, app, count=1, timeout_s=30):
    return wait_until(lambda: events(daemon, name, app)[count - 1:], timeout_s, f"event {name} of {app}")[0]


# --- Of each worker ------------------------------------------------------------------------------


def test_stopped_worker_is_found_by_its_probe(agentd):
    """SIGSTOP on a real worker, also under a new core: ended and replaced, its sibling is left alone."""
    daemon = agentd({"apps": {"visitor-board": {"probe": "private", "watchdog": 5, **QUICK}}})
    daemon.wait_ready(2)
    first, second = (worker["pid"] for worker in daemon.workers())
    core = daemon.core_pid()
    os.kill(core, signal.SIGKILL)
    wait_until(lambda: daemon.core_pid() not in (0, core), what="a new core")
    daemon.wait_healthy()
    time.sleep(2)  # some probes: they pass, and are no requests of the app's
    assert app_status(daemon, "visitor-board")["requests"]["total"] == 0
    assert not events(daemon, "worker-hung", "visitor-board")
    os.kill(first, signal.SIGSTOP)
    hung = wait_event(daemon, "worker-hung", "visitor-board")
    assert hung["pid"] == first and hung["severity"] == "error"
    assert "no answer to 2 probes" in hung["text"]
    died = wait_event(daemon, "worker-died", "visitor-board")
    # a stopped process takes no SIGABRT, so it needed the SIGKILL
    assert died["text"].startswith("hung: no answer to 2 probes; killed by SIGKILL after ")
    daemon.wait_ready(2)
    pids = {worker["pid"] for worker in daemon.workers()}
    assert second in pids and first not in pids
    assert len(events(daemon, "worker-hung", "visitor-board")) == 1


def test_probe_socket_is_private(agentd):
    daemon = agentd({"apps": {"visitor-board": {"probe": "private"}}})
    daemon.wait_ready(2)
    directory = daemon.dir / "run" / "probe"
    assert sorted(os.listdir(directory)) == ["visitor-board.1", "visitor-board.2"]
    assert directory.stat().st_mode & 0o777 == 0o700
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in directory.iterdir())
    assert daemon.stop() == 0
    assert not os.listdir(directory)


def test_sick_worker_is_replaced(agentd, build):
    """One that answers its own probe with 503 is ended, again and again; the board's are not."""
    daemon = agentd({"apps": {"bad": bad_app(build, "sick", probe="private", **QUICK)}}, wait=False)
    wait_event_of_started(daemon)
    hung = wait_event(daemon, "worker-hung", "bad")
    assert "sick: 2 probes failed, the last with 503" in hung["text"]
    died = wait_event(daemon, "worker-died", "bad")
    assert "killed by SIGABRT" in died["text"] or "dumped core on SIGABRT" in died["text"]
    wait_event(daemon, "worker-started", "bad", count=2)
    assert all(worker["restarts"] == 0 for worker in daemon.workers())


def wait_event_of_started(daemon):
    wait_until(lambda: daemon.control_socket.exists() and daemon.core_pid(), what="the core runs")
    wait_until(lambda: daemon.ctl("version").returncode == 0, what="the control API answers")


# --- The watchdog --------------------------------------------------------------------------------


@pytest.mark.parametrize("mode, end", [("silent-watchdog", "SIGABRT"), ("deaf-watchdog", "SIGKILL")])
def test_watchdog_that_falls_silent(agentd, build, mode, end):
    daemon = agentd({"apps": {"bad": bad_app(build, mode, watchdog=2),
                              "visitor-board": {"watchdog": 2}}})
    hung = wait_event(daemon, "worker-hung", "bad")
    assert "hung: no watchdog for 2 s" in hung["text"]
    died = wait_event(daemon, "worker-died", "bad")
    assert died["text"].startswith("hung: no watchdog for 2 s; ") and end in died["text"]
    assert died["id"] > hung["id"]
    wait_event(daemon, "worker-ready", "bad", count=2)
    assert app_status(daemon, "bad")["workers"][0]["last_exit"].startswith("hung: no watchdog for 2 s; ")
    # the board's own say it in time
    assert all(worker["restarts"] == 0 for worker in daemon.workers())
    assert not events(daemon, "worker-hung", "visitor-board")


def test_stopped_core_blames_no_worker(agentd):
    """Time in which the core itself stood still is no silence of the workers."""
    daemon = agentd({"apps": {"visitor-board": {"watchdog": 2, "probe": "private", **QUICK}}})
    daemon.wait_ready(2)
    pids = {worker["pid"] for worker in daemon.workers()}
    core = daemon.core_pid()
    os.kill(core, signal.SIGSTOP)
    time.sleep(3.5)
    os.kill(core, signal.SIGCONT)
    time.sleep(2)
    assert daemon.core_pid() == core
    assert {worker["pid"] for worker in daemon.workers()} == pids
    assert not events(daemon, "worker-hung", "visitor-board")


def test_reload_that_wants_probes_blames_no_worker(agentd):
    """Workers that were started without a probe's socket and without WATCHDOG_USEC can't do either."""
    daemon = agentd()
    daemon.wait_ready(2)
    pids = {worker["pid"] for worker in daemon.workers()}
    daemon.write_config({"apps": {"visitor-board": {"watchdog": 1, "probe": "private", **QUICK}}})
    daemon.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "probe = \"private\"" in daemon.ctl("config", "show").stdout, what="it is in force")
    time.sleep(3)
    now = {worker["pid"] for worker in daemon.workers()}
    assert not events(daemon, "worker-hung", "visitor-board")
    if now & pids == pids:  # a reload may replace them
        assert daemon.ctl("restart", "visitor-board", "--wait").returncode == 0
    fresh = next(w["pid"] for w in daemon.workers() if w["state"] == "ready" and w["pid"] not in pids)
    os.kill(fresh, signal.SIGSTOP)
    assert wait_event(daemon, "worker-hung", "visitor-board")["pid"] == fresh
    os.kill(fresh, signal.SIGKILL)  # agentd would, in 5 s


# --- Foreign apps --------------------------------------------------------------------------------


def test_ready_by_delay(agentd, build):
    """A program that never says READY=1: ready when it has lived so long; the readiness time-out spares it."""
    app = bad_app(build, "unspoken", readiness="delay", ready_delay=1, ready_timeout=2)
    daemon = agentd({"apps": {"bad": app}})  # until /health is 200
    worker = app_status(daemon, "bad")["workers"][0]
    assert worker["state"] == "ready" and worker["restarts"] == 0
    ready = events(daemon, "worker-ready", "bad")[0]
    assert ready["text"].startswith(("ready after 1", "ready after 2"))
    assert daemon.request(port=port_of(app)).body == b"bad\n"
    time.sleep(2)  # past the time-out
    assert app_status(daemon, "bad")["workers"][0]["pid"] == worker["pid"]


def test_delay_that_dies_first(agentd, build):
    """One that ends before the delay was never ready."""
    daemon = agentd({"apps": {"bad": bad_app(build, "exit", readiness="delay", ready_delay=5)}}, wait=False)
    wait_event_of_started(daemon)
    wait_event(daemon, "worker-died", "bad", count=2)
    assert not events(daemon, "worker-ready", "bad")


def test_probe_of_the_app_ends_no_worker(agentd, build):
    """503 at the app's own address: the app is degraded, /health stays 200, and its worker lives on."""
    app = bad_app(build, "sick", probe="http", **QUICK)
    daemon = agentd({"apps": {"bad": app}})
    failed = wait_event(daemon, "app-probe-failed", "bad")
    assert "2 probes of /health failed, the last: status 503" in failed["text"] and failed["slot"] is None
    answer = wait_until(lambda: [h for h in [daemon.health("/health/bad")] if h.json()["status"] == "degraded"],
                        10, "it is degraded")[0]
    assert answer.status == 200 and answer.json()["probe_failure"] == "status 503"
    assert daemon.health().status == 200 and daemon.health().json()["status"] == "degraded"
    bad = app_status(daemon, "bad")
    assert bad["probe_failure"] == "status 503"
    assert "probe fails: status 503" in daemon.ctl("status").stdout
    assert "probe fails: status 503" in daemon.ctl("health").stdout
    pid = bad["workers"][0]["pid"]
    time.sleep(2)
    bad = app_status(daemon, "bad")
    assert bad["workers"][0]["pid"] == pid and bad["restarts"] == 0
    assert len(events(daemon, "app-probe-failed", "bad")) == 1
    assert not events(daemon, "worker-hung", "bad")


def test_probe_of_the_app_recovers(agentd):
    """All workers stopped: no answer; they go on: it passes again."""
    daemon = agentd({"apps": {"visitor-board": {"probe": "http", **QUICK}}})
    daemon.wait_ready(2)
    pids = [worker["pid"] for worker in daemon.workers()]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    failed = wait_event(daemon, "app-probe-failed", "visitor-board")
    assert "no answer in time" in failed["text"]
    for pid in pids:
        os.kill(pid, signal.SIGCONT)
    wait_event(daemon, "app-probe-passed", "visitor-board")
    wait_until(lambda: daemon.health().json()["status"] == "pass", 10, "/health passes")
    assert {worker["pid"] for worker in daemon.workers()} == set(pids)


# --- Limits, and what is left of a worker --------------------------------------------------------


def test_worker_over_its_limit_is_replaced(plain_agentd, plain_build, load):
    """Without control groups: one that grows is rolled away, and no request is lost by it."""
    app = bad_app(plain_build, "grow", workers=2, memory_max=32)
    daemon = plain_agentd({"apps": {"bad": app}})
    wait_until(lambda: app_status(daemon, "bad")["ready"] == 2, what="both are ready")
    before = {worker["pid"] for worker in app_status(daemon, "bad")["workers"]}
    flow = load(port_of(app), duration_s=60, clients_kept=0, pause_s=0.01)
    flow.wait_requests(50)
    assert daemon.request(path="/grow", port=port_of(app)).status == 200
    over = wait_event(daemon, "worker-over-limit", "bad")
    assert over["pid"] in before and "over its limit of 32 MiB" in over["text"]
    wait_event(daemon, "restart-done", "bad")
    wait_until(lambda: over["pid"] not in [p.pid for p in daemon.family() if not p.zombie], 20, "it is gone")
    flow.wait_requests(50)
    flow.stop().assert_none_failed()
    after = {worker["pid"] for worker in app_status(daemon, "bad")["workers"]}
    assert len(after & before) == 1  # its sibling is the same
    assert len(events(daemon, "worker-over-limit", "bad")) == 1
    assert not events(daemon, "worker-died", "bad")


def test_last_words_are_with_the_death(agentd, build):
    daemon = agentd({"apps": {"bad": bad_app(build, "exit")}}, wait=False)
    wait_event_of_started(daemon)
    wait_event(daemon, "worker-died", "bad", count=2)
    for died in events(daemon, "worker-died", "bad"):
        assert died["lines"] == ["bad-worker: leaving at once"]  # its own, not its predecessors'
    assert all("lines" not in event for event in events(daemon, "worker-started", "bad"))


@pytest.mark.parametrize("death", [signal.SIGKILL, signal.SIGTERM])
def test_grandchildren_in_sessions_of_their_own(agentd, build, death):
    """What a worker's children left, in whatever session, goes with it, and is reaped; others' stays."""
    daemon = agentd({"apps": {"bad": bad_app(build, "grandchildren", workers=2)}})
    wait_until(lambda: app_status(daemon, "bad")["ready"] == 2, what="both are ready")
    first = app_status(daemon, "bad")["workers"][0]

    def living(slot):
        return {p.pid for p in daemon.family()
                if p.name == "bad-worker" and not p.zombie and environment_slot(p.pid) == slot}

    def settled(slot):
        """Not those that are there for the moment between two forks only."""
        seen = living(slot)
        time.sleep(0.3)
        return len(seen) == 4 and living(slot) == seen and seen

    own = wait_until(lambda: settled(first["slot"]), what="three descendants")
    others = wait_until(lambda: settled(3 - first["slot"]), what="and three")
    os.kill(first["pid"], death)
    wait_until(lambda: not own & {p.pid for p in daemon.family() if not p.zombie}, 20, "they are gone")
    wait_until(lambda: not [p for p in daemon.zombies() if p.ppid == daemon.pid], 20, "and reaped")
    assert living(3 - first["slot"]) == others
    assert daemon.stop() == 0
    assert not [p for p in daemon.family() if not p.zombie]


def environment_slot(pid):
    """AGENTD_SLOT of a process, 0 for none."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            items = file.read().split(b"\0")
    except OSError:
        return 0
    return int(next((item.partition(b"=")[2] for item in items if item.startswith(b"AGENTD_SLOT=")), 0))


# --- Rolls ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode, why", [("sick", "probe"), ("good", "")])
def test_reload_waits_for_the_probe(agentd, build, load, mode, why):
    """A new worker that is ready and fails its probe ends the roll; the old ones serve on."""
    app = bad_app(build, "good-leaver", workers=2, probe="private", **QUICK)
    daemon = agentd({"apps": {"bad": app}})
    wait_until(lambda: app_status(daemon, "bad")["ready"] == 2, what="both are ready")
    before = {worker["pid"] for worker in app_status(daemon, "bad")["workers"]}
    flow = load(port_of(app), duration_s=60, clients_kept=0, pause_s=0.02)
    flow.wait_requests(20)
    daemon.write_config({"apps": {"bad": {**app, "command": [app["command"][0], mode]}}})
    result = daemon.ctl("reload", "--wait", "--timeout", "30", timeout_s=40)
    flow.wait_requests(20)
    flow.stop().assert_none_failed()
    after = {worker["pid"] for worker in app_status(daemon, "bad")["workers"] if worker["state"] == "ready"}
    assert len(after) == 2
    if why:
        assert result.returncode == 1 and why in result.stderr, result.stderr
        assert after == before
    else:
        assert result.returncode == 0, result.stderr
        assert not after & before


@pytest.mark.parametrize("mode", ["sick", "mute"])
def test_new_worker_takes_nothing_before_its_probe(agentd, build, load, mode):
    """Ready, and then ended for its probe: whatever it had taken meanwhile would be lost with it."""
    program = str(build / "tests" / "tools" / "delay-worker")
    app = {"command": [program], "listen": [f"127.0.0.1:{free_port()}"], "workers": 2, "probe": "private", **QUICK}
    daemon = agentd({"apps": {"slow": app}})
    daemon.wait_ready(2, app="slow")
    before = {worker["pid"] for worker in daemon.workers("slow")}
    options = {"duration_s": 60, "pause_s": 0.004, "make_request": lambda request_id: ("GET", "/20000", b"")}
    flow = load(port_of(app), clients_new=6, clients_kept=6, **options)
    flow.wait_requests(50)
    daemon.write_config({"apps": {"slow": {**app, "command": [program, mode]}}})
    reload = daemon.begin("reload", "--wait")
    wait_event(daemon, "worker-ready", "slow", count=3)
    # Kept connections that are opened now would go to the new one, which has none.
    late = load(port_of(app), clients_new=0, clients_kept=6, **options)
    _, errors = reload.communicate(timeout=60)
    assert reload.returncode == 1 and "ready, but it failed its probe" in errors, errors
    if mode == "sick":  # once a probe
        assert errors.endswith("):\n" + 2 * "    | delay-worker: sick\n"), errors
    wait_until(lambda: len(daemon.pids("delay-worker")) == 2, 20, "the new one is gone")
    for running in (flow, late):
        running.wait_requests(50)
        running.stop().assert_none_failed(at_least=20)
        print(running.summary())
    assert {worker["pid"] for worker in daemon.workers("slow")} == before
    # One that is well passes at once.
    daemon.write_config({"apps": {"slow": app}})
    flow = load(port_of(app), clients_new=6, clients_kept=6, **options)
    result = daemon.ctl("reload", "--wait")
    assert result.returncode == 0, result.stderr
    flow.wait_requests(50)
    flow.stop().assert_none_failed(at_least=20)
    assert not {worker["pid"] for worker in daemon.workers("slow") if worker["state"] == "ready"} & before
