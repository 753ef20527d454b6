# SPDX-License-Identifier: Apache-2.0
"""
agentctl upgrade: the running agentd becomes the one on disk, and nobody notices. A next version is
a copy of the build with another version number in it; bad ones are small programs in its place.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from support.daemon import Agentd, free_port, wait_until

BOARD = "visitor-board"
PROGRAMS = ("agentd", "agentd-core", "agentd-stress", "agentctl", "visitor-board")
HEAD = f"#!{sys.executable} -IS\nimport os, subprocess, sys, time\n"

# In agentd's place: does |check| when it is asked and |start| when it is to go on, then is the real one.
WRAPPER = (
    HEAD
    + """
real = sys.argv[0] + ".real"
if "--check-upgrade" in sys.argv:
    {check}
elif "AGENTD_HANDOVER" in os.environ:
    {start}
os.execv(real, [real] + sys.argv[1:])
"""
)

# A state that a later version would have written, from the one that is handed over.
NEWER_STATE = """
    import fcntl
    old = int(os.environ["AGENTD_HANDOVER"])
    state = bytearray(os.pread(old, 1 << 20, 0))
    state[8] += 1
    os.close(old)
    new = os.memfd_create("state", os.MFD_ALLOW_SEALING)
    os.write(new, state)
    fcntl.fcntl(new, 1033, 15)
    os.environ["AGENTD_HANDOVER"] = str(new)
"""


class Installed(Agentd):
    """agentd started from a directory in which its programs can be replaced, as a package does it."""

    def __init__(self, build, directory, *arguments, **options):
        self.original = Path(build)
        bin_dir = Path(directory) / "bin"
        bin_dir.mkdir()
        for name in PROGRAMS:
            shutil.copy(self.original / name, bin_dir)
        super().__init__(bin_dir, directory, *arguments, **options)
        self.version = self.status_version()

    def status_version(self):
        words = subprocess.run([self.build / "agentd", "--version"], capture_output=True, text=True, check=True)
        return words.stdout.split()[1]

    def place(self, name, data, mode=0o755):
        """Replaces a program by another file, as rename(2) does it: the old one may run on."""
        new = self.build / (name + ".new")
        new.write_bytes(data if isinstance(data, bytes) else data.encode())
        new.chmod(mode)
        new.rename(self.build / name)

    def install(self, version, names=("agentd", "agentd-core")):
        """Puts another version there; its number has as many characters."""
        assert len(version) == len(self.version)
        for name in names:
            self.place(name, (self.original / name).read_bytes().replace(self.version.encode(), version.encode()))

    def wrap(self, check="pass", start="pass"):
        """Puts a WRAPPER around the original agentd."""
        self.place("agentd.real", (self.original / "agentd").read_bytes())
        self.place("agentd", WRAPPER.format(check=check, start=start))

    def identity(self):
        """What no refused upgrade may change: holder, core, workers."""
        return self.pid, self.core_pid(), sorted(self.worker_pids())

    def event_names(self):
        return [event["event"] for event in self.ctl_json("events", "-n", "256")["events"]]


@pytest.fixture
def install():
    made = []

    def make(build, config=None, **options):
        directory = tempfile.TemporaryDirectory(prefix="agentd-upgrade-")
        daemon = Installed(build, directory.name, config, **options)
        made.append((daemon, directory))
        return daemon.start()

    yield make
    problems = [problem for daemon, _ in made for problem in daemon.finish()]
    for _, directory in made:
        directory.cleanup()
    assert not problems, "\n".join(problems)


@pytest.fixture
def daemon(install, build):
    return install(build)


def upgrade(daemon, *arguments):
    result = daemon.ctl("upgrade", "--wait", *arguments, timeout_s=90)
    return result.returncode, result.stdout + result.stderr


def refused(daemon, reason, code=1):
    """An upgrade that is refused, for that reason, and changes nothing."""
    before = daemon.identity()
    returned, text = upgrade(daemon)
    assert returned == code and re.search(reason, text), (returned, text)
    assert daemon.identity() == before
    assert daemon.health().status == 200
    return text


def resources(pid):
    """Descriptors by what they are, and the threads' number."""
    kinds = []
    for fd in os.listdir(f"/proc/{pid}/fd"):
        target = os.readlink(f"/proc/{pid}/fd/{fd}")
        kinds.append(re.sub(r"\d+", "N", target))
    return sorted(kinds), len(os.listdir(f"/proc/{pid}/task"))


