# SPDX-License-Identifier: Apache-2.0
"""What the guest's tests use to look at the unit, its processes and its answers."""

import http.client
import json
import os
import pwd
import subprocess
import time
from pathlib import Path

from support.load_generator import Load, post_request

UNIT = "agentd.service"
BOARD_PORT = 8080
HEALTH_PORT = 8081
CGROUP = Path("/sys/fs/cgroup/system.slice") / UNIT
DROP_INS = Path("/etc/systemd/system") / (UNIT + ".d")
CONFIG_DIR = Path("/etc/agentd/conf.d")
UNIT_CAPABILITIES = 1 << 7 | 1 << 6 | 1 << 10  # SETUID, SETGID, NET_BIND_SERVICE


def run(*command, check=True, timeout_s=120, env=None):
    """A command's CompletedProcess, as text."""
    result = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False, env=env)
    if check and result.returncode != 0:
        raise AssertionError(f"{' '.join(command)}: exit {result.returncode}: {result.stdout}{result.stderr}")
    return result


def systemctl(*arguments, check=True, timeout_s=120):
    return run("systemctl", *arguments, check=check, timeout_s=timeout_s)


def show(*names):
    """Properties of the unit, one value or a list."""
    values = [systemctl("show", "--value", "-p", name, UNIT).stdout.strip() for name in names]
    return values[0] if len(values) == 1 else values


def wait_until(condition, timeout_s=60, what="condition"):
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            found = condition()
        except OSError:
            found = None
        if found:
            return found
        assert time.monotonic() < deadline, f"not within {timeout_s} s: {what}"
        time.sleep(0.1)


# --- Answers -------------------------------------------------------------------------------------


def request(method="GET", path="/", port=BOARD_PORT, body=None):
    """Status and body of one request. OSError when the port refuses."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        headers = {"Content-Type": "application/x-www-form-urlencoded"} if body else {}
        connection.request(method, path, body=body, headers=headers)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def healthy():
    return request(port=HEALTH_PORT, path="/health")[0] == 200


def wait_healthy(timeout_s=60):
    wait_until(healthy, timeout_s, "/health answers 200")


def refused(port):
    """Whether a connection to the port is refused."""
    try:
        request(port=port)
    except ConnectionRefusedError:
        return True
    return False


def load(duration_s, **options):
    """A low, steady load of both kinds with time limits for an emulated machine."""
    calm = {"clients_new": 2, "clients_kept": 2, "pause_s": 0.1, "slow_s": 30, "timeout_s": 60}
    return Load(BOARD_PORT, duration_s=duration_s, max_requests=2000, **{**calm, **options})


def status():
    """agentctl status --json."""
    result = run("agentctl", "status", "--json", check=False)
    assert result.returncode in (0, 3), f"agentctl status: exit {result.returncode}: {result.stderr}"
    return json.loads(result.stdout)


def board():
    """The board's part of the status."""
    return next(app for app in status()["apps"] if app["name"] == "visitor-board")


# --- Processes -----------------------------------------------------------------------------------


def status_fields(pid):
    """/proc/PID/status as a dict."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


def named(name):
    """Pids of living processes by their program's name."""
    pids = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            fields = status_fields(entry)
        except OSError:
            continue
        if fields["Name"] == name[:15] and not fields["State"].startswith("Z"):
            pids.append(int(entry))
    return sorted(pids)


def holder():
    """The main process, 0 while there is none."""
    return int(show("MainPID"))


def core():
    """The core, 0 while there is none."""
    pids = named("agentd-core")
    return pids[0] if len(pids) == 1 else 0


def send(pid, number):
    """A signal to one process; never to a group, as 0 would mean."""
    assert pid > 1, f"no process to signal: {pid}"
    os.kill(pid, number)


def workers():
    return named("visitor-board")


def wait_workers(count=2, without=(), timeout_s=90):
    """Until so many workers run, none of them one of |without|, and /health is 200."""

    def ready():
        pids = workers()
        return len(pids) == count and not set(pids) & set(without) and healthy()

    wait_until(ready, timeout_s, f"{count} workers")
    return workers()


def user_of(pid):
    """Real, effective, saved and file system user as one name; an error if they differ."""
    uids = set(status_fields(pid)["Uid"].split())
    assert len(uids) == 1, f"{pid} has several user ids: {uids}"
    return pwd.getpwuid(int(uids.pop())).pw_name


def capabilities(pid):
    """The five sets as numbers: dict of CapInh, CapPrm, CapEff, CapBnd, CapAmb."""
    fields = status_fields(pid)
    return {key: int(fields[key], 16) for key in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")}


def cgroup_of(pid):
    line = Path(f"/proc/{pid}/cgroup").read_text().splitlines()[-1]
    return line.partition("::")[2]


def unit_processes():
    """All pids in the unit's cgroup and below."""
    if not CGROUP.exists():
        return []
    return [int(pid) for file in CGROUP.rglob("cgroup.procs") for pid in file.read_text().split()]


# --- Changes -------------------------------------------------------------------------------------


def drop_in(text):
    """Sets the one drop-in of the tests (None removes it) and reloads the manager."""
    path = DROP_INS / "tests.conf"
    if text is None:
        path.unlink(missing_ok=True)
    else:
        DROP_INS.mkdir(exist_ok=True)
        path.write_text(text)
    systemctl("daemon-reload")


def restart(check=True):
    return systemctl("restart", UNIT, check=check)


def fresh_start(drop_in_text=None):
    """The unit newly started with that drop-in, healthy, both workers there."""
    drop_in(drop_in_text)
    systemctl("reset-failed", UNIT, check=False)
    restart()
    wait_workers()


def journal(*filters, since=None):
    arguments = ["journalctl", "--no-pager", "-q", "-o", "cat", *filters]
    if since is not None:
        arguments.append(f"--since=@{since:.3f}")
    return run(*arguments).stdout


def only_lost_inside(flow):
    """Nothing was refused: a request may be lost inside a killed worker, and in no other way."""
    causes = {record.error for record in flow.failed}
    assert not causes - {"econnreset", "eof", "epipe"}, flow.summary()


__all__ = [name for name in dir() if not name.startswith("_")]
