# SPDX-License-Identifier: Apache-2.0
"""systemd's side of the holder: notifications, the descriptor store, a new holder after a killed one."""

import os
import socket
import sys

import pytest

from support import holder as h
from support.daemon import free_port, wait_until
from support.holder_fixtures import holder, program, report, reporting_worker  # noqa: F401

LAUNCHER = """
import os, sys
fds = [int(fd) for fd in sys.argv[1].split(",")]
high = [os.dup2(fd, 100 + i) for i, fd in enumerate(fds)]
for i, fd in enumerate(high):
    os.dup2(fd, 3 + i)
    os.close(fd)
os.environ["LISTEN_PID"] = str(os.getpid())
os.environ["LISTEN_FDS"] = str(len(fds))
os.environ["LISTEN_FDNAMES"] = sys.argv[2]
os.execv(sys.argv[3], sys.argv[3:])
"""


class Systemd:
    """The manager's side of sd_notify: what was said, and the descriptor store."""

    def __init__(self, directory):
        self.path = str(directory / "systemd.sock")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.socket.setblocking(False)
        self.said, self.store = [], []

    def read(self):
        """Takes in what has come."""
        while True:
            try:
                text, fds, _, _ = socket.recv_fds(self.socket, 65536, 4)
            except BlockingIOError:
                return self
            lines = text.decode().split("\n")
            name = next((line[7:] for line in lines if line.startswith("FDNAME=")), None)
            if "FDSTORE=1" in lines:
                assert len(fds) == 1 and "FDPOLL=0" in lines and ":" not in name
                self.put(name, fds[0])
            elif "FDSTOREREMOVE=1" in lines:
                for entry in [entry for entry in self.store if entry[0] == name]:
                    os.close(entry[1])
                    self.store.remove(entry)
            else:
                self.said += lines

    def put(self, name, fd):
        same = [entry for entry in self.store if os.fstat(entry[1]).st_ino == os.fstat(fd).st_ino]
        if same:  # as the manager does it
            os.close(fd)
        else:
            self.store.append((name, fd))

    def names(self):
        self.read()
        return sorted(name for name, _ in self.store)

    def options(self, **environment):
        """For Holder.start(): the store is handed in."""
        self.read()
        options = {"environment": {"NOTIFY_SOCKET": self.path, **environment}}
        if self.store:
            fds = [fd for _, fd in self.store]
            options["pass_fds"] = fds
            options["prefix"] = [sys.executable, "-IS", "-c", LAUNCHER, ",".join(map(str, fds)),
                                 ":".join(name for name, _ in self.store)]
        return options

    def close(self):
        self.socket.close()
        for _, fd in self.store:
            os.close(fd)


@pytest.fixture
def systemd(holder):
    made = Systemd(holder.dir)
    yield made
    made.close()


def test_ready_status_watchdog_and_stop(holder, systemd):
    core = holder.launch(**systemd.options(WATCHDOG_USEC="600000")).next_core().sync()
    assert "READY=1" not in systemd.read().said
    core.send(h.READY)
    core.send(h.STATUS, text="2 of 2 workers ready")
    wait_until(lambda: "STATUS=2 of 2 workers ready" in systemd.read().said, 5, "the status")
    assert systemd.said.count("READY=1") == 1
    wait_until(lambda: systemd.read().said.count("WATCHDOG=1") >= 2, 5, "the watchdog is fed")
    core.kill()
    holder.next_core().ready()
    assert holder.stop() == 0
    systemd.read()
    assert systemd.said.count("READY=1") == 1 and "STOPPING=1" in systemd.said
    assert any(line.startswith("EXTEND_TIMEOUT_USEC=") for line in systemd.said)


def test_the_stored_configuration_is_for_recovery(holder, systemd):
    holder.start(**systemd.options())
    assert holder.stop() == 0
    names = systemd.names()
    assert "config" not in names and "ledger" in names  # listeners and notes wait for a restart
    holder.config_path.write_text("nonsense = 1;\n")
    holder.launch(**systemd.options())
    assert holder.wait_exit() == 2


