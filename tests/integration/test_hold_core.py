# SPDX-License-Identifier: Apache-2.0
"""The holder and a core that is lost, silent, slow or hostile (the test plays it)."""

import mmap
import os
import signal
import socket
import time
from pathlib import Path

import pytest

from support import holder as h
from support.daemon import wait_until
from support.holder_fixtures import holder, program  # noqa: F401

def test_a_new_core_is_told_all(holder):
    holder.configure({"web": holder.app(), "api": holder.app(listen=[])})
    core = holder.start()
    living, dying = core.start("web", 2), core.start("api", 1)
    core.ask(h.KILL, dying)
    core.expect_dead(dying)
    with mmap.mmap(core.fds["ledger"], 4096) as ledger:
        ledger[:5] = b"notes"
    os.pwrite(living.fd, b"counted", 4096)
    os.pwrite(dying.fd, b"counted too", 4096)
    core.kill()
    new = holder.next_core().ready()
    assert new.hello.argument == 1
    told = {(slot.app, slot.slot): slot for slot in new.slots}
    assert set(told) == {("web", 2), ("api", 1)}
    same = told["web", 2]
    assert (same.state, same.pid, same.serial, same.started_at_us) == (
        h.RUNNING, living.pid, living.serial, living.started_at_us)
    assert os.pread(same.fd, 7, 4096) == b"counted"
    same = told["api", 1]
    assert (same.state, same.serial, same.exit_status) == (h.DEAD, dying.serial, signal.SIGKILL)
    assert os.pread(same.fd, 11, 4096) == b"counted too"
    assert os.pread(new.fds["ledger"], 5, 0) == b"notes"
    new.release(dying)
    new.ask(h.KILL, living)
    new.expect_dead(living)


def test_deaths_between_cores_are_told(holder):
    holder.configure({"web": holder.app()})
    core = holder.start()
    worker = core.start("web", 1)
    os.kill(core.pid, signal.SIGKILL)
    os.kill(worker.pid, signal.SIGKILL)
    core.ended()
    new = holder.next_core().ready()
    (slot,) = new.slots
    if slot.state == h.RUNNING:  # its end came after the new core's start
        slot = new.expect_dead(worker)
    assert (slot.state, slot.serial, slot.exit_status) == (h.DEAD, worker.serial, signal.SIGKILL)


def kill_and_wait(pid):
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: "State:\tZ" in Path(f"/proc/{pid}/status").read_text(), what=f"{pid} is dead")


@pytest.mark.parametrize("others", range(4))
def test_the_last_word_counts(holder, others):
    """The holder finds workers' deaths, the request and its sender's death at once, as on a busy machine."""
    holder.configure({"web": holder.app()})
    core = holder.start()
    workers = [core.start("web", n + 1) for n in range(others)]
    holder.process.send_signal(signal.SIGSTOP)
    for worker in workers:
        kill_and_wait(worker.pid)
    core.send(h.UPGRADE, serial=7)
    kill_and_wait(core.pid)
    holder.process.send_signal(signal.SIGCONT)
    core.close()
    new = holder.next_core().sync()
    assert "upgrade: goes on as" in holder.log()
    assert new.upgraded.serial == 7 and new.upgraded.error == 0
    new.send(h.READY)


def test_cores_that_worked_restart_at_once(holder):
    holder.configure({"web": holder.app()})
    core = holder.start()
    worker = core.start("web", 1)
    for n in range(1, 11):
        began = time.monotonic()
        core.kill()
        core = holder.next_core().ready()
        assert time.monotonic() - began < 10  # python's own start is most of it; the log says the wait
        assert core.hello.argument == n
        assert [slot.pid for slot in core.slots] == [worker.pid]
    assert holder.log().count("the next starts in 0 ms") == 10


def test_cores_that_never_work_back_off(holder):
    (holder.dir / "agentd-core").write_text("#!/bin/sh\nexit 5\n")
    holder.launch()
    for wait_ms in (100, 200, 400, 800):
        holder.wait_log(f"ended with exit status 5, the next starts in {wait_ms} ms")


