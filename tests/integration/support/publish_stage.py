# SPDX-License-Identifier: Apache-2.0
"""
Nodes that publish to a front of their own, many side by side: windows last ten seconds, so that what
one test after the other would do in half an hour, they do in a minute.

A scenario is a function of a Stage and runs on a thread. All chosen ones start together; the test of
that name waits for its own and tells what became of it:

    @scenario
    def outage(stage):
        node = stage.node("outage")
        ...

    test_publishing(stage, name) calls stage.result(name)
"""

import os
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .aws_front import REGION, Front
from .certificates import Certificate
from .daemon import Agentd, wait_until
from .load_generator import Load
from .moto_peer import Moto
from .publish_account import BOARD, Account, longest_decrease, total_of

WINDOW_S = 10
LATE_S = 90  # a window is there by then, whatever else the machine does
SCENARIOS = {}
TABLE_HEAD = ("fault", "windows", "requests sent", "stored", "twice", "ambiguous", "lost")


def scenario(function):
    SCENARIOS[function.__name__] = function
    return function


def mixed_request(request_id):
    """Pages, posts, and a client's error."""
    if request_id % 10 == 3:
        return "POST", "/", b"message=request+%d" % request_id
    if request_id % 10 == 5:
        return "GET", f"/no-such-page-{request_id}", b""
    return "GET", "/", b""


class HealthWatch:
    """Asks for /health every |interval_s| until the end of the node; failures are kept."""

    def __init__(self, daemon, interval_s):
        self.daemon = daemon
        self.interval_s = interval_s
        self.asked = 0
        self.failures = []
        self.paused = False  # while the holder is dead
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()

    def _watch(self):
        while not self.stopping.wait(self.interval_s):
            if self.paused:
                continue
            self.asked += 1
            try:
                answer = self.daemon.health()
                if answer.status != 200:
                    raise OSError(f"status {answer.status}: {answer.text}")
            except (OSError, ValueError, EOFError) as error:
                if not self.paused and not self.stopping.is_set():
                    self.failures.append(f"{time.strftime('%H:%M:%S')}: {error!r}")

    def stop(self):
        self.stopping.set()
        self.thread.join(20)