def board_total(daemon):
    (app,) = daemon.status()["apps"]
    return app["requests"]["total"]


@pytest.mark.limit(400)
def test_upgrades_in_a_row_under_load(install, plain_build, load, storm):
    """No request fails, workers and totals go on, and nothing is left over."""
    rounds = storm(3, 20)
    daemon = install(plain_build)
    versions = [daemon.version, daemon.version[:-1] + "9"]
    workers, before = sorted(daemon.worker_pids()), resources(daemon.pid)
    flow = load(daemon.port, duration_s=300, max_requests=400_000, clients_new=6, clients_kept=6, pause_s=0.004)
    flow.wait_requests(500)
    totals = [0]
    for number in range(rounds):
        old, new = versions[number % 2], versions[(number + 1) % 2]
        core = daemon.core_pid()
        daemon.install(new)
        assert upgrade(daemon) == (0, f"upgraded from {old} to {new}\n")
        assert daemon.core_pid() not in (0, core)
        assert sorted(daemon.worker_pids()) == workers
        totals.append(board_total(daemon))
        flow.wait_requests(500)
        assert daemon.ctl_json("version")["agentd"] == new
    flow.stop().assert_none_failed(at_least=rounds * 100)
    print(f"{rounds} upgrades: {flow.summary()}, p99 {1000 * flow.percentile(0.99):.1f} ms")
    assert totals == sorted(totals)
    assert resources(daemon.pid) == before
    assert not daemon.zombies()
    assert sum(worker["restarts"] for worker in daemon.workers()) == 0
    names = daemon.event_names()
    assert names.count("upgrade-started") == names.count("upgrade-done") == rounds
    assert "core-replaced" not in names and "worker-died" not in names
    assert daemon.stop() == 0
    assert daemon.metric_sum("RequestCount", App=BOARD) == flow.sent


def says(text, status, stream="stderr"):
    return HEAD + f"print({text!r}, file=sys.{stream})\nsys.exit({status})\n"


BAD_PROGRAMS = {
    "fails": (says("no licence for this machine", 1), 0o755, "no licence for this machine"),
    "fails silently": (HEAD + "sys.exit(9)\n", 0o755, "exit status 9"),
    "crashes": (HEAD + "os.kill(os.getpid(), 6)\n", 0o755, "signal 6"),
    "says another thing": (says("ok", 0, "stdout"), 0o755, "says: ok"),
    "says nothing": (HEAD, 0o755, "exit status 0"),
    "not executable": (HEAD, 0o644, "errno 13"),
    "garbage": (bytes(range(256)) * 40, 0o755, "errno 8"),
    "empty": (b"", 0o755, "errno 8"),
    "binary noise": (HEAD + "os.write(1, bytes(range(1, 256)))\nsys.exit(1)\n", 0o755, "refused"),
}


def test_bad_programs_are_refused(daemon):
    """Each with its reason; then a good one is taken."""
    for name, (program, mode, reason) in BAD_PROGRAMS.items():
        daemon.place("agentd", program, mode)
        print(name, "->", refused(daemon, reason))
    (daemon.build / "agentd").unlink()
    refused(daemon, "errno 2")
    assert daemon.event_names().count("upgrade-refused") == len(BAD_PROGRAMS) + 1
    daemon.install(daemon.version)
    assert upgrade(daemon)[0] == 0


def test_check_that_hangs_is_refused(daemon, load):
    """After its 20 s; what it has started ends with it, requests don't notice, and the next one is taken."""
    program = HEAD + "subprocess.Popen(['sleep', '1000'])\ntime.sleep(1000)\n"
    daemon.place("agentd", program)
    flow = load(daemon.port, duration_s=60, pause_s=0.05)
    begun_s = time.monotonic()
    refused(daemon, "the new agentd's check did not end in time")
    assert time.monotonic() - begun_s >= 20
    flow.stop().assert_none_failed(at_least=20)
    assert daemon.event_names().count("upgrade-refused") == 1
    wait_until(lambda: not daemon.pids("sleep"), 5, "nothing is left of it")
    assert not daemon.zombies()
    daemon.install(daemon.version)
    assert upgrade(daemon)[0] == 0


