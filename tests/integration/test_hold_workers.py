# SPDX-License-Identifier: Apache-2.0
"""The holder's workers: what they get, how they end, what it refuses, control groups."""

import errno
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from support import holder as h
from support.daemon import free_port, wait_until
from support.holder_fixtures import alive, connects, field, gone, holder, program, report, reporting_worker  # noqa: F401


def without(capability):
    """
    A command's prefix: without it, though by root. Not inheritable either, for root gets that back when it executes
    something, and in some containers that set is full.
    """
    return ["setpriv", "--inh-caps", f"-{capability}", "--bounding-set", f"-{capability}"]


def test_start_end_release(holder):
    holder.configure({"web": holder.app()})
    core = holder.start()
    assert core.hello.argument == 0 and core.hello.text and not core.slots
    worker = core.start("web", 1)
    core.ask(h.SIGNAL, worker, argument=signal.SIGTERM)
    dead = core.expect_dead(worker, exit_code=h.CLD_KILLED, exit_status=signal.SIGTERM, pid=worker.pid)
    assert dead.ended_at_us > dead.started_at_us == worker.started_at_us
    core.release(worker)
    again = core.start("web", 1)
    assert again.serial > worker.serial
    core.ask(h.KILL, again)
    core.expect_dead(again, exit_code=h.CLD_KILLED, exit_status=signal.SIGKILL)
    core.release(again)
    assert holder.stop() == 0


def test_exit_status(holder):
    holder.configure({"web": holder.app("/bin/sh", "-c", "exit 7")})
    core = holder.start()
    worker = core.start("web", 3)
    core.expect_dead(worker, exit_code=h.CLD_EXITED, exit_status=7)


def test_a_listener_that_a_worker_shut_down(holder):
    """Some programs do so when they leave; it ends the socket for all who share it."""
    script = "import socket; socket.socket(fileno=3).shutdown(socket.SHUT_RDWR); input()"
    holder.configure({"web": holder.app(sys.executable, "-IS", "-c", script)})
    core = holder.start()
    worker = core.start("web", 1)
    core.expect_dead(worker, exit_code=h.CLD_EXITED, exit_status=1)
    assert connects(holder.port)


def test_what_a_worker_gets(holder):
    second = free_port()
    holder.configure({"web": reporting_worker(
        holder, listen=[f"127.0.0.1:{holder.port}", f"127.0.0.1:{second}"], directory="/usr",
        environment=["COLOUR=green", "PATH=/bin"])}, agent={"instance_id": "i-1"})
    core = holder.start()
    worker = core.start("web", 12)
    about = report(holder)
    environment = about["environment"]
    assert environment.pop("LC_CTYPE", None) in (None, "C.UTF-8")  # python's own
    assert environment == {
        "LISTEN_PID": str(worker.pid), "LISTEN_FDS": "2", "LISTEN_FDNAMES": "web:web",
        "AGENTD_GATE": "5", "AGENTD_SCOREBOARD": "6", "AGENTD_APP": "web", "AGENTD_SLOT": "12",
        "AGENTD_INSTANCE_ID": "i-1", "AGENTD_DRAIN_SECONDS": "1", "AGENTD_IDLE_SECONDS": "1",
        "NOTIFY_SOCKET": str(holder.run_dir / "notify.sock"), "COLOUR": "green", "PATH": "/bin",
        "LANG": environment["LANG"]}
    links = about["fds"]
    listing = links.pop("7", "")  # of /proc/self/fd itself
    assert listing.startswith("/proc") or not listing
    assert sorted(links) == ["0", "1", "2", "3", "4", "5", "6"]
    assert links["0"] == "/dev/null" and links["1"] == links["2"] == str(holder.run_dir / "log/web.12.log")
    assert links["3"].startswith("socket:") and links["4"].startswith("socket:") and links["3"] != links["4"]
    assert "memfd" in links["5"] and "memfd" in links["6"]
    assert os.readlink(f"/proc/self/fd/{worker.fd}") == links["6"]
    assert about["group"] == about["pid"] == worker.pid and about["directory"] == "/usr"
    status = about["status"]
    for name in ("CapInh", "CapPrm", "CapEff", "CapAmb", "SigBlk"):
        assert int(field(status, name)[0], 16) == 0, name
    ignored = int(field(status, "SigIgn")[0], 16) & ~(1 << (signal.SIGPIPE - 1)) & ~(1 << (signal.SIGXFSZ - 1))
    assert ignored == 0  # python ignores those two
    assert field(status, "NoNewPrivs") == ["1"]
    log = holder.run_dir / "log/web.12.log"
    wait_until(lambda: log.read_text() == "a line to stdout\na line to stderr\n", 5, "the log")
    assert log.stat().st_mode & 0o777 == 0o640
    assert connects(holder.port) and connects(second)


