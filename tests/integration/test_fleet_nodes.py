# SPDX-License-Identifier: Apache-2.0
"""
Two nodes behind a load balancer that asks agentd's /health, and one table. Whatever is done to a node under load, the
visitors notice nothing, save those inside a worker that is killed; what was acknowledged is there once.
"""

import dataclasses
import http.client
import itertools
import json
import signal
import subprocess
import time
from collections import Counter

import pytest

from support.agentctl import clean_environment
from support.aws_front import REGION
from support.daemon import Answer, free_port, wait_until
from support.dynalite_peer import Dynalite
from support.dynamodb_front import DynamoFront
from support.haproxy import Carried, Haproxy
from support.kills import LOST, Kill, accepted_peers, kill_worker
from support.load_generator import Record

BOARD = "visitor-board"
ADDRESSES = {"node-1": "127.0.0.2", "node-2": "127.0.0.3"}
LAME_DUCK_S = 6  # HAProxy sees a node go in two checks of 0.3 s
# Some 200 requests a second. Nobody is failed for being late: what is promised is an answer.
RATE = {"clients_new": 4, "clients_kept": 8, "pause_s": 0.03, "slow_s": 60, "timeout_s": 60}


def pages_and_posts(request_id):
    if request_id % 8 == 0:
        return "POST", "/", b"message=request+%d" % request_id
    return "GET", "/", b""


@dataclasses.dataclass(frozen=True)
class Death:
    """A killed worker, and until when there was none in its place."""

    node: str
    kill: Kill
    over_at_s: float

    def explains(self, record, request):
        """|request| is HAProxy's of it, None if it says nothing."""
        if record.started_at_s > self.over_at_s or record.started_at_s + record.latency_s < self.kill.at_s:
            return False
        if request:
            return (request.node, request.status) == (self.node, 502) and request.port in self.kill.peers
        return record.reused and record.error in LOST


class Fleet:
    """Attributes: build, front (DynamoDB's), nodes (Agentds by name), haproxy, kills."""

    def __init__(self, build, front, nodes, haproxy):
        self.build, self.front, self.nodes, self.haproxy = build, front, nodes, haproxy
        self.kills = []

    def get(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.haproxy.port, timeout=60)
        try:
            connection.request("GET", path)
            answer = Answer(connection.getresponse())
        finally:
            connection.close()
        assert answer.status == 200, (path, answer.text)
        return answer.json()

    def messages(self):
        """Every message's text, page after page."""
        texts, cursor = [], None
        for _ in range(10_000):
            page = self.get("/api/messages?limit=50" + (f"&cursor={cursor}" if cursor else ""))
            texts += [message["message"] for message in page["messages"]]
            cursor = page["next"]
            if not cursor:
                return texts
        raise AssertionError("pages without end")

    def kill_a_worker(self, name):
        node = self.nodes[name]
        ready = [worker["pid"] for worker in node.workers() if worker["state"] == "ready"]
        pid = max(ready, key=lambda pid: len(accepted_peers(pid, node.port)))
        kill = kill_worker(pid, node.port)
        assert kill.peers, "it had no connection: nothing is tested"
        wait_until(lambda: pid not in node.worker_pids(), 20, "it is gone")
        node.wait_ready(2, timeout_s=60)
        self.kills.append(Death(name, kill, time.monotonic()))

    def assert_spared(self, name, flow):
        """It is out: what it had has ended, and nothing more goes there."""
        wait_until(lambda: self.haproxy.node(name)["scur"] == "0", 60, f"{name} has nothing any more")
        before = self.haproxy.node(name)["stot"]
        flow.wait_requests(50, 60)
        assert self.haproxy.node(name)["stot"] == before


@pytest.fixture
def dynamodb(tmp_path):
    """DynamoDB's stand-in, which does one transaction at a time."""
    peer = Dynalite(tmp_path / "dynalite.log")
    try:
        with DynamoFront(peer.port, own_transactions=True) as front:
            yield front
            assert not front.violations
    finally:
        peer.stop()


@pytest.fixture
def fleet(build, agentd, dynamodb, tmp_path):
    """Two nodes that differ in their address alone, and HAProxy before them."""
    settings = {"AWS_REGION": REGION, "AWS_EC2_METADATA_DISABLED": "true", "TABLE_NAME": "messages",
                "DYNAMODB_ENDPOINT_URL": dynamodb.url, **dynamodb.environment()}
    subprocess.run([str(build / BOARD), "create-table"], env=clean_environment(**settings), check=True, timeout=60,
                   stdout=subprocess.DEVNULL)
    ports = (free_port(), free_port())
    board = {"environment": [f"{name}={value}" for name, value in settings.items()] + ["BOARD_POSTS_PER_MINUTE=0"],
             "idle_timeout": 8, "drain_timeout": 60}
    nodes = {}
    for name, address in ADDRESSES.items():
        config = {"agent": {"instance_id": name}, "health": {"lame_duck": LAME_DUCK_S}, "apps": {BOARD: board}}
        nodes[name] = agentd(config, address=address, ports=ports)
        nodes[name].wait_ready(2, timeout_s=60)
    haproxy = Haproxy(tmp_path, nodes)
    try:
        for name in nodes:
            haproxy.wait(name, "UP")
        yield Fleet(build, dynamodb, nodes, haproxy)
    finally:
        haproxy.stop()
        for node in nodes.values():  # side by side: each has its lame duck
            node.process.send_signal(signal.SIGTERM)
        for node in nodes.values():
            node.wait_exit(100)


