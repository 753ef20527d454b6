# SPDX-License-Identifier: Apache-2.0
"""
The power fails in the middle of work. PowerCut posts messages and lets windows be written until the host kills the machine,
and tells on the way what was acknowledged, as lines `#ack NAME NUMBER` to the host, which outlives it. The next boot gets
the last number of each name on the kernel's command line.

The machine's disk has a write cache: what the guest did not sync is lost, in its own memory and in the disk's.

Two agentds write windows: the unit spools them for a CloudWatch that nobody reaches from here, and a second one, without
apps, appends them to its file.
"""

import itertools
import json
import re
import sqlite3
import threading
import time
from collections import Counter
from pathlib import Path

from unit import *  # pylint: disable=wildcard-import,unused-wildcard-import

POSTERS = 4
WINDOW_S = 10
DATABASE = "/var/lib/visitor-board/board.db"
UNSYNCED = Path("/var/lib/agentd-tests/unsynced")
UNSYNCED_BYTES = 65536
PUBLISH = CONFIG_DIR / "85-publish.conf"
PUBLISH_TEXT = (
    'publish: { sink = "cloudwatch"; region = "eu-west-1"; asg_lookup = false; endpoint = "http://127.0.0.1:9"; };\n'
)
SECOND = "agentd-second"
SECOND_CONFIG = Path("/etc/agentd-second.conf")
SECOND_FILE = Path("/var/lib") / SECOND / "metrics.jsonl"
SECOND_TEXT = (
    f'agent: {{ runtime_dir = "/run/{SECOND}"; state_dir = "/var/lib/{SECOND}"; }};\n'
    'health: { listen = "127.0.0.1:8091"; lame_duck = 0; };\n'
)


def told(name):
    """The last number that the host was told before the power failed; 0: none."""
    for word in Path("/proc/cmdline").read_text().split():
        key, _, values = word.partition("=")
        if key == "agentd-tests.acknowledged":
            return int(dict(pair.split(":") for pair in values.split(",") if pair).get(name, 0))
    return 0


def spool():
    return status()["publish"]["cloudwatch"]["spool"]


def start_second():
    run("systemd-run", "-q", f"--unit={SECOND}", "-p", "Type=notify", "-p", "FileDescriptorStoreMax=64", "-p", f"RuntimeDirectory={SECOND}",
        "-p", f"StateDirectory={SECOND}", "/usr/sbin/agentd", "--config", str(SECOND_CONFIG))


class PowerCut:
    """Works until the power fails, which is at the end of a window."""

    def __init__(self):
        self.out, self.lock = None, threading.Lock()
        self.windows_are_spooled = threading.Event()

    def begin(self, out):
        """Everything up to the moment at which power may fail. AssertionError if that doesn't work."""
        self.out = out
        PUBLISH.write_text(PUBLISH_TEXT)
        run("agentctl", "reload", "--wait")
        SECOND_CONFIG.write_text(SECOND_TEXT)
        start_second()
        for poster in range(POSTERS):
            self.thread(self.post, f"poster{poster}")
        self.thread(self.write_unsynced)
        self.thread(self.spool_windows)
        assert self.windows_are_spooled.wait(120), "no window in the spool"
        time.sleep(WINDOW_S - time.time() % WINDOW_S)
        self.tell("#cut")

    @staticmethod
    def thread(function, *arguments):
        threading.Thread(target=function, args=arguments, daemon=True).start()

    def tell(self, line):
        with self.lock:
            self.out.write(f"{line}\n")
            self.out.flush()

    def post(self, poster):
        """Messages, one after the other; the next only when the last was acknowledged."""
        for number in itertools.count(1):
            assert request("POST", "/", body=f"message={poster}+{number}")[0] == 302
            self.tell(f"#ack {poster} {number}")

    def write_unsynced(self):
        """Blocks that nobody syncs, to see what a failing power takes."""
        with open(UNSYNCED, "wb", buffering=0) as file:
            for number in itertools.count(1):
                file.write(b"x" * UNSYNCED_BYTES)
                self.tell(f"#ack unsynced {number}")
                time.sleep(0.2)

    def spool_windows(self):
        """How many windows the spool has had for a while: they are synced when they close, on a thread."""
        before = 0
        while True:
            windows = spool()["windows"]
            self.tell(f"#ack spooled {before}")
            if before:
                self.windows_are_spooled.set()
            before = windows
            time.sleep(2)


