# SPDX-License-Identifier: Apache-2.0
"""
Tests in the virtual machine: all that only a real kernel and manager show. cgroups, users,
capabilities, the watchdog, the death of the holder, a reboot. All that runs here is from the RPMs, which
the user data install first and rpm removes last. The machine is emulated and slow; only order and
completeness are judged here, no times.
"""

import json
import os
import pwd
import re
import signal
import time
from pathlib import Path

from hardening import processes_are_hidden, security, usage
from package_steps import *  # pylint: disable=wildcard-import,unused-wildcard-import
from power_cut import PowerCut, comes_back_after_power_cut

REBOOT = "reboot"
ASIDE = Path("/etc/agentd/user-data.conf")  # nobody reads it there
NO_CAPABILITIES = {"CapInh": 0, "CapPrm": 0, "CapEff": 0, "CapAmb": 0}


def installs_by_user_data():
    """the RPMs by user data and dnf: installed, configured, started, /health 200."""
    note_files()
    return installs_and_boots()


def as_packaged():
    """without the user data's file the unit has the packages' own settings."""
    USER_CONF.rename(ASIDE)
    (CONFIG_DIR / "80-tests.conf").unlink()
    fresh_start()
    assert refused(APP_PORT)


def as_user_data_said():
    """with the user data's file again, the board serves where it says."""
    ASIDE.rename(USER_CONF)
    fresh_start()
    assert request(port=APP_PORT)[0] == 200 and refused(BOARD_PORT)


def starts():
    """the unit is active, with two workers and a healthy /health."""
    wait_until(lambda: show("ActiveState") == "active", 120, "agentd.service is active")
    wait_workers(timeout_s=120)
    assert request("POST", "/", body="message=before+the+reboot")[0] == 302
    assert "before the reboot" in request()[1]


def identities():
    """users, capability sets and no-new-privs of every process."""
    notes = []
    for pid in [holder(), core(), *workers()]:
        fields = status_fields(pid)
        sets = capabilities(pid)
        bounding = sets.pop("CapBnd")
        notes.append(f"{fields['Name']} {pid}: {user_of(pid)} {sets} CapBnd={bounding:x}")
        assert fields["NoNewPrivs"] == "1", f"{pid} may gain privileges"
        # Emptying the bounding set would need CAP_SETPCAP, which the unit does not give to anyone.
        assert bounding & ~UNIT_CAPABILITIES == 0, f"{pid}: bounding set {bounding:x}"
        if pid == holder():
            assert user_of(pid) == "agentd"
            assert sets["CapEff"] == sets["CapPrm"] == UNIT_CAPABILITIES, f"holder: {sets}"
        else:
            assert sets == NO_CAPABILITIES, f"{fields['Name']} {pid}: {sets}"
    assert user_of(core()) == "agentd"
    assert {user_of(pid) for pid in workers()} == {"visitor-board"}
    for pid in workers():
        groups = status_fields(pid)["Groups"].split()
        assert set(groups) <= {str(pwd.getpwnam("visitor-board").pw_gid)}, f"{pid}: groups {groups}"
    return notes


def cgroups():
    """holder and core are in hold/, each worker in its own workers/visitor-board.N/."""
    base = f"/system.slice/{UNIT}"
    assert cgroup_of(holder()) == f"{base}/hold"
    assert cgroup_of(core()) == f"{base}/hold"
    assert sorted(cgroup_of(pid) for pid in workers()) == [
        f"{base}/workers/visitor-board.1",
        f"{base}/workers/visitor-board.2",
    ]
    controllers = (CGROUP / "workers/visitor-board.1/cgroup.controllers").read_text().split()
    assert {"cpu", "memory", "pids"} <= set(controllers), controllers


