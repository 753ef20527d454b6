# SPDX-License-Identifier: Apache-2.0
"""
The board's DynamoDB store against local DynamoDBs: moto's server, and dynalite, which counts capacity
units as AWS does. Both behind a front that verifies signatures and loses answers. No message is lost and
none is double, whatever the service does; trouble has a name, and passes.
"""

import json
import os
import re
import resource
import socket
import subprocess
import time
from pathlib import Path

import boto3
import pytest
from botocore.config import Config

from support.aws_front import REGION
from support.certificates import Certificate
from support.daemon import free_port, wait_until
from support.dynalite_peer import Dynalite
from support.dynamodb_front import DynamoFront
from support.fake_imds import FakeImds
from support.moto_peer import Moto

WRITERS = 8
# What a node's role must allow is what docs/visitor-board-stores.md says.
ACTIONS = {"Query", "GetItem", "PutItem", "UpdateItem", "TransactWriteItems"}
CREATE_ACTIONS = {"CreateTable", "DescribeTable", "UpdateContinuousBackups", "DescribeTimeToLive", "UpdateTimeToLive"}
PSS_LIMIT_KIB = 15 * 1024
CONNECTIONS = 1000
SOAK = os.environ.get("AGENTD_SOAK") == "1"


@pytest.fixture(scope="module")
def moto(tmp_path_factory):
    server = Moto(tmp_path_factory.mktemp("moto") / "log")
    yield server
    server.process.kill()  # it has much to put away, for nobody
    server.process.wait()


@pytest.fixture(scope="module")
def dynalite(tmp_path_factory):
    server = Dynalite(tmp_path_factory.mktemp("dynalite") / "log")
    yield server
    server.stop()


class Stage:
    """A front, and programs that are sent there. Attributes: front, table, environment."""

    def __init__(self, build, front, table):
        self.build = build
        self.front = front
        self.table = table
        self.shells = []
        self.client = None
        own = {"HOME": "/nonexistent", "AWS_EC2_METADATA_DISABLED": "true", "AWS_REGION": REGION}
        own |= {"TABLE_NAME": table, "DYNAMODB_ENDPOINT_URL": front.url, "PATH": os.environ["PATH"]}
        self.environment = {**own, **front.environment()}

    def with_environment(self, **changes):
        return {name: value for name, value in {**self.environment, **changes}.items() if value is not None}

    def create_table(self, **changes):
        """The program's end: status, and both its outputs."""
        own = self.with_environment(**changes)
        program = [self.build / "visitor-board", "create-table"]
        return subprocess.run(program, env=own, capture_output=True, text=True, timeout=60, check=False)

    def shell(self, **changes):
        self.shells.append(Shell(self.build, self.with_environment(**changes)))
        return self.shells[-1]

    def boto(self):
        """boto3's client, straight to the peer."""
        if not self.client:
            self.client = boto3.session.Session().client(
                "dynamodb",
                endpoint_url=f"http://127.0.0.1:{self.front.moto_port}",
                region_name=REGION,
                aws_access_key_id="a",
                aws_secret_access_key="b",
                config=Config(retries={"total_max_attempts": 1}),
            )
        return self.client

    def stop(self):
        if self.client:
            self.client.close()
        for shell in self.shells:
            shell.end()


