# SPDX-License-Identifier: Apache-2.0
"""
The published numbers are the true ones: requests to the last one, whoever is killed and whatever
becomes of the file; latencies, CPU and memory against independent readings of the same thing.
"""

import json
import math
import os
import random
import re
import resource
import signal
import subprocess
import sys
import time
from collections import Counter

import pytest

from support.daemon import wait_until

BOARD = "visitor-board"
WINDOW_S = 10


@pytest.fixture(scope="module")
def load_s(storm):
    """How long the load of a counting test lasts: longer than a window."""
    return storm(12, 60)


def mixed_request(request_id):
    """Pages, posts, and two kinds of client's errors."""
    kind = request_id % 10
    if kind == 3:
        return "POST", "/", b"message=request+%d" % request_id
    if kind == 5:
        return "GET", f"/no-such-page-{request_id}", b""
    if kind == 7:
        return "POST", "/", b"message="
    return "GET", "/", b""


MIXED = {"max_requests": 500_000, "make_request": mixed_request, "expected": (200, 302, 400, 404)}


def statuses(flow):
    """How many answers of each class the clients saw, as status names them."""
    return Counter(f"{record.status // 100}xx" for record in flow.answered)


def board_totals(daemon):
    (app,) = [app for app in daemon.status()["apps"] if app["name"] == BOARD]
    return app["requests"]


def ready_worker(daemon, slot):
    return next((w for w in daemon.workers() if w["slot"] == slot and w["state"] == "ready"), None)


def latencies_counted(daemon):
    return sum(sum(datum["Counts"]) for datum in daemon.metric_data("RequestLatency"))


def counted(daemon):
    return daemon.metric_sum("RequestCount", App=BOARD)


def assert_exact(daemon, flow, windows_at_least=2):
    """Every request sent is in status now, and in the windows once the daemon has stopped."""
    seen = statuses(flow)
    wait_until(lambda: board_totals(daemon)["total"] >= flow.sent, 5, "all requests in status", 0.2)
    totals = board_totals(daemon)
    assert totals["total"] == flow.sent
    for name in ("2xx", "3xx", "4xx", "5xx"):
        assert totals[name] == seen[name], (name, totals, seen)
    assert daemon.stop() == 0
    windows = [datum["StatisticValues"]["Sum"] for datum in daemon.metric_data("RequestCount")]
    print(f"{flow.sent} sent; windows: {windows}")
    assert counted(daemon) == flow.sent
    assert latencies_counted(daemon) == flow.sent
    assert daemon.metric_sum("Errors4xx", App=BOARD) == seen["4xx"]
    assert daemon.metric_sum("Errors5xx", App=BOARD) == seen["5xx"]
    assert sum(value > 0 for value in windows) >= windows_at_least, "the end of a window was not seen"
    stamps = [datum["Timestamp"] for datum in daemon.metric_data("RequestCount")]
    assert stamps == sorted(stamps)


def test_every_request_is_counted(agentd, load, load_s):
    daemon = agentd()
    flow = load(daemon.port, duration_s=load_s, **MIXED).join()
    flow.assert_none_failed(at_least=100)
    assert set(statuses(flow)) == {"2xx", "3xx", "4xx"}
    assert_exact(daemon, flow)


def test_every_request_is_counted_while_cores_are_killed(agentd, load, load_s):
    """A total lives in the ledger and the scoreboards; the line of a window is written once."""
    daemon = agentd()
    flow = load(daemon.port, duration_s=load_s, **MIXED)
    kills = 0
    # Random moments, and the one in which a window is closed.
    while time.monotonic() < flow.deadline_s - 1:
        to_end_s = WINDOW_S - time.time() % WINDOW_S
        time.sleep(min(random.uniform(0.3, 1.5), to_end_s + random.uniform(0, 0.02)))
        core = daemon.core_pid()
        if core:
            os.kill(core, signal.SIGKILL)
            kills += 1
            wait_until(lambda: daemon.core_pid() not in (0, core), 5, "another core")
    flow.join().assert_none_failed(at_least=100)
    daemon.wait_healthy()
    print(f"{kills} cores killed")
    assert kills >= 5
    # A window whose end the core did not see goes into the next one.
    assert_exact(daemon, flow, windows_at_least=1)


