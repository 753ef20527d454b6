# SPDX-License-Identifier: Apache-2.0
"""
The holder alone, under a core that the test itself plays: the agentd-core that the holder starts
is a script that hands all its descriptors over to the test and then only lives or dies.
"""

import array
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

from . import libconfig
from .daemon import free_port, wait_until

LAYOUT = struct.Struct("=IHH32sIIQiiiiiIQQ128s")  # struct hold_message of agent/hold/messages.h
MAGIC, VERSION = 0x484D4741, 2
READY, PING, START, SIGNAL, KILL, RELEASE, STATUS, RECONFIGURE, STOPPED, SAVE, UPGRADE = range(1, 12)
HELLO, SLOT, SYNCED, CONFIG, REFUSED, STOPPING, SAVED, UPGRADED = range(64, 72)
EMPTY, RUNNING, DEAD = range(3)
CLD_EXITED, CLD_KILLED = 1, 2
SILENCE_S = 3  # the shortest that the configuration allows

CORE = """#!{python} -IS
import array, json, os, socket, sys
link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
link.connect(os.path.dirname(sys.argv[0]) + "/driver.sock")
about = dict(pid=os.getpid(), environment=dict(os.environ), directory=os.getcwd(), arguments=sys.argv[1:],
             status=open("/proc/self/status").read())
fds = array.array("i", range(3, 3 + int(os.environ["LISTEN_FDS"])))
link.sendmsg([json.dumps(about).encode()], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
link.recv(1)
"""


class Message:
    """A struct hold_message as attributes, and the descriptor that came along or -1."""

    FIELDS = ("app", "slot", "state", "serial", "pid", "argument", "error", "exit_code", "exit_status")

    def __init__(self, data, fd):
        values = LAYOUT.unpack(data)
        self.magic, self.version, self.type = values[:3]
        self.app, self.slot, self.state, self.serial = values[3].rstrip(b"\0").decode(), *values[4:7]
        self.pid, self.argument, self.error, self.exit_code, self.exit_status = values[7:12]
        self.started_at_us, self.ended_at_us, self.text = *values[13:15], values[15].rstrip(b"\0").decode()
        self.fd = fd

    def __repr__(self):
        fields = " ".join(f"{name}={getattr(self, name)}" for name in (*self.FIELDS, "text"))
        return f"<type={self.type} fd={self.fd} {fields}>"


def pack(type_, app="", slot=0, serial=0, argument=0, text="", version=VERSION):
    """A message of the core as bytes."""
    return LAYOUT.pack(MAGIC, version, type_, app.encode(), slot, 0, serial, 0, argument, 0, 0, 0, 0, 0, 0, text.encode())


