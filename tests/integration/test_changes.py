# SPDX-License-Identifier: Apache-2.0
"""
Changes under load: more and fewer workers, an app that goes, restarts, and deaths in the middle of them.
No request fails for a change, and all are counted.
"""

import os
import random
import signal
import time

import pytest

from support import libconfig
from support.daemon import free_port, wait_until

BOARD = "visitor-board"


def counted(daemon, app=BOARD):
    return daemon.metric_sum("RequestCount", App=app)


def reload(daemon, config):
    daemon.write_config(config)
    result = daemon.ctl("reload")
    assert result.returncode == 0, result.stderr


def test_scaled_under_load(agentd, load):
    """More workers, fewer, and windows of another length: nothing fails, nothing is counted twice or lost."""
    daemon = agentd()
    flow = load(daemon.port, duration_s=60)
    flow.wait_requests(100)
    for workers, window_s in ((4, 10), (1, 60), (3, 10)):
        reload(daemon, {"observe": {"window": window_s}, "apps": {BOARD: {"workers": workers}}})
        daemon.wait_ready(workers)
        flow.wait_requests(100)
        wait_until(lambda: len(daemon.worker_pids()) == workers, 10, f"{workers} workers are left")
    flow.stop().assert_none_failed(at_least=100)
    assert daemon.stop() == 0
    assert counted(daemon) == flow.sent


def test_app_disabled_and_enabled(agentd, load, build):
    """What an app answered before it was taken out is in the windows; it comes back with its totals going on."""
    port = free_port()
    other = {"command": [str(build / "tests/tools/delay-worker")], "listen": [f"127.0.0.1:{port}"], "workers": 2}
    daemon = agentd({"apps": {"other": other}})
    daemon.wait_ready(2, app="other")
    requests = {"make_request": lambda _: ("GET", "/100", b"")}
    sent = 0
    for _ in range(2):
        flow = load(port, duration_s=1, **requests).join()
        flow.assert_none_failed(at_least=20)
        sent += flow.sent
        reload(daemon, {"apps": {"other": {**other, "enabled": False}}})
        wait_until(lambda: not daemon.pids("delay-worker"), 10, "its workers are gone")
        reload(daemon, {"apps": {"other": other}})
        daemon.wait_ready(2, app="other")
    assert daemon.stop() == 0
    assert counted(daemon, "other") == sent


def test_more_apps_than_there_are_places(agentd):
    """One that comes for one that goes may have to wait for the next core; nothing else waits for it."""
    sleeper = {"command": ["/bin/sleep", "1000"], "listen": [], "workers": 1, "ready_timeout": 1000}
    names = [f"sleeper-{n}" for n in range(15)]
    daemon = agentd({"apps": {name: sleeper for name in names}}, wait=False)
    wait_until(lambda: daemon.control_socket.exists() and len(daemon.pids("sleep")) == 15, 10, "15 sleepers")
    names[3] = "late"
    reload(daemon, {"apps": {BOARD: {"workers": 3}, **{name: sleeper for name in names}}})
    daemon.wait_ready(3)
    wait_until(lambda: len(daemon.pids("sleep")) == 14, 10, "one has gone")
    assert "the newest wait for the next core" in daemon.log()
    assert daemon.ctl("restart", "--core", "--wait").returncode == 0
    wait_until(lambda: len(daemon.pids("sleep")) == 15, 10, "the one that came")
    assert any(app["name"] == "late" and app["workers"] for app in daemon.status()["apps"])


@pytest.mark.parametrize("kill_core", [False, True], ids=["", "core-killed"])
def test_restart_under_load(agentd, load, kill_core):
    """All workers are replaced one by one and no request fails, even if the core dies in the middle."""
    daemon = agentd({"apps": {BOARD: {"workers": 3}}})
    flow = load(daemon.port, duration_s=60)
    before = set(daemon.worker_pids())
    flow.wait_requests(50)
    assert daemon.control("POST", "/v1/restart", {"app": BOARD}).status == 202
    if kill_core:
        time.sleep(0.1)
        os.kill(daemon.core_pid(), signal.SIGKILL)
        daemon.wait_healthy()
        result = daemon.ctl("restart", BOARD, "--wait")
        assert result.returncode == 0, result.stderr
    wait_until(lambda: not before & set(daemon.worker_pids()), 20, "all are replaced")
    daemon.wait_ready(3)
    flow.wait_requests(50)
    flow.stop().assert_none_failed(at_least=50)
    assert daemon.stop() == 0
    assert counted(daemon) == flow.sent