def test_acknowledged_requests_are_counted_while_workers_are_killed(agentd, load, load_s):
    """What a client has seen is counted, even if the worker dies next; what it lost is counted at most once."""
    workers, kills = 3, 12  # four deaths of each: one more within a minute would be a crash loop
    daemon = agentd({"apps": {BOARD: {"workers": workers}}})
    flow = load(daemon.port, duration_s=load_s, **MIXED)
    for kill in range(kills):
        time.sleep(load_s / (kills + 2))
        slot = kill % workers + 1
        worker = wait_until(lambda: ready_worker(daemon, slot), 5, f"worker {slot} is ready", 0.05)
        os.kill(worker["pid"], signal.SIGKILL)
    flow.join()
    daemon.wait_ready(workers)
    acknowledged = len(flow.answered)
    in_flight = flow.sent - acknowledged
    print(f"{kills} workers killed; {flow.summary()}")
    assert 0 < in_flight <= kills * len(flow.clients)
    assert sum(worker["restarts"] for worker in daemon.workers()) == kills
    assert daemon.stop() == 0
    assert acknowledged <= counted(daemon) <= acknowledged + in_flight
    assert acknowledged <= latencies_counted(daemon) <= acknowledged + in_flight
    assert daemon.metric_sum("WorkerRestarts", App=BOARD) == kills


def test_nothing_is_counted_twice_when_worker_and_core_die_together(agentd, load, storm):
    """A core may die before, while or after it adds a dead worker's scoreboard to the total."""
    workers, rounds = 4, storm(12, 16)
    daemon = agentd({"apps": {BOARD: {"workers": workers}}})
    flow = load(daemon.port, duration_s=100, **MIXED)
    for kill in range(rounds):
        slot = kill % workers + 1
        worker = wait_until(lambda: ready_worker(daemon, slot), 10, f"worker {slot} is ready", 0.02)
        core = daemon.core_pid()
        if kill % 3 == 0:  # the worker's death is seen by the next core only
            os.kill(core, signal.SIGSTOP)
        os.kill(worker["pid"], signal.SIGKILL)
        time.sleep(random.choice([0, random.uniform(0, 0.01), 0.05]))
        os.kill(core, signal.SIGKILL)
        wait_until(lambda: daemon.core_pid() not in (0, core), 5, "another core")
        daemon.wait_healthy()
        flow.wait_requests(20)
    flow.stop()
    daemon.wait_ready(workers)
    acknowledged = len(flow.answered)
    print(f"{flow.summary()}; {board_totals(daemon)}")
    assert flow.sent - acknowledged <= rounds * len(flow.clients)
    assert sum(worker["restarts"] for worker in daemon.workers()) == rounds
    assert daemon.stop() == 0
    assert acknowledged <= counted(daemon) <= flow.sent
    assert acknowledged <= latencies_counted(daemon) <= flow.sent


# --- A sink that fails for a while ---------------------------------------------------------------


# What an earlier run has left, longer than the daemon's log.
EMPTY_BODY = '{"Namespace":"agentd","MetricData":[]}\n'


class DirectoryInItsPlace:
    """The file is moved away and something else has its name."""

    def fail(self, daemon):
        self.aside = daemon.metrics_path.with_suffix(".aside")
        if daemon.metrics_path.exists():
            daemon.metrics_path.rename(self.aside)
        daemon.metrics_path.mkdir()

    def repair(self, daemon):
        daemon.metrics_path.rmdir()
        if self.aside.exists():
            self.aside.rename(daemon.metrics_path)


