# SPDX-License-Identifier: Apache-2.0
"""A fixed node for agentctl top: two apps, stress that began minutes ago, a burst of errors, a worker in
backoff. The unit test of the screen has the same answers, and docs/tools/top-picture draws them."""

import datetime
import json
from pathlib import Path

DATA = Path(__file__).resolve().parents[2] / "data" / "top"


def answer(name):
    return json.loads((DATA / f"{name}.json").read_text())


def serve(control):
    """The node on a FakeControl, as of now."""
    status = answer("status")
    success = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=11)
    status["publish"]["last_success"] = success.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    control.get("/v1/status", 200, status)
    control.get("/v1/events", 200, answer("events"))
    control.get("/v1/history", 200, answer("history"))