def journal_identifiers():
    """each worker writes to the journal under its own name, with its fields."""

    def logged():
        request(path="/?journal")
        return all(journal("-t", f"visitor-board.{slot}", "-b") for slot in (1, 2))

    wait_until(logged, 60, "lines of both workers")
    line = json.loads(journal("-t", "visitor-board.1", "-b", "-n", "1", "-o", "json"))
    assert line["_SYSTEMD_UNIT"] == UNIT and int(line["_PID"]) in workers(), line
    assert journal("-u", UNIT, "-t", "agentd", "-b")


def core_killed():
    """core SIGKILLed under load: nothing fails, no worker restarts, totals go on."""
    serving, before = workers(), settled_total()
    flow = load(120)
    flow.wait_requests(20, 60)
    for _ in range(3):
        old = wait_until(core, what="a core")
        send(old, signal.SIGKILL)
        wait_until(lambda: core() not in (0, old), what="a new core")
        wait_healthy()
        flow.wait_requests(10, 60)
    flow.stop().assert_none_failed()
    assert workers() == serving
    assert (after := settled_total()) == before + flow.sent, f"{before} + {flow.sent} requests, total {after}"
    return [flow.summary()]


def board_total():
    """All requests that the board's workers have answered since the unit's start."""
    return board()["requests"]["total"]


def settled_total():
    """The total without load: status is up to a second old, so until it stays the same."""
    total = -1
    while total != (total := board_total()):
        time.sleep(1.5)
    return total


def kill_holder_under_load():
    before, serving = settled_total(), workers()
    old = holder()
    flow = load(90)
    flow.wait_requests(20, 60)
    send(old, signal.SIGKILL)
    wait_until(lambda: holder() not in (0, old), what="a new holder")
    new = wait_workers(without=serving)
    flow.wait_requests(20, 90)
    flow.stop()
    only_lost_inside(flow)
    answered = len(flow.answered)
    # A request that died with its worker may have been counted; none that was answered is missing.
    total = settled_total()
    assert before + answered <= total <= before + flow.sent, f"{before} + {answered} to {flow.sent}: {total}"
    assert not set(new) & set(serving)
    assert int(show("NRestarts")) >= 1
    return [flow.summary()]


def holder_killed():
    """holder SIGKILLed under load: nothing is refused, the unit is back with new workers."""
    return kill_holder_under_load()


def holder_killed_within_limits():
    """the same with MemoryMax= and TasksMax= on the unit."""
    fresh_start("[Service]\nMemoryMax=300M\nTasksMax=64\n")
    try:
        return kill_holder_under_load()
    finally:
        fresh_start()


def watchdog():
    """a holder that stands still is replaced by the watchdog."""
    fresh_start("[Service]\nWatchdogSec=4\nTimeoutAbortSec=2\n")
    since, old, serving = time.time(), holder(), workers()
    time.sleep(10)
    assert holder() == old, "the watchdog is not fed"
    send(old, signal.SIGSTOP)
    wait_until(lambda: holder() not in (0, old), 60, "a new holder")
    wait_workers(without=serving)
    assert "atchdog timeout" in journal("-u", UNIT, since=since)
    fresh_start()


def upgraded():
    """agentctl upgrade under load: the unit, its processes and all that they may stay as they are."""
    fresh_start("[Service]\nWatchdogSec=6\n")
    main, serving, privileges = holder(), workers(), capabilities(holder())
    stored, restarts, before = show("NFileDescriptorStore"), show("NRestarts"), settled_total()
    flow = load(120)
    flow.wait_requests(20, 60)
    for _ in range(2):
        old = core()
        words = run("agentctl", "upgrade", "--wait", "--timeout", "90s").stdout
        assert words.startswith("upgraded from "), words
        assert core() not in (0, old)
        flow.wait_requests(10, 60)
    time.sleep(10)  # longer than the watchdog's patience
    flow.stop().assert_none_failed()
    assert (holder(), workers(), capabilities(holder())) == (main, serving, privileges)
    assert show("ActiveState", "SubState", "NRestarts") == ["active", "running", restarts]
    assert show("NFileDescriptorStore") == stored
    assert (after := settled_total()) == before + flow.sent, f"{before} + {flow.sent} requests, total {after}"
    identities()
    cgroups()
    send(serving[0], signal.SIGKILL)  # who follows it gets all that a worker gets
    wait_workers(without=serving[:1])
    identities()
    cgroups()
    systemctl("stop", UNIT)
    assert not unit_processes()
    assert show("ActiveState", "Result") == ["inactive", "success"]
    fresh_start()
    return [words.strip(), flow.summary()]


