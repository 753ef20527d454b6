# SPDX-License-Identifier: Apache-2.0
"""
Kills workers and knows to the connection what was inside each, so that a failed request can be held
against it: it was inside, or something is wrong.
"""

import os
import signal
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from .daemon import wait_until
from .processes import read_process

LOST = ("eof", "econnreset", "epipe")  # what a client sees whose server dies: never a refusal


@dataclass(frozen=True)
class Kill:
    """One worker's end."""

    pid: int
    at_s: float  # time.monotonic(), when it stood still already
    peers: frozenset  # ports of the clients whose connections it had accepted


def accepted_peers(pid, port):
    """The clients' ports of the connections of |port| that a process has accepted."""
    inodes = {}
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        local, peer = (int(address.rpartition(":")[2], 16) for address in fields[1:3])
        if local == port and peer:
            inodes[f"socket:[{fields[9]}]"] = peer
    links = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
    return frozenset(inodes[link] for link in links if link in inodes)


def kill_worker(pid, port):
    """
    SIGKILL, at whatever instruction it is. It is stopped for a moment before, because what is inside can only be
    read from a process that doesn't go on. What waits in the listener's queue is not inside.
    """
    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: read_process(pid).state == "T", 5, f"{pid} stands still", 0.0005)
    kill = Kill(pid, time.monotonic(), accepted_peers(pid, port))
    os.kill(pid, signal.SIGKILL)
    return kill


class Losses:
    """
    The failed requests of a load, each laid to the kill that explains it: it ran on a connection that the killed worker
    had, and was in flight then ("inside"), or was sent on that connection before the client saw its end ("idle").
    AssertionError for one that nothing explains: refused, reset in the queue, late, a 5xx, or a second one of a connection.
    """

    def __init__(self, flow, kills):
        self.flow, self.kills = flow, kills
        self.inside, self.idle = [], []
        self.by_kill = Counter()
        connections = set()
        for record in flow.failed:
            kill = self.explain(record)
            assert kill, f"no kill explains {record}; {flow.summary()}; kills: {kills}"
            connection = (kill, record.local_port)
            assert connection not in connections, f"the second lost request of a connection: {record}"
            connections.add(connection)
            self.by_kill[kill] += 1
            (self.inside if record.started_at_s <= kill.at_s else self.idle).append(record)
        for kill, lost in self.by_kill.items():
            assert lost <= len(kill.peers), f"{lost} lost by {kill}"

    def explain(self, record):
        if record.error not in LOST:
            return None
        end_s = record.started_at_s + record.latency_s
        for kill in self.kills:
            if record.local_port in kill.peers and record.opened_at_s <= kill.at_s <= end_s:
                return kill
        return None

    def assert_total(self, total):
        """What was acknowledged was counted; of the rest only what was in flight when its worker was killed may be."""
        acknowledged = len(self.flow.answered)
        assert acknowledged <= total <= acknowledged + len(self.inside), (
            f"{acknowledged} acknowledged, {len(self.inside)} in flight at the kills, total {total}"
        )

    def summary(self):
        parts = []
        for kind in sorted(set(self.flow.clients), reverse=True):
            inside, idle = (sum(record.kind == kind for record in lost) for lost in (self.inside, self.idle))
            sent = sum(record.kind == kind for record in self.flow.records)
            parts.append(f"{kind}: {sent} sent, {inside} lost inside, {idle} on a connection that had gone")
        peers = sum(len(kill.peers) for kill in self.kills)
        return f"{len(self.kills)} kills, {peers} connections in them; {'; '.join(parts)}"
