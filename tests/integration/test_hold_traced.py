# SPDX-License-Identifier: Apache-2.0
"""
Deaths of processes that somebody traces (strace, gdb, the leak sanitizer). Until the tracer lets go
the holder can't reap them; it must not lose sight of them for that.
"""

import ctypes
import multiprocessing
import os
import signal
import time

from support.daemon import wait_until

PTRACE_SEIZE = 0x4206


def trace(pid, traced, release):
    """Seizes |pid| and neither stops nor waits for it; its end lets go."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)
    traced.put(libc.ptrace(PTRACE_SEIZE, pid, None, None))
    release.wait(30)


def kill_traced(pid):
    """SIGKILL to |pid| while it is traced; the tracer ends half a second later."""
    context = multiprocessing.get_context("fork")
    traced, release = context.Queue(), context.Event()
    tracer = context.Process(target=trace, args=(pid, traced, release))
    tracer.start()
    try:
        assert traced.get(timeout=10) == 0, "ptrace is not allowed here"
        os.kill(pid, signal.SIGKILL)
        time.sleep(0.5)
    finally:
        release.set()
        tracer.join(10)


def test_a_traced_core(agentd):
    daemon = agentd()
    core = daemon.core_pid()
    kill_traced(core)
    wait_until(lambda: daemon.core_pid(), what="another core")
    assert daemon.core_pid() != core
    assert daemon.ctl("restart", "--core", "--timeout", "10s").returncode == 0


def test_a_traced_worker(agentd):
    daemon = agentd()
    worker = daemon.workers()[0]["pid"]
    kill_traced(worker)
    wait_until(lambda: worker not in [w["pid"] for w in daemon.workers()], what="its end is seen")
    daemon.wait_ready(2)