# --- The boot after it -----------------------------------------------------------------------------


def power_had_failed():
    """The disk was left in use. And what went with it, as a note."""
    kernel = journal("-k", "-b", "--grep", "EXT4-fs.*(recovery|orphan)")
    assert "recover" in kernel, f"the file system needed no recovery: {kernel}"
    kept = UNSYNCED.stat().st_size // UNSYNCED_BYTES if UNSYNCED.exists() else 0
    return [f"of {told('unsynced')} blocks that nobody synced {kept} are there"]


def messages_are_there():
    """Each message that was acknowledged, once; the posters had one more under way at most."""
    database = sqlite3.connect(f"file:{DATABASE}?mode=ro", uri=True)
    assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    columns = ", ".join(row[1] for row in database.execute("PRAGMA table_info(messages)"))
    rows = [" ".join(map(str, row)) for row in database.execute(f"SELECT {columns} FROM messages")]
    database.close()
    posted = Counter(found[0] for row in rows if (found := re.findall(r"\b(poster[0-9]) ([0-9]+)\b", row)))
    acknowledged = 0
    for poster in (f"poster{number}" for number in range(POSTERS)):
        last = told(poster)
        assert last > 0, f"{poster} had no answer before the power failed"
        wrong = [number for number in range(1, last + 1) if posted[poster, str(number)] != 1]
        assert not wrong, f"{poster}: {last} messages were acknowledged, and these are not there once: {wrong[:20]}"
        acknowledged += last
    return [f"{acknowledged} messages were acknowledged, {sum(posted.values())} are there"]


def spool_goes_on():
    """No window that was synced is lost, and the spool takes more."""
    now = spool()
    assert told("spooled") >= 1, "nothing was spooled before the power failed"
    assert now["windows"] >= told("spooled") and not now["in_memory"], f"{told('spooled')} were spooled: {now}"
    assert not list(Path(now["directory"]).glob("*.bad")), now
    wait_until(lambda: spool()["windows"] > now["windows"], 60, "it takes another window")
    return [f"{told('spooled')} windows were surely spooled, {now['windows']} are there"]


def file_goes_on():
    """Each line of the second agentd's file is whole, before the power failed and after."""
    booted_s = time.time() - float(Path("/proc/uptime").read_text().split()[0])

    def windows():
        """When each ended. Half a line, wherever it is, is no JSON."""
        text = SECOND_FILE.read_text()
        assert not text or text.endswith("\n")
        return [json.loads(line)["MetricData"][0]["Timestamp"] + WINDOW_S for line in text.splitlines()]

    size = SECOND_FILE.stat().st_size if SECOND_FILE.exists() else 0
    half = SECOND_FILE.read_bytes().rpartition(b"\n")[2] if size else b""
    start_second()
    wait_until(lambda: SECOND_FILE.exists() and SECOND_FILE.read_bytes().endswith(b"\n") and windows()[-1] > booted_s, 60,
               "a window of this boot")
    assert not half or "ends in half a line" in journal("-u", SECOND, "-b"), "half a line went without a word"
    old = sum(end_s < booted_s for end_s in windows())
    systemctl("stop", SECOND)
    return [f"{old} windows of the last boot and {len(half)} bytes of another were there; each line is whole"]


def comes_back_after_power_cut():
    """power cut while messages and windows were written: the unit is up by itself, all that was acknowledged is there."""
    wait_until(lambda: show("ActiveState") == "active", 120, "agentd.service is active")
    wait_workers(timeout_s=120)
    notes = power_had_failed() + messages_are_there() + file_goes_on() + spool_goes_on()
    assert request()[0] == 200
    errors = journal("-u", UNIT, "-u", SECOND, "-b", "-p", "err")
    assert not errors, errors
    warnings = journal("-u", UNIT, "-u", SECOND, "-b", "-p", "warning").splitlines()
    return notes + [f"the log says: {text}" for text in warnings[:5]]
