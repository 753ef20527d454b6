# SPDX-License-Identifier: Apache-2.0
"""
Configuration that is wrong, at start and at reload: one line that says where, what and what is allowed;
nothing half started, nothing half changed.
"""

import os
import shutil
import signal
import socket
import subprocess
import time

import pytest

from support.daemon import free_port, wait_until

NOBODY = 65534
USAGE, FAILED = 2, 1

# What is appended to a good configuration: (text, words that the line must have). The words of what is
# allowed are part of each.
WRONG = {
    "unknown key": ("publish: { snik = \"file\"; };", ("publish.snik", "sink")),
    "unknown section": ("pubish: { sink = \"file\"; };", ("pubish", "publish")),
    "unknown key of an app": ("apps: { visitor-board: { worker = 3; }; };", ("worker", "workers")),
    "wrong type": ("health: { lame_duck = \"soon\"; };", ("health.lame_duck", "0 to 300")),
    "number for a text": ("agent: { log_level = 3; };", ("agent.log_level", "error", "debug")),
    "text for a list": ("apps: { visitor-board: { command = \"/bin/true\"; }; };", ("command", "list")),
    "list for a number": ("apps: { visitor-board: { workers = [ 2 ]; }; };", ("workers", "0 to 64")),
    "fraction": ("health: { lame_duck = 1.5; };", ("health.lame_duck", "0 to 300")),
    "group for a number": ("health: { lame_duck: { s = 1; }; };", ("health.lame_duck", "0 to 300")),
    "too large": ("apps: { visitor-board: { workers = 65; }; };", ("workers", "0 to 64")),
    "negative": ("apps: { visitor-board: { workers = -1; }; };", ("workers", "0 to 64")),
    "past 64 bits": ("health: { lame_duck = 99999999999999999999; };", ("too large", "up to")),
    "not a choice": ("observe: { window = 30; };", ("observe.window", "10", "60")),
    "unknown word": ("publish: { sink = \"kafka\"; };", ("publish.sink", "none", "file")),
    "relative path": ("agent: { state_dir = \"state\"; };", ("agent.state_dir", "absolute")),
    "path too long for a socket": (f"agent: {{ runtime_dir = \"/{'x' * 80}\"; }};", ("agent.runtime_dir", "64")),
    "bad address": ("health: { listen = \"nowhere\"; };", ("health.listen",)),
    "port out of range": ("health: { listen = \"127.0.0.1:99999\"; };", ("health.listen",)),
    "relative program": ("apps: { visitor-board: { command = [ \"sh\" ]; }; };", ("command", "absolute")),
    "no program": ("apps: { visitor-board: { command = [ ]; }; };", ("command",)),
    "variable without =": ("apps: { visitor-board: { environment = [ \"X\" ]; }; };", ("environment", "NAME=value")),
    "variable of ours": ("apps: { visitor-board: { environment = [ \"LISTEN_FDS=9\" ]; }; };", ("LISTEN_FDS",)),
    "control character": ("publish: { namespace = \"a\\nb\"; };", ("publish.namespace",)),
    "name of an app": ("apps: { Board: { command = [ \"/bin/true\" ]; }; };", ("Board",)),
    "too many apps": ("apps: { " + " ".join(f"a{i}: {{ command = [ \"/bin/true\" ]; listen = [ ]; }};" for i in range(17))
                      + " };", ("16",)),
    "syntax error": ("health: { lame_duck = ; };", ()),
    "unclosed brace": ("health: { lame_duck = 1;", ()),
    "unclosed text": ("agent: { log_level = \"info; };", ()),
    "binary": ("\x00\x01\x02\xff = 1;", ()),
}


def run(daemon, *arguments, prefix=()):
    return subprocess.run([*prefix, *daemon.command_line(), *arguments], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, errors="replace", timeout=20, check=False)


def bad_text(daemon, text):
    """A file of its own with the wrong line as line 3, so that the line number can be told."""
    path = daemon.dir / "conf.d" / "bad.conf"
    path.write_text(f"# line 1\n# line 2\n{text}\n", encoding="latin-1")
    return path


def assert_nothing_started(daemon):
    assert daemon.process is None
    assert not [p for p in daemon.dir.rglob("*") if p.is_socket()]
    for port in (daemon.port, daemon.health_port):
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0, port


def assert_one_line(result, status, *words):
    assert result.returncode == status, result
    assert result.stdout == "" and len(result.stderr.splitlines()) == 1, result
    assert "\x1b" not in result.stderr and len(result.stderr) < 1000
    for word in words:
        assert str(word) in result.stderr, (word, result.stderr)


# --- At start ------------------------------------------------------------------------------------


@pytest.fixture
def stopped(agentd):
    """An Agentd with a good configuration that was not started."""
    return agentd(start=False)