def bad_configuration_stops_a_start():
    """restart with a bad file: exit status 2, failed at once, the reason in the journal."""
    since = time.time()
    bad = CONFIG_DIR / "90-bad.conf"
    bad.write_text("health: {\n  lame_dukc = 3;\n};\n")
    try:
        assert restart(check=False).returncode != 0
        wait_until(lambda: show("ActiveState") == "failed", 60, "the unit has failed")
        time.sleep(2)
        assert show("ActiveState", "Result", "ExecMainStatus") == ["failed", "exit-code", "2"]
        assert not unit_processes()
        line = re.search(r"^.*90-bad\.conf:2.*lame_dukc.*$", journal("-u", UNIT, since=since), re.M)
        assert line, "no line names file, line and key"
    finally:
        bad.unlink()
        fresh_start()
    return [line.group(0)]


def bad_configuration_spares_a_reload():
    """reload with a bad file changes nothing."""
    bad = CONFIG_DIR / "90-bad.conf"
    before = (holder(), core(), workers())
    bad.write_text("apps: { visitor-board: { workers = 1000; }; };\n")
    try:
        since = time.time()
        systemctl("reload", UNIT)
        wait_until(lambda: "90-bad.conf:1" in journal("-u", UNIT, since=since), 30, "a line about it")
        time.sleep(2)
        assert (holder(), core(), workers()) == before
        assert healthy()
    finally:
        bad.unlink()


def bad_configuration_spares_a_recovery():
    """holder SIGKILLed with a bad file on disk: it comes back with the last good configuration."""
    bad = CONFIG_DIR / "90-bad.conf"
    serving, old = workers(), holder()
    bad.write_text("nonsense = { ;\n")
    try:
        send(old, signal.SIGKILL)
        wait_until(lambda: holder() not in (0, old), what="a new holder")
        wait_workers(without=serving)
    finally:
        bad.unlink()
    fresh_start()


def stop_under_load():
    """systemctl stop under load: no process is left, then connections are refused for good."""
    flow = load(60, clients_kept=0)
    flow.wait_requests(20, 60)
    systemctl("stop", UNIT)
    assert not unit_processes()
    assert refused(BOARD_PORT) and refused(HEALTH_PORT)
    flow.stop()
    # Whoever was queued when the listener closed is reset by the kernel; nobody is cut off inside.
    causes = {record.error for record in flow.failed}
    assert causes <= {"econnrefused", "econnreset"}, flow.summary()
    time.sleep(2)
    assert show("ActiveState", "Result") == ["inactive", "success"]
    systemctl("start", UNIT)
    wait_workers()
    return [flow.summary()]


def low_port():
    """an unprivileged unit listens on port 80, and restarts give the new list of listeners."""
    extra = CONFIG_DIR / "90-port.conf"
    extra.write_text('apps: { visitor-board: { listen = [ "8080", "127.0.0.1:80" ]; }; };\n')
    try:
        fresh_start()
        assert request(port=80)[0] == 200 and request()[0] == 200
    finally:
        extra.unlink()
        fresh_start()
    assert refused(80)


GREEDY = "/usr/lib/agentd-tests/greedy_worker.py"


def greedy_config(mode, keys, board):
    return (
        f"apps: {{ visitor-board: {{ {board} }}; "
        "greedy: { listen = []; workers = 1; scoreboard = false; drain_timeout = 1; idle_timeout = 1; "
        f'command = [ "/usr/bin/python3", "{GREEDY}", "{mode}" ]; user = "visitor-board"; {keys} }}; }};\n'
    )