class Shell:
    """tests/tools/store-shell: commands in, answers out."""

    def __init__(self, build, environment):
        program = build / "tests/tools/store-shell"
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        self.process = subprocess.Popen([program], env=environment, text=True, **pipes)

    def send(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()

    def receive(self):
        line = self.process.stdout.readline()
        assert line, self.process.stderr.read()
        return json.loads(line)

    def ask(self, command):
        self.send(command)
        return self.receive()

    def well(self, command):
        answer = self.ask(command)
        assert answer["error"] == "", answer
        return answer

    def end(self):
        """Its log. It must have ended well: the sanitizers have their say at its end."""
        if self.process.stdin.closed:
            return ""
        self.process.stdin.close()
        log = self.process.stderr.read()
        assert self.process.wait(30) == 0, log
        return log


@pytest.fixture(params=["moto", "dynalite"])
def stage(request, build):
    """A table of its own."""
    peer = request.getfixturevalue(request.param)
    with DynamoFront(peer.port, own_transactions=request.param == "dynalite") as front:
        own = Stage(build, front, "t-" + re.sub(r"[^a-z0-9]", "-", request.node.name))
        made = own.create_table()
        assert made.returncode == 0, made.stderr
        yield own
        front.behave()
        own.stop()
        assert not front.violations
        assert set(front.operations) <= ACTIONS | CREATE_ACTIONS


@pytest.mark.limit(300)
def test_contract(stage):
    """The same tests that SQLite is held to."""
    program = [stage.build / "tests/unit/test-store"]
    done = subprocess.run(program, env=stage.environment, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-5000:]
    assert "[  PASSED  ] 19 test(s)" in done.stderr + done.stdout


# --- Nothing lost, nothing double ----------------------------------------------------------------


@pytest.mark.limit(300)
def test_writers_whose_answers_are_lost(stage):
    """Eight processes, one in three transactions in trouble, half of those carried out all the same."""
    count = 100 if SOAK else 10
    mix = {"drop_after_commit": 0.08, "500_after_commit": 0.08, "half_after_commit": 0.04, "bad_sum": 0.04}
    mix |= {"500": 0.04, "reset": 0.04, "conflict": 0.08, "provisioned": 0.02, "throttled": 0.02}
    stage.front.mix(mix, seed=20261121)
    shells = [stage.shell(INSTANCE_ID=f"i-{writer}") for writer in range(WRITERS)]
    for writer, shell in enumerate(shells):
        shell.send(f"persist {count} writer-{writer}")
    for shell in shells:
        assert shell.receive()["error"] == ""
    stage.front.behave()
    assert sum(stage.front.counts[kind] for kind in mix) > WRITERS, stage.front.counts
    reader = stage.shell()
    assert reader.well("stats")["total"] == WRITERS * count
    texts = reader.well("all 50")["texts"]
    assert sorted(texts) == sorted(f"writer-{writer} {number}" for writer in range(WRITERS) for number in range(count))
    for writer in range(WRITERS):
        own = [text for text in texts if text.startswith(f"writer-{writer} ")]
        assert own == [f"writer-{writer} {number}" for number in reversed(range(count))]


def test_a_lost_answer_costs_the_client_nothing(stage):
    """No error reaches the client, and the retry stores nothing more."""
    shell = stage.shell()
    shell.well("post the day is in the index now")
    for kind in ("drop_after_commit", "500_after_commit", "half_after_commit", "bad_sum", "conflict", "500"):
        before = shell.well("stats")["total"]
        stage.front.once(kind)
        shell.well(f"post {kind}")
        assert shell.well("stats")["total"] == before + 1, kind
        assert shell.well("latest 2")["texts"][0] == kind


def test_beyond_the_token(stage):
    """The service has forgotten the token: the conditions alone keep a message from being double."""
    shell = stage.shell()
    shell.well("post first")
    original = stage.front.transact

    def forgetful(request, headers):
        stage.front.tokens.clear()
        return original(request, headers)

    stage.front.transact = forgetful
    stage.front.once("drop_after_commit", "500_after_commit")
    answer = shell.well("post-key some-key second")
    assert not answer["repeated"]
    assert shell.well("stats")["total"] == 2
    assert shell.well("all 50")["texts"] == ["second", "first"]
    assert shell.well("post-key some-key third")["repeated"]


def test_many_posts_share_transactions(stage):
    shell = stage.shell()
    shell.well("post first")
    before = stage.front.operations["TransactWriteItems"]
    assert shell.well("post-many 120 together")["stored"] == 120
    assert stage.front.operations["TransactWriteItems"] - before == 3
    assert len(shell.well("all 50")["texts"]) == 121
    assert shell.well("stats")["total"] == 121


def test_a_key_is_known_in_another_process(stage):
    first, second = stage.shell(), stage.shell()
    assert not first.well("post-key form-1 one")["repeated"]
    assert second.well("post-key form-1 two")["repeated"]
    assert second.well("all 50")["texts"] == ["one"]
    secrets = {shell.well("secret")["secret"] for shell in (first, second)}
    assert len(secrets) == 1 and secrets != {"0" * 64}


# --- Trouble -------------------------------------------------------------------------------------

TROUBLE = [
    ("denied", "EACCES"),
    ("throttled", "EAGAIN"),
    ("provisioned", "EAGAIN"),
    ("500", "EIO"),
    ("reset", "EIO"),
    ("garbage", "EIO"),
    ("refused", "EHOSTUNREACH"),
    ("black_hole", "ETIMEDOUT"),
    ("slow", "ETIMEDOUT"),
]


OPERATIONS = ("post in trouble", "latest 50", "stats", "secret", "check")


@pytest.mark.parametrize("stage", ["moto"], indirect=True)
@pytest.mark.parametrize("kind, error", TROUBLE)
def test_trouble_has_a_name_and_passes(stage, kind, error):
    """Every operation says what is wrong, in time; afterwards the same processes work again."""
    shells = [stage.shell() for _ in OPERATIONS]
    for shell in shells:
        shell.well("post before")
    stage.front.faulty = {"TransactWriteItems", "PutItem", "Query", "GetItem"}
    stage.front.misbehave(kind)
    for shell, command in zip(shells, OPERATIONS):
        shell.send(command)
    for shell, command in zip(shells, OPERATIONS):
        answer = shell.receive()
        # On a kept connection it is reset, which for a post may mean anything.
        wanted = {error, "EIO"} if kind == "refused" and command.startswith("post") else {error}
        assert answer["error"] in wanted, (command, answer)
        assert answer["took_ms"] < 30000
        assert command != "check" or answer["what"]
    stage.front.behave()
    for shell in shells:
        shell.well("check")
    shells[1].well("post after")
    texts = shells[1].well("all 50")["texts"]
    assert texts[0] == "after" and texts[-1] == "before"
    # Whether a message whose answer never came is there or not: it is counted if it is.
    assert shells[2].well("stats")["total"] == len(texts)
    assert "DynamoDB's" in shells[0].end()


def test_no_table(stage):
    shell = stage.shell(TABLE_NAME="there-is-none")
    for command in ("post x", "latest 50", "stats", "secret", "check"):
        assert shell.ask(command)["error"] == "ENOENT", command
    assert shell.ask("check")["what"].startswith("the table does not exist")
    assert stage.create_table(TABLE_NAME="there-is-none").returncode == 0
    shell.well("post x")
    assert shell.well("latest 50")["texts"] == ["x"]


def test_no_credentials(stage):
    none = {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None, "AWS_SESSION_TOKEN": None}
    shell = stage.shell(**none)
    for command in ("post x", "latest 50", "stats", "secret", "check"):
        assert shell.ask(command)["error"] == "ENOKEY", command
    assert shell.ask("check")["what"].startswith("no AWS credentials")
    no_region = stage.shell(AWS_REGION=None)
    assert no_region.ask("check")["error"] == "ENOKEY"
    assert no_region.ask("check")["what"].startswith("no Region")


def test_an_answer_that_is_none(stage):
    shell = stage.shell()
    shell.well("post there")
    stage.front.faulty = {"Query"}
    stage.front.once("no_json")
    assert shell.ask("latest 50")["error"] == "EBADMSG"
    assert shell.well("latest 50")["texts"] == ["there"]


def test_broken_items_are_skipped(stage):
    """Whoever wrote them: they cost a line in the log and not the page."""
    shell = stage.shell()
    shell.well("post good")
    page = stage.boto().query(
        TableName=stage.table,
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues={":pk": {"S": f"M#main#{time.strftime('%Y-%m-%d', time.gmtime())}"}},
    )
    (item,) = page["Items"]
    for index, change in enumerate(
        [
            {"message": {"N": "7"}},
            {"message": {"S": "x" * 501}},
            {"timestamp": {"S": "t" * 33}},
            {"instanceId": {"L": []}},
            {"id": {"BOOL": True}},
            {"ttl": {"S": "soon"}},
        ]
    ):
        broken = {**item, **change, "sk": {"S": f"{item['sk']['S']}{index}"}}
        stage.boto().put_item(TableName=stage.table, Item=broken)
    old = {**item, "ttl": {"N": "1000"}, "sk": {"S": f"{item['sk']['S']}9"}}
    stage.boto().put_item(TableName=stage.table, Item=old)  # should have been deleted by now: no error
    assert shell.well("latest 50")["texts"] == ["good"]
    assert shell.well("units")["broken"] == 6
    assert "Skipped 6 items" in shell.end()


@pytest.mark.parametrize("stage", ["moto"], indirect=True)
def test_region_and_role_of_the_instance(stage):
    """Nothing is configured but the table: both come from IMDS, and new credentials as the old expire."""
    none = {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None, "AWS_SESSION_TOKEN": None, "AWS_REGION": None}
    with FakeImds(stage.front) as imds:
        shell = stage.shell(**none, **imds.environment())
        shell.well("post by the role")
        imds.rotate()
        shell.well("post by the new credentials")
        assert shell.well("stats")["total"] == 2
        assert imds.counts["/latest/meta-data/placement/region"] == 1
        assert not imds.violations


# --- Retention, costs, the table -----------------------------------------------------------------


def test_retention_is_the_table_s(stage):
    shell = stage.shell(BOARD_RETENTION_DAYS="7")
    shell.well("post-key k there")
    (transaction,) = stage.front.bodies
    week = time.time() + 7 * 86400
    for action in transaction["TransactItems"]:
        ((_, content),) = action.items()
        kind = (content.get("Item") or content["Key"])["pk"]["S"][0]
        if kind == "M":
            assert week - 60 < int(content["Item"]["ttl"]["N"]) <= week + 1
        elif kind == "K":
            assert time.time() + 86400 - 60 < int(content["Item"]["ttl"]["N"]) <= time.time() + 86401
        elif kind == "H":
            assert content["ExpressionAttributeValues"][":ttl"]
    day = time.strftime("%Y-%m-%d", time.gmtime())
    index = stage.boto().get_item(TableName=stage.table, Key={"pk": {"S": "D#main"}, "sk": {"S": day}})["Item"]
    assert int(index["ttl"]["N"]) > week + 86400
    forever = stage.shell(BOARD_NAME="other")
    forever.well("post stays")
    item = next(a["Put"]["Item"] for a in stage.front.bodies[-1]["TransactItems"] if "Put" in a)
    assert "ttl" not in item


def fill(stage, count, board):
    """Messages of the last hours of today and yesterday, straight into the table."""
    now = time.time()
    requests = []
    days = set()
    for number in range(count):
        at = now - number * 20
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(at))
        days.add(stamp[:10])
        item = {"id": f"{number:08}", "message": f"number {number} " + "x" * 80, "timestamp": stamp, "instanceId": "i-1"}
        item |= {"pk": f"M#{board}#{stamp[:10]}", "sk": f"{stamp}#{number:08}"}
        requests.append({"PutRequest": {"Item": {name: {"S": value} for name, value in item.items()}}})
    for day in days:
        requests.append({"PutRequest": {"Item": {"pk": {"S": f"D#{board}"}, "sk": {"S": day}}}})
    boto = stage.boto()
    for start in range(0, len(requests), 25):
        assert not boto.batch_write_item(RequestItems={stage.table: requests[start : start + 25]})["UnprocessedItems"]