def test_a_worker_without_scoreboard(holder):
    holder.configure({"web": reporting_worker(holder, scoreboard=False, listen=[])})
    core = holder.start()
    core.start("web", 1)
    environment = report(holder)["environment"]
    assert "AGENTD_SCOREBOARD" not in environment and "LISTEN_FDS" not in environment
    assert environment["AGENTD_GATE"] == "3"


def test_log_files(holder):
    """Another process's journal stream is none of ours; and what is no file must not stop the holder."""
    holder.configure({"web": holder.app("/bin/echo", "hello")})
    core = holder.start(environment={"JOURNAL_STREAM": "1:2"})
    log = holder.run_dir / "log"
    log.mkdir()
    os.mkfifo(log / "web.1.log")
    core.send(h.START, app="web", slot=1)
    core.expect(h.REFUSED, error=errno.ENXIO)
    core.expect_dead(core.start("web", 2), exit_code=h.CLD_EXITED, exit_status=0)
    assert (log / "web.2.log").read_text() == "hello\n"


def test_what_the_core_gets(holder):
    core = holder.start(environment={"SECRET": "1", "NOTIFY_SOCKET": "@nobody"})
    environment = core.about["environment"]
    environment.pop("LC_CTYPE", None)
    assert set(environment) == {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "PATH", "LANG"}
    assert environment["LISTEN_PID"] == str(core.pid)
    assert environment["LISTEN_FDNAMES"] == "link:notify:ledger:config:control:health"
    assert core.about["arguments"] == ["--runtime-dir", str(holder.run_dir), "--config", str(holder.config_path),
                                       "--config-dir", str(holder.dir / "conf.d"), "--holder", str(holder.program)]
    assert core.about["directory"] == "/"
    for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        assert int(field(core.about["status"], name)[0], 16) == 0
    assert field(core.about["status"], "NoNewPrivs") == ["1"]
    assert os.fstat(core.fds["ledger"]).st_size >= 1024 * 1024
    assert holder.config_path.read_bytes() in os.pread(core.fds["config"], 100000, 0)
    with socket.socket(fileno=os.dup(core.fds["health"])) as health:
        assert health.getsockname() == ("127.0.0.1", holder.health_port)
    with socket.socket(fileno=os.dup(core.fds["control"])) as control:
        assert control.getsockname() == str(holder.run_dir / "control.sock")
        assert control.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1
    with socket.socket(fileno=os.dup(core.fds["notify"])) as notify:
        assert notify.getsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED) == 1
    assert (holder.run_dir / "notify.sock").stat().st_mode & 0o777 == 0o666
    assert (holder.run_dir / "control.sock").stat().st_mode & 0o777 == 0o660
    assert holder.run_dir.stat().st_mode & 0o777 == 0o755


def test_a_program_that_can_not_start(holder):
    holder.configure({"none": holder.app("/no/such/program"), "nowhere": holder.app(directory="/no/such", listen=[])})
    core = holder.start()
    for app, status, word in (("none", 203, "/no/such/program: errno 2"), ("nowhere", 200, "/no/such: errno 2")):
        worker = core.start(app, 1)
        core.expect_dead(worker, exit_code=h.CLD_EXITED, exit_status=status)
        assert word in (holder.run_dir / f"log/{app}.1.log").read_text()


