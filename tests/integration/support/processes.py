# SPDX-License-Identifier: Apache-2.0
"""Looks at processes through /proc, and finds all that belong to one started agentd."""

import ctypes
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36


def become_subreaper():
    """Orphans of what we start become our children, so that none can hide and each can be reaped."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


@dataclass(frozen=True)
class Process:
    """One line of /proc/PID/stat, and its command line."""

    pid: int
    ppid: int
    session: int
    state: str
    name: str
    command: str

    @property
    def zombie(self):
        return self.state == "Z"


def read_process(pid):
    """The process, or None when it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return None
    name = stat[stat.index("(") + 1 : stat.rindex(")")]
    fields = stat[stat.rindex(")") + 2 :].split()
    return Process(pid, int(fields[1]), int(fields[3]), fields[0], name, command.strip())


def all_processes():
    found = (read_process(int(entry)) for entry in os.listdir("/proc") if entry.isdigit())
    return [process for process in found if process]


def uses_directory(pid, directory):
    """Whether the process works in |directory| or has a file in it open."""
    prefix = str(directory)
    try:
        links = [f"/proc/{pid}/cwd"] + [f"/proc/{pid}/fd/{fd}" for fd in os.listdir(f"/proc/{pid}/fd")]
    except OSError:
        return False
    for link in links:
        try:
            if os.readlink(link).startswith(prefix):
                return True
        except OSError:
            continue
    return False


def family(root_pid, directory):
    """
    All processes that stem from |root_pid|, zombies too, itself included: its session, its
    descendants, and whoever uses its private directory. Still right when |root_pid| is gone.
    """
    processes = all_processes()
    members = {p.pid for p in processes if p.pid == root_pid or p.session == root_pid}
    members |= {p.pid for p in processes if p.pid != os.getpid() and uses_directory(p.pid, directory)}
    while True:
        more = {p.pid for p in processes if p.ppid in members} - members
        if not more:
            return [p for p in processes if p.pid in members]
        members |= more


def reap(pid):
    """Collects a dead child of ours; False if it isn't one or still lives."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return False


def kill_family(root_pid, directory):
    """Ends what is left, by pid, and reaps what became ours. Returns what there was."""
    left = family(root_pid, directory)
    for process in left:
        try:
            os.kill(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        remaining = family(root_pid, directory)
        if not remaining:
            break
        for process in remaining:
            reap(process.pid)
        time.sleep(0.02)
    return left


def memory_kib(pid):
    """Proportional set size in KiB and its anonymous part, from smaps_rollup."""
    numbers = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        key, amount = line.split(":")
        numbers[key] = int(amount.split()[0])
    return numbers["Pss"], numbers["Pss_Anon"]