class Greedy:
    """The unit with one more app, `greedy`, within limits; it is ready and waits for SIGUSR1."""

    def __init__(self, mode, keys, board=""):
        self.extra = CONFIG_DIR / "90-greedy.conf"
        self.text = greedy_config(mode, keys, board)

    def __enter__(self):
        self.extra.write_text(self.text)
        fresh_start()
        wait_until(lambda: self.worker()["state"] == "ready", 60, "the greedy worker is ready")
        self.board, self.holder = workers(), holder()
        return self

    def __exit__(self, *error):
        self.extra.unlink()
        fresh_start()

    @staticmethod
    def worker():
        app = next(app for app in status()["apps"] if app["name"] == "greedy")
        return next(iter(app["workers"]), {"state": "none"})

    def begin(self):
        send(self.worker()["pid"], signal.SIGUSR1)

    @staticmethod
    def processes():
        """Living ones, by their command."""
        pids = []
        for pid in named("python3"):
            try:
                command = Path(f"/proc/{pid}/cmdline").read_bytes()
            except OSError:
                continue
            if GREEDY.encode() in command:
                pids.append(pid)
        return pids

    def events(self, name):
        text = run("agentctl", "events", "--json", "--lines", "256").stdout
        return [e for e in json.loads(text)["events"] if e["app"] == "greedy" and e["event"] == name]

    def assert_others_untouched(self):
        assert show("ActiveState") == "active" and holder() == self.holder
        assert workers() == self.board
        assert request()[0] == 200


def out_of_memory_is_one_workers_end():
    """a worker over memory.max is killed with its obituary; the unit and the others live on."""
    with Greedy("memory", "memory_max = 64;") as greedy:
        first = greedy.worker()["pid"]
        greedy.begin()
        died = wait_until(lambda: greedy.events("worker-died"), 120, "its death")[0]
        assert died["pid"] == first
        assert died["text"].startswith("killed by SIGKILL (out of memory) after "), died
        wait_until(lambda: greedy.worker()["state"] == "ready", 60, "its successor is ready")
        assert "(out of memory)" in greedy.worker()["last_exit"]
        assert not greedy.events("worker-over-limit")  # the kernel held it
        # its last words, read back from the journal
        died = wait_until(lambda: [e for e in greedy.events("worker-died") if e.get("lines")], 60, "its last words")[0]
        assert died["lines"] == ["greedy: wants all the memory"], died
        greedy.assert_others_untouched()
        return [died["text"]]


def fork_bomb_is_held():
    """limits read back from the groups, others have none; pids.max holds a fork bomb, all of it goes with its worker."""
    with Greedy("forks", "memory_max = 64; cpu_weight = 250; pids_max = 30;") as greedy:
        group, other = CGROUP / "workers/greedy.1", CGROUP / "workers/visitor-board.1"
        read = {name: (group / name).read_text().strip()
                for name in ("memory.max", "memory.oom.group", "cpu.weight", "pids.max")}
        assert read == {"memory.max": str(64 << 20), "memory.oom.group": "1", "cpu.weight": "250", "pids.max": "30"}
        assert (other / "memory.max").read_text().strip() == "max"
        assert (other / "cpu.weight").read_text().strip() == "100"
        first = greedy.worker()["pid"]
        greedy.begin()
        said = wait_until(lambda: greedy.worker()["status"], 60, "it can make no more")
        assert said == "made 29, then Resource temporarily unavailable", said
        assert (CGROUP / "workers/greedy.1/pids.current").read_text().strip() == "30"
        greedy.assert_others_untouched()
        send(first, signal.SIGKILL)
        wait_until(lambda: greedy.worker()["state"] == "ready" and greedy.worker()["pid"] != first, 60, "the next one")
        wait_until(lambda: greedy.processes() == [greedy.worker()["pid"]], 60, "all others are gone")
        greedy.assert_others_untouched()
        return [said]


