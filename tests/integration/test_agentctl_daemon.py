# SPDX-License-Identifier: Apache-2.0
"""agentctl with the real agentd: that both mean the same by the control API."""

import json
import os
import pwd
import signal
import subprocess
import time

import pytest

from support.agentctl import (
    assert_fits, assert_harmless, clean_environment, end, follow, FAILED, NOT_PERMITTED, OK, on_terminal,
    read_lines, UNREACHABLE, USAGE,
)
from support.daemon import wait_until


def pids(daemon):
    return {worker["pid"] for worker in daemon.workers() if worker["state"] == "ready"}


def test_reading(agentd):
    daemon = agentd()
    for _ in range(5):
        daemon.request("GET", "/")
    wait_until(lambda: daemon.status()["apps"][0]["requests"]["total"] >= 5, what="the requests are counted")
    status = daemon.ctl("status")
    assert status.returncode == OK
    assert_fits(status.stdout)
    for text in ("serving", "pass", "visitor-board  2/2 ready", f"holder pid {daemon.pid}",
                 f"core pid {daemon.core_pid()}", "metrics to file"):
        assert text in status.stdout, status.stdout
    health = daemon.ctl("health")
    assert health.returncode == OK and health.stdout.startswith("healthy  pass  serving")
    metrics = daemon.ctl("metrics")
    assert metrics.returncode == OK
    assert_fits(metrics.stdout)
    for name in ("CPUUtilization", "WorkersReady", "AgentMemory"):
        assert name in metrics.stdout
    events = daemon.ctl("events")
    assert events.returncode == OK and "worker-ready visitor-board.1" in events.stdout
    assert daemon.ctl("status", "--names").stdout.split() == ["visitor-board", "visitor-board.1", "visitor-board.2"]
    for verb in (["status"], ["health"], ["metrics"], ["events"], ["config", "show"], ["version"]):
        json.loads(daemon.ctl(*verb, "--json").stdout)


def test_config_show_is_a_configuration(agentd, tmp_path):
    daemon = agentd()
    shown = daemon.ctl("config", "show").stdout
    copy = tmp_path / "copy.conf"
    copy.write_text(shown)
    assert daemon.ctl("config", "check", "--config", str(copy)).stdout == "ok: 1 app\n"
    assert "workers = 2;" in shown


def test_restart(agentd):
    daemon = agentd()
    before = pids(daemon)
    result = daemon.ctl("restart", "visitor-board", "--wait")
    assert result.returncode == OK and result.stdout == "restarted 2 workers\n"
    assert len(pids(daemon)) == 2 and not pids(daemon) & before
    slot = daemon.workers()[0]["slot"]
    assert daemon.ctl("restart", f"visitor-board.{slot}", "--timeout", "20s").stdout == "restarted 1 worker\n"
    for wrong in ("nope", "visitor-board.96"):
        result = daemon.ctl("restart", wrong)
        assert result.returncode == USAGE and "no such app" in result.stderr


def test_restart_of_the_core(agentd):
    daemon = agentd()
    core, workers = daemon.core_pid(), pids(daemon)
    result = daemon.ctl("restart", "--core", "--wait")
    assert result.returncode == OK and result.stdout == "restarted the core\n"
    assert daemon.core_pid() != core and pids(daemon) == workers


def test_reload(agentd):
    daemon = agentd()
    daemon.write_config({"apps": {"visitor-board": {"workers": 3}}})
    result = daemon.ctl("reload", "--wait")
    assert result.returncode == OK and result.stdout == (
        "changed: apps.visitor-board.workers\nreloaded visitor-board\n")
    assert len(pids(daemon)) == 3
    daemon.config_path.write_text("agent: {\n  log_levle = 1;\n};\n")
    result = daemon.ctl("reload")
    assert result.returncode == FAILED and result.stderr.startswith(f"{daemon.config_path}:2: ")
    assert result.stderr.count("\n") == 1 and len(pids(daemon)) == 3


def test_reload_of_the_runtime_directory(agentd):
    """It waits for a restart, and a new core knows that too: the logs are where the holder writes them."""
    daemon = agentd()
    before = daemon.status()["log_directory"]
    daemon.write_config({"agent": {"runtime_dir": "/run/elsewhere"}})
    result = daemon.ctl("reload")
    assert result.returncode == OK and "agent.runtime_dir" in result.stdout
    daemon.ctl("restart", "--core", "--wait")
    assert daemon.status()["log_directory"] == before


def test_follow_over_a_core(agentd):
    """Whoever follows the events sees those after the core's replacement too."""
    daemon = agentd()
    process = follow(str(daemon.build / "agentctl"), daemon.control_socket, "events", "-f", "-n1", "--json")
    read_lines(process, 1)
    daemon.ctl("restart", "--core", "--wait")
    daemon.ctl("restart", "--wait")
    seen = []
    deadline = time.monotonic() + 15
    while "restart-done" not in seen and time.monotonic() < deadline:
        seen += [json.loads(line)["event"] for line in read_lines(process, 1)]
    end(process)
    assert "core-replaced" in seen and "restart-done" in seen, seen