def assert_watch_shows_both(fleet):
    watch = [fleet.build / "agentctl", "watch", f"http://127.0.0.1:{fleet.haproxy.port}", "--interval", "100ms",
             "--for", "2s", "--json"]
    ended = subprocess.run(watch, env=clean_environment(), capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended
    polls = [json.loads(line) for line in ended.stdout.splitlines()]
    assert {poll["instance"] for poll in polls} == set(ADDRESSES), polls
    assert {poll["status"] for poll in polls} == {200}


# --- What is done under load ---------------------------------------------------------------------


def drain_and_back(fleet, name, flow):
    node = fleet.nodes[name]
    assert node.ctl("drain").returncode == 0
    fleet.haproxy.wait(name, "DOWN")
    fleet.assert_spared(name, flow)
    assert node.ctl("undrain", "--wait").returncode == 0
    fleet.haproxy.wait(name, "UP")


def reload(fleet, name, flow):
    node = fleet.nodes[name]
    old = set(node.worker_pids())
    result = node.ctl("reload", "--wait", "--timeout", "60s", timeout_s=90)
    assert result.returncode == 0, result.stderr
    ready = {worker["pid"] for worker in node.workers() if worker["state"] == "ready"}
    assert len(ready) == 2 and not old & ready


def kill(fleet, name, flow):
    fleet.kill_a_worker(name)


def stop_and_start(fleet, name, flow):
    """SIGTERM to its holder; /health fails first, so nothing is lost when the listeners close."""
    node = fleet.nodes[name]
    node.process.send_signal(signal.SIGTERM)
    fleet.haproxy.wait(name, "DOWN")
    fleet.assert_spared(name, flow)
    assert node.wait_exit(100) == 0
    flow.wait_requests(50, 60)
    node.start(timeout_s=60)
    fleet.haproxy.wait(name, "UP")


# --- What came of it -----------------------------------------------------------------------------


def assert_each_is_explained(fleet, flow):
    """
    Every request is in HAProxy's log once, and none was sent again. Those that failed were on connections of a killed
    worker, each its last one. On a connection to a visitor that it has served before, HAProxy says nothing of such a
    request, neither to the visitor nor in its log, and closes: these came between the death and the next one's start.
    """
    carried = [request for request in fleet.haproxy.carried() if request.id]
    by_id = {request.id: request for request in carried}
    assert len(by_id) == len(carried) and {request.retries for request in carried} == {"0"}
    lost = [(record, by_id.get(record.id)) for record in flow.failed]
    print(f"{flow.summary()}; lost in kills: {len(lost)}, of which {sum(not request for _, request in lost)} silently")
    silent = {record.id for record, request in lost if not request}
    assert set(by_id) | silent == {record.id for record in flow.records}
    by_kill, places = Counter(), set()
    for record, request in lost:
        kill = next((kill for kill in fleet.kills if kill.explains(record, request)), None)
        assert kill, f"no kill explains {record}, {request}: {fleet.kills}"
        by_kill[kill] += 1
        if request:
            assert (kill, request.port) not in places, f"the second lost request of a connection: {request}"
            places.add((kill, request.port))
    for kill, count in by_kill.items():
        assert count <= len(kill.kill.peers), (count, kill)
    assert {request.node for request in carried} == set(ADDRESSES)


def assert_messages(fleet, flow):
    """Acknowledged: once. Lost in a killed worker: once, or not at all. And the total is what is there."""
    posts = [record for record in flow.records if record.id % 8 == 0]
    acknowledged = {f"request {record.id}" for record in posts if not record.error}
    unknown = {f"request {record.id}" for record in posts if record.error}
    # A worker shows what it has read for up to a second.
    there = wait_until(lambda: acknowledged <= set(texts := fleet.messages()) and texts, 60, "all are shown", 0.5)
    assert len(set(there)) == len(there), "a message is there twice"
    assert set(there) <= acknowledged | unknown
    wait_until(lambda: fleet.get("/api/stats")["total"] == len(there), 60, "the total is exact", 0.2)


@pytest.mark.limit(600)
def test_nodes_come_and_go_under_load(fleet, load):
    assert_watch_shows_both(fleet)
    flow = load(fleet.haproxy.port, duration_s=500, max_requests=400_000, make_request=pages_and_posts, **RATE)
    flow.wait_requests(200, 60)
    for name, action in itertools.product(ADDRESSES, (drain_and_back, reload, kill, stop_and_start)):
        action(fleet, name, flow)
        flow.wait_requests(50, 60)
    flow.stop()
    assert {record.kind for record in flow.answered} == {"new", "kept"}
    assert_each_is_explained(fleet, flow)
    assert_messages(fleet, flow)


def test_deaths_are_judged():
    """A request that no death explains is told from one that was in it."""
    death = Death("node-1", Kill(1, 10.0, frozenset({5001, 5002})), 12.0)
    new = Record(1, "new", 9.5, 0.6, 502, error="status 502")
    kept = Record(2, "kept", 11.0, 0.1, error="eof", reused=True)
    carried = Carried(1, "node-1", 5001, 502, "SH--", "0")
    assert death.explains(new, carried) and death.explains(kept, None)
    for wrong in ({"node": "node-2"}, {"port": 5003}, {"port": 0}, {"status": 503}):
        assert not death.explains(new, dataclasses.replace(carried, **wrong)), wrong
    for wrong in ({"error": "timeout"}, {"error": "econnrefused"}, {"reused": False}, {"started_at_s": 12.1}, {"started_at_s": 9.0}):
        assert not death.explains(dataclasses.replace(kept, **wrong), None), wrong
