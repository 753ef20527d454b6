# SPDX-License-Identifier: Apache-2.0
"""
The front of a local DynamoDB, moto's server or dynalite: verifies signatures, adds what the peer behind
lacks of the real one (answers' sums, the token of a transaction), counts, and misbehaves on demand as
aws_front.Front does, of which it is one.

    with DynamoFront(port, own_transactions=True) as front:
        front.faulty = {"TransactWriteItems"}      # what the script is about; the rest is served
        front.mix({"drop_after_commit": 0.1}, seed=7)
        front.operations["Query"]                  # how many came

`own_transactions`: for a peer that has none, the front does them itself by single requests, one
transaction at a time.
"""

import hashlib
import http.client
import json
import threading
import time
import zlib
from collections import Counter

from . import aws_front
from .aws_signature import Refusal, verify

PREFIX = "DynamoDB_20120810."
TYPE = "com.amazonaws.dynamodb.v20120810#"
JSON_TYPE = "application/x-amz-json-1.0"
HOP = ("host", "content-length", "connection", "expect", "accept-encoding", "x-amz-target")
ACTIONS_MAX = 100
BATCH_MAX = 25  # of BatchWriteItem
# Of the front's own requests; who is behind doesn't check it.
ANY_SIGNATURE = "AWS4-HMAC-SHA256 Credential=a/20260101/eu-west-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0"


def cancelled(reasons):
    """The answer of a transaction that was not done."""
    codes = ", ".join(reason["Code"] for reason in reasons)
    text = f"Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]"
    return 400, {"__type": TYPE + "TransactionCanceledException", "Message": text, "CancellationReasons": reasons}


