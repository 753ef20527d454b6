# SPDX-License-Identifier: Apache-2.0
"""The holder's start, reload and stop."""

import errno
import os
import signal
import socket
import subprocess
import time

import pytest

from support import holder as h
from support.daemon import free_port
from support.holder_fixtures import alive, connects, gone, holder, program  # noqa: F401

def run(program, *arguments):
    return subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, timeout=20, check=False)


def test_usage(program):
    for arguments in (["--nonsense"], ["stray"], ["--config"]):
        result = run(program, *arguments)
        assert result.returncode == 2 and len(result.stderr.splitlines()) == 1, result
    result = run(program, "--help")
    assert result.returncode == 0 and "--config" in result.stdout and max(map(len, result.stdout.splitlines())) <= 100
    result = run(program, "--version")
    assert result.returncode == 0 and result.stdout.startswith("agentd ")


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("text, word", [
    ("nonsense = 1;\n", ":1:"), ("agent: { log_level = 7; };\n", "log_level"),
    ("health: { lame_duck = 9999; };\n", "lame_duck"), ("agent: {\n", ":"), (None, "agentd.conf")])
def test_bad_configuration(holder, check, text, word):
    if text is None:
        holder.config_path.unlink()
    else:
        holder.config_path.write_text(text)
    result = run(holder.program, "--config", holder.config_path, "--libexec", holder.dir, *(["--check"] if check else []))
    assert result.returncode == 2 and not result.stdout, result
    assert len(result.stderr.splitlines()) == 1 and word in result.stderr and "agentd.conf" in result.stderr
    assert not holder.run_dir.exists()


def test_check(holder):
    holder.configure({"web": holder.app()})
    result = run(holder.program, "--config", holder.config_path, "--check")
    assert (result.returncode, result.stdout, result.stderr) == (0, "ok\n", "")
    (holder.dir / "conf.d").mkdir()
    (holder.dir / "conf.d/a.conf").write_text("nonsense = 1;\n")
    assert run(holder.program, "--config", holder.config_path, "--check").returncode == 2
    result = run(holder.program, "--config", holder.config_path, "--config-dir", "/no/such", "--check")
    assert result.returncode == 0
    assert not holder.run_dir.exists()


@pytest.mark.parametrize("which", ["app", "health", "twice"])
def test_port_in_use(holder, which):
    port = holder.health_port if which == "health" else holder.port
    holder.configure({"web": holder.app(), **({"web-2": holder.app()} if which == "twice" else {})})
    with socket.socket() as other:
        if which != "twice":
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            other.bind(("127.0.0.1", port))
            other.listen()
        result = run(holder.program, "--config", holder.config_path, "--libexec", holder.dir)
    assert result.returncode in ((1, 2) if which == "twice" else (1,)), result
    assert len(result.stderr.splitlines()) == 1 and str(port) in result.stderr
    assert not holder.run_dir.exists() or not list(holder.run_dir.iterdir())


def test_a_second_one_on_the_same_directory(holder):
    core = holder.start()
    result = run(holder.program, "--config", holder.config_path, "--libexec", holder.dir)
    assert result.returncode == 1 and "control.sock" in result.stderr
    assert (holder.run_dir / "control.sock").is_socket() and (holder.run_dir / "notify.sock").is_socket()
    core.send(h.PING)


def test_a_relative_directory_for_the_core(holder):
    holder.launch(prefix=["env", "-C", str(holder.dir.parent)], arguments=["--libexec", holder.dir.name])
    holder.next_core().ready()


def test_no_core_to_run(holder):
    (holder.dir / "agentd-core").unlink()
    result = run(holder.program, "--config", holder.config_path, "--libexec", holder.dir)
    assert result.returncode == 1 and len(result.stderr.splitlines()) == 1 and "agentd-core" in result.stderr
    assert not holder.run_dir.exists()




# --- Reload ---


def test_reload(holder):
    second = free_port()
    web, api = holder.app(), holder.app(listen=[f"127.0.0.1:{second}"])
    holder.configure({"web": web})
    core = holder.start()
    worker = core.start("web", 1)
    holder.configure({"web": web, "api": api})
    core.send(h.START, app="api", slot=1)
    core.expect(h.REFUSED, error=errno.ENOENT)
    assert not connects(second)
    core.send(h.RECONFIGURE)
    image = core.expect(h.CONFIG)
    assert holder.config_path.read_bytes() in os.pread(image.fd, 100000, 0)
    assert connects(second)
    core.start("api", 1)

    # An app that is gone keeps its listener until its last worker is released.
    holder.configure({"api": api})
    core.send(h.RECONFIGURE)
    core.expect(h.CONFIG)
    assert connects(holder.port)
    core.send(h.START, app="web", slot=2)
    core.expect(h.REFUSED, error=errno.ENOENT)
    core.ask(h.KILL, worker)
    core.expect_dead(worker)
    assert connects(holder.port)
    core.release(worker)
    core.send(h.START, app="web", slot=1)
    core.expect(h.REFUSED, error=errno.ENOENT)
    assert not connects(holder.port)

    core.kill()
    new = holder.next_core().ready()
    assert holder.config_path.read_bytes() in os.pread(new.fds["config"], 100000, 0)


def test_a_listener_moves_from_app_to_app(holder):
    holder.configure({"web": holder.app()})
    core = holder.start()
    worker = core.start("web", 1)
    holder.configure({"web-2": holder.app()})
    core.send(h.RECONFIGURE)
    core.expect(h.CONFIG)
    core.start("web-2", 1)
    core.ask(h.KILL, worker)
    core.expect_dead(worker)
    core.release(worker)
    assert connects(holder.port)


