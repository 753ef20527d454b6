# SPDX-License-Identifier: Apache-2.0
"""bench/tidy.py: a benchmark that is ended by a signal ends what it started, and its directory goes."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from support.daemon import wait_until

BENCH = Path(__file__).resolve().parents[2] / "bench"
PROGRAM = """
import subprocess, time
import tidy
with tidy.place() as directory:
    tidy.at_end(lambda: print("at the end", flush=True))
    tidy.at_end(lambda: subprocess.run(["/bin/false"], check=True))
    started = [tidy.spawn(["sleep", 1000]) for _ in range(2)]
    print(*(process.pid for process in started), directory, flush=True)
    {work}
"""
WORK = {
    "waiting": "time.sleep(1000)",
    "running another": "tidy.run(['sleep', 1000])",
    "starting others": "[tidy.spawn(['sleep', 1000]) for _ in range(100)]; time.sleep(1000)",
    "failing": "raise ValueError('no')",
    "done": "pass",
}


def marked(mark):
    """Processes that have this in their environment."""
    found = []
    for entry in os.listdir("/proc"):
        try:
            if entry.isdigit() and mark in Path(f"/proc/{entry}/environ").read_bytes().split(b"\0"):
                found.append(int(entry))
        except OSError:
            continue
    return found


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
@pytest.mark.parametrize("work", WORK)
def test_nothing_is_left(tmp_path, work, number):
    mark = f"TIDY_TEST={tmp_path}"
    environment = {**os.environ, "PYTHONPATH": str(BENCH), "TIDY_TEST": str(tmp_path), "TMPDIR": str(tmp_path)}
    with subprocess.Popen([sys.executable, "-c", PROGRAM.format(work=WORK[work])], env=environment, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE) as bench:
        *pids, directory = bench.stdout.readline().split()
        if work not in ("failing", "done"):
            assert all(Path(f"/proc/{pid}").exists() for pid in pids) and Path(directory).is_dir()
            bench.send_signal(number)
        output, errors = bench.stdout.read(), bench.stderr.read()
    assert bench.returncode == {"failing": 1, "done": 0}.get(work, 128 + number), errors
    assert output == "at the end\n" and "/bin/false" in errors
    wait_until(lambda: not marked(mark.encode()), 5, "all that it started is gone")
    assert not list(tmp_path.iterdir())
