# SPDX-License-Identifier: Apache-2.0
"""
Mixed events for a long time, under load, and then the question: has anything grown? An hour in `make soak`, less with
AGENTD_SOAK_SECONDS, a moment in CI.

Three legs, since whoever starts anew has nothing to show: in the first holder and core live on, in the second each cycle
begins with the death of the core, in the third with an upgrade of both. A cycle ends in the same state each time: no load,
no change under way, two workers, a core that has written a window. Its row is compared with those of its leg; the holder's
rows of the first two legs also with each other, for it is the same process.
"""

import os
import random
import signal
import socket
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from support import growth
from support.daemon import free_port, wait_until
from support.kills import Losses, kill_worker
from support.load_generator import Load

pytestmark = pytest.mark.alone
BOARD = "visitor-board"
WORKERS = 2
SOAK = os.environ.get("AGENTD_SOAK") == "1"
SECONDS = float(os.environ.get("AGENTD_SOAK_SECONDS") or (3600 if SOAK else 40))
CYCLE_S = min(25.0, SECONDS / 20)
WARM_UP_S = min(120.0, SECONDS / 5)
LIMIT_KIB = 256 if SECONDS >= 600 else 1024  # in a short run the heap is still finding its size
LATE_S = 5.0  # other programs use the machine, too: how fast is not the question here
LOAD = {"clients_new": 4, "clients_kept": 4, "pause_s": 0.02, "slow_s": LATE_S}
STATSD_PAUSE_S = 0.01
EVENTS_REQUEST = b"GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n"


def pages_and_posts(request_id):
    if request_id % 8 == 0:
        return "POST", "/", b"message=request+%d" % request_id
    return "GET", "/", b""