class NoSpace:
    """Half of a line can be written, as on a disk that is full: a limit on the core's files."""

    def fail(self, daemon):
        self.core = daemon.core_pid()
        limit = daemon.metrics_path.stat().st_size + 500
        assert daemon.log_path.stat().st_size + 500 < limit, "the log would meet the limit too"
        resource.prlimit(self.core, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))

    def repair(self, daemon):
        assert daemon.core_pid() == self.core
        resource.prlimit(self.core, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


class CoreKilledMeanwhile(DirectoryInItsPlace):
    """What waits for the next window survives the core."""

    def repair(self, daemon):
        os.kill(daemon.core_pid(), signal.SIGKILL)
        super().repair(daemon)
        daemon.wait_healthy()


def test_nothing_is_lost_while_the_file_cannot_be_written(agentd, load):
    """Three nodes at once, each with its own trouble over the end of a window or more."""
    troubles = [DirectoryInItsPlace(), NoSpace(), CoreKilledMeanwhile()]
    daemons = [agentd(start=False) for _ in troubles]
    for daemon in daemons:
        daemon.metrics_path.write_text(EMPTY_BODY * 1000)
        daemon.start()
    flows = [
        load(daemon.port, duration_s=60, clients_new=2, clients_kept=2, pause_s=0.02, **MIXED) for daemon in daemons
    ]
    for trouble, daemon in zip(troubles, daemons):
        trouble.fail(daemon)
    for daemon in daemons:
        wait_until(lambda: daemon.status()["publish"]["errors"] > 0, WINDOW_S + 5, "a window fails", 0.2)
        assert daemon.status()["publish"]["last_error"]
        assert daemon.health().status == 200
    for trouble, daemon in zip(troubles, daemons):
        trouble.repair(daemon)
    for flow in flows:
        flow.wait_requests(20)
    for daemon, flow in zip(daemons, flows):
        flow.stop().assert_none_failed(at_least=20)
        wait_until(lambda: board_totals(daemon)["total"] == flow.sent, 5, "all requests in status", 0.2)
        assert daemon.stop() == 0
        print(f"{flow.sent} sent; windows: {[d['StatisticValues']['Sum'] for d in daemon.metric_data('RequestCount')]}")
        assert counted(daemon) == flow.sent
        assert latencies_counted(daemon) == flow.sent


def test_nothing_is_lost_when_the_file_is_rotated_by_others(agentd, load):
    """logrotate renames the file, or somebody removes the directory's only name of it."""
    daemon = agentd()
    flow = load(daemon.port, duration_s=40, clients_new=2, clients_kept=2, pause_s=0.02)
    wait_until(daemon.metrics_path.exists, WINDOW_S + 5, "a first window", 0.1)
    wait_until(lambda: daemon.status()["publish"]["windows_written"] > 0, 5, "it is written", 0.1)
    aside = daemon.metrics_path.with_suffix(".aside")
    daemon.metrics_path.rename(aside)
    flow.wait_requests(50)
    flow.stop().assert_none_failed()
    assert daemon.stop() == 0
    lines = aside.read_text() + daemon.metrics_path.read_text()
    data = [datum for line in lines.splitlines() for datum in json.loads(line)["MetricData"]]
    assert sum(d["StatisticValues"]["Sum"] for d in data if d["MetricName"] == "RequestCount") == flow.sent


# --- Latencies -----------------------------------------------------------------------------------

ACCESS_LINE = re.compile(r"GET /(\d+) 200 (\d+) us")


def quantile(pairs, share):
    """The value at rank ceil(share * n) of (value, count) pairs."""
    pairs = sorted(pairs)
    rank = max(1, math.ceil(share * sum(count for _, count in pairs)))
    for value, count in pairs:
        rank -= count
        if rank <= 0:
            return value
    raise AssertionError("no values")


def test_latency_quantiles(agentd, load, build):
    """p50, p90 and p99 from Values/Counts are within 3 % of the workers' own list of every latency."""
    delays = random.Random(1)
    daemon = agentd({"apps": {BOARD: {"command": [str(build / "tests/tools/delay-worker")]}}})

    def delayed(request_id):
        # From 0.1 ms to 0.6 s over more buckets than one datum takes values.
        return "GET", f"/{int(min(600_000, 100 + delays.lognormvariate(8.5, 1.6)))}", b""

    flow = load(daemon.port, duration_s=8, clients_new=8, clients_kept=24, pause_s=0.002, make_request=delayed, slow_s=10)
    flow.join().assert_none_failed(at_least=200)
    assert daemon.stop() == 0
    raw = []
    for path in sorted((daemon.dir / "run" / "log").glob(f"{BOARD}.*")):
        for asked, took in ACCESS_LINE.findall(path.read_text()):
            assert int(took) >= int(asked), "answered before its time"
            raw.append((int(took) / 1000, 1))
    assert len(raw) == flow.sent
    published = [
        pair for datum in daemon.metric_data("RequestLatency") for pair in zip(datum["Values"], datum["Counts"])
    ]
    assert sum(count for _, count in published) == flow.sent
    assert len({value for value, _ in published}) > 150
    for datum in daemon.metric_data("RequestLatency"):
        assert len(datum["Values"]) == len(datum["Counts"]) <= 150
        assert datum["Unit"] == "Milliseconds"
    for share in (0.5, 0.9, 0.99):
        true, told = quantile(raw, share), quantile(published, share)
        print(f"p{share * 100:g}: {told:.3f} ms published, {true:.3f} ms true, {100 * (told / true - 1):+.2f} %")
        assert abs(told / true - 1) <= 0.03
    # The clients' view, network and queue included, can only be longer.
    assert flow.percentile(0.5) * 1000 >= quantile(raw, 0.5)


# --- Host ----------------------------------------------------------------------------------------

BUSY_CHILD = """
import time
end = time.monotonic() + {seconds}
while time.monotonic() < end:
    rest = time.monotonic() + 0.03
    while time.monotonic() < rest:
        pass
    time.sleep(0.02)
"""


def cpu_times():
    """Busy and all time of all CPUs in ticks, by proc(5): guest time is in user time already."""
    with open("/proc/stat") as file:
        user, nice, system, idle, iowait, irq, softirq, steal = map(int, file.readline().split()[1:9])
    busy = user + nice + system + irq + softirq
    return busy, busy + idle + iowait + steal


def memory_percent():
    with open("/proc/meminfo") as file:
        amounts = {line.split(":")[0]: int(line.split()[1]) for line in file}
    return 100 * (1 - amounts["MemAvailable"] / amounts["MemTotal"])


def read_window(start_s):
    """Watches the window that begins at |start_s| to its end: CPU and memory in percent."""
    assert time.time() < start_s
    time.sleep(start_s - time.time())
    busy, everything = cpu_times()
    memory = []
    for second in range(1, WINDOW_S + 1):
        time.sleep(max(0, start_s + second - time.time()))
        memory.append(memory_percent())
    busy_end, everything_end = cpu_times()
    return 100 * (busy_end - busy) / (everything_end - everything), sum(memory) / len(memory)


@pytest.mark.alone
def test_host_metrics(agentd):
    """Within 2 points of what /proc says to somebody else over the same window, with another process at work."""
    daemon = agentd()
    time.sleep(1)  # of a window that it sees whole
    start_s = (int(time.time()) // WINDOW_S + 1) * WINDOW_S
    program = BUSY_CHILD.format(seconds=start_s + WINDOW_S - 3 - time.time())
    with subprocess.Popen([sys.executable, "-c", program]):
        windows = [(start_s, *read_window(start_s))]
    wait_until(lambda: daemon.metric_data("CPUUtilization")[-1]["Timestamp"] == start_s, 5, "the window is written")
    assert daemon.stop() == 0
    for start_s, cpu, memory in windows:
        for name, true in (("CPUUtilization", cpu), ("MemoryUtilization", memory)):
            (datum,) = [d for d in daemon.metric_data(name) if d["Timestamp"] == start_s]
            statistics = datum["StatisticValues"]
            told = statistics["Sum"] / statistics["SampleCount"]
            print(f"{start_s} {name}: {told:.2f} published, {true:.2f} true")
            assert statistics["SampleCount"] == WINDOW_S
            assert abs(told - true) <= 2