def test_the_store_follows(holder, systemd):
    listeners = [f"listen.127.0.0.1_{holder.health_port}", f"listen.{holder.run_dir}/control.sock"]
    always = ["config", "ledger", *listeners]
    holder.configure({"web": holder.app()})
    core = holder.start(**systemd.options())
    with_app = sorted([*always, f"listen.127.0.0.1_{holder.port}"])
    assert systemd.names() == with_app
    worker = core.start("web", 1)
    assert systemd.names() == sorted([*with_app, f"slot.web.1.{worker.serial}"])
    core.ask(h.KILL, worker)
    core.expect_dead(worker)
    assert f"slot.web.1.{worker.serial}" in systemd.names()
    core.release(worker)
    assert systemd.names() == with_app
    holder.configure({})
    core.send(h.RECONFIGURE)
    core.expect(h.CONFIG)
    assert systemd.names() == sorted(always)


def test_a_new_holder_takes_over(holder, systemd):
    holder.configure({"web": holder.app()})
    core = holder.start(**systemd.options())
    worker = core.start("web", 7)
    os.pwrite(worker.fd, b"counted", 4096)
    os.pwrite(core.fds["ledger"], b"notes", 0)
    inode = os.fstat(core.fds["health"]).st_ino
    with socket.create_connection(("127.0.0.1", holder.port)) as queued:
        holder.process.kill()
        holder.wait_exit()
        core.close()
        holder.config_path.write_text("nonsense = 1;\n")  # a bad edit does not keep it down
        core = holder.start(**systemd.options())
        assert "going on with the configuration of before" in holder.log()
        assert os.fstat(core.fds["health"]).st_ino == inode
        assert os.pread(core.fds["ledger"], 5, 0) == b"notes"
        (slot,) = core.slots
        assert (slot.app, slot.slot, slot.serial, slot.state) == ("web", 7, worker.serial, h.DEAD)
        assert slot.exit_code == 0 and slot.pid == 0 and os.pread(slot.fd, 7, 4096) == b"counted"
        core.release(slot)
        again = core.start("web", 7)
        assert again.serial > worker.serial
        with socket.socket(fileno=os.dup(dict(systemd.read().store)[f"listen.127.0.0.1_{holder.port}"])) as listener:
            listener.settimeout(5)
            listener.accept()[0].sendall(b"served")
        queued.settimeout(5)
        assert queued.recv(6) == b"served"
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(holder.run_dir / "control.sock"))
    assert len(set(systemd.names())) == len(systemd.names())


def test_what_nothing_needs_leaves_the_store(holder, systemd):
    with socket.socket() as stray, socket.socket() as unit, socket.socket() as plain:
        for listener, port in ((stray, free_port()), (unit, holder.port)):
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", port))
            listener.listen()
        inode = os.fstat(unit.fileno()).st_ino
        for name, fd in (("listen.old", stray.fileno()), ("agentd.socket", unit.fileno()), ("x", plain.fileno()),
                         ("slot.web.1.5", os.open("/dev/null", os.O_RDWR)), ("slot.garbage", os.memfd_create("x")),
                         ("ledger", os.memfd_create("y"))):
            systemd.put(name, os.dup(fd))
    holder.configure({"web": reporting_worker(holder)})
    core = holder.start(**systemd.options())
    assert not core.slots
    names = systemd.names()
    assert not {"listen.old", "x", "slot.web.1.5", "slot.garbage"} & set(names) and "agentd.socket" in names
    core.start("web", 1)
    assert report(holder)["fds"]["3"] == f"socket:[{inode}]"


def test_another_address_after_a_restart(holder, systemd):
    """What the store still listens on is in nobody's way: 127.0.0.1 and [::] exclude each other."""
    holder.configure({"web": holder.app()})
    holder.start(**systemd.options())
    assert holder.stop() == 0
    holder.configure({"web": holder.app(listen=[str(holder.port)])})
    holder.launch(**systemd.options()).next_core().ready()
    assert f"listen.{holder.port}" in systemd.names() and f"listen.127.0.0.1_{holder.port}" not in systemd.names()
    socket.create_connection(("127.0.0.1", holder.port)).close()


def test_a_socket_made_anew_stays_in_the_store(holder, systemd):
    """It has the name of the one before, whose path was removed by somebody."""
    path = holder.dir / "web.sock"
    holder.configure({"web": holder.app(listen=[str(path)])})
    holder.start(**systemd.options())
    assert holder.stop() == 0
    path.unlink()
    holder.launch(**systemd.options()).next_core().ready()
    assert systemd.names().count(f"listen.{path}") == 1
    holder.process.kill()
    holder.wait_exit()
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