class Node:
    """
    One agentd with its front. Attributes: name, daemon, front, namespace, flows (every Load), health.

    |publish| is merged over the default settings of the group; |adaptive| makes it send at each
    window's end (the load of any machine is near a scaling target of 1 %).
    """

    def __init__(self, stage, name, *, publish=None, environment=None, app=None, front=None, health_s=0.25, plain=False):
        self.name = name
        self.stage = stage
        self.front = front or stage.front()
        self.namespace = f"agentd {name}"
        settings = {
            "sink": "cloudwatch",
            "file": None,
            "namespace": self.namespace,
            "region": REGION,
            "endpoint": self.front.url,
            "asg_name": f"group of {name}",
            "flush": 0,
            "scaling_target": 1,
            "stop_timeout": 10,
            **(publish or {}),
        }
        self.directory = tempfile.TemporaryDirectory(prefix=f"agentd-{name}-")
        config = {
            "observe": {"window": WINDOW_S},
            "publish": settings,
            "apps": {BOARD: {"workers": 1, "idle_timeout": 1, **(app or {})}},
        }
        variables = {"AWS_EC2_METADATA_DISABLED": "true", "NO_PROXY": "*", **self.front.environment(), **(environment or {})}
        build = stage.plain_build if plain else stage.build
        self.daemon = Agentd(build, self.directory.name, config, environment=variables)
        self.flows = []
        self.health = None
        self.health_s = health_s

    # --- Life ------------------------------------------------------------------------------------

    def start(self):
        with self.stage.starting:  # a dozen at once on two CPUs would only be late
            self.daemon.start(timeout_s=60)
        if self.health is None:
            self.health = HealthWatch(self.daemon, self.health_s)
        self.health.paused = False
        return self

    def stop(self):
        """SIGTERM; it must end well."""
        self.health.paused = True
        assert self.daemon.stop(60) == 0, self.daemon.log_tail()

    def kill_holder(self):
        self.health.paused = True
        self.daemon.kill_holder()
        self.daemon.reap_orphans(20)

    def load(self, **options):
        """Requests in the background, a few dozen a second, until rest()."""
        options = {
            "duration_s": 900,
            "max_requests": 500_000,
            "clients_new": 1,
            "clients_kept": 1,
            "pause_s": 0.15,
            "make_request": mixed_request,
            "expected": (200, 302, 404),
            "slow_s": 10,
            **options,
        }
        self.flows.append(Load(self.daemon.port, **options))
        return self.flows[-1]

    def rest(self):
        """Ends the load; all of it was answered and is in the totals."""
        for flow in self.flows:
            flow.stop()
            assert not flow.failed, flow.summary()

    @property
    def sent(self):
        return sum(flow.sent for flow in self.flows)

    def settle(self):
        """Ends the load and waits until the window with its last requests is closed and queued."""
        self.rest()
        goal = self.flows[-1].sent
        found = {}

        def counted():
            found.update(self.daemon.status())
            (app,) = [app for app in found["apps"] if app["name"] == BOARD]
            return app["requests"]["total"] >= goal

        wait_until(counted, 20, "the requests are counted", 0.2)
        before = self.publish(found)["queued"]  # of the same moment
        wait_until(lambda: self.publish()["queued"] > before, LATE_S, "another window waits", 0.2)

    def finish(self):
        """Ends everything; returns what is wrong."""
        for flow in self.flows:
            flow.stop()
        if self.health:
            self.health.stop()
        problems = self.daemon.finish()
        self.front.stop()
        self.directory.cleanup()
        problems += [f"the front complains: {text}" for text in self.front.violations[:5]]
        if self.health and self.health.failures:
            problems.append(f"/health failed {len(self.health.failures)} of {self.health.asked}: {self.health.failures[:3]}")
        return [f"{self.name}: {problem}" for problem in problems]

    # --- What it says, what there is ----------------------------------------------------------------

    def publish(self, status=None):
        """What status says of publishing, in one dict; `queued` are the windows that wait."""
        publish = (status or self.daemon.status())["publish"]
        cloudwatch = publish["cloudwatch"]
        return {**publish, **cloudwatch, "queued": cloudwatch["spool"]["windows"]}

    def account(self):
        return Account(self.front.stored)

    def wait_stored(self, since_s=0.0, timeout_s=LATE_S):
        """Until a window that began at |since_s| or later is stored, and answered."""

        def there():
            records = [r for r in list(self.front.stored) if r.answered]
            return any(stamp >= since_s for stamp in Account(records).windows())

        try:
            wait_until(there, timeout_s, f"{self.name}: a window is stored", 0.2)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{dict(self.front.counts)}\n{self.publish()}\n{self.daemon.log_tail()}") from None

    def wait_empty(self, timeout_s=LATE_S):
        """Until nothing waits to be sent."""
        wait_until(lambda: self.publish()["queued"] == 0, timeout_s, f"{self.name}: the queue is empty", 0.3)

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.daemon.core_pid()}/fd"))

    # --- The verdict -------------------------------------------------------------------------------

    def check(self, may_double=False, dropped=0):
        """
        Nothing lost, nothing double but what is counted as ambiguous, order kept, and moto has what
        the front has. |dropped|: requests that the service has refused for good. Adds a line to the table.
        """
        account = self.account()
        stored, copies = account.distinct_sum("RequestCount"), account.copies()
        ambiguous = account.distinct_sum("PublishAmbiguous", None)
        row = (self.name, len(account.windows()), self.sent, stored, copies, int(ambiguous), self.sent - stored)
        self.stage.rows.append(row)
        told = f"{dict(zip(TABLE_HEAD, row))}; {dict(self.front.counts)}; windows {account.windows()}"
        told += "\n" + self.daemon.log_tail()
        assert stored == self.sent - dropped, told
        assert copies <= ambiguous, told
        assert may_double or account.sum("RequestCount") == self.sent - dropped, told
        if copies == 0:
            assert sum(count for _, count in account.latencies()) == self.sent - dropped, told
        assert longest_decrease(account.windows()) <= 2, told
        # moto takes dimensions for a filter: those with InstanceId are among them.
        points = self.stage.moto.statistics(self.namespace, "RequestCount", {"App": BOARD}).values()
        everything = sum(total_of(d) for d in account.everything if d["MetricName"] == "RequestCount")
        assert sum(point["Sum"] for point in points) == everything, told
        return account


class Stage:
    """Attributes: build, plain_build, storm (the fixture), moto, rows (of the table), starting (a lock)."""

    def __init__(self, build, plain_build, storm, names, directory):
        self.build = build
        self.plain_build = plain_build
        self.storm = storm
        self.directory = Path(directory)
        self.moto = Moto(self.directory / "moto.log")
        self.rows = []
        self.starting = threading.Semaphore(3)
        self.local = threading.local()
        self.pool = ThreadPoolExecutor(max_workers=len(names) or 1)
        self.futures = {name: self.pool.submit(self._run, SCENARIOS[name]) for name in names}

    def front(self, **options):
        return Front(self.moto.port, **options).start()

    def certificate(self):
        path = self.directory / f"tls-{time.monotonic_ns()}"
        path.mkdir()
        return Certificate(path)

    def node(self, name, **options):
        """A node, not started; what the scenario makes is ended with it."""
        node = Node(self, name, **options)
        self.local.nodes.append(node)
        return node

    def _run(self, function):
        self.local.nodes = []
        problems = []
        try:
            function(self)
        finally:
            for node in self.local.nodes:
                problems += node.finish()
        assert not problems, "\n".join(problems)

    def result(self, name):
        """Waits for the scenario; raises what it raised."""
        self.futures[name].result()

    def table(self):
        """The fault table as text."""
        rows = [TABLE_HEAD, *sorted(self.rows)]
        widths = [max(len(str(row[column])) for row in rows) for column in range(len(TABLE_HEAD))]
        lines = ("  ".join(str(cell).ljust(width) for cell, width in zip(row, widths)) for row in rows)
        return "".join(line.rstrip() + "\n" for line in lines)

    def close(self):
        """Ends it and writes the table to the directory of logs, if there is one."""
        self.pool.shutdown()
        self.moto.stop()
        logs = os.environ.get("AGENTD_LOGS")
        if logs and self.rows:
            (Path(logs) / "fault-table.txt").write_text(self.table())
        print(self.table())
