# SPDX-License-Identifier: Apache-2.0
"""One agentd of the build under test, with its own ports and its own private directory."""

import http.client
import json
import os
import random
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

from . import libconfig, processes

SANITIZER_REPORT = re.compile(
    rb"(ERROR: (Address|Leak|Memory)Sanitizer|runtime error: |SUMMARY: \w+Sanitizer)"
)
PORTS_GIVEN = set()  # many nodes start at once, and bind theirs later
PORTS = range(18000, 32000)  # below those of outgoing connections: no client's socket can take one meanwhile
LOG_SCAN_LIMIT = 64 * 1024 * 1024  # bytes a file that are searched for reports


def own_ports():
    """Those of this process: the processes of one run (pytest-xdist) have each a part of their own."""
    processes_in_all = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    mine = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    return PORTS[mine::processes_in_all]


def free_port():
    """A loopback port that nobody listens on, and another one each time."""
    for _ in range(1000):
        port = random.choice(own_ports())
        if port in PORTS_GIVEN:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                PORTS_GIVEN.add(port)
                return port
            except OSError:
                continue
    raise RuntimeError(f"no free port in {own_ports()}")


def wait_until(condition, timeout_s=10.0, what="condition", interval_s=0.02):
    """Polls until |condition| returns something true, and returns that. AssertionError when late."""
    deadline = time.monotonic() + timeout_s
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s:g} s: {what}")
        time.sleep(interval_s)


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket, for the control API."""

    def __init__(self, path, timeout=5):
        super().__init__("localhost", timeout=timeout)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Answer:
    """An HTTP answer: status, headers (names in lower case), body as bytes."""

    def __init__(self, response):
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = response.read()

    @property
    def text(self):
        return self.body.decode()

    def json(self):
        return json.loads(self.body)


class Agentd:
    """
    agentd in the foreground with two visitor-board workers, unless |config| says otherwise.

    Attributes: port (the board's), health_port, dir (private; run/, state/, agentd.log, agentd.conf),
    config (the dict in force), pid (the holder's), process (subprocess.Popen).

    |config| is merged over the defaults of default_config(), key by key; a key with None is left
    out. A str is taken as the whole file. |extra_files| are written to conf.d as {name: text}.
    |address| is the one of both ports, and |ports| are those of board and health, where nodes have the same.
    """

    def __init__(self, build, directory, config=None, *, environment=None, arguments=(), extra_files=None,
                 address="127.0.0.1", ports=None):
        self.build = Path(build)
        self.dir = Path(directory)
        self.address = address
        self.port, self.health_port = ports or (free_port(), free_port())
        self.environment = dict(environment or {})
        self.arguments = list(arguments)
        self.process = None
        self.holder_was_killed = False
        self.config_path = self.dir / "agentd.conf"
        self.log_path = self.dir / "agentd.log"
        for name in ("run", "state", "conf.d"):
            (self.dir / name).mkdir(mode=0o700, exist_ok=True)
        for name, text in (extra_files or {}).items():
            (self.dir / "conf.d" / name).write_text(text)
        self.config = None
        self.write_config(config if config is not None else {})

    # --- Configuration ---------------------------------------------------------------------------

    def default_config(self):
        return {
            "agent": {"runtime_dir": str(self.dir / "run"), "state_dir": str(self.dir / "state")},
            "health": {"listen": f"{self.address}:{self.health_port}", "lame_duck": 0},
            "publish": {"sink": "file", "file": str(self.metrics_path)},
            "apps": {
                "visitor-board": {
                    "command": [str(self.build / "visitor-board")],
                    "listen": [f"{self.address}:{self.port}"],
                    "workers": 2,
                    "drain_timeout": 10,
                    "idle_timeout": 2,
                    # All clients of a test have one address.
                    "environment": [f"BOARD_DATABASE={self.dir / 'board.db'}", "BOARD_POSTS_PER_MINUTE=0"],
                }
            },
        }

    def write_config(self, config):
        """Writes agentd.conf: a dict is merged over the defaults, a str is taken as it is."""
        if isinstance(config, str):
            self.config = None
            self.config_path.write_text(config)
        else:
            self.config = libconfig.merge(self.default_config(), config)
            self.config_path.write_text(libconfig.settings(self.config))

    @property
    def metrics_path(self):
        return self.dir / "state" / "metrics.jsonl"

    @property
    def control_socket(self):
        return self.dir / "run" / "control.sock"

    # --- Life ------------------------------------------------------------------------------------

    def command_line(self):
        return [
            str(self.build / "agentd"),
            "--config",
            str(self.config_path),
            "--libexec",
            str(self.build),
            *self.arguments,
        ]

    def start(self, wait=True, timeout_s=20):
        """Starts it; with |wait|, until /health answers 200."""
        assert self.process is None or self.process.poll() is not None, "still runs"
        environment = dict(os.environ)
        for name in ("NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "JOURNAL_STREAM"):
            environment.pop(name, None)
        environment["UBSAN_OPTIONS"] = "print_stacktrace=1"
        environment.update(self.environment)
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                self.command_line(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=True,
            )
        if wait:
            self.wait_healthy(timeout_s)
        return self

    @property
    def pid(self):
        return self.process.pid

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def wait_healthy(self, timeout_s=20):
        def healthy():
            if not self.alive():
                raise AssertionError(f"agentd ended with {self.process.returncode}:\n{self.log_tail()}")
            try:
                return self.health().status == 200
            except OSError:
                return False

        try:
            wait_until(healthy, timeout_s, "/health answers 200")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log_tail()}") from None

    def wait_ready(self, workers, app="visitor-board", timeout_s=20):
        """Until so many of the app's workers are ready (by agentctl status --json)."""

        def ready():
            return sum(w["state"] == "ready" for w in self.workers(app)) == workers

        wait_until(ready, timeout_s, f"{workers} workers of {app} ready", interval_s=0.1)

    def wait_exit(self, timeout_s=20):
        """Its exit status, negative for a signal."""
        return self.process.wait(timeout_s)

    def stop(self, timeout_s=20):
        """SIGTERM and its exit status. Idle kept-alive connections may make it wait; close them first."""
        if self.alive():
            self.process.send_signal(signal.SIGTERM)
        return self.wait_exit(timeout_s)

    def kill_holder(self):
        """SIGKILL to the main process; its workers must go by themselves (PDEATHSIG)."""
        self.holder_was_killed = True
        self.process.kill()
        return self.wait_exit()

    # --- What it says ----------------------------------------------------------------------------

    def request(self, method="GET", path="/", port=None, body=None, headers=None, timeout_s=5):
        """One request on a new connection to the board, or to |port|."""
        connection = http.client.HTTPConnection(self.address, port or self.port, timeout=timeout_s)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def health(self, path="/health", method="GET"):
        return self.request(method, path, port=self.health_port)

    def control(self, method, path, body=None):
        """One request to the control API."""
        connection = UnixConnection(self.control_socket)
        try:
            headers = {"Content-Type": "application/json"} if body is not None else {}
            text = json.dumps(body) if body is not None else None
            connection.request(method, path, body=text, headers=headers)
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def ctl(self, *arguments, timeout_s=30, environment=None):
        """agentctl on this agentd: a CompletedProcess with text in stdout and stderr."""
        return subprocess.run(
            [str(self.build / "agentctl"), "--socket", str(self.control_socket), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            env={**os.environ, **(environment or {})},
            check=False,
        )

    def begin(self, *arguments):
        """agentctl in the background: a Popen with text in stdout and stderr."""
        return subprocess.Popen(
            [str(self.build / "agentctl"), "--socket", str(self.control_socket), *arguments],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def ctl_json(self, *arguments):
        result = self.ctl(*arguments, "--json")
        assert result.returncode in (0, 3), f"{arguments}: exit {result.returncode}: {result.stderr}"
        return json.loads(result.stdout)

    def status(self):
        return self.ctl_json("status")

    def workers(self, app="visitor-board"):
        """The app's workers as status shows them: dicts with slot, state, pid, ..."""
        for entry in self.status()["apps"]:
            if entry["name"] == app:
                return entry["workers"]
        return []

    # --- Its processes ---------------------------------------------------------------------------

    def family(self):
        return processes.family(self.pid, self.dir)

    def pids(self, name):
        """Living processes of it by their program's name (/proc/PID/comm), without agentd's word."""
        return [p.pid for p in self.family() if p.name == name[:15] and not p.zombie]

    def core_pid(self):
        """The core's pid, 0 while there is none."""
        return next(iter(self.pids("agentd-core")), 0)

    def worker_pids(self):
        return self.pids("visitor-board")

    def zombies(self):
        return [p for p in self.family() if p.zombie]

    # --- What it left ----------------------------------------------------------------------------

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def log_tail(self, lines=40):
        return "\n".join(self.log().splitlines()[-lines:])

    def metric_data(self, name):
        """Every published datum of that metric, in order: dicts as PutMetricData has them."""
        if not self.metrics_path.exists():
            return []
        lines = self.metrics_path.read_text().splitlines()
        bodies = [json.loads(line) for line in lines if line.strip()]
        return [datum for body in bodies for datum in body["MetricData"] if datum["MetricName"] == name]

    def metric_sum(self, name, **dimensions):
        """Sum over all windows; |dimensions| choose among dimension sets (App="visitor-board")."""
        total = 0
        for datum in self.metric_data(name):
            own = {pair["Name"]: pair["Value"] for pair in datum.get("Dimensions", [])}
            if any(own.get(key) != wanted for key, wanted in dimensions.items()):
                continue
            if "StatisticValues" in datum:
                total += datum["StatisticValues"]["Sum"]
            elif "Values" in datum:
                counts = datum.get("Counts", [1] * len(datum["Values"]))
                total += sum(v * c for v, c in zip(datum["Values"], counts))
            else:
                total += datum["Value"]
        return total

    def sanitizer_reports(self):
        """Files under the private directory that hold a sanitizer's report, with its first lines."""
        reports = []
        for path in sorted(self.dir.rglob("*")):
            if not path.is_file() or path.is_symlink():
                continue
            with open(path, "rb") as file:
                text = file.read(LOG_SCAN_LIMIT)
            found = SANITIZER_REPORT.search(text)
            if found:
                excerpt = text[found.start() : found.start() + 3000].decode(errors="replace")
                reports.append(f"{path.relative_to(self.dir)}: {excerpt}")
        return reports

    def finish(self):
        """
        Ends it (SIGTERM, else SIGKILL) and returns what is wrong: left processes, zombies,
        sanitizer reports. The fixture fails the test with these.
        """
        problems = []
        if self.process is None:
            return problems
        if self.alive():
            try:
                self.stop(30)
            except subprocess.TimeoutExpired:
                problems.append(f"agentd did not end within 30 s of SIGTERM:\n{self.log_tail()}")
        if self.holder_was_killed:
            self.reap_orphans()
        # What is dead and ours was orphaned: an init would have reaped it, so we do. Among it are the
        # leak sanitizer's helpers, where their process was killed meanwhile.
        for process in self.family():
            if process.zombie and process.ppid == os.getpid() and process.pid != self.pid:
                processes.reap(process.pid)
        left = processes.kill_family(self.process.pid, self.dir)
        self.process.wait(5)
        problems += [f"left behind: {p.pid} {p.state} {p.command or p.name}" for p in left]
        problems += [f"sanitizer: {report}" for report in self.sanitizer_reports()]
        return problems

    def reap_orphans(self, timeout_s=5):
        """After kill_holder(): its children are ours (subreaper); they must end by themselves."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            family = self.family()
            if not family:
                return
            for process in family:
                if process.zombie:
                    processes.reap(process.pid)
            time.sleep(0.02)
