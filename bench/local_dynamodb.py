# SPDX-License-Identifier: Apache-2.0
"""
A local DynamoDB for the benchmarks: dynalite, which counts capacity units as AWS does, tables with messages in it, and a
front that adds up the units and can speak TLS. Nobody checks signatures here; the tests' front does.
"""

import hashlib
import http.client
import json
import os
import pathlib
import shutil
import subprocess
import sys
import threading
import time
import urllib.request

import tidy
from board_parts import free_port
from sink import HttpPeer, message

LOCK = pathlib.Path(__file__).resolve().parent.parent / "tests" / "integration" / "dynalite"
PREFIX = "DynamoDB_20120810."
HEADERS = {
    "Content-Type": "application/x-amz-json-1.0",
    "X-Amz-Date": "20260101T000000Z",
    "Authorization": "AWS4-HMAC-SHA256 Credential=a/20260101/eu-west-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0",
}
ENVIRONMENT = {"AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SESSION_TOKEN": "t",
               "AWS_EC2_METADATA_DISABLED": "true"}
BATCH = 25  # of BatchWriteItem
READS = ("Query", "Scan", "GetItem", "BatchGetItem")
TEXT = "Hello from a visitor of the board, who has as much to say as most of them do: about 100 bytes."


def modules():
    """dynalite's packages, as the tests' lock file has them, in the cache that the tests have, too."""
    key = hashlib.sha256((LOCK / "package-lock.json").read_bytes()).hexdigest()[:12]
    place = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "agentd" / f"node-{key}"
    if not (place / "complete").exists():
        print(f"installing dynalite into {place}", file=sys.stderr)
        place.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(LOCK / name, place)
        subprocess.run(["npm", "ci", "--prefix", str(place), "--ignore-scripts", "--no-audit", "--no-fund"], check=True,
                       stdout=subprocess.DEVNULL)
        (place / "complete").touch()
    return place / "node_modules"


class Dynalite:
    """On CPU 1, with the load: what it does is no server's. Attributes: port."""

    def __init__(self):
        self.port = free_port()
        program = modules() / "dynalite" / "cli.js"
        self.process = tidy.spawn(["taskset", "-c", "1", "node", program, "--host", "127.0.0.1", "--port", self.port,
                                   "--createTableMs", "0"])
        end = time.monotonic() + 60
        while not self.answers():
            if time.monotonic() > end or self.process.poll() is not None:
                sys.exit(f"{sys.argv[0]}: dynalite doesn't answer")
            time.sleep(0.1)

    def answers(self):
        try:
            return bool(self.ask("ListTables", {}))
        except OSError:
            return False

    def ask(self, operation, body):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/", json.dumps(body).encode(),
                                         {**HEADERS, "X-Amz-Target": PREFIX + operation})
        with urllib.request.urlopen(request, timeout=120) as answer:
            return json.load(answer)

    def create(self, table, *keys):
        self.ask("CreateTable", {
            "TableName": table, "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": key, "AttributeType": "S"} for key in keys],
            "KeySchema": [{"AttributeName": key, "KeyType": kind} for key, kind in zip(keys, ("HASH", "RANGE"))]})
        while self.ask("DescribeTable", {"TableName": table})["Table"]["TableStatus"] != "ACTIVE":
            time.sleep(0.05)

    def put(self, table, items):
        """On one connection, which urllib would open anew each time."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        for start in range(0, len(items), BATCH):
            requests = [{"PutRequest": {"Item": item}} for item in items[start:start + BATCH]]
            connection.request("POST", "/", json.dumps({"RequestItems": {table: requests}}),
                               {**HEADERS, "X-Amz-Target": PREFIX + "BatchWriteItem"})
            answer = connection.getresponse()
            text = answer.read()
            if answer.status != 200 or json.loads(text)["UnprocessedItems"]:
                sys.exit(f"{sys.argv[0]}: dynalite took no messages: {text[:200]!r}")
        connection.close()

    def fill(self, count):
        """The same |count| messages, one a second until now, in the tables ours-COUNT and theirs-COUNT."""
        ours, theirs = f"ours-{count}", f"theirs-{count}"
        self.create(ours, "pk", "sk")
        self.create(theirs, "id")
        now = time.time()
        plain, days = [], set()
        for number in range(count):
            stamp = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(now - number))
            days.add(stamp[:10])
            plain.append({"id": f"00000000-0000-4000-8000-{number:012}", "message": f"{TEXT} {number}", "timestamp": stamp,
                          "instanceId": "i-0123456789abcdef0"})
        keyed = [{**item, "pk": f"M#main#{item['timestamp'][:10]}", "sk": f"{item['timestamp']}#{item['id']}"} for item in plain]
        keyed += [{"pk": "D#main", "sk": day} for day in days]
        counter = {"pk": {"S": "C#main"}, "sk": {"S": "00"}, "n": {"N": str(count)}}
        self.put(theirs, [texts(item) for item in plain])
        self.put(ours, [*(texts(item) for item in keyed), counter])
        return ours, theirs


def texts(item):
    return {name: {"S": value} for name, value in item.items()}


class Front(HttpPeer):
    """Before dynalite. Attributes: units (read, of all that came through), requests. What a client doesn't ask for is asked for it."""

    def __init__(self, behind, certificate=None):
        super().__init__(certificate)
        self.behind = behind
        self.units, self.requests = 0.0, 0
        self.local = threading.local()

    def serve(self, request):
        """A thread serves a connection, and has one of its own to dynalite."""
        if not hasattr(self.local, "peer"):
            self.local.peer = http.client.HTTPConnection("127.0.0.1", self.behind, timeout=120)
        operation = request.header("x-amz-target").removeprefix(PREFIX)
        body = request.body
        if operation in READS:
            body = json.dumps({**json.loads(body), "ReturnConsumedCapacity": "TOTAL"}).encode()
        self.local.peer.request("POST", "/", body, {**HEADERS, "X-Amz-Target": PREFIX + operation})
        answer = self.local.peer.getresponse()
        text = answer.read()
        if operation in READS and answer.status == 200:
            with self.lock:
                self.units += json.loads(text)["ConsumedCapacity"]["CapacityUnits"]
                self.requests += 1
        general = [("Content-Type", HEADERS["Content-Type"]), ("x-amz-crc32", answer.getheader("x-amz-crc32"))]
        request.connection.send(message(answer.status, answer.reason, general, text))

    def complain(self, text):
        print(f"DynamoDB was sent no HTTP: {text}", file=sys.stderr)