class DynamoFront(aws_front.Front):
    """Attributes besides Front's: operations (by name), faulty (names), tokens, read_units (all that was told)."""

    def __init__(self, port, *, own_transactions=False, certificate=None):
        super().__init__(port, certificate=certificate)
        self.own_transactions = own_transactions
        self.operations = Counter()
        self.faulty = {"TransactWriteItems"}
        self.tokens = {}
        self.bodies = []  # of transactions that were carried out
        self.read_units = 0.0
        self.local = threading.local()
        self.peer = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def serve(self, request):
        operation = request.header("x-amz-target").removeprefix(PREFIX)
        try:
            verify(
                *(request.method, request.target, request.headers, request.body),
                keys_of=self.keys,
                region=aws_front.REGION,
                service="dynamodb",
                now_s=self.now_s(),
                skew_code=self.skew_code,
            )
        except Refusal as refusal:
            self.counts[refusal.code] += 1
            if refusal.fault_of_client:
                self.complain(f"{refusal.code}: {refusal}")
            self.refuse(request, refusal.status, refusal.code, str(refusal))
            return
        if operation in ("Scan", "") or request.header("content-type") != JSON_TYPE:
            self.complain(f"{operation} with {request.header('content-type')}")
        with self.lock:
            self.operations[operation] += 1
            kind = self.script.next() if operation in self.faulty else "ok"
            self.counts[kind] += 1
        request.operation, request.kind, request.content = operation, kind, json.loads(request.body)
        self.faults.get(kind, aws_front.fault_ok)(self, request)

    # --- The peer behind -------------------------------------------------------------------------

    def forward(self, operation, body, headers=()):
        """On one kept connection: holds the lock."""
        own = {**dict(headers), "X-Amz-Target": PREFIX + operation, "Content-Type": JSON_TYPE}
        own.setdefault("Authorization", ANY_SIGNATURE)
        own.setdefault("X-Amz-Date", "20260101T000000Z")
        for attempt in range(2):  # it may have closed the connection meanwhile
            try:
                self.peer.request("POST", "/", body=body, headers=own)
                answer = self.peer.getresponse()
                return answer.status, answer.read()
            except (http.client.RemoteDisconnected, ConnectionError):
                self.peer.close()
                if attempt:
                    raise
        raise AssertionError

    def stop(self):
        super().stop()
        with self.lock:
            self.peer.close()

    def commit(self, request):
        """Carried out after this; what success() says is kept."""
        headers = [(name, value) for name, value in request.headers if name.lower() not in HOP]
        with self.lock:
            if request.operation == "TransactWriteItems":
                status, text = self.transact(request, headers)
            else:
                status, text = self.forward(request.operation, request.body, headers)
        if status == 200 and request.operation == "Query":
            units = json.loads(text).get("ConsumedCapacity", {}).get("CapacityUnits", 0)
            with self.lock:
                self.read_units += units
        self.local.answer = status, text
        return aws_front.Stored(time.time(), request.content, len(request.body), False, request.reused, request.kind)

    def success(self):
        status, text = self.local.answer
        return self.with_sum(status, text)

    def with_sum(self, status, text, add=0):
        return self.answer(status, [("x-amz-crc32", str((zlib.crc32(text) + add) & 0xFFFFFFFF))], text)

    def error(self, status, code, text, headers=()):
        body = json.dumps({"__type": TYPE + code, "message": text}).encode()
        return self.answer(status, [("x-amz-crc32", str(zlib.crc32(body))), *headers], body)

    # --- Transactions ----------------------------------------------------------------------------

    def transact(self, request, headers):
        """The same token with the same content: what it answered. Holds the lock."""
        token = request.content.get("ClientRequestToken")
        sum_of = hashlib.sha256(request.body).digest()
        if not token or len(token) > 36:
            self.complain(f"the token is {token!r}")
        if token in self.tokens:
            if self.tokens[token] != sum_of:
                self.complain(f"token {token} came with another content")
                return 400, json.dumps({"__type": TYPE + "IdempotentParameterMismatchException"}).encode()
            return 200, b"{}"
        self.check(request.content["TransactItems"])
        if self.own_transactions:
            status, answer = self.own_transaction(request.content["TransactItems"])
            text = json.dumps(answer).encode()
        else:
            status, text = self.forward("TransactWriteItems", request.body, headers)
        if status == 200:
            self.tokens[token] = sum_of
            self.bodies.append(request.content)
        return status, text

    def check(self, actions):
        """What DynamoDB refuses a transaction for."""
        keys = []
        for action in actions:
            ((_, content),) = action.items()
            item = content.get("Item") or content["Key"]
            keys.append((content["TableName"], item["pk"]["S"], item["sk"]["S"]))
        if not 0 < len(actions) <= ACTIONS_MAX or len(set(keys)) != len(keys):
            self.complain(f"a transaction of {len(actions)} actions on {len(set(keys))} items")

    def own_transaction(self, actions):
        """The two conditions that the board has, then what is to be put and updated."""
        puts = [action["Put"] for action in actions if "Put" in action]
        table = puts[0]["TableName"]
        keys = [{name: put["Item"][name] for name in ("pk", "sk")} for put in puts]
        body = {"RequestItems": {table: {"Keys": keys, "ConsistentRead": True}}}
        status, text = self.forward("BatchGetItem", json.dumps(body))
        answer = json.loads(text)
        if status != 200 or answer["UnprocessedKeys"]:
            return max(status, 500), answer
        there = {(item["pk"]["S"], item["sk"]["S"]): item for item in answer["Responses"][table]}
        reasons = []
        for action in actions:
            reasons.append({"Code": "None"})
            if "Put" in action:
                item = action["Put"]["Item"]
                item = there.get((item["pk"]["S"], item["sk"]["S"]))
                if not self.holds(action["Put"], item):
                    reasons[-1] = {"Code": "ConditionalCheckFailed", "Message": "The conditional request failed"}
                    if action["Put"].get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD":
                        reasons[-1]["Item"] = item
        if any(reason["Code"] != "None" for reason in reasons):
            return cancelled(reasons)
        for start in range(0, len(puts), BATCH_MAX):
            requests = [{"PutRequest": {"Item": put["Item"]}} for put in puts[start : start + BATCH_MAX]]
            status, text = self.forward("BatchWriteItem", json.dumps({"RequestItems": {table: requests}}))
            if status != 200:
                return status, json.loads(text)
        for action in actions:
            if "Update" in action:
                status, text = self.forward("UpdateItem", json.dumps(action["Update"]))
                if status != 200:
                    return status, json.loads(text)
        return 200, {}

    def holds(self, content, item):
        if content["ConditionExpression"] == "attribute_not_exists(pk)":
            return item is None
        if content["ConditionExpression"] != "attribute_not_exists(pk) OR #ttl < :now":
            self.complain(f"the condition is {content['ConditionExpression']}")
        return item is None or int(item["ttl"]["N"]) < int(content["ExpressionAttributeValues"][":now"]["N"])


# --- Faults besides aws_front's ------------------------------------------------------------------


def fault_conflict(front, request):
    """Not carried out; another transaction has the counter."""
    actions = request.content["TransactItems"]
    status, body = cancelled([{"Code": "TransactionConflict"}] + [{"Code": "None"}] * (len(actions) - 1))
    request.connection.send(front.with_sum(status, json.dumps(body).encode()))


def fault_cancelled_throttled(front, request):
    """Not carried out; one item's partition is too busy."""
    actions = request.content["TransactItems"]
    status, body = cancelled([{"Code": "ThrottlingError"}] + [{"Code": "None"}] * (len(actions) - 1))
    request.connection.send(front.with_sum(status, json.dumps(body).encode()))


def fault_provisioned(front, request):
    """Not carried out; ProvisionedThroughputExceededException."""
    request.connection.send(front.error(400, "ProvisionedThroughputExceededException", "too much"))


def fault_bad_sum(front, request):
    """Carried out; the answer was damaged on its way."""
    front.commit(request)
    request.connection.send(front.with_sum(*front.local.answer, add=1))


def fault_no_json(front, request):
    """Carried out; an answer that is no JSON, though its sum fits."""
    front.commit(request)
    request.connection.send(front.with_sum(200, b"{\"Items\":[{]"))


OWN = {name.removeprefix("fault_"): fault for name, fault in list(globals().items()) if name.startswith("fault_")}
DynamoFront.faults = {**aws_front.FAULTS, **OWN}