def test_children_of_a_worker_go_with_it(holder):
    pids = holder.dir / "pids"
    holder.configure({"web": holder.app("/bin/sh", "-c", f"sleep 1000 & echo $! >{pids}; sleep 0.3; exit 0")})
    core = holder.start()
    worker = core.start("web", 1)
    core.expect_dead(worker, exit_code=h.CLD_EXITED, exit_status=0)
    gone(int(pids.read_text()))


def test_kill_takes_children_along(holder):
    pids = holder.dir / "pids"
    holder.configure({"web": holder.app("/bin/sh", "-c", f"sleep 1000 & echo $! >{pids}; wait")})
    core = holder.start()
    worker = core.start("web", 1)
    wait_until(lambda: pids.exists() and pids.read_text().strip(), 5, "the child's pid")
    core.ask(h.KILL, worker)
    core.expect_dead(worker, exit_status=signal.SIGKILL)
    gone(int(pids.read_text()))


def test_workers_die_with_the_holder(holder):
    holder.configure({"web": holder.app()})
    core = holder.start()
    worker = core.start("web", 1)
    holder.process.kill()
    holder.wait_exit()
    gone(worker.pid)
    gone(core.pid)


def test_user_and_groups(holder):
    if os.geteuid() != 0:
        pytest.skip("changing the user needs root")
    holder.dir.chmod(0o777)
    path = holder.dir / "status"
    holder.configure({"web": holder.app("/bin/sh", "-c", f"cat /proc/self/status >{path}.new; mv {path}.new {path}; sleep 1000",
                                        user="nobody", group="daemon"),
                      "ghost": holder.app(user="no-such-user", listen=[])})
    core = holder.start()
    core.start("web", 1)
    wait_until(path.exists, 5, f"the worker's report\n{holder.log()}")
    status = path.read_text()
    assert field(status, "Uid") == ["65534"] * 4 and field(status, "Gid") == ["1"] * 4
    assert "0" not in field(status, "Groups")
    for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        assert int(field(status, name)[0], 16) == 0
    core.send(h.START, app="ghost", slot=1)
    refused = core.expect(h.REFUSED, app="ghost", slot=1, argument=h.START, error=errno.ESRCH)
    assert "user" in refused.text


def test_a_user_that_is_out_of_reach(holder):
    """It runs all the same, as in a demo, but not without a word."""
    holder.configure({"web": holder.app(user="nobody")})
    core = holder.start(prefix=without("setuid") if os.geteuid() == 0 else [])
    worker = core.start("web", 1)
    assert os.stat(f"/proc/{worker.pid}").st_uid == os.geteuid()
    assert "web runs as agentd's own user" in holder.log()


def test_signals_without_cap_kill(holder):
    """As its user, and then the holder is itself again."""
    if os.geteuid() != 0:
        pytest.skip("changing the user needs root")
    holder.configure({"web": holder.app(user="nobody")})
    core = holder.start(prefix=without("kill"))
    status = Path(f"/proc/{holder.process.pid}/status")

    def identity():
        return [line for line in status.read_text().splitlines() if line.startswith(("Uid:", "Gid:", "Cap"))]

    before = identity()
    effective = next(int(line.split()[1], 16) for line in before if line.startswith("CapEff:"))
    assert effective and not effective & 1 << 5
    for number in (signal.SIGTERM, signal.SIGABRT):
        worker = core.start("web", 1)
        wait_until(lambda: b"sleep" in Path(f"/proc/{worker.pid}/cmdline").read_bytes(), 5, "exec")  # pylint: disable=cell-var-from-loop
        assert os.stat(f"/proc/{worker.pid}").st_uid == 65534
        core.ask(h.SIGNAL, worker, argument=number)
        core.expect_dead(worker, exit_status=number)
        core.release(worker)
    worker = core.start("web", 1)
    core.ask(h.KILL, worker)
    core.expect_dead(worker, exit_status=signal.SIGKILL)
    core.release(worker)
    assert identity() == before
    assert holder.stop() == 0


def test_a_worker_of_another_user_dies_with_the_holder(holder):
    if os.geteuid() != 0:
        pytest.skip("changing the user needs root")
    holder.configure({"web": holder.app(user="nobody")})
    worker = holder.start().start("web", 1)
    wait_until(lambda: b"sleep" in Path(f"/proc/{worker.pid}/cmdline").read_bytes(), 5, "exec")
    assert os.stat(f"/proc/{worker.pid}").st_uid == 65534
    holder.process.kill()
    holder.wait_exit()
    gone(worker.pid)