def test_bad_cores_are_refused(daemon):
    """The two programs belong together."""
    daemon.install(daemon.version[:-1] + "9", names=["agentd"])
    refused(daemon, f"agentd-core is of version {daemon.version}, agentd of {daemon.version[:-1]}9")
    (daemon.build / "agentd-core").unlink()
    refused(daemon, "can't run agentd-core: No such file")
    daemon.place("agentd-core", says("not today", 3))
    refused(daemon, "not today")
    daemon.install(daemon.version[:-1] + "9")
    assert upgrade(daemon)[0] == 0


def test_bad_configuration_is_refused(daemon):
    """With its line; the configuration in force is another matter."""
    good = daemon.config_path.read_text()
    daemon.config_path.write_text(good + "\nnonsense = 1;\n")
    line = good.count("\n") + 2
    refused(daemon, rf"agentd\.conf:{line}\b.*nonsense")
    daemon.config_path.write_text(good)
    assert upgrade(daemon)[0] == 0


def test_newer_state_is_refused(daemon):
    """As by an older version, to which a newer one is to go back."""
    daemon.wrap(check=NEWER_STATE.strip())
    text = refused(daemon, r"it has version \d+, and versions up to \d+ are known")
    newer, known = map(int, re.search(r"version (\d+), and versions up to (\d+)", text).groups())
    assert newer == known + 1


def test_state_that_cannot_be_restored(daemon):
    """What the check should have seen: the new one says so and leaves, and nothing stays behind."""
    daemon.wrap(start=NEWER_STATE.strip())
    daemon.ctl("upgrade")
    assert daemon.wait_exit() == 1
    assert "can't read the state" in daemon.log()
    daemon.holder_was_killed = True  # its children are ours now; finish() sees that they end


def test_exec_that_fails(daemon):
    """Whatever happens to the file after its check: the old one goes on, and says why."""
    daemon.wrap(check="print(subprocess.check_output([real] + sys.argv[1:], text=True, pass_fds=[3]).strip())\n"
                      "    os.unlink(sys.argv[0]); sys.exit(0)")
    workers, core = sorted(daemon.worker_pids()), daemon.core_pid()
    code, text = upgrade(daemon)
    assert code == 1 and "can't run the new agentd: No such file" in text, text
    assert sorted(daemon.worker_pids()) == workers and daemon.core_pid() not in (0, core)
    assert "upgrade-failed" in daemon.event_names()
    daemon.install(daemon.version)
    assert upgrade(daemon)[0] == 0
    assert sorted(daemon.worker_pids()) == workers


def begin_slow_start(daemon, seconds=2):
    """An upgrade whose new program takes its time to begin: the pid of who sleeps."""
    daemon.wrap(start=f"time.sleep({seconds})")
    assert daemon.ctl("upgrade").returncode == 0
    wait_until(lambda: os.readlink(f"/proc/{daemon.pid}/exe") == os.path.realpath(sys.executable), what="the exec")


def test_worker_killed_during_the_exec(daemon):
    """It is reaped by the new version, with its status; nobody else's requests are lost."""
    old = sorted(daemon.worker_pids())
    time.sleep(10.5)  # stable: the restart is at once
    begin_slow_start(daemon)
    os.kill(old[0], signal.SIGKILL)
    daemon.wait_ready(2)
    assert not daemon.zombies()
    (died,) = [e for e in daemon.ctl_json("events")["events"] if e["event"] == "worker-died"]
    assert "SIGKILL" in died["text"] and died["app"] == BOARD, died
    assert old[1] in daemon.worker_pids()


def test_stop_during_the_exec(daemon):
    """The signal waits for the new version, which obeys it."""
    begin_slow_start(daemon, 1)
    daemon.process.send_signal(signal.SIGTERM)
    assert daemon.wait_exit() == 0
    assert "stopping" in daemon.log()


