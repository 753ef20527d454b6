# SPDX-License-Identifier: Apache-2.0
"""
Apps that know nothing of agentd: the Flask and the Express app of docs/foreign-apps, with the configurations
that stand there. No new connection fails over restarts and reloads; what becomes of reused ones is told, for that is
the app's server: gunicorn's threaded workers and Node close what is idle when they are told to end.
"""

import os
import shutil
import sys
from pathlib import Path

import pytest

from support.daemon import free_port, wait_until

DOCS = Path(os.environ.get("AGENTD_SOURCE", Path(__file__).parents[2])) / "docs" / "foreign-apps"
PORTS = {"flask": "8090", "express": "8091"}  # as documented
BUSY_MS = 30
# A reset on a reused connection, as the load generator names them.
LATE_FOR_CLOSED = {"econnreset", "eof", "epipe"}


def node_modules():
    """Where Express is. Without it: skipped, for run-tests.sh has told why (and failed where it must be there)."""
    modules = os.environ.get("AGENTD_NODE_MODULES", "")
    if not modules or not shutil.which("node"):
        pytest.skip("AGENTD_NODE_MODULES names no directory with Express, or there is no node")
    return modules


def documented(name, port, statsd_port, changes):
    """The text of docs/foreign-apps/NAME/60-NAME.conf with this machine's places in it."""
    text = (DOCS / name / f"60-{name}.conf").read_text()
    for old, new in {
        **changes,
        "127.0.0.1:8125": f"127.0.0.1:{statsd_port}",
        PORTS[name]: f"127.0.0.1:{port}",
        f"/srv/{name}-app": str(DOCS / name),
    }.items():
        assert f'"{old}' in text, f"{old} is not in 60-{name}.conf"
        text = text.replace(f'"{old}', f'"{new}')
    return text


def changing_request(request_id):
    """Short ones, and some that are under way when their worker is told to end."""
    return "GET", f"/busy/{BUSY_MS}" if request_id % 4 == 0 else "/", b""


class Foreign:
    """agentd with that one app as documented. Attributes: name, daemon, port."""

    def __init__(self, agentd, name, workers, changes):
        self.name = name
        self.port = free_port()
        text = documented(name, self.port, free_port(), changes)
        self.daemon = agentd({"apps": {"visitor-board": {"enabled": False}}}, extra_files={f"60-{name}.conf": text})
        self.workers = workers
        self.daemon.wait_ready(workers, app=name, timeout_s=60)

    def replace(self, verb):
        """New workers for the old ones, by the one verb or the other."""
        target = ["--app", self.name] if verb == "reload" else [self.name]
        result = self.daemon.ctl(verb, *target, "--wait", "--timeout", "60", timeout_s=90)
        assert result.returncode == 0, f"{result.stderr}\n{self.daemon.log_tail()}"
        self.daemon.wait_ready(self.workers, app=self.name, timeout_s=60)

    def replace_under_load(self, load, rounds, record_property):
        """So often; returns the load."""
        flow = load(self.port, duration_s=300, pause_s=0.01, make_request=changing_request)
        flow.wait_requests(100, timeout_s=60)
        for number in range(rounds):
            self.replace("reload" if number % 2 else "restart")
            flow.wait_requests(100, timeout_s=60)
        flow.stop()
        print(f"{self.name}, {rounds} times replaced: {flow.summary()}")
        record_property("summary", flow.summary())
        return flow

    def wait_metric(self, name, at_least):
        """Until the metric's published sum is there."""
        try:
            wait_until(lambda: self.daemon.metric_sum(name) >= at_least, 60, f"{at_least} {name}", 0.3)
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.daemon.metric_sum(name)}\n{self.daemon.log_tail()}") from None


def assert_only_reused_failed(flow):
    """No failure on a new connection; on a reused one only what a closing server does."""
    wrong = [r for r in flow.failed if not r.reused or r.error not in LATE_FOR_CLOSED]
    assert not wrong, f"{flow.summary()}\n" + "\n".join(map(str, wrong[:5]))


@pytest.mark.parametrize("threads", ["", '--threads=4", "--keep-alive=75", "'], ids=["plain", "threads"])
def test_flask_on_gunicorn(agentd, load, storm, record_property, threads):
    """
    Replacing it fails nothing, and its request metrics, which gunicorn sends by StatsD, are published. Plain workers keep no
    connection; threaded ones do, and close it when they are told to end.
    """
    if threads and sys.version_info < (3, 10):
        pytest.skip("the last gunicorn for this Python drops new connections when its threaded workers end")
    gunicorn = Path(sys.executable).parent / "gunicorn"
    app = Foreign(agentd, "flask", 1, {"/srv/flask-app/venv/bin/gunicorn": str(gunicorn), "app:app": f"{threads}app:app"})
    flow = app.replace_under_load(load, storm(3, 20), record_property)
    assert_only_reused_failed(flow)
    assert threads or not flow.failed, flow.summary()
    if not threads:
        app.wait_metric("gunicorn.requests", flow.sent)


def test_express(agentd, load, storm, record_property):
    """Replacing it fails no new connection, and what it counts by StatsD is published."""
    modules = node_modules()
    changes = {"/usr/bin/node": shutil.which("node"), "NODE_ENV=production": f"NODE_PATH={modules}"}
    app = Foreign(agentd, "express", 2, changes)
    flow = app.replace_under_load(load, storm(3, 20), record_property)
    assert_only_reused_failed(flow)
    app.wait_metric("express.requests", len(flow.answered))
