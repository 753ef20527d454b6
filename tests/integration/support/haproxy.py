# SPDX-License-Identifier: Apache-2.0
"""
HAProxy before some nodes: it asks agentd's /health whom to send requests to, and papers over nothing. No request is sent
twice, and each is in its log once, with the node and the connection that had it. There is one exception: if a node breaks
off on a connection that it has used before, HAProxy closes a visitor's that was used before without a word.
"""

import csv
import io
import shutil
import signal
import socket
import subprocess
from dataclasses import dataclass

from .daemon import free_port, wait_until

CONFIG = """global
  log stdout format raw local0
  stats socket {directory}/haproxy.sock mode 600
  nbthread 1
  hard-stop-after 20s
defaults
  mode http
  log global
  timeout connect 30s
  timeout client 60s
  timeout server 60s
  timeout check 10s
  retries 0
  option http-keep-alive
  http-reuse always
  log-format "request %[capture.req.hdr(0)] %s %bp %ST %tsc %rc"
frontend visitors
  bind 127.0.0.1:{port}
  http-request capture req.hdr(X-Request-Id) len 16
  default_backend board
backend board
  balance roundrobin
  option httpchk
  http-check send meth GET uri /health ver HTTP/1.1 hdr Host agentd
  default-server check port {health_port} inter 300ms fall 2 rise 1 pool-purge-delay 2s
{servers}
"""


@dataclass(frozen=True)
class Carried:
    """A request as HAProxy has it."""

    id: int  # 0: not of the load
    node: str  # "<NOSRV>": it had nobody to send it to
    port: int  # its own of the connection to the node; 0: it had none any more
    status: int
    how: str  # two letters, how it ended: "--" well, "SH" the node broke off before its answer, ...
    retries: str


def program():
    """Debian has it where only root looks."""
    return shutil.which("haproxy") or "/usr/sbin/haproxy"


def number(text):
    """0 for the "-" of what is not there."""
    return int(text) if text.isdigit() else 0


class Haproxy:
    """Attributes: port. |nodes| are Agentds that have the same ports, by name."""

    def __init__(self, directory, nodes):
        self.directory = directory
        self.port = free_port()
        first = next(iter(nodes.values()))
        servers = "\n".join(f"  server {name} {node.address}:{first.port}" for name, node in nodes.items())
        text = CONFIG.format(directory=directory, port=self.port, health_port=first.health_port, servers=servers)
        (directory / "haproxy.cfg").write_text(text)
        with open(directory / "haproxy.log", "wb") as log:
            self.process = subprocess.Popen([program(), "-db", "-f", str(directory / "haproxy.cfg")],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def log(self):
        return (self.directory / "haproxy.log").read_text(errors="replace")

    def ask(self, command):
        with socket.socket(socket.AF_UNIX) as control:
            control.settimeout(30)
            control.connect(str(self.directory / "haproxy.sock"))
            control.sendall(command.encode() + b"\n")
            return b"".join(iter(lambda: control.recv(65536), b"")).decode()

    def node(self, name):
        """What it counts of a node: a dict of texts, with `status`, `scur`, `stot`."""
        table = csv.DictReader(io.StringIO(self.ask("show stat").lstrip("# ")))
        return next(row for row in table if row["pxname"] == "board" and row["svname"] == name)

    def wait(self, name, status):
        """Until a node is "UP" or "DOWN" for it."""

        def reached():
            assert self.process.poll() is None, self.log()
            try:
                return self.node(name)["status"] == status
            except OSError:
                return False

        wait_until(reached, 60, f"{name} is {status} for HAProxy", 0.05)

    def carried(self):
        """All requests so far that have ended."""
        lines = [line.split()[1:] for line in self.log().splitlines() if line.startswith("request ")]
        return [Carried(number(id_), node, number(port), number(status), how, retries)
                for id_, node, port, status, how, retries in lines]

    def stop(self):
        self.process.send_signal(signal.SIGUSR1)  # lets what is under way end
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