def grandchildren_are_gone():
    """what a worker started, in whatever session, ends with it."""
    with Greedy("grandchildren", "") as greedy:
        first = greedy.worker()["pid"]
        greedy.begin()
        wait_until(lambda: greedy.worker()["status"] == "made both", 60, "both are made")
        wait_until(lambda: len(greedy.processes()) == 3, 60, "three processes")
        send(first, signal.SIGKILL)
        wait_until(lambda: greedy.worker()["state"] == "ready" and greedy.worker()["pid"] != first, 60, "the next one")
        wait_until(lambda: greedy.processes() == [greedy.worker()["pid"]], 60, "all others are gone")
        greedy.assert_others_untouched()


def signals_reach_other_users():
    """without CAP_KILL a worker of another user is drained by SIGTERM, and killed by SIGABRT and SIGKILL."""
    since = time.time()
    with Greedy("stubborn", "watchdog = 20;") as greedy:
        first = greedy.worker()["pid"]
        assert not capabilities(holder())["CapEff"] & 1 << 5 and user_of(first) == "visitor-board"
        owner = os.stat(f"/proc/{holder()}").st_uid
        flow = load(120)
        flow.wait_requests(10, 60)
        run("agentctl", "restart", "visitor-board", "--wait", "--timeout", "90s", timeout_s=100)
        flow.stop().assert_none_failed()
        assert not set(workers()) & set(greedy.board) and board()["drain_kills"] == 0
        # It never says that it is alive, so the watchdog ends it, again and again.
        died = wait_until(lambda: [e for e in greedy.events("worker-died") if e["pid"] == first], 120, "the verdict")[0]
        assert "SIGABRT" in died["text"], died
        # It doesn't care for SIGTERM.
        wait_until(lambda: greedy.worker()["state"] == "ready" and greedy.worker()["pid"] != first, 60, "its successor")
        run("agentctl", "restart", "greedy", "--wait", "--timeout", "90s", timeout_s=100)
        kills = wait_until(lambda: next(app for app in status()["apps"] if app["name"] == "greedy")["drain_kills"], 60,
                           "SIGKILL at the drain's end")
        assert user_of(holder()) == "agentd" and os.stat(f"/proc/{holder()}").st_uid == owner
        assert "can't be sent" not in journal("-u", UNIT, since=since)
        return [died["text"], f"{kills} drain ended with SIGKILL"]


def limits_of(pid):
    """memory.max in MiB and pids.max of a process's own group."""
    group = Path("/sys/fs/cgroup" + cgroup_of(pid))
    return int((group / "memory.max").read_text()) >> 20, int((group / "pids.max").read_text())


def limits_outlive_upgrade_and_kills():
    """upgrade, SIGKILL of the core and of the holder with workers at their limits: limits stay, nothing is left over."""
    with Greedy("forks", "memory_max = 64; pids_max = 30;", board="memory_max = 96; pids_max = 20;") as greedy:

        def bomb():
            greedy.begin()
            said = wait_until(lambda: greedy.worker().get("status"), 60, "it can make no more")
            assert said == "made 29, then Resource temporarily unavailable", said

        def in_force():
            assert [limits_of(pid) for pid in workers()] == [(96, 20)] * 2
            assert limits_of(greedy.worker()["pid"]) == (64, 30)
            assert (CGROUP / "workers/greedy.1/pids.current").read_text().strip() == "30"
            assert len(greedy.processes()) == 30
            assert request()[0] == 200

        bomb()
        in_force()
        flow = load(200)
        flow.wait_requests(10, 60)
        old = core()
        assert run("agentctl", "upgrade", "--wait", "--timeout", "90s").stdout.startswith("upgraded from ")
        assert core() not in (0, old)
        in_force()
        old = core()
        send(old, signal.SIGKILL)
        wait_until(lambda: core() not in (0, old), what="a new core")
        wait_healthy()
        in_force()
        greedy.assert_others_untouched()
        flow.wait_requests(10, 60)
        flow.stop().assert_none_failed()

        send(greedy.board[0], signal.SIGKILL)  # who follows it is limited by the one that was upgraded
        wait_workers(without=greedy.board[:1])
        in_force()
        before, serving, old = set(unit_processes()), workers(), holder()
        flow = load(200)
        flow.wait_requests(10, 60)
        send(old, signal.SIGKILL)
        wait_until(lambda: holder() not in (0, old), what="a new holder")
        wait_workers(without=serving)
        wait_until(lambda: greedy.worker()["state"] == "ready", 60, "the greedy worker is ready")
        flow.wait_requests(10, 60)
        flow.stop()
        only_lost_inside(flow)
        assert not before & set(unit_processes()), "processes of the last holder are left"
        assert len(greedy.processes()) == 1
        bomb()
        in_force()
        return [flow.summary()]