class Core:
    """One core process; the test speaks in its place."""

    def __init__(self, about, fds):
        self.about = about
        self.pid = about["pid"]
        self.fds = dict(zip(about["environment"]["LISTEN_FDNAMES"].split(":"), fds))
        self.link = socket.socket(fileno=self.fds["link"])
        self.link.settimeout(10)
        self.hello, self.slots, self.stopping, self.upgraded = None, [], False, None

    def receive(self):
        """The next message, None at the end of the link."""
        try:
            data, controls, _, _ = self.link.recvmsg(4096, socket.CMSG_SPACE(4 * 16))
        except ConnectionResetError:
            return None
        received = array.array("i")
        for level, kind, content in controls:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                received.frombytes(content[: len(content) // 4 * 4])
        assert len(received) <= 1
        return Message(data, received[0] if received else -1) if data else None

    def expect(self, type_, **fields):
        """The next message, which must be of that type and have those values."""
        message = self.receive()
        assert message and message.type == type_, f"wanted type {type_}, got {message}"
        assert {name: getattr(message, name) for name in fields} == fields, message
        return message

    def sync(self):
        """Reads what a new core is told; self.slots are the SLOT messages, self.stopping is whether it is to stop."""
        self.hello = self.expect(HELLO)
        while True:
            message = self.receive()
            assert message, "the link ended before SYNCED"
            if message.type == SYNCED:
                return self
            if message.type == STOPPING:
                self.stopping = True
                continue
            if message.type == UPGRADED:
                self.upgraded = message
                continue
            assert message.type == SLOT
            self.slots.append(message)

    def send(self, type_, **fields):
        self.link.send(pack(type_, **fields))

    def ready(self):
        self.sync()
        self.send(READY)
        return self

    def start(self, app, slot):
        self.send(START, app=app, slot=slot)
        worker = self.expect(SLOT, app=app, slot=slot, state=RUNNING)
        assert worker.serial and worker.pid and worker.started_at_us and worker.fd >= 0
        return worker

    def ask(self, type_, worker, **fields):
        """A request about a worker that start() returned."""
        self.send(type_, app=worker.app, slot=worker.slot, serial=worker.serial, **fields)

    def expect_dead(self, worker, **fields):
        return self.expect(SLOT, app=worker.app, slot=worker.slot, serial=worker.serial, state=DEAD, **fields)

    def release(self, worker):
        self.ask(RELEASE, worker)
        self.expect(SLOT, app=worker.app, slot=worker.slot, state=EMPTY, fd=-1)

    def ended(self, timeout_s=10):
        """Waits until the holder has closed the link, and forgets this core's descriptors."""
        self.link.settimeout(timeout_s)
        while self.receive():
            pass
        self.close()

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)
        self.ended()

    def close(self):
        self.fds.pop("link")
        self.link.close()
        for fd in self.fds.values():
            os.close(fd)
        self.fds = {}


class Holder:
    """agentd with its own directory, and the socket at which its cores report to the test."""

    def __init__(self, program, directory):
        self.program, self.dir = Path(program), Path(directory)
        self.port, self.health_port = free_port(), free_port()
        self.process = None
        self.cores, self.connections = [], []
        self.config_path, self.log_path = self.dir / "agentd.conf", self.dir / "agentd.log"
        self.run_dir = self.dir / "run"
        core = self.dir / "agentd-core"
        core.write_text(CORE.format(python=sys.executable))
        core.chmod(0o755)
        self.driver = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.driver.bind(str(self.dir / "driver.sock"))
        self.driver.listen()
        self.driver.settimeout(15)
        self.configure({})

    def configure(self, apps, **sections):
        """Writes agentd.conf; |apps| are named groups, |sections| other groups."""
        base = {
            "agent": {"runtime_dir": str(self.run_dir), "state_dir": str(self.dir), "core_silence": 30},
            "health": {"listen": f"127.0.0.1:{self.health_port}", "lame_duck": 0},
            "apps": apps,
        }
        self.config_path.write_text(libconfig.settings(libconfig.merge(base, sections)))

    def app(self, *command, **keys):
        """An app's group: by default it sleeps, and listens on self.port."""
        base = {"command": list(command or ("/bin/sleep", "1000")), "listen": [f"127.0.0.1:{self.port}"]}
        return {**base, "drain_timeout": 1, "idle_timeout": 1, **keys}

    def launch(self, environment=None, prefix=(), pass_fds=(), arguments=()):
        """Starts agentd with a clean environment and returns at once."""
        base = {k: v for k, v in os.environ.items() if k in ("PATH", "LANG", "ASAN_OPTIONS", "UBSAN_OPTIONS")}
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [*prefix, self.program, "--config", self.config_path, "--libexec", self.dir, *arguments],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                env={**base, **(environment or {})}, pass_fds=pass_fds)
        return self

    def next_core(self):
        """Waits for the next core that the holder starts."""
        try:
            connection, _ = self.driver.accept()
        except TimeoutError:
            raise AssertionError(f"no core was started:\n{self.log()}") from None
        self.connections.append(connection)
        data, fds, _, _ = socket.recv_fds(connection, 65536, 16)
        self.cores.append(Core(json.loads(data), fds))
        return self.cores[-1]

    def start(self, **options):
        """Starts agentd; the first core, synced and ready."""
        self.launch(**options)
        return self.next_core().ready()

    def log(self):
        return self.log_path.read_text(errors="replace")

    def wait_log(self, text, timeout_s=10):
        wait_until(lambda: text in self.log(), timeout_s, f"{text!r} in\n{self.log()}")

    def wait_exit(self, timeout_s=15):
        return self.process.wait(timeout_s)

    def stop(self):
        """SIGTERM, and what a core does then. The exit status."""
        core = self.cores[-1]
        self.process.send_signal(signal.SIGTERM)
        while (message := core.receive()) and message.type != STOPPING:
            pass
        core.send(STOPPED)
        core.close()
        self.connections[-1].close()
        return self.wait_exit()

    def descendants(self):
        """Living processes that the holder or its children started, by their inherited directory."""
        found = []
        for path in Path("/proc").glob("[0-9]*"):
            try:
                if f"State:\tZ" in (path / "status").read_text():
                    continue
                if str(self.dir).encode() in (path / "environ").read_bytes() + (path / "cmdline").read_bytes():
                    found.append(int(path.name))
            except OSError:
                pass
        return [pid for pid in found if pid not in (os.getpid(), self.process.pid)]

    def finish(self):
        """Ends everything; what was wrong, as a list of texts."""
        if self.process and self.process.poll() is None:
            for _ in range(2):
                self.process.send_signal(signal.SIGTERM)
                time.sleep(0.05)
            try:
                self.wait_exit()
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.wait_exit()
        for core in self.cores:
            if core.fds:
                core.close()
        for connection in self.connections:
            connection.close()
        self.driver.close()
        problems = []
        if self.process:
            try:
                wait_until(lambda: not self.descendants(), 5, "no process is left")
            except AssertionError:
                problems.append(f"left behind: {self.descendants()}")
                for pid in self.descendants():
                    os.kill(pid, signal.SIGKILL)
            if any(word in self.log() for word in ("Sanitizer", "runtime error:")):
                problems.append(self.log())
        return problems
