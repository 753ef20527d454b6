# SPDX-License-Identifier: Apache-2.0
"""What the tests of the holder share: its fixture, a worker that reports what it got, small helpers."""

import json
import os
import socket
import sys
import tempfile
from pathlib import Path

import pytest

from .daemon import wait_until
from .holder import Holder

WORKER = """
import json, os, socket, stat, sys
fds = {}
for name in os.listdir("/proc/self/fd"):
    try:
        fds[name] = os.readlink("/proc/self/fd/" + name)
    except OSError:
        pass
about = dict(environment=dict(os.environ), fds=fds, status=open("/proc/self/status").read(), pid=os.getpid(),
             group=os.getpgrp(), directory=os.getcwd(), groups=os.getgroups(), uid=os.getresuid(), gid=os.getresgid(),
             oom=open("/proc/self/oom_score_adj").read().strip(), cgroup=open("/proc/self/cgroup").read())
print("a line to stdout", flush=True)
print("a line to stderr", file=sys.stderr, flush=True)
with open(sys.argv[1] + ".new", "w") as out:
    json.dump(about, out)
os.rename(sys.argv[1] + ".new", sys.argv[1])
sys.stdin.read()
import signal; signal.pause()
"""


@pytest.fixture
def program():
    path = Path(os.environ.get("AGENTD_BUILD", "")) / "agentd"
    if not os.access(path, os.X_OK):
        pytest.fail(f"AGENTD_BUILD holds no agentd: {path}", pytrace=False)
    return path


@pytest.fixture
def holder(program):
    with tempfile.TemporaryDirectory(prefix="agentd-hold-") as directory:
        made = Holder(program, directory)
        yield made
        problems = made.finish()
    assert not problems, "\n".join(problems)


def alive(pid):
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def gone(pid, timeout_s=5):
    wait_until(lambda: not alive(pid), timeout_s, f"end of process {pid}")


def connects(port):
    with socket.socket() as client:
        client.settimeout(2)
        return client.connect_ex(("127.0.0.1", port)) == 0


def field(status, name):
    return next(line.split(":", 1)[1].split() for line in status.splitlines() if line.startswith(name + ":"))


def reporting_worker(holder, **keys):
    """An app whose workers write what they got to about.json."""
    script = holder.dir / "worker.py"
    script.write_text(WORKER)
    return holder.app(sys.executable, "-IS", str(script), str(holder.dir / "about.json"), **keys)


def report(holder):
    path = holder.dir / "about.json"
    wait_until(path.exists, 10, f"the worker's report\n{holder.log()}")
    about = json.loads(path.read_text())
    path.unlink()
    return about