def comes_back_after_reboot():
    """after a reboot the unit runs again and the board has its messages."""
    wait_until(lambda: show("ActiveState") == "active", 120, "agentd.service is active")
    wait_workers(timeout_s=120)
    assert "before the reboot" in request()[1]
    failed = systemctl("list-units", "--failed", "--plain", "--no-legend").stdout
    assert not failed, failed


def settings_of_the_tests():
    """a restart takes new settings: a short lame duck, short waits for idle connections, access log."""
    (CONFIG_DIR / "80-tests.conf").write_text(
        "health: { lame_duck = 1; };\n"
        "apps: { visitor-board: { idle_timeout = 2; drain_timeout = 10; environment = "
        '[ "BOARD_DATABASE=/var/lib/visitor-board/board.db", "BOARD_ACCESS_LOG=1" ]; }; };\n'
    )
    restart()
    wait_workers()


def stress():
    """What agentctl says of it."""
    return json.loads(run("agentctl", "stress", "status", "--json").stdout)["stress"]


def stress_yields():
    """agentd-stress is idle in a control group of its own, without privilege, and the board serves beside it."""
    group = CGROUP / "stress"
    run("agentctl", "stress", "on", "--wait", "--timeout", "5m", "--load", "100", "--for", "30m")
    pid = stress()["pid"]
    assert cgroup_of(pid) == f"/system.slice/{UNIT}/stress"
    assert (group / "cpu.idle").read_text().strip() == "1"
    assert user_of(pid) == "agentd"
    sets = capabilities(pid)
    del sets["CapBnd"]
    assert sets == NO_CAPABILITIES and status_fields(pid)["NoNewPrivs"] == "1", sets
    share = wait_until(lambda: stress()["share"], 120, "it makes some load")
    flow = load(600)
    flow.wait_requests(100, 300)
    flow.stop().assert_none_failed()
    assert stress()["pid"] == pid, stress()
    run("agentctl", "stress", "on", "--wait", "--timeout", "5m", "--load", "50", "--priority", "normal")
    assert (group / "cpu.idle").read_text().strip() == "0"
    run("agentctl", "stress", "off", "--wait", "--timeout", "5m")
    wait_until(lambda: not group.exists(), 60, "its control group is gone")
    assert healthy()
    return [f"stress made {share} %, beside it {flow.summary()}"]


TESTS = [
    installs_by_user_data,
    journal_fields,
    stress_on_and_off,
    as_packaged,
    starts,
    identities,
    cgroups,
    security,
    processes_are_hidden,
    usage,
    settings_of_the_tests,
    journal_identifiers,
    core_killed,
    holder_killed,
    holder_killed_within_limits,
    watchdog,
    upgraded,
    bad_configuration_stops_a_start,
    bad_configuration_spares_a_reload,
    bad_configuration_spares_a_recovery,
    stop_under_load,
    low_port,
    out_of_memory_is_one_workers_end,
    fork_bomb_is_held,
    grandchildren_are_gone,
    signals_reach_other_users,
    limits_outlive_upgrade_and_kills,
    stress_yields,
    REBOOT,
    comes_back_after_reboot,
    PowerCut(),
    comes_back_after_power_cut,
    as_user_data_said,
    upgraded_under_load,
    stops,
    erased,
]
