# SPDX-License-Identifier: Apache-2.0
"""No space left: for the board's database, and for the file of the metrics. Both come back by themselves."""

import os
import subprocess
import time
from pathlib import Path

import pytest

from support.daemon import wait_until

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 1 MiB of its own. It can't outlive the test: unmounted lazily at its end."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    path = tmp_path / "disk"
    path.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=0700", "agentd-test", str(path)],
                          capture_output=True, text=True, check=False)
    if made.returncode != 0:
        pytest.skip(f"no mounts here: {made.stderr.strip()}")
    yield path
    subprocess.run(["umount", "-l", str(path)], check=True)


def fill(disk):
    """Takes all that is left, to the last page."""
    with open(disk / "ballast", "ab", buffering=0) as file:
        for size in (65536, 4096, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                pass
    assert os.statvfs(disk).f_bavail == 0
    return disk / "ballast"


def post(daemon, text, timeout_s=15):
    return daemon.request("POST", "/", body=f"message={text}", headers=FORM, timeout_s=timeout_s)


def events(daemon, name):
    found = daemon.control("GET", "/v1/events?limit=256").json()["events"]
    return [event for event in found if event["event"] == name]


def test_database(agentd, small_disk):
    daemon = agentd({"apps": {"visitor-board": {"environment": [f"BOARD_DATABASE={small_disk}/board.db", "BOARD_POSTS_PER_MINUTE=0"]}}})
    daemon.wait_ready(2)
    workers = sorted(daemon.worker_pids())
    assert post(daemon, "before").status == 302
    ballast = fill(small_disk)
    refused = taken = 0
    deadline = time.monotonic() + 20
    # the write-ahead log has some room inside itself
    while refused < 5 and time.monotonic() < deadline:
        answer = post(daemon, f"number {refused + taken} " + "x" * 300)
        assert answer.status in (302, 503), (answer.status, answer.body)
        if answer.status == 503:
            refused += 1
            assert int(answer.headers["retry-after"]) > 0
            field, rest = answer.body.split(b"</textarea>")
            assert b"number" in field and b"number" not in rest, "kept to be sent again, and not shown as posted"
        else:
            taken += 1
    assert refused == 5
    page = daemon.request()
    assert page.status == 200
    assert b"before" in page.body or taken >= 50
    # a refused message is not shown, not even later
    assert page.body.count(b"number ") <= min(taken, 50)
    assert daemon.health().status == 200
    log = sum(path.stat().st_size for path in (daemon.dir / "run" / "log").glob("*.log"))
    ballast.unlink()
    wait_until(lambda: post(daemon, "after").status == 302, 10, "posts are taken again")
    for _ in range(4):  # by whichever worker
        assert post(daemon, "again").status == 302
        page = daemon.request()
        assert page.status == 200 and b"after" in page.body
    assert page.body.count(b"number ") <= min(taken, 50)
    assert sorted(daemon.worker_pids()) == workers
    assert log < 64 * 1024, "a full disk filled the log"


def test_database_that_cannot_be_made(agentd, small_disk):
    """The disk was full before the start: the app can't begin, and begins when there is room."""
    ballast = fill(small_disk)
    daemon = agentd({"apps": {"visitor-board": {"environment": [f"BOARD_DATABASE={small_disk}/board.db", "BOARD_POSTS_PER_MINUTE=0"]}}}, wait=False)
    wait_until(lambda: daemon.control_socket.exists() and daemon.ctl("version").returncode == 0, what="the core serves")
    time.sleep(1)
    # it may serve an empty page, or not be there; it must not say that it takes messages
    refused = False
    try:
        refused = post(daemon, "lost", timeout_s=2).status in (500, 503)
        assert refused
    except OSError:
        pass  # who got no answer knows nothing: his post may wait in the listener's queue
    ballast.unlink()
    assert daemon.ctl("restart", "visitor-board").returncode in (0, 1, 7)
    daemon.wait_healthy(40)
    assert post(daemon, "kept").status == 302
    page = daemon.request().body
    assert b"kept" in page
    assert not (refused and b"lost" in page)


def test_metrics(agentd, small_disk):
    file = small_disk / "metrics.jsonl"
    ballast = fill(small_disk)
    daemon = agentd({"publish": {"file": str(file)}})
    daemon.wait_ready(2)
    for _ in range(7):
        assert daemon.request().status == 200
    failed = wait_until(lambda: events(daemon, "publish-failed"), 15, "event publish-failed")[0]
    assert "No space" in failed["text"]
    publish = daemon.status()["publish"]
    assert publish["errors"] >= 1 and "No space" in publish["last_error"] and publish["windows_written"] == 0
    for _ in range(4):
        assert daemon.request().status == 200
    ballast.unlink()
    wait_until(lambda: events(daemon, "publish-recovered"), 15, "event publish-recovered")
    assert len(events(daemon, "publish-failed")) == 1
    assert daemon.status()["publish"]["last_error"] is None
    assert daemon.health().status == 200
    assert daemon.stop() == 0
    # whole lines only, and no request is missing: they waited for the next window
    text = Path(file).read_text()
    assert text.endswith("\n")
    (daemon.dir / "state" / "metrics.jsonl").write_text(text)
    assert daemon.metric_sum("RequestCount", App="visitor-board") == 11
    assert daemon.metric_sum("PublishErrors") >= 1