def test_a_silent_core_is_replaced(holder):
    holder.configure({"web": holder.app()}, agent={"core_silence": h.SILENCE_S})
    core = holder.start()
    worker = core.start("web", 1)
    began = time.monotonic()
    while time.monotonic() - began < h.SILENCE_S + 1:  # one that pings is left alone
        core.send(h.PING)
        time.sleep(0.2)
    os.kill(core.pid, signal.SIGSTOP)
    began = time.monotonic()
    core.ended()
    assert h.SILENCE_S - 0.5 < time.monotonic() - began < h.SILENCE_S + 3
    assert "is silent" in holder.log()
    assert [slot.pid for slot in holder.next_core().ready().slots] == [worker.pid]


def test_a_core_that_does_not_become_ready_is_replaced(holder):
    core = holder.launch().next_core().sync()
    core.ended(timeout_s=14)
    assert "did not become ready in time" in holder.log()
    holder.next_core().ready()


GARBAGE = {
    "short": lambda core: core.link.send(b"x"),
    "long": lambda core: core.link.send(h.pack(h.PING) + b"x"),
    "random": lambda core: core.link.send(os.urandom(h.LAYOUT.size)),
    "order": lambda core: core.link.send(h.pack(h.START, "web", 1, text="load=85 cores=0 seconds=60 priority=idle")),
    "bad order": lambda core: core.link.send(h.pack(h.START, "@stress", 1, text="load=0 cores=0 seconds=60 priority=idle")),
    "no order": lambda core: core.link.send(h.pack(h.START, "@stress", 1)),
    "version": lambda core: core.link.send(h.pack(h.PING, version=h.VERSION + 1)),
    "direction": lambda core: core.send(h.SYNCED),
    "app": lambda core: core.send(h.START, app="../x", slot=1),
    "slot": lambda core: core.send(h.START, app="web", slot=97),
    "signal": lambda core: core.send(h.SIGNAL, app="web", slot=1, serial=1, argument=signal.SIGSTOP),
    "text": lambda core: core.send(h.STATUS, text="a\nMAINPID=1"),
    "descriptor": lambda core: socket.send_fds(core.link, [h.pack(h.PING)], [0]),
    "stopped": lambda core: core.send(h.STOPPED),
}


@pytest.mark.parametrize("kind", GARBAGE)
def test_a_core_that_talks_nonsense_is_replaced(holder, kind):
    holder.configure({"web": holder.app()})
    core = holder.start()
    worker = core.start("web", 1)
    GARBAGE[kind](core)
    core.ended()
    assert "broke the protocol" in holder.log()
    assert [slot.pid for slot in holder.next_core().ready().slots] == [worker.pid]


def test_more_slots_than_a_socket_takes(holder):
    holder.configure({f"app-{n}": holder.app(listen=[]) for n in range(4)})
    core = holder.start()
    workers = {}
    for n in range(4):
        for slot in range(1, 97):
            worker = core.start(f"app-{n}", slot)
            workers[worker.pid] = worker
            os.close(worker.fd)
    core.kill()
    hasty = holder.next_core()
    hasty.send(h.START, app="app-0", slot=1)  # it can't know yet what it asks for
    holder.wait_log("broke the protocol")  # before it reads: then the holder can't have told all
    hasty.ended()
    new = holder.next_core()
    time.sleep(0.5)  # meanwhile it doesn't read
    for pid in list(workers)[:10]:
        os.kill(pid, signal.SIGKILL)
    new.ready()
    last = {slot.pid: slot for slot in new.slots}
    assert set(last) == set(workers)
    new.link.settimeout(1)
    while sum(slot.state == h.DEAD for slot in last.values()) < 10:
        message = new.expect(h.SLOT)
        last[message.pid] = message
    assert len(holder.cores) == 3
    for slot in (*new.slots, *last.values()):
        try:
            os.close(slot.fd)
        except OSError:
            pass


def test_a_core_that_does_not_read_is_replaced(holder):
    holder.configure({"web": holder.app()})
    core = holder.start()
    worker = core.start("web", 1)
    core.link.settimeout(0.2)
    try:
        for _ in range(5000):
            core.send(h.START, app="web", slot=1)
    except (TimeoutError, BrokenPipeError, ConnectionResetError):
        pass
    core.ended()
    assert "does not read" in holder.log()
    assert [slot.pid for slot in holder.next_core().ready().slots] == [worker.pid]
