# SPDX-License-Identifier: Apache-2.0
"""What the tests of agentctl share: a daemon's answers, fixtures, a terminal, widths."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
import unicodedata
from pathlib import Path

import pytest

from .fake_control import FakeControl

OK, FAILED, USAGE, NOT_HEALTHY, UNREACHABLE, NOT_PERMITTED, TIMED_OUT, REFUSED = range(8)


def worker(slot, **more):
    return {
        "slot": slot,
        "pid": 4000 + slot,
        "state": "ready",
        "since_s": 7384,
        "uptime_s": 7385,
        "restarts": 0,
        "in_flight": 1,
        "cpu_percent": 12.34,
        "memory_bytes": 4404019,
        "requests": 6150,
        "last_exit": "",
        "status": "",
        **more,
    }


def app(name, workers, **more):
    return {
        "name": name,
        "wanted": len(workers),
        "ready": sum(w["state"] == "ready" for w in workers),
        "crash_loop": False,
        "restarts": 3,
        "requests": {"total": 12345, "2xx": 12300, "3xx": 40, "4xx": 4, "5xx": 1},
        "requests_per_second": 102.4,
        "latency_ms": {"p50": 1.23, "p99": 9.87},
        "workers": workers,
        **more,
    }


STATUS = {
    "schema_version": 1,
    "instance_id": "i-0123456789abcdef0",
    "version": "0.1.0",
    "state": "serving",
    "healthy": True,
    "status": "pass",
    "uptime_s": 273600,
    "holder": {"pid": 4000},
    "core": {"pid": 4001, "starts": 2, "uptime_s": 7384},
    "log_directory": None,
    "apps": [
        app("visitor-board", [worker(1), worker(2, state="backoff", pid=0, last_exit="killed by SIGKILL")]),
        app("api", [worker(1)], latency_ms={"p50": None, "p99": None}),
    ],
    "publish": {
        "sink": "file",
        "target": "/var/lib/agentd/metrics.jsonl",
        "windows_written": 123,
        "errors": 0,
        "last_success": "2026-11-21T22:25:16.123Z",
        "last_error": None,
    },
}

METRICS = {
    "schema_version": 1,
    "window_s": 10,
    "metrics": [
        {"name": "CPUUtilization", "app": None, "unit": "Percent", "scope": "host", "last": 12.5,
         "window": {"minimum": 1.0, "maximum": 30.0, "sum": 100.0, "count": 10}},
        {"name": "PressureCPU", "app": None, "unit": "Percent", "scope": "host", "last": None, "window": None},
        {"name": "AppMemory", "app": "visitor-board", "unit": "Bytes", "scope": "app", "last": 4404019,
         "window": {"minimum": 4404019, "maximum": 4404019, "sum": 44040190, "count": 10}},
        {"name": "AgentMemory", "app": None, "unit": "Bytes", "scope": "agent", "last": 3145728, "window": None},
    ],
}

EVENTS = {
    "schema_version": 1,
    "last_id": 8,
    "lost": 3,
    "events": [
        {"id": 7, "time": "2026-11-21T22:25:16.123Z", "event": "worker-died", "severity": "warning",
         "app": "visitor-board", "slot": 2, "pid": 4002,
         "text": "killed by SIGKILL after 12 s; its last words were long and go on for more than one line"},
        {"id": 8, "time": "2026-11-21T22:25:17.123Z", "event": "core-started", "severity": "info",
         "app": None, "slot": None, "pid": 4001, "text": "the core serves again"},
    ],
}

HEALTH = {"ok": True, "status": "pass", "instanceId": "i-0123456789abcdef0", "state": "serving",
          "apps": [{"name": "visitor-board", "ready": 2, "wanted": 2}]}

CONFIG_TEXT = 'agent: {\n  state_dir = "/var/lib/agentd"; # default\n};\n'

# What a terminal would obey, and what turns the direction of a line.
HOSTILE = "\x1b[31mred\x1b]0;title\x07\b\x7f\x9b5m\nsecond line\r\t\u202egnp\u200b " + "w\u0301\u6f22" * 60


@pytest.fixture(scope="session")
def binary():
    path = Path(os.environ.get("AGENTD_BUILD", "")) / "agentctl"
    if not os.access(path, os.X_OK):
        pytest.fail(f"AGENTD_BUILD holds no agentctl: {path}", pytrace=False)
    return str(path.resolve())


@pytest.fixture
def control(tmp_path):
    server = FakeControl(tmp_path / "control.sock")
    server.get("/v1/status", 200, STATUS)
    server.get("/v1/health", 200, HEALTH)
    server.get("/v1/metrics", 200, METRICS)
    server.get("/v1/events", 200, EVENTS)
    server.get("/v1/config", 200, {"schema_version": 1, "text": CONFIG_TEXT})
    server.post("/v1/restart", 202, {"schema_version": 1, "restarting": 2, "token": 5})
    server.get("/v1/restart/5", 200, {"schema_version": 1, "done": True, "failed": None})
    server.post("/v1/reload", 200, {"schema_version": 1, "changed": ["apps.api.workers"], "needs_restart": [],
                                        "apps": [{"name": "api", "queued": False}, {"name": "web", "queued": True}],
                                        "token": 5})
    server.post("/v1/scale", 202, {"schema_version": 1, "app": "api", "workers": 2, "before": 1})
    server.post("/v1/drain", 200, {"schema_version": 1, "state": "drained", "changed": True, "warning": "it may cost"})
    server.post("/v1/undrain", 200, {"schema_version": 1, "state": "serving", "changed": False})
    yield server
    server.stop()


def clean_environment(**more):
    environment = {k: v for k, v in os.environ.items()
                   if k not in ("AGENTCTL_SOCKET", "NO_COLOR", "COLUMNS", "TERM")}
    return {**environment, "LC_ALL": "C.UTF-8", "TERM": "xterm", **more}


@pytest.fixture
def ctl(binary, control):
    """ctl("status", "--json", environment={}): a CompletedProcess with text."""

    def run(*arguments, environment=None, socket_path=None, timeout_s=20, **options):
        result = subprocess.run(
            [binary, "--socket", str(socket_path or control.path), *arguments],
            env=clean_environment(**(environment or {})), capture_output=True, timeout=timeout_s, **options)
        result.stdout = result.stdout.decode()
        result.stderr = result.stderr.decode()
        assert "Sanitizer" not in result.stderr and "runtime error" not in result.stderr, result.stderr
        return result

    return run


def on_terminal(command, columns=80, environment=None):
    """What a command prints on a terminal of so many columns, and its exit status."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(command, stdout=slave, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
                               env=clean_environment(**(environment or {})))
    os.close(slave)
    output = b""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        readable, _, _ = select.select([master], [], [], 0.1)
        if not readable:
            continue
        try:
            chunk = os.read(master, 65536)
        except OSError:
            break
        if not chunk:
            break
        output += chunk
    os.close(master)
    status = process.wait(5)
    process.stderr.close()
    return output.decode().replace("\r\n", "\n"), status


COLOR = re.compile(r"\x1b\[[0-9]*m")


def columns_of(line):
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
               for c in line)


def assert_fits(text, columns=80):
    for line in COLOR.sub("", text).split("\n"):
        assert columns_of(line) <= columns, f"{columns_of(line)} columns: {line}"


def assert_harmless(text):
    """No control character but line ends, no direction marks."""
    for character in COLOR.sub("", text):
        assert character == "\n" or unicodedata.category(character) not in ("Cc", "Cf"), repr(character)


def follow(binary, socket_path, *arguments):
    return subprocess.Popen([binary, "--socket", str(socket_path), *arguments], env=clean_environment(),
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def read_lines(process, count, timeout_s=10):
    """So many lines of its standard output, or AssertionError."""
    os.set_blocking(process.stdout.fileno(), False)
    data = b""
    deadline = time.monotonic() + timeout_s
    while data.count(b"\n") < count:
        assert time.monotonic() < deadline, data
        select.select([process.stdout], [], [], 0.1)
        data += process.stdout.read() or b""
    return data.decode().splitlines()


def end(process):
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=5)
    assert process.returncode == -signal.SIGINT
    return stderr.decode()