class Statsd(threading.Thread):
    """Sends all kinds of StatsD lines at a steady rate, some of them wrong, always of the same series."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.port = port
        self.stopping = threading.Event()
        self.start()

    def run(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            while not self.stopping.wait(STATSD_PAUSE_S):
                number = random.randrange(40)
                lines = [f"orders.{number}:1|c", f"queue.{number}:{random.random():.3f}|g", f"render.{number}:{random.randrange(500)}|ms",
                         f"tagged:1|c|#shop:{number},colour:red", f"visitors:{random.randrange(1000)}|s", "this is no metric"]
                sender.sendto("\n".join(lines).encode(), ("127.0.0.1", self.port))

    def stop(self):
        self.stopping.set()
        self.join()


class Soak:
    """The daemon, what is done to it, and what it had at the end of each cycle."""

    def __init__(self, daemon, config):
        self.daemon, self.config = daemon, config
        self.begun_s = time.monotonic()
        self.rows, self.kills, self.counts, self.deck = [], [], Counter(), []
        self.flow = None
        self.answered = self.in_flight = self.sent = 0
        self.requests = Counter()
        logs = os.environ.get("AGENTD_LOGS")
        self.report_path = Path(logs) / "soak.txt" if logs else None
        if self.report_path:
            self.report_path.write_text("")

    def say(self, text):
        print(text, flush=True)
        if self.report_path:
            with open(self.report_path, "a") as report:
                print(text, file=report)

    # --- Events ----------------------------------------------------------------------------------

    def ctl(self, *words, status=0):
        result = self.daemon.ctl(*words, timeout_s=90)
        assert result.returncode == status, f"{words}: {result}\n{self.daemon.log_tail()}"
        return result.stdout + result.stderr

    def reload(self):
        self.ctl("reload", "--wait")

    def failed_reload(self):
        """To a program that ends at once; then back."""
        self.write({"command": ["/bin/false"]})
        assert "exited with status 1" in self.ctl("reload", "--wait", status=1)
        self.write({})
        self.ctl("reload", "--wait")

    def late_reload(self):
        """To a program that is never ready; then back."""
        self.write({"command": ["/bin/sleep", "1000"], "ready_timeout": 1})
        assert "not ready within" in self.ctl("reload", "--wait", status=1)
        self.write({})
        self.ctl("reload", "--wait")

    def bad_configuration(self):
        for text in (f"{self.daemon.config_path.read_text()}\nnonsense = 1;\n", "apps: {", "a" * 100_000):
            self.daemon.config_path.write_text(text)
            assert "agentd.conf" in self.ctl("reload", "--wait", status=1)
        self.write({})

    def restart(self):
        self.ctl("restart", "--wait")

    def restart_one(self):
        self.ctl("restart", f"{BOARD}.{self.one_ready()['slot']}", "--wait")

    def one_ready(self):
        """Not one that still drains, of the last change."""
        return random.choice([worker for worker in self.daemon.workers() if worker["state"] == "ready"])

    def scale(self):
        for workers in (4, 1, WORKERS):
            self.ctl("scale", BOARD, str(workers), "--wait")

    def drain(self):
        self.ctl("drain")
        assert self.daemon.health().status == 503
        self.ctl("undrain", "--wait")

    def kill_worker(self):
        """No more than four deaths of a slot in a minute, or it is a crash loop and waits for long."""
        recent = [kill for kill in self.kills if time.monotonic() - kill.at_s < 70]
        if len(recent) >= 4:
            return False
        pid = self.one_ready()["pid"]
        self.kills.append(kill_worker(pid, self.daemon.port))
        wait_until(lambda: pid not in self.daemon.worker_pids(), 20, "it is gone")
        self.daemon.wait_ready(WORKERS, timeout_s=60)
        return True

    def look(self):
        """Everything that can be read, and clients that go away in the middle of their request, or before the answer."""
        for words in (("status",), ("metrics",), ("events", "-n", "256"), ("config", "show"), ("logs",), ("version",)):
            self.ctl(*words)
        for path in ("/health", f"/health/{BOARD}", "/live", "/nothing"):
            self.daemon.health(path)
        for _ in range(8):
            with socket.socket(socket.AF_UNIX) as watcher:
                watcher.connect(str(self.daemon.control_socket))
                watcher.sendall(EVENTS_REQUEST[: random.randrange(len(EVENTS_REQUEST) + 1)])
            with socket.create_connection(("127.0.0.1", self.daemon.health_port), timeout=5) as client:
                client.sendall(b"GET /health HTTP/1.1\r\n")

    def kill_core(self):
        core = self.daemon.core_pid()
        os.kill(core, signal.SIGKILL)
        self.wait_core(core)

    def restart_core(self):
        core = self.daemon.core_pid()
        self.ctl("restart", "--core", "--wait")
        self.wait_core(core)

    def upgrade(self):
        core = self.daemon.core_pid()
        assert self.ctl("upgrade", "--wait", "--timeout", "60s").startswith("upgraded from ")
        self.wait_core(core)

    def wait_core(self, old):
        wait_until(lambda: self.daemon.core_pid() not in (0, old), 30, "another core")
        self.daemon.wait_healthy(30)

    # --- Cycles ----------------------------------------------------------------------------------

    def write(self, app):
        self.daemon.write_config({**self.config, "apps": {BOARD: {"idle_timeout": 1, **app}}})

    def draw(self):
        """All in turn, in another order each time."""
        if not self.deck:
            self.deck = [self.reload, self.failed_reload, self.late_reload, self.bad_configuration, self.restart,
                         self.restart_one, self.scale, self.drain, self.kill_worker, self.look]
            random.shuffle(self.deck)
        return self.deck.pop()

    def do(self, event):
        if event() is not False:
            self.counts[event.__name__] += 1

    def cycle(self, leg, first=None):
        """Events under load; all requests accounted for; a row."""
        ends_s = time.monotonic() + CYCLE_S
        self.kills = [kill for kill in self.kills if time.monotonic() - kill.at_s < 120]
        before = len(self.kills)
        self.flow = Load(self.daemon.port, duration_s=600, max_requests=100_000, make_request=pages_and_posts, **LOAD)
        self.flow.wait_requests(20, 60)
        if first:
            self.do(first)
        while True:
            self.do(self.draw())
            if time.monotonic() >= ends_s:
                break
        self.flow.wait_requests(20, 60)
        self.flow.stop()
        losses = Losses(self.flow, self.kills[before:])
        for what, records in (("sent", self.flow.records), ("lost inside", losses.inside), ("on a connection that had gone", losses.idle)):
            self.requests.update((record.kind, what) for record in records)
        self.sent += self.flow.sent
        self.answered += len(self.flow.answered)
        self.in_flight += len(losses.inside)
        self.settle()
        self.rows.append(self.row(leg))
        self.say(growth.line(self.rows[-1]))

    def total(self):
        return next(app["requests"]["total"] for app in self.daemon.status()["apps"] if app["name"] == BOARD)

    def settle(self):
        """Until the state is that of every other cycle's end."""

        def settled():
            app = next(app for app in self.daemon.status()["apps"] if app["name"] == BOARD)
            return (not app["rolling"] and not app["roll_queued"] and len(app["workers"]) == WORKERS
                    and all(worker["state"] == "ready" for worker in app["workers"])
                    and len(self.daemon.worker_pids()) == WORKERS)

        self.write({})
        self.ctl("reload", "--wait")  # forgets what was scaled by hand
        wait_until(settled, 60, "two workers, and no change", 0.1)
        wait_until(lambda: self.total() >= self.answered, 20, "all answers are in status", 0.1)
        assert self.total() <= self.answered + self.in_flight, f"{self.answered} answered, {self.in_flight} lost, {self.total()}"
        if SECONDS >= 600:  # a short run has no time for it, and a limit that allows for it
            written = self.daemon.metrics_path
            core = self.daemon.core_pid()
            wait_until(lambda: any(link == str(written) for link in self.open_files(core)), 30, "the core has written a window", 0.5)
        wait_until(self.quiet, 20, "descriptors and threads stay the same", 0.1)

    @staticmethod
    def open_files(pid):
        links = []
        for fd in os.listdir(f"/proc/{pid}/fd"):
            try:
                links.append(os.readlink(f"/proc/{pid}/fd/{fd}"))
            except FileNotFoundError:
                continue
        return links

    def usages(self):
        """The sink's file is open from a core's first window on."""
        without = (str(self.daemon.metrics_path),)
        return [growth.usage_of(pid, without) for pid in (self.daemon.pid, self.daemon.core_pid())]

    def quiet(self):
        """Nobody is being served, and nothing changes for a moment."""
        seen = set()
        for _ in range(4):
            seen.add(tuple((usage.descriptors, usage.threads) for usage in self.usages()))
            time.sleep(0.15)
        return len(seen) == 1

    def row(self, leg):
        holder, core = self.usages()
        return growth.Row(leg, time.monotonic() - self.begun_s, sum(self.counts.values()), self.sent, holder, core,
                          len(self.daemon.zombies()))

    def leg(self, name, seconds, first=None, least=2):
        """Cycles for so long, and their rows."""
        begin, ends_s = len(self.rows), time.monotonic() + seconds
        while time.monotonic() < ends_s or len(self.rows) - begin < least:
            self.cycle(name, first() if first else None)
        return self.rows[begin:]