@pytest.mark.parametrize("text, words", WRONG.values(), ids=WRONG.keys())
def test_start(stopped, text, words):
    path = bad_text(stopped, text)
    # a file that ends too early is wrong at its end
    where = f"{path}:3:" if not text.startswith("apps: { a0") else f"{path}"
    if "unclosed" in os.environ.get("PYTEST_CURRENT_TEST", ""):
        where = f"{path}:"
    for arguments in ([], ["--check"]):
        result = run(stopped, *arguments)
        assert_one_line(result, USAGE, where, *words)
    assert_nothing_started(stopped)
    check = stopped.ctl("config", "check", "--config", str(stopped.config_path))
    assert check.returncode == USAGE and where in check.stderr


def test_duplicates(stopped):
    """An app twice in a file is a mistake; in two files it is merged, as each key is."""
    stopped.write_config(stopped.config_path.read_text().replace("apps = {", "apps = { visitor-board = { workers = 1; };"))
    if "visitor-board = { workers" not in stopped.config_path.read_text():
        pytest.fail("the configuration is written otherwise than this test knows")
    assert_one_line(run(stopped), USAGE, stopped.config_path, "visitor-board")
    assert_nothing_started(stopped)


def test_missing_and_unreadable(stopped):
    stopped.config_path.rename(stopped.dir / "elsewhere")
    assert_one_line(run(stopped), USAGE, stopped.config_path, "No such file")
    (stopped.dir / "agentd.conf").mkdir()
    assert_one_line(run(stopped), USAGE, stopped.config_path)
    (stopped.dir / "agentd.conf").rmdir()
    os.mkfifo(stopped.config_path)  # would wait for ever
    assert_one_line(run(stopped), USAGE, stopped.config_path)
    stopped.config_path.unlink()
    stopped.config_path.symlink_to(stopped.config_path)
    assert_one_line(run(stopped), USAGE, stopped.config_path)
    stopped.config_path.unlink()
    stopped.config_path.write_text("# " + "x" * 70_000_000)
    assert_one_line(run(stopped), USAGE, stopped.config_path)
    assert_nothing_started(stopped)


def as_nobody():
    return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]


@pytest.fixture
def root():
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    if not shutil.which("setpriv"):
        pytest.fail("setpriv is missing: install util-linux")


def test_not_permitted_to_read(stopped, root):
    os.chmod(stopped.dir, 0o755)
    os.chmod(stopped.config_path, 0o600)
    result = run(stopped, "--check", prefix=as_nobody())
    assert_one_line(result, USAGE, stopped.config_path, "Permission denied")


@pytest.mark.parametrize("which", ["file", "directory"])
def test_writable_by_a_group(stopped, which, root):
    path = stopped.config_path
    if which == "directory":
        path = stopped.dir / "conf.d"
    os.chmod(path, 0o775 if which == "directory" else 0o664)
    assert run(stopped, "--check").returncode == 0  # by root's
    os.chown(path, 0, NOBODY)
    assert_one_line(run(stopped), USAGE, path, f"lets group {NOBODY} write", "chmod g-w")
    assert_nothing_started(stopped)


@pytest.mark.parametrize("which", ["file", "directory"])
def test_world_writable(stopped, which):
    """Whoever may write the configuration, may run programs as root."""
    path = stopped.config_path
    if which == "directory":
        path = stopped.dir / "conf.d"
    os.chmod(path, 0o757 if which == "directory" else 0o646)
    assert_one_line(run(stopped), USAGE, path, "lets anybody write", "chmod o-w")
    assert_nothing_started(stopped)


@pytest.mark.parametrize("which", ["health", "app"])
def test_port_in_use(stopped, which):
    port = stopped.health_port if which == "health" else stopped.port
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
        assert_one_line(run(stopped), FAILED, port, "in use")
    assert_nothing_started(stopped)


def test_good_configuration_is_ok(stopped):
    result = run(stopped, "--check")
    assert (result.returncode, result.stdout, result.stderr) == (0, "ok\n", "")
    assert_nothing_started(stopped)


# --- At reload -----------------------------------------------------------------------------------


def events(daemon, name):
    found = daemon.control("GET", "/v1/events?limit=256").json()["events"]
    return [event for event in found if event["event"] == name]


def by_signal(daemon, refusals):
    daemon.process.send_signal(signal.SIGHUP)
    wait_until(lambda: len(events(daemon, "config-refused")) > refusals, what="event config-refused")
    return events(daemon, "config-refused")[-1]["text"]


def by_control(daemon, refusals):
    answer = daemon.control("POST", "/v1/reload")
    assert answer.status == 409
    return answer.json()["error"]