def test_a_refused_reload_changes_nothing(holder):
    second = free_port()
    holder.configure({"web": holder.app()})
    before = holder.config_path.read_bytes()
    core = holder.start()
    with socket.socket() as other:
        other.bind(("127.0.0.1", second))
        other.listen()
        third = free_port()
        holder.configure({"web": holder.app(), "a": holder.app(listen=[f"127.0.0.1:{third}"]),
                          "b": holder.app(listen=[f"127.0.0.1:{second}"])})
        core.send(h.RECONFIGURE)
        refused = core.expect(h.REFUSED, argument=h.RECONFIGURE, error=errno.EADDRINUSE, app="", slot=0)
        assert str(second) in refused.text and not connects(third)
    holder.config_path.write_text("x" * 300 + " = 1;\n")
    core.send(h.RECONFIGURE)
    assert core.expect(h.REFUSED, argument=h.RECONFIGURE).text
    core.start("web", 1)
    core.send(h.START, app="a", slot=1)
    core.expect(h.REFUSED, error=errno.ENOENT)
    core.kill()
    assert before in os.pread(holder.next_core().ready().fds["config"], 100000, 0)


def test_addresses_stay_until_a_restart(holder):
    second = free_port()
    holder.configure({"web": holder.app()})
    core = holder.start()
    holder.configure({"web": holder.app(listen=[f"127.0.0.1:{second}"], command=["/bin/sh", "-c", "exit 9"])})
    for _ in range(2):
        core.send(h.RECONFIGURE)
        core.expect(h.CONFIG)
        assert connects(holder.port) and not connects(second)
    core.expect_dead(core.start("web", 1), exit_status=9)  # the rest is in force
    assert holder.stop() == 0
    holder.start()
    assert connects(second) and not connects(holder.port)


def test_hangup_is_the_cores(holder):
    core = holder.launch().next_core()
    holder.process.send_signal(signal.SIGHUP)  # one that is not ready may not catch it yet
    core.sync()
    core.send(h.START, app="none", slot=1)
    core.expect(h.REFUSED)
    core.send(h.READY)
    gone(core.pid)  # the script's SIGHUP is its end; a core asks for a reload
    core.ended()
    core = holder.next_core().ready()
    core.send(h.START, app="none", slot=1)
    core.expect(h.REFUSED)
    holder.process.send_signal(signal.SIGHUP)
    gone(core.pid)
    core.ended()
    holder.next_core()
    assert holder.log().count("ended with signal 1") == 2




# --- Stop ---


def test_stop(holder):
    holder.configure({"web": holder.app()})
    core = holder.start()
    worker = core.start("web", 1)
    holder.process.send_signal(signal.SIGTERM)
    core.expect(h.STOPPING)
    assert connects(holder.port)  # still serving: the core decides how long
    core.ask(h.SIGNAL, worker, argument=signal.SIGTERM)
    core.expect_dead(worker)
    core.release(worker)
    core.send(h.STOPPED)
    core.close()
    holder.connections[-1].close()
    assert holder.wait_exit(10) == 0
    assert not connects(holder.port) and not connects(holder.health_port)
    assert [path.name for path in holder.run_dir.iterdir()] == ["log"]


def test_a_core_killed_while_stopping_is_told_again(holder):
    holder.configure({"web": holder.app()})
    core = holder.start()
    worker = core.start("web", 1)
    holder.process.send_signal(signal.SIGINT)
    core.expect(h.STOPPING)
    core.kill()
    new = holder.next_core().ready()
    assert [slot.pid for slot in new.slots] == [worker.pid]
    assert new.stopping
    new.ask(h.KILL, worker)
    new.expect_dead(worker)
    new.kill()  # nothing runs any more, but the worker's numbers are not taken yet
    third = holder.next_core().ready()
    assert third.stopping
    assert [(slot.state, slot.serial) for slot in third.slots] == [(h.DEAD, worker.serial)]
    third.kill()
    holder.next_core().kill()  # one that never comes to work is the last
    assert holder.wait_exit(10) == 0


def test_stop_has_a_deadline(holder):
    holder.configure({"web": holder.app("/bin/sh", "-c", "trap '' TERM; sleep 1000 & wait; wait", drain_timeout=0,
                                        idle_timeout=0)})
    core = holder.start()
    worker = core.start("web", 1)
    began = time.monotonic()
    holder.process.send_signal(signal.SIGTERM)
    core.expect(h.STOPPING)
    assert holder.wait_exit(15) == 0
    assert 4.5 < time.monotonic() - began < 9
    assert not alive(worker.pid)


def test_a_second_signal_stops_at_once(holder):
    holder.configure({"web": holder.app("/bin/sh", "-c", "trap '' TERM; sleep 1000 & wait; wait")})
    core = holder.start()
    worker = core.start("web", 1)
    holder.process.send_signal(signal.SIGTERM)
    core.expect(h.STOPPING)
    began = time.monotonic()
    holder.process.send_signal(signal.SIGTERM)
    assert holder.wait_exit(5) == 0
    assert time.monotonic() - began < 4 and not alive(worker.pid)


def test_stop_without_a_core(holder):
    (holder.dir / "agentd-core").write_text("#!/bin/sh\nexit 5\n")
    holder.launch().wait_log("the next starts in 800 ms")
    holder.process.send_signal(signal.SIGTERM)
    assert holder.wait_exit(10) == 0
