# SPDX-License-Identifier: Apache-2.0
"""
Runs the tests of this boot and says `ok N - name` or `not ok N - name` with what went wrong as
`# ` lines, then `1..N`. The host reads that from a serial line or a bound file. A list may hold
REBOOT: the tests after it run after one. Or a PowerCut (power_cut.py): the host kills the machine.
"""

import importlib
import os
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path

HERE = Path(__file__).parent
STAGE = Path("/var/lib/agentd-tests/stage")
LIMIT_S = 360  # of one test
CUT_LIMIT_S = 60
sys.path.insert(0, str(HERE))


def results_file():
    for path in ("/run/agentd-tests-results", "/dev/ttyS1"):
        if os.path.exists(path):
            return open(path, "a", buffering=1, encoding="utf-8")
    raise SystemExit("no place for the results")


def late(signum, frame):
    raise AssertionError(f"took more than {LIMIT_S} s")


def journal_tail(since):
    """What agentd and the manager said since then (0: this boot): the reason is mostly in it."""
    command = ["journalctl", "--no-pager", "-q", "-b", "-o", "short-monotonic", "-n", "40"]
    command += [f"--since=@{since:.3f}"] if since else ["-u", "agentd.service"]
    text = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False).stdout
    return [line[:200] for line in text.splitlines()]


def run_one(number, test, out):
    """Runs one test and says how it went; true if it passed."""
    since = time.time() if number > 1 else 0
    begun = time.monotonic()
    signal.alarm(LIMIT_S)
    try:
        notes = test() or []
        problem = None
    except Exception as error:  # pylint: disable=broad-except
        notes = traceback.format_exc().splitlines()[-12:]
        problem = error
    signal.alarm(0)
    name = test.__doc__.strip().splitlines()[0].rstrip(".")
    verdict = "ok" if problem is None else "not ok"
    print(f"{verdict} {number} - {name} ({time.monotonic() - begun:.1f} s)", file=out)
    for note in notes:
        print(f"# {note}", file=out)
    if problem is not None:
        for line in journal_tail(since):
            print(f"#   {line}", file=out)
    return problem is None


def is_test(entry):
    return callable(entry)


def lose_power(cut, out):
    """Never returns, if all is well: the host cuts the power when it reads `#cut`."""
    try:
        cut.begin(out)
        time.sleep(CUT_LIMIT_S)
        problem = f"the power was not cut within {CUT_LIMIT_S} s"
    except Exception:  # pylint: disable=broad-except
        problem = "the work before the power cut failed"
        for line in traceback.format_exc().splitlines()[-12:]:
            print(f"# {line}", file=out)
    print(f"Bail out! {problem}", file=out)


def main():
    signal.signal(signal.SIGALRM, late)
    mode = (HERE / "mode").read_text().strip()
    tests = importlib.import_module(f"{mode}_tests")
    first = int(STAGE.read_text()) if STAGE.exists() else 0
    number = sum(map(is_test, tests.TESTS[:first]))
    with results_file() as out:
        for position, test in enumerate(tests.TESTS[first:], first):
            if test == tests.REBOOT:
                STAGE.write_text(str(position + 1))
                subprocess.run(["systemctl", "--no-block", "reboot"], check=True)
                signal.pause()
            if not is_test(test):
                STAGE.write_text(str(position + 1))
                os.sync()
                lose_power(test, out)
                break
            number += 1
            if not run_one(number, test, out) and number == 1:
                print("Bail out! the unit does not start", file=out)
                break
        else:
            print(f"1..{number}", file=out)
    os.sync()
    subprocess.run(["systemctl", "--no-block", "poweroff"], check=True)


main()