# --- Refusals ---


def test_refusals(holder):
    holder.configure({"web": holder.app(), "off": holder.app(enabled=False)})
    core = holder.start()
    worker = core.start("web", 1)

    def refused(type_, error, **fields):
        core.send(type_, **fields)
        answer = core.expect(h.REFUSED, argument=type_, error=error)
        assert (answer.app, answer.slot) == (fields["app"], fields["slot"]) and answer.text

    refused(h.START, errno.ENOENT, app="other", slot=1)
    refused(h.START, errno.ENOENT, app="off", slot=1)
    refused(h.START, errno.EBUSY, app="web", slot=1)
    stranger = dict(app="web", slot=1, serial=worker.serial + 1)
    refused(h.SIGNAL, errno.ESRCH, argument=signal.SIGTERM, **stranger)
    refused(h.KILL, errno.ESRCH, **stranger)
    refused(h.RELEASE, errno.ESRCH, **stranger)
    refused(h.KILL, errno.ESRCH, app="web", slot=2, serial=worker.serial)
    refused(h.KILL, errno.ESRCH, app="other", slot=1, serial=worker.serial)
    this = dict(app="web", slot=1, serial=worker.serial)
    refused(h.RELEASE, errno.EBUSY, **this)
    core.ask(h.KILL, worker)
    core.expect_dead(worker)
    refused(h.KILL, errno.EBUSY, **this)
    refused(h.SIGNAL, errno.EBUSY, argument=signal.SIGTERM, **this)
    refused(h.START, errno.EBUSY, app="web", slot=1)
    core.release(worker)
    refused(h.RELEASE, errno.ESRCH, **this)
    core.start("web", 1)




# --- Control groups ---


def test_control_groups(holder):
    """In a mount namespace with a cgroup2 of its own at the usual place, marked as delegated."""
    group = f"/sys/fs/cgroup/agentd-test-{os.getpid()}"
    setup = f"""mount -t cgroup2 none /sys/fs/cgroup && mkdir {group} && echo $$ >{group}/cgroup.procs &&
        {sys.executable} -c 'import os; os.setxattr("{group}", "user.delegate", b"1")' && exec "$@" """
    prefix = ["unshare", "-m", "sh", "-c", setup, "sh"]
    probe = subprocess.run([*prefix[:-2], setup.replace('exec "$@"', f"echo $PPID >{group}/../cgroup.procs; true")],
                           capture_output=True, text=True, check=False)
    if probe.returncode != 0:
        pytest.skip(f"no cgroup2 of our own here: {probe.stderr}")
    pids = holder.dir / "pids"
    holder.configure({"web": reporting_worker(holder),
                      "fork": holder.app("/bin/sh", "-c", f"setsid sleep 1000 & echo $! >{pids}; sleep 0.3", listen=[])})
    core = holder.start(prefix=[*prefix[:-2], setup.replace("mkdir ", "mkdir -p "), "sh"])

    def inside(*command):
        return subprocess.run(["nsenter", "-m", "-t", str(holder.process.pid), *command], capture_output=True, text=True,
                              check=False).stdout

    worker = core.start("web", 1)
    assert f"agentd-test-{os.getpid()}/workers/web.1\n" in report(holder)["cgroup"]
    assert "/hold\n" in Path(f"/proc/{core.pid}/cgroup").read_text()
    assert "/hold\n" in Path(f"/proc/{holder.process.pid}/cgroup").read_text()
    core.ask(h.KILL, worker)
    core.expect_dead(worker, exit_status=signal.SIGKILL)
    assert "web.1" in inside("ls", f"{group}/workers")  # the core reads memory.events
    core.release(worker)
    assert "web.1" not in inside("ls", f"{group}/workers")
    worker = core.start("fork", 1)
    core.expect_dead(worker, exit_code=h.CLD_EXITED, exit_status=0)
    gone(int(pids.read_text()))  # though it had left the process group
    core.release(worker)
    assert holder.stop() == 0
