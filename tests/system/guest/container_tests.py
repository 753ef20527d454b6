# SPDX-License-Identifier: Apache-2.0
"""Tests in the container: installing, starting, answering, stopping. It has no cgroups to hand out."""

import json
import os
import signal
import time

from unit import *  # pylint: disable=wildcard-import,unused-wildcard-import

REBOOT = "reboot"


def starts():
    """the installed unit is active, with its users and directories."""
    wait_until(lambda: show("ActiveState") == "active", what="agentd.service is active")
    wait_workers(len(os.sched_getaffinity(0)))
    assert oct(os.stat("/var/lib/visitor-board").st_mode & 0o777) == "0o750"
    assert user_of(workers()[0]) == "visitor-board"
    assert user_of(holder()) == "agentd"


def answers():
    """the board takes a message and shows it, /health names the instance."""
    assert request("POST", "/", body="message=from+the+container")[0] == 302
    code, page = request()
    assert code == 200 and "from the container" in page
    code, body = request(port=HEALTH_PORT, path="/health")
    assert code == 200 and json.loads(body)["ok"] is True and json.loads(body)["instanceId"]


def control():
    """agentctl status exits with 0 and shows the workers as ready."""
    result = run("agentctl", "status")
    assert "visitor-board" in result.stdout
    serving = [worker for worker in board()["workers"] if worker["pid"]]
    assert {worker["state"] for worker in serving} == {"ready"}
    # Their memory is read in control groups, or in /proc where that shows them; where it can't be, it isn't 0.
    assert all(worker["memory_bytes"] != 0 for worker in serving), serving


def memory_limit_that_nobody_holds():
    """memory_max without control groups, of workers whose /proc is hidden: one warning says so."""
    extra, since = CONFIG_DIR / "90-memory.conf", time.time() - 1
    extra.write_text("apps: { visitor-board: { memory_max = 64; }; };\n")
    is_held = (CGROUP / "workers/visitor-board.1/memory.max").exists()
    try:
        restart()
        wait_healthy()
        time.sleep(15)  # a worker is ready for 10 s before anybody says so
        said = journal("-u", UNIT, since=since).count("memory_max of visitor-board is not in force")
        assert said == (0 if is_held else 1), said
    finally:
        extra.unlink()
        restart()
        wait_healthy()


def core_killed():
    """a killed core is replaced, the workers stay."""
    before, serving = wait_until(core, what="a core"), workers()
    send(before, signal.SIGKILL)
    wait_until(lambda: core() not in (0, before), what="a new core")
    wait_healthy()
    assert workers() == serving


def stops():
    """systemctl stop leaves no process, and both ports refuse."""
    systemctl("stop", "agentd.service")
    left = named("agentd") + named("agentd-core") + workers()
    assert not left, f"left: {left}"
    assert refused(BOARD_PORT) and refused(HEALTH_PORT)
    assert show("Result") == "success"


TESTS = [starts, answers, control, memory_limit_that_nobody_holds, core_killed, stops]