@pytest.mark.limit(int(SECONDS * 2 + 300))
def test_nothing_grows(plain_agentd):
    """Whatever happens to it, agentd has in the end what it had at the start."""
    config = {"statsd": {"listen": [f"127.0.0.1:{free_port()}"], "dimensions": ["shop"]}}
    daemon = plain_agentd({**config, "apps": {BOARD: {"idle_timeout": 1}}})
    daemon.wait_ready(WORKERS)
    statsd = Statsd(int(config["statsd"]["listen"][0].rpartition(":")[2]))
    soak = Soak(daemon, config)
    soak.say(f"{SECONDS:.0f} s, cycles of {CYCLE_S:.0f} s, limit {LIMIT_KIB} KiB\n{growth.HEAD}")
    try:
        soak.leg("warm-up", WARM_UP_S, least=1)
        part_s = (SECONDS - WARM_UP_S) / 3
        legs = {"both live on": soak.leg("both live on", part_s)}
        legs["core dies"] = soak.leg("core dies", part_s, lambda: random.choice([soak.kill_core, soak.restart_core]))
        legs["upgraded"] = soak.leg("upgraded", part_s, lambda: soak.upgrade)
    finally:
        statsd.stop()
        if soak.flow:
            soak.flow.stop()

    soak.say(f"\n{growth.HEAD}")
    problems = []
    for name, rows in legs.items():
        for row in growth.thinned(rows):
            soak.say(growth.line(row))
    for name, rows in legs.items():
        soak.say(growth.summary(name, rows))
        problems += growth.problems_of(rows, LIMIT_KIB)
    one_holder = [usage.memory_kib for usage in (row.holder for row in legs["both live on"] + legs["core dies"])]
    soak.say(f"the holder over its two legs: {growth.growth(one_holder):+d} KiB")
    if growth.growth(one_holder) > LIMIT_KIB:
        problems.append(f"the holder grew by {growth.growth(one_holder)} KiB over two legs")
    soak.say(f"events: {', '.join(f'{count} {name}' for name, count in sorted(soak.counts.items()))}")
    for kind in ("new", "kept"):
        parts = [f"{count} {what}" for (of, what), count in sorted(soak.requests.items(), reverse=True) if of == kind]
        soak.say(f"requests on {kind} connections: {', '.join(parts)}")
    assert not problems, "\n".join(problems)
    assert daemon.stop() == 0
    total = daemon.metric_sum("RequestCount", App=BOARD)
    assert soak.answered <= total <= soak.answered + soak.in_flight, f"total {total}"


def test_growth_is_judged():
    """Each kind of leak is seen, and a lone odd row is none."""
    flat = growth.Usage(1, 900, 100, 1500, 30, 3)

    def rows(name, **leak):
        made = []
        for number in range(9):
            grown = {key: getattr(flat, key) + number * step for key, step in leak.items()}
            usage = growth.Usage(**{**flat.__dict__, **grown})
            made.append(growth.Row("leg", number, 0, 0, *((usage, flat) if name == "holder" else (flat, usage)), 0))
        return made

    assert not growth.problems_of(rows("core"), 256)
    assert not growth.problems_of(rows("core", anonymous_kib=40, pss_kib=1000), 256)
    for name in ("holder", "core"):
        for leak in ({"anonymous_kib": 50}, {"shmem_kib": 50}, {"descriptors": 1}, {"threads": 1}):
            assert growth.problems_of(rows(name, **leak), 256), leak
    odd = rows("core")
    odd[4] = growth.Row("leg", 4, 0, 0, flat, growth.Usage(1, 9000, 100, 9000, 99, 9), 0)
    assert not growth.problems_of(odd, 256)
    odd[4] = growth.Row("leg", 4, 0, 0, flat, flat, 1)
    assert growth.problems_of(odd, 256)