def by_agentctl(daemon, refusals):
    result = daemon.ctl("reload")
    assert result.returncode not in (0, USAGE) and result.stdout == "", result
    return result.stderr


def state(daemon):
    return (daemon.core_pid(), sorted(daemon.worker_pids()), daemon.control("GET", "/v1/config").json()["text"])


@pytest.mark.parametrize("reload", [by_signal, by_control, by_agentctl])
def test_refused_reload_changes_nothing(agentd, reload):
    daemon = agentd()
    daemon.wait_ready(2)
    before = state(daemon)
    names = ["unknown key", "wrong type", "too large", "syntax error", "no program", "name of an app", "binary"]
    for i, name in enumerate(names):
        text, words = WRONG[name]
        path = bad_text(daemon, text)
        line = reload(daemon, i)
        for word in (f"{path}:3:", *words):
            assert word in line, (name, word, line)
        refused = events(daemon, "config-refused")
        assert len(refused) == i + 1 and f"{path}:3:" in refused[-1]["text"]
        assert state(daemon) == before
    path.unlink()
    daemon.config_path.rename(daemon.dir / "elsewhere")
    assert "agentd.conf" in reload(daemon, len(names))
    assert state(daemon) == before
    # the old one is in force for a new core too
    os.kill(daemon.core_pid(), signal.SIGKILL)
    wait_until(lambda: daemon.core_pid() not in (0, before[0]), what="a new core")
    daemon.wait_healthy()
    assert state(daemon)[1:] == before[1:]
    assert daemon.request().status == 200
    # and a good one is taken as if nothing had been
    (daemon.dir / "elsewhere").rename(daemon.config_path)
    assert daemon.ctl("reload", "--wait").returncode == 0
    assert state(daemon)[2] == before[2]


def test_reload_with_a_port_in_use(agentd):
    daemon = agentd()
    daemon.wait_ready(2)
    before = state(daemon)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        more = {"apps": {"more": {"command": ["/bin/sleep", "1000"], "listen": [f"127.0.0.1:{port}"], "workers": 1}}}
        daemon.write_config(more)
        result = daemon.ctl("reload")
        assert result.returncode not in (0, USAGE) and str(port) in result.stderr, result
        refused = events(daemon, "config-refused")
        assert len(refused) == 1 and str(port) in refused[0]["text"]
        assert state(daemon) == before
        assert daemon.pids("sleep") == []


def test_good_reload(agentd):
    daemon = agentd()
    daemon.wait_ready(2)
    core, first, _ = state(daemon)
    first = set(first)
    for workers in (3, 1, 2):
        daemon.write_config({"apps": {"visitor-board": {"workers": workers, "drain_timeout": 1, "idle_timeout": 1}}})
        if workers == 3:
            answer = daemon.control("POST", "/v1/reload").json()
            assert "apps.visitor-board.workers" in answer["changed"] and answer["needs_restart"] == []
        elif workers == 1:
            assert daemon.ctl("reload").returncode == 0
        else:
            daemon.process.send_signal(signal.SIGHUP)
        wait_until(lambda n=workers: len(daemon.worker_pids()) == n, 10, f"{workers} workers")
        daemon.wait_ready(workers)
        wait_until(lambda: not first & set(daemon.worker_pids()), 10, "the first ones are replaced")
        assert daemon.health().json()["status"] == "pass"
        assert daemon.request().status == 200
    assert daemon.core_pid() == core
    # what has no process of its own to restart
    daemon.write_config({"health": {"lame_duck": 2}})
    assert "health.lame_duck" in daemon.control("POST", "/v1/reload").json()["changed"]
    daemon.process.send_signal(signal.SIGTERM)
    begun = time.monotonic()
    wait_until(lambda: daemon.health().status == 503, 1.5, "/health says 503")
    while time.monotonic() < begun + 1.5:
        assert daemon.request().status == 200  # and goes on serving
        time.sleep(0.05)
    assert daemon.wait_exit() == 0
    assert 1.8 < time.monotonic() - begun < 6


def test_reload_that_needs_a_restart(agentd):
    """Keys that can't change while it runs are told, and change at the next start."""
    daemon = agentd()
    daemon.wait_ready(2)
    before = daemon.worker_pids()
    port = daemon.health_port
    daemon.health_port = free_port()
    daemon.write_config({"health": {"lame_duck": 0}})
    answer = daemon.control("POST", "/v1/reload").json()
    assert answer["needs_restart"] == ["health.listen"], answer
    assert daemon.request("GET", "/health", port=port).status == 200
    wait_until(lambda: not set(before) & set(daemon.worker_pids()), 10, "the workers are new")
    assert daemon.stop() == 0
    daemon.start()
    assert daemon.health().status == 200