def test_core_killed_around_an_upgrade(daemon):
    """In the check: the upgrade is forgotten. At the new version's start: the next core reports it."""
    workers = sorted(daemon.worker_pids())
    daemon.wrap(check="time.sleep(2)")
    asking = threading.Thread(target=daemon.ctl, args=["upgrade"])
    asking.start()
    wait_until(lambda: "upgrade asked for" in daemon.log(), what="the request")
    time.sleep(0.3)
    core = daemon.core_pid()
    os.kill(core, signal.SIGKILL)
    asking.join()
    wait_until(lambda: daemon.core_pid() not in (0, core), what="a new core")
    daemon.wait_healthy()
    assert "upgrade-started" not in daemon.event_names()

    daemon.install(daemon.version)
    core = daemon.core_pid()
    assert daemon.ctl("upgrade").returncode == 0
    new = wait_until(lambda: daemon.core_pid() not in (0, core) and daemon.core_pid(), 20, "the next core")
    os.kill(new, signal.SIGKILL)
    daemon.wait_healthy()
    wait_until(lambda: "upgrade-done" in daemon.event_names(), 20, "upgrade-done")
    assert sorted(daemon.worker_pids()) == workers
    assert upgrade(daemon)[0] == 0


def test_two_at_once(daemon):
    """The second is refused while the first is checked."""
    daemon.wrap(check="time.sleep(1.5)")
    results = []
    first = threading.Thread(target=lambda: results.append(upgrade(daemon)))
    first.start()
    wait_until(lambda: "upgrade asked for" in daemon.log(), what="the request")
    assert upgrade(daemon) == (7, "agentctl: an upgrade is under way\n")
    first.join()
    assert results[0][0] == 0, results


def test_stop_comes_first(install, build):
    """While the node stops there is no upgrade; and a stop ends a check."""
    daemon = install(build, {"health": {"lame_duck": 4}})
    daemon.wrap(check="time.sleep(30)")
    results = []
    first = threading.Thread(target=lambda: results.append(upgrade(daemon)))
    first.start()
    wait_until(lambda: "upgrade asked for" in daemon.log(), what="the request")
    time.sleep(0.2)
    daemon.process.send_signal(signal.SIGTERM)
    first.join()
    assert results[0][0] == 1 and "agentd is stopping" in results[0][1], results
    assert upgrade(daemon) == (7, "agentctl: agentd is stopping\n")
    assert daemon.wait_exit() == 0


def test_links_are_followed_anew(install, build):
    """Where the programs' path is a symbolic link, an upgrade goes where it leads now."""
    daemon = install(build)
    current, other = daemon.dir / "current", daemon.dir / "other"
    current.symlink_to(daemon.build)
    daemon.stop()
    shutil.copytree(daemon.build, other)
    daemon.build = current
    daemon.start()
    new = daemon.version[:-1] + "9"
    daemon.build = other
    daemon.install(new)
    (daemon.dir / "next").symlink_to(other)
    (daemon.dir / "next").rename(current)
    assert upgrade(daemon) == (0, f"upgraded from {daemon.version} to {new}\n")
    assert os.readlink(f"/proc/{daemon.core_pid()}/exe") == str(other / "agentd-core")


def app_of(daemon, name=BOARD):
    return next(app for app in daemon.status()["apps"] if app["name"] == name)


def test_what_was_asked_for_goes_on(install, build):
    """A scaled, drained node stays so, and its workers are probed and replaced as before."""
    quick = {"probe": "private", "watchdog": 5, "probe_interval": 1, "probe_timeout": 1, "probe_failures": 2}
    daemon = install(build, {"apps": {BOARD: quick}})
    assert daemon.ctl("scale", BOARD, "3", "--wait").returncode == 0
    assert daemon.ctl("drain").returncode == 0
    workers = sorted(daemon.worker_pids())
    assert len(workers) == 3
    assert upgrade(daemon)[0] == 0
    assert daemon.status()["state"] == "drained" and daemon.health().status == 503
    time.sleep(2)  # some probes: they pass
    assert sorted(daemon.worker_pids()) == workers
    first = app_of(daemon)["workers"][0]["pid"]
    os.kill(first, signal.SIGSTOP)
    wait_until(lambda: first not in daemon.worker_pids() and app_of(daemon)["ready"] == 3, 20, "it is replaced")
    assert set(workers) - set(daemon.worker_pids()) == {first}
    assert daemon.ctl("undrain", "--wait").returncode == 0
    names = daemon.event_names()
    assert names.count("worker-hung") == 1 and "core-replaced" not in names
    assert daemon.ctl("reload", "--wait").returncode == 0
    assert not set(workers) & set(daemon.worker_pids()) and len(daemon.worker_pids()) == 2