def test_logs(agentd, tmp_path):
    """What a worker writes is shown, whatever it writes."""
    script = tmp_path / "chatter.sh"
    script.write_text("#!/bin/sh\nprintf 'hello \\033[31mred\\n'\nexec sleep 1000\n")
    script.chmod(0o755)
    daemon = agentd({"apps": {"chatter": {"command": [str(script)], "listen": [], "workers": 1,
                                          "scoreboard": False, "ready_timeout": 100}}}, wait=False)
    wait_until(lambda: daemon.control_socket.exists() and daemon.ctl("status").returncode == OK,
               what="agentctl reaches it")
    wait_until(lambda: "hello" in daemon.ctl("logs", "chatter").stdout, what="the worker's line")
    assert "hello [31mred\n" in daemon.ctl("logs", "chatter.1").stdout
    output, _ = on_terminal([str(daemon.build / "agentctl"), "--socket", str(daemon.control_socket), "logs"])
    assert "chatter.1: hello [31mred" in output.replace("\x1b[2m", "").replace("\x1b[0m", "")
    assert_harmless(output)
    # it has no scoreboard: nothing is known of its requests, which is not the same as none
    status = daemon.status()
    assert [app["requests"] is None for app in status["apps"] if app["name"] == "chatter"] == [True]
    assert "its requests are not counted" in daemon.ctl("status").stdout


def test_a_core_that_hangs(agentd):
    daemon = agentd({"agent": {"core_silence": 8}})
    core = daemon.core_pid()
    os.kill(core, signal.SIGSTOP)
    result = daemon.ctl("status")
    assert result.returncode == UNREACHABLE and "does not answer" in result.stderr
    # a change waits long enough for the core that takes its place
    result = daemon.ctl("restart", "--wait")
    assert result.returncode == OK and daemon.core_pid() != core


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user to be refused")
def test_permissions(agentd, public_agentctl):
    daemon = agentd({"apps": {"visitor-board": {"environment": ["NOTE=x", "PASSWORD=a=secret"]}}})
    os.chmod(daemon.dir, 0o755)
    os.chmod(daemon.dir / "run", 0o755)
    group = os.stat(daemon.control_socket).st_gid

    def run(groups, *arguments):
        def become_nobody():
            os.setgroups(groups)
            os.setgid(65534)
            os.setuid(pwd.getpwnam("nobody").pw_uid)

        return subprocess.run(
            [public_agentctl, "--socket", str(daemon.control_socket), *arguments], text=True,
            capture_output=True, timeout=30, env=clean_environment(), preexec_fn=become_nobody)

    assert os.stat(daemon.control_socket).st_mode & 0o007 == 0
    stranger = run([], "status")
    assert stranger.returncode == NOT_PERMITTED and stranger.stderr.count("\n") == 1
    assert run([group], "status").returncode == OK
    shown = run([group], "config", "show").stdout
    assert '"NOTE=(hidden)", "PASSWORD=(hidden)"' in shown and "secret" not in shown
    assert '"PASSWORD=a=secret"' in daemon.ctl("config", "show").stdout
    before = pids(daemon)
    for change in (["restart"], ["reload"], ["restart", "--core"]):
        refused = run([group], *change)
        assert refused.returncode == NOT_PERMITTED and "not permitted" in refused.stderr
    assert pids(daemon) == before


def test_cost_and_dry_run(agentd):
    """Before the first window both are refused; then cost counts the series that the bodies have."""
    daemon = agentd({"publish": {"asg_name": "fleet", "per_instance": True}})
    if not daemon.metric_data("CPUUtilization"):
        for verb in (("cost",), ("metrics", "--dry-run")):
            assert daemon.ctl(*verb).returncode in (0, 7)
    wait_until(lambda: daemon.metric_data("CPUUtilization"), 30, "a window", 0.2)
    wait_until(lambda: daemon.ctl("cost").returncode == 0, 5, "cost knows it", 0.2)

    def both():
        """Of one window: none may close between the two questions."""
        cost = daemon.ctl_json("cost")
        bodies = daemon.ctl_json("metrics", "--dry-run")["bodies"]
        data = [datum for body in bodies for datum in body["MetricData"]]
        series = {(d["MetricName"], *((p["Name"], p["Value"]) for p in d["Dimensions"])) for d in data}
        return (cost, series) if cost == daemon.ctl_json("cost") else None

    cost, series = wait_until(both, 10, "two answers about one window", 0.2)
    assert cost["metrics"] == len(series) > 20
    assert cost["metrics_per_instance"] == cost["metrics"] / 2
    assert cost["metrics_usd_month"] == pytest.approx(0.30 * len(series), abs=0.01)
    assert "nothing is sent" in daemon.ctl("cost").stdout