@pytest.mark.limit(300)
def test_a_view_costs_the_same_whatever_there_is(stage):
    """dynalite counts read units as AWS does; moto counts none."""
    units = {}
    for count in (100, 1000, 100000 if SOAK else 2500):
        board = f"with-{count}"
        fill(stage, count, board)
        shell = stage.shell(BOARD_NAME=board)
        queries = stage.front.operations["Query"]
        assert len(shell.well("latest 50")["texts"]) == 50
        assert stage.front.operations["Query"] - queries <= 3
        units[count] = shell.well("units")["units"]
    print("read units of a view by messages:", units)
    assert len(set(units.values())) <= 2 and max(units.values()) - min(units.values()) <= 1.0, units


def pss_kib(pid):
    (line,) = [line for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines() if line.startswith("Pss:")]
    return int(line.split()[1])


def test_memory_of_a_worker(moto, plain_build, tmp_path):
    """
    A worker that talks to DynamoDB over TLS, with 1,000 visitors' connections, as on a node: beside another worker and
    a core that publishes, which map the same libraries. Alone it has some 4 MiB more.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 2 * CONNECTIONS + 200), hard))
    with DynamoFront(moto.port, certificate=Certificate(tmp_path)) as front:
        stage = Stage(plain_build, front, "memory")
        assert stage.create_table().returncode == 0
        port, *others = (free_port() for _ in range(3))
        workers, visitors = [], []
        try:
            for each in (port, *others):
                workers.append(subprocess.Popen([plain_build / "visitor-board"], env=stage.with_environment(PORT=str(each)),
                                                stderr=subprocess.DEVNULL))
                wait_until(lambda each=each: answers(each), 30, "the board answers", 0.1)
            for _ in range(CONNECTIONS):
                visitors.append(socket.create_connection(("127.0.0.1", port), timeout=30))
                visitors[-1].sendall(b"GET / HTTP/1.1\r\nHost: board\r\n\r\n")
            for visitor in visitors:
                assert visitor.recv(65536).startswith(b"HTTP/1.1 200 ")
            pss = pss_kib(workers[0].pid)
        finally:
            for visitor in visitors:
                visitor.close()
            for worker in workers:
                worker.terminate()
                worker.wait(30)
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        print(f"PSS with {CONNECTIONS} connections: {pss} KiB")
        assert front.operations["Query"] > 0 and not front.violations
        assert pss <= PSS_LIMIT_KIB


def answers(port):
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            return True
    except OSError:
        return False


def test_create_table(stage):
    made = stage.create_table(TABLE_NAME="made-twice")
    again = stage.create_table(TABLE_NAME="made-twice")
    assert (made.returncode, again.returncode) == (0, 0), made.stderr + again.stderr
    assert made.stdout.startswith("Made table made-twice, on demand.\n")
    assert again.stdout.startswith("Table made-twice is there already.\n")
    boto = stage.boto()
    table = boto.describe_table(TableName="made-twice")["Table"]
    assert table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert [key["AttributeName"] for key in table["KeySchema"]] == ["pk", "sk"]
    if not stage.front.own_transactions:
        assert "Point-in-time recovery is on.\nTTL is on, by the attribute ttl.\n" in made.stdout
        assert again.stdout.endswith("TTL is on already.\n")
        backups = boto.describe_continuous_backups(TableName="made-twice")["ContinuousBackupsDescription"]
        assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"
        ttl = boto.describe_time_to_live(TableName="made-twice")["TimeToLiveDescription"]
        assert (ttl["TimeToLiveStatus"], ttl["AttributeName"]) == ("ENABLED", "ttl")
    else:
        assert "This endpoint does not know how to back up the table" in made.stdout


def test_create_table_says_what_is_wrong(stage):
    stage.boto().create_table(
        TableName="somebody-else-s",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    none = {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None, "AWS_SESSION_TOKEN": None}
    for changes, status, words in (
        ({"TABLE_NAME": "somebody-else-s"}, 1, "its keys are not pk and sk"),
        ({"TABLE_NAME": None}, 2, "TABLE_NAME says, which is not set"),
        ({"TABLE_NAME": "no/name"}, 2, 'TABLE_NAME is "no/name"'),
        ({"BOARD_NAME": "a#b"}, 2, 'BOARD_NAME is "a#b"'),
        ({"BOARD_RETENTION_DAYS": "a week"}, 2, 'BOARD_RETENTION_DAYS is "a week"'),
        (none, 1, "no AWS credentials"),
        ({"AWS_REGION": None}, 1, "no Region: AWS_REGION is not set"),
        ({"DYNAMODB_ENDPOINT_URL": "nonsense"}, 1, "Can't use DynamoDB"),
    ):
        ended = stage.create_table(**changes)
        assert ended.returncode == status, (changes, ended)
        assert words in ended.stderr, (changes, ended.stderr)
        assert len(ended.stderr.splitlines()) == 1