def test_in_the_middle_of_a_roll(install, build, load):
    """The next version brings a roll to its end, and who waits for it is told; no request fails."""
    command = ["/bin/sh", "-c", f"sleep 0.5; exec {build}/visitor-board"]
    daemon = install(build, {"apps": {BOARD: {"command": command}}})
    daemon.wait_ready(2)
    workers, generation = set(daemon.worker_pids()), app_of(daemon)["generation"]
    flow = load(daemon.port, duration_s=60, pause_s=0.004)
    flow.wait_requests(50)
    reload = subprocess.Popen([str(daemon.build / "agentctl"), "--socket", str(daemon.control_socket),
                               "reload", "--wait"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    wait_until(lambda: app_of(daemon)["rolling"], 10, "the roll", 0.02)
    assert upgrade(daemon)[0] == 0
    output, _ = reload.communicate(timeout=60)
    assert reload.returncode == 0, output
    app = app_of(daemon)
    assert (app["generation"], app["rolling"], app["restarts"]) == (generation + 1, False, 0)
    wait_until(lambda: not workers & set(daemon.worker_pids()), 20, "the old workers are gone")
    assert len(daemon.worker_pids()) == 2
    flow.wait_requests(50)
    flow.stop().assert_none_failed(at_least=100)


def test_stress_goes_on(install, build):
    """The process stays, the next version knows it, changes it and ends it."""
    daemon = install(build)
    assert daemon.ctl("stress", "on", "--wait", "--load", "10", "--for", "5m").returncode == 0
    (pid,) = daemon.pids("agentd-stress")
    daemon.install(daemon.version[:-1] + "9")
    for _ in range(2):
        assert upgrade(daemon)[0] == 0
        stress = daemon.status()["stress"]
        assert (stress["on"], stress["running"], stress["pid"], stress["load"]) == (True, True, pid, 10)
        assert daemon.pids("agentd-stress") == [pid]
    assert "stress-ended" not in daemon.event_names()
    assert daemon.ctl("stress", "on", "--wait", "--load", "11").returncode == 0
    (other,) = daemon.pids("agentd-stress")
    assert other != pid
    assert daemon.ctl("stress", "off", "--wait").returncode == 0
    assert not daemon.pids("agentd-stress") and not daemon.zombies()


def test_what_dead_workers_leave(install, build):
    """Descendants in sessions of their own are found and reaped, also those from before the upgrade."""
    bad = {"command": [str(build / "tests" / "tools" / "bad-worker"), "grandchildren"],
           "listen": [f"127.0.0.1:{free_port()}"], "workers": 1, "drain_timeout": 1, "idle_timeout": 1}
    daemon = install(build, {"apps": {"bad": bad}})

    def living():
        return {p.pid for p in daemon.family() if p.name == "bad-worker" and not p.zombie}

    own = wait_until(lambda: len(living()) == 4 and living(), what="three descendants")
    assert upgrade(daemon)[0] == 0
    assert living() == own
    os.kill(app_of(daemon, "bad")["workers"][0]["pid"], signal.SIGKILL)
    wait_until(lambda: not own & living(), 20, "they are gone")
    wait_until(lambda: not [p for p in daemon.zombies() if p.ppid == daemon.pid], 20, "and reaped")


def test_changed_addresses_still_wait_for_a_restart(install, build, load):
    """An upgrade is no restart: what a reload has left listening goes on listening."""
    daemon = install(build)
    daemon.wait_ready(2)
    flow = load(daemon.port, duration_s=60, pause_s=0.004)
    port = free_port()
    daemon.write_config({"apps": {BOARD: {"listen": [f"127.0.0.1:{port}"]}}})
    result = daemon.ctl("reload", "--wait")
    assert result.returncode == 0 and f"apps.{BOARD}.listen" in result.stdout, result
    for _ in range(2):  # what came over goes over again
        assert upgrade(daemon)[0] == 0
        flow.wait_requests(50)
    assert daemon.ctl("reload", "--wait").returncode == 0
    flow.wait_requests(50)
    flow.stop().assert_none_failed(at_least=100)
