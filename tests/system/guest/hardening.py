# SPDX-License-Identifier: Apache-2.0
"""Tests in the virtual machine of what the unit takes away from its processes, and that nothing is missed."""

import json
import pwd
import re
import time

from unit import *  # pylint: disable=wildcard-import,unused-wildcard-import

SECURITY_LIMIT = 2.0


def security():
    """systemd-analyze security is at most 2.0."""
    text = run("systemd-analyze", "security", "--no-pager", UNIT, check=False).stdout
    score = float(re.search(r"exposure level for \S+: ([0-9.]+)", text).group(1))
    assert score <= SECURITY_LIMIT, f"{score}"
    return [f"systemd-analyze security: {score}"]


def seen_by(user, pid):
    """The processes that |user| sees where |pid| lives."""
    uid = str(pwd.getpwnam(user).pw_uid)
    seen = run("nsenter", "-t", str(pid), "-m", "setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups",
               "--inh-caps=-all", "--bounding-set=-all", "ls", "/proc").stdout
    return {int(name) for name in seen.split() if name.isdigit()}


def processes_are_hidden():
    """a worker's user sees its own processes and no others, and so does the core's."""
    by_worker, by_core = seen_by("visitor-board", workers()[0]), seen_by("agentd", core())
    assert set(workers()) <= by_worker and core() in by_core
    assert not by_worker & {1, holder(), core()}, by_worker
    assert not by_core & {1, *workers()}, by_core
    # what an app may look at without asking whose it is stays
    for name in ("stat", "meminfo", "loadavg", "cpuinfo"):
        run("nsenter", "-t", str(workers()[0]), "-m", "setpriv", "--reuid=visitor-board", "--clear-groups", "cat",
            f"/proc/{name}")  # fmt: skip


def metric(name, app=None):
    """The last sample of a metric; None: it is absent."""
    metrics = json.loads(run("agentctl", "metrics", "--json").stdout)["metrics"]
    return next((entry["last"] for entry in metrics if entry["name"] == name and entry["app"] == app), None)


def resident_bytes(pids):
    """RssAnon and RssShmem, as root sees them."""
    fields = [status_fields(pid) for pid in pids]
    return sum(int(f[name].split()[0]) << 10 for f in fields for name in ("RssAnon", "RssShmem"))


def usage():
    """CPU and memory of agent and workers, whose /proc the core can't see, are those of their control groups."""
    flow = load(30)
    flow.wait_requests(20, 60)
    flow.stop().assert_none_failed()
    notes = []
    for name, app, pids in (("AppMemory", "visitor-board", workers()), ("AgentMemory", None, [holder(), core()])):
        told, resident = wait_until(lambda: metric(name, app), what=name), resident_bytes(pids)  # pylint: disable=cell-var-from-loop
        assert resident / 3 < told < resident * 3, f"{name}: {told}, of which /proc shows {resident}"
        notes.append(f"{name}: {told:.0f}, by /proc {resident}")
    for worker in board()["workers"]:
        group = f"workers/visitor-board.{worker['slot']}"
        charged = dict(line.split() for line in (CGROUP / group / "memory.stat").read_text().splitlines())
        charged = int(charged["anon"]) + int(charged["shmem"])
        assert charged / 2 < worker["memory_bytes"] < charged * 2, (worker, charged)

    def cpu_s():
        stats = [(CGROUP / f"workers/visitor-board.{slot}/cpu.stat").read_text().split() for slot in (1, 2)]
        return sum(int(stat[stat.index("usage_usec") + 1]) for stat in stats) / 1e6

    busy, samples, begun = load(60, pause_s=0), [], (time.monotonic(), cpu_s())
    for _ in range(8):
        time.sleep(1)
        samples.append(metric("AppCPU", "visitor-board"))
    mean = 100 * (cpu_s() - begun[1]) / (time.monotonic() - begun[0])
    busy.stop().assert_none_failed()
    assert None not in samples and mean / 3 < max(samples) < mean * 3, f"AppCPU {samples}, by the groups {mean}"
    notes.append(f"AppCPU: up to {max(samples)} %, by the groups {mean:.1f} % in the mean")
    assert 0 <= metric("AgentCPU") < 200
    return notes
