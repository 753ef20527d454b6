# SPDX-License-Identifier: Apache-2.0
"""The peers of the publishing tests tell right from wrong: the front and the fake IMDS, with boto3 as the client."""

import gzip
import http.client
import json
import math
import re
import socket
import threading
import time

import botocore.exceptions
import pytest

from support import aws_front, fake_imds, moto_peer
from support.aws_front import FAULTS, KEY_ID, SECRET, TOKEN
from support.aws_signature import Keys
from support.certificates import Certificate
from support.daemon import wait_until

ERRORS = (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError, botocore.exceptions.HTTPClientError)


@pytest.fixture(scope="module")
def moto(tmp_path_factory):
    server = moto_peer.Moto(tmp_path_factory.mktemp("moto") / "log")
    yield server
    server.stop()


@pytest.fixture
def front(moto):
    """A front; the test says what it complained of, if it should."""
    with aws_front.Front(moto.port) as own:
        own.slow_s = 0.5
        yield own


def client_of(front, **options):
    known = {"key_id": KEY_ID, "secret": SECRET, "token": TOKEN, **options}
    return moto_peer.client(front.url, **known)


def datum(value=1.0, **members):
    return {"MetricName": "Requests", "Value": value, "Timestamp": time.time() // 10 * 10, "Unit": "Count", **members}


def put(client, *data, namespace="front-test"):
    return client.put_metric_data(Namespace=namespace, MetricData=list(data) or [datum()])


def error_of(call):
    """The error's code of a call that must fail."""
    with pytest.raises(ERRORS) as caught:
        call()
    if isinstance(caught.value, botocore.exceptions.ClientError):
        return caught.value.response["Error"]["Code"]
    return type(caught.value).__name__


# --- What is right -------------------------------------------------------------------------------


def test_a_signed_request_is_stored(front, moto, request):
    client = client_of(front)
    namespace = request.node.name
    dimensions = [{"Name": "App", "Value": "board"}]
    stamp = time.time() // 10 * 10
    for value in (3.0, 4.5):
        put(client, datum(value, Dimensions=dimensions, Timestamp=stamp, StorageResolution=1), namespace=namespace)
    assert front.violations == []
    assert [record.request["MetricData"][0]["Value"] for record in front.stored] == [3.0, 4.5]
    wait_until(lambda: all(record.answered for record in front.stored), 5, "the answers are noted")
    assert front.stored[1].reused
    (point,) = moto.statistics(namespace, "Requests", {"App": "board"}).values()
    assert (point["Sum"], point["SampleCount"], point["Minimum"], point["Maximum"]) == (7.5, 2, 3.0, 4.5)


def test_values_and_counts_and_gzip(front, moto, request):
    """boto3 compresses what is longer than 10 kB; moto can't read that by itself."""
    namespace = request.node.name
    values = [float(value) for value in range(1, 151)]
    data = [
        {"MetricName": f"Latency{index}", "Values": values, "Counts": [2.0] * 150, "Timestamp": time.time()}
        for index in range(20)
    ]
    put(client_of(front), *data, namespace=namespace)
    assert front.violations == []
    assert front.stored[0].zipped and front.stored[0].wire_bytes < 10_000
    (point,) = moto.statistics(namespace, "Latency7", {}).values()
    assert (point["Sum"], point["SampleCount"]) == (2 * sum(values), 300)


def test_tls(moto, tmp_path):
    certificate = Certificate(tmp_path)
    with aws_front.Front(moto.port, certificate=certificate) as front:
        put(client_of(front, verify=str(certificate.path)))
        assert len(front.stored) == 1 and front.violations == []
        assert error_of(lambda: put(client_of(front, verify=True))) == "SSLError"


# --- What is refused -----------------------------------------------------------------------------

WRONG_KEYS = {
    "secret": ({"secret": SECRET + "x"}, "SignatureDoesNotMatch"),
    "token": ({"token": TOKEN + "x"}, "InvalidClientTokenId"),
    "no token": ({"token": None}, "InvalidClientTokenId"),
    "key": ({"key_id": "AKIDOTHER"}, "UnrecognizedClientException"),
    "region": ({"region": "eu-west-2"}, "SignatureDoesNotMatch"),
}


@pytest.mark.parametrize("wrong", WRONG_KEYS)
def test_a_wrong_signature_is_refused(front, wrong):
    options, code = WRONG_KEYS[wrong]
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        put(client_of(front, **options))
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    assert front.counts[code] == 1 and front.stored == [] and front.violations[0].startswith(code)


class RawClient:
    """Signs with botocore and sends what the test makes of it."""

    def __init__(self, front):
        self.front = front

    def send(self, body, change=lambda headers: headers, sign_extra=(), body_after=None):
        """Status and the error's text; |change| works on the signed (name, value) pairs."""
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials

        request = AWSRequest("POST", self.front.url + "/", data=body)
        fields = [
            ("Content-Type", aws_front.JSON_TYPE),
            ("X-Amz-Target", aws_front.TARGET),
            ("X-Amzn-Query-Mode", "true"),
            *sign_extra,
        ]
        for name, value in fields:
            request.headers[name] = value
        SigV4Auth(Credentials(KEY_ID, SECRET, TOKEN), "monitoring", aws_front.REGION).add_auth(request)
        sent = body if body_after is None else body_after
        headers = change([("Host", f"127.0.0.1:{self.front.port}"), *request.headers.items(), ("Content-Length", len(sent))])
        with socket.create_connection(("127.0.0.1", self.front.port), timeout=10) as connection:
            head = "POST / HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers)
            connection.sendall(head.encode() + b"\r\n" + sent)
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            return answer.status, answer.read().decode()


def body_of(*data, namespace="front-test"):
    return json.dumps({"Namespace": namespace, "MetricData": list(data) or [datum()]}).encode()


def without(name):
    return lambda headers: [pair for pair in headers if pair[0].lower() != name]


def twice(name):
    return lambda headers: headers + [pair for pair in headers if pair[0].lower() == name]


WRONG_HEADS = {
    "the same field twice": twice("x-amz-date"),
    "two of a field without meaning": twice("x-amzn-query-mode"),
    "no target": without("x-amz-target"),
    "no query mode": without("x-amzn-query-mode"),
    "unsigned type": lambda headers: [("content-type", "x") if n == "Content-Type" else (n, v) for n, v in headers],
    "unsigned amz header": lambda headers: [*headers, ("X-Amz-More", "1")],
    "no authorization": without("authorization"),
    "chunked": lambda headers: [*without("content-length")(headers), ("Transfer-Encoding", "chunked")],
    "unknown encoding": lambda headers: [*headers, ("Content-Encoding", "br")],
    "gzip that is none": lambda headers: [*headers, ("Content-Encoding", "gzip")],
}


@pytest.mark.parametrize("wrong", WRONG_HEADS)
def test_a_wrong_head_is_refused(front, wrong):
    status, _ = RawClient(front).send(body_of(), WRONG_HEADS[wrong])
    assert status in (400, 403) and front.stored == [] and len(front.violations) == 1, front.violations


def test_a_right_head_is_taken(front):
    raw = RawClient(front)
    assert raw.send(body_of())[0] == 200
    assert raw.send(gzip.compress(body_of()), sign_extra=[("Content-Encoding", "gzip")])[0] == 200
    assert raw.send(body_of(), lambda headers: [*headers, ("Expect", "100-continue"), ("User-Agent", "x")])[0] in (100, 200)
    assert front.violations == [] and len(front.stored) == 3


def test_a_changed_body_is_refused(front):
    assert RawClient(front).send(body_of(datum(1.0)), body_after=body_of(datum(2.0)))[0] == 403
    assert front.stored == [] and len(front.violations) == 1


NOW = int(time.time())
SERIES = {"SampleCount": 2, "Sum": 3, "Minimum": 1, "Maximum": 2}
PLAIN = {"MetricName": "x", "Value": 1, "Timestamp": NOW}
BARE = {"MetricName": "x", "Timestamp": NOW}
WRONG_DATA = {
    "no datum": [],
    "1001 datums": [PLAIN] * 1001,
    "over 1 MB": [{**PLAIN, "Dimensions": [{"Name": "n", "Value": "v" * 1024}]}] * 1000 + [PLAIN],
    "an empty name": [{**PLAIN, "MetricName": ""}],
    "a control in the name": [{**PLAIN, "MetricName": "a\tb"}],
    "a name that isn't ASCII": [{**PLAIN, "MetricName": "é"}],
    "a long name": [{**PLAIN, "MetricName": "n" * 256}],
    "an unknown member": [{**PLAIN, "Colour": "red"}],
    "two kinds of value": [{**PLAIN, "StatisticValues": SERIES}],
    "no value": [BARE],
    "a string": [{**PLAIN, "Value": "1"}],
    "a bool": [{**PLAIN, "Value": True}],
    "infinite": [{**PLAIN, "Value": math.inf}],
    "not a number": [{**PLAIN, "Value": math.nan}],
    "too large": [{**PLAIN, "Value": 2.0**361}],
    "151 values": [{**BARE, "Values": list(range(151)), "Counts": [1] * 151}],
    "a value twice": [{**BARE, "Values": [1, 1], "Counts": [1, 1]}],
    "counts short": [{**BARE, "Values": [1, 2], "Counts": [1]}],
    "a count of 0": [{**BARE, "Values": [1], "Counts": [0]}],
    "counts alone": [{**PLAIN, "Counts": [1]}],
    "a sum out of reach": [{**BARE, "StatisticValues": {**SERIES, "Sum": 5}}],
    "the least above the most": [{**BARE, "StatisticValues": {**SERIES, "Minimum": 3}}],
    "no samples": [{**BARE, "StatisticValues": {"SampleCount": 0, "Sum": 0, "Minimum": 0, "Maximum": 0}}],
    "31 dimensions": [{**PLAIN, "Dimensions": [{"Name": f"n{i}", "Value": "v"} for i in range(31)]}],
    "a dimension twice": [{**PLAIN, "Dimensions": [{"Name": "n", "Value": "v"}] * 2}],
    "an empty dimension": [{**PLAIN, "Dimensions": [{"Name": "n", "Value": ""}]}],
    "a dimension of blanks": [{**PLAIN, "Dimensions": [{"Name": "n", "Value": "  "}]}],
    "a dimension's colon": [{**PLAIN, "Dimensions": [{"Name": ":n", "Value": "v"}]}],
    "resolution 10": [{**PLAIN, "StorageResolution": 10}],
    "an unknown unit": [{**PLAIN, "Unit": "Requests"}],
    "no time": [{"MetricName": "x", "Value": 1}],
    "a time as text": [{**PLAIN, "Timestamp": "2026-01-01T00:00:00Z"}],
    "over two weeks old": [{**PLAIN, "Timestamp": NOW - 14 * 86400 - 60}],
    "over two hours ahead": [{**PLAIN, "Timestamp": NOW + 2 * 3600 + 120}],
}


@pytest.mark.parametrize("wrong", WRONG_DATA)
def test_wrong_data_is_refused(front, wrong):
    body = json.dumps({"Namespace": "front-test", "MetricData": WRONG_DATA[wrong]}).encode()
    status, text = RawClient(front).send(body)
    assert status == 400 and "InvalidParameterValue" in text
    assert front.stored == [] and len(front.violations) == 1, front.violations


@pytest.mark.parametrize("namespace", ["", "AWS/EC2", ":a", "é", "n" * 256])
def test_a_wrong_namespace_is_refused(front, namespace):
    assert RawClient(front).send(body_of(namespace=namespace))[0] == 400 and len(front.violations) == 1


@pytest.mark.parametrize("text", [b"", b"[]", b"{", b'{"Namespace":"a","Namespace":"b","MetricData":[]}', b"\xff"])
def test_no_json_is_refused(front, text):
    assert RawClient(front).send(text)[0] == 400 and len(front.violations) == 1


def test_what_is_at_the_limit_is_taken(front):
    raw = RawClient(front)
    values = {**BARE, "Values": list(range(150)), "Counts": [1] * 150}
    dimensions = {**PLAIN, "Dimensions": [{"Name": f"n{i}", "Value": "v"} for i in range(30)]}
    for data in ([PLAIN] * 1000, [values], [dimensions], [{**BARE, "StatisticValues": SERIES}]):
        assert raw.send(body_of(*data))[0] == 200
    assert front.violations == []


# --- Faults --------------------------------------------------------------------------------------

# What boto3 says of each, and whether it is stored all the same.
FAULT_EFFECTS = {
    "ok": (None, True),
    "500": ("InternalServiceFault", False),
    "500_after_commit": ("InternalServiceFault", True),
    "503": ("503", False),
    "throttled": ("Throttling", False),
    "throttled_retry_after": ("Throttling", False),
    "denied": ("AccessDenied", False),
    "invalid": ("InvalidParameterValue", False),
    "garbage": ("ConnectionClosedError|HTTPClientError", False),
    "portal": (None, False),
    "half_body": ("IncompleteRead", False),
    "half_after_commit": ("IncompleteRead", True),
    "slow": (None, True),
    "drip": (None, True),
    "close_idle": (None, True),
    "black_hole": ("ReadTimeoutError", False),
    "drop_after_commit": ("ConnectionClosedError|ConnectionError", True),
    "reset": ("ConnectionClosedError|ConnectionError", False),
    "refused_for_a_while": ("ConnectionClosedError|ConnectionError", False),
}


@pytest.mark.parametrize("kind", FAULT_EFFECTS)
def test_each_fault_does_what_it_says(front, kind):
    code, stored = FAULT_EFFECTS[kind]
    client = client_of(front)
    front.once(kind)
    if code is None:  # boto3 doesn't miss the request's id in somebody else's 200
        assert ("RequestId" in put(client)["ResponseMetadata"]) == (kind != "portal")
    elif code == "IncompleteRead":  # nor the rest of an answer
        with pytest.raises(http.client.IncompleteRead):
            RawClient(front).send(body_of())
    else:
        assert re.search(code, error_of(lambda: put(client)))
    assert front.counts[kind] == 1 and len(front.stored) == (1 if stored else 0)
    if kind == "close_idle":
        wait_until(lambda: not front.connections, 5, "the connection is closed")
    front.misbehave("503")
    front.behave()  # lets go of what is in the black hole
    put(client)
    assert len(front.stored) == (2 if stored else 1)
    wait_until(lambda: front.stored[-1].answered, 5, "the answer is noted")
    assert front.violations == []


def test_all_faults_are_tried():
    assert set(FAULT_EFFECTS) == set(FAULTS)


def test_a_refusing_port_refuses_and_comes_back(front):
    client = client_of(front)
    put(client)
    front.misbehave("refused")
    for _ in range(2):  # the first may still meet the old connection
        assert re.search("EndpointConnectionError|ConnectionClosedError", error_of(lambda: put(client)))
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", front.port), timeout=5)
    front.behave()
    put(client)
    assert len(front.stored) == 2


def test_the_wish_to_come_back_later_is_told(front):
    front.once("throttled_retry_after", "throttled")
    client = client_of(front)
    headers = []
    client.meta.events.register("after-call", lambda http_response, **_: headers.append(http_response.headers))
    for _ in range(2):
        error_of(lambda: put(client))
    assert headers[0]["x-amz-retry-after"] == "3000" and "x-amz-retry-after" not in headers[1]


@pytest.mark.parametrize("offset_s", [-3600, 3600])
@pytest.mark.parametrize("code", ["RequestTimeTooSkewed", "InvalidSignatureException"])
def test_a_wrong_clock_is_told(front, offset_s, code):
    """The client's fault it is not: it sees the date, and what it signs by that is taken."""
    front.clock_offset_s = offset_s
    front.skew_code = code
    with pytest.raises(botocore.exceptions.ClientError):
        put(client_of(front))
    assert front.counts[code] == 1 and front.stored == [] and front.violations == []
    front.clock_offset_s = 200
    put(client_of(front))
    assert len(front.stored) == 1


def test_expired_credentials_are_told_until_they_change(front):
    front.keys[KEY_ID].expired = True
    for _ in range(2):
        assert "ExpiredToken" in error_of(lambda: put(client_of(front)))
    front.keys["AKIDNEW"] = Keys("new", "fresh")
    put(client_of(front, key_id="AKIDNEW", secret="new", token="fresh"))
    assert front.counts["ExpiredTokenException"] == 2 and len(front.stored) == 1 and front.violations == []


def test_a_mix_is_drawn_by_its_seed(moto):
    def drawn(seed):
        with aws_front.Front(moto.port) as front:
            front.mix({"500": 0.3, "throttled": 0.3}, seed)
            client = client_of(front)
            for _ in range(30):
                try:
                    put(client)
                except botocore.exceptions.ClientError:
                    pass
            assert sum(front.counts.values()) == 30
            return [kind for _, kind in front.attempts]

    first = drawn(1)
    assert set(first) == {"ok", "500", "throttled"}
    assert drawn(1) == first != drawn(2)


def test_what_is_stored_keeps_its_order_under_many_clients(front, moto, request):
    """One record each in the front and in moto, also when the requests come at once."""
    namespace = request.node.name
    stamp = time.time() // 10 * 10

    def flood(value):
        client = client_of(front)
        for _ in range(10):
            put(client, datum(value, Timestamp=stamp), namespace=namespace)

    threads = [threading.Thread(target=flood, args=(float(value),)) for value in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(front.stored) == 40 and front.violations == []
    (point,) = moto.statistics(namespace, "Requests", {}).values()
    assert (point["Sum"], point["SampleCount"]) == (100, 40)


# --- Auto Scaling and IMDS -----------------------------------------------------------------------


def test_describe_auto_scaling_instances(front):
    import boto3

    client = boto3.session.Session().client(
        "autoscaling",
        endpoint_url=front.url,
        region_name=aws_front.REGION,
        aws_access_key_id=KEY_ID,
        aws_secret_access_key=SECRET,
        aws_session_token=TOKEN,
    )
    front.groups["i-1"] = "blue & green"
    answer = client.describe_auto_scaling_instances(InstanceIds=["i-1", "i-2"])["AutoScalingInstances"]
    assert [(entry["InstanceId"], entry["AutoScalingGroupName"]) for entry in answer] == [("i-1", "blue & green")]
    assert front.violations == [] and front.counts["DescribeAutoScalingInstances"] == 1


@pytest.fixture
def imds(front):
    with fake_imds.FakeImds(front, tags={"aws:autoscaling:groupName": "blue"}) as own:
        yield own


def ask_imds(imds, path, token=None, method="GET", headers=None):
    connection = http.client.HTTPConnection("127.0.0.1", imds.port, timeout=5)
    fields = {"X-aws-ec2-metadata-token": token} if token else {}
    connection.request(method, path, headers={**fields, **(headers or {})})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


def token_of(imds, ttl="60"):
    return ask_imds(imds, "/latest/api/token", method="PUT", headers={"X-aws-ec2-metadata-token-ttl-seconds": ttl})


def test_imds_answers_to_a_token_only(imds):
    status, token = token_of(imds)
    assert status == 200
    assert ask_imds(imds, "/latest/meta-data/instance-id", token) == (200, fake_imds.INSTANCE)
    assert ask_imds(imds, "/latest/meta-data/tags/instance/aws:autoscaling:groupName", token) == (200, "blue")
    assert ask_imds(imds, "/latest/meta-data/nothing", token)[0] == 404
    assert imds.violations == []
    imds.forget_tokens()
    assert ask_imds(imds, "/latest/meta-data/instance-id", token)[0] == 401 and imds.counts["401"] == 1
    assert ask_imds(imds, "/latest/meta-data/instance-id")[0] == 401 and len(imds.violations) == 1
    assert token_of(imds, "21601")[0] == 400 and len(imds.violations) == 2


def test_imds_can_fail(imds):
    _, token = token_of(imds)
    imds.role = None
    assert ask_imds(imds, "/latest/meta-data/iam/security-credentials/", token)[0] == 404
    imds.denied = True
    assert token_of(imds)[0] == 403
    imds.denied = False
    imds.close_port()
    with pytest.raises(OSError):
        token_of(imds)
    imds.open_port()
    assert token_of(imds)[0] == 200


def test_credentials_of_the_role_reach_the_front(front, imds, monkeypatch):
    """botocore's own IMDS client gets them; after a rotation the old ones are expired."""
    from botocore.credentials import InstanceMetadataProvider
    from botocore.utils import InstanceMetadataFetcher

    def fetched():
        fetcher = InstanceMetadataFetcher(base_url=imds.url + "/", env={}, config={})
        keys = InstanceMetadataProvider(iam_role_fetcher=fetcher).load().get_frozen_credentials()
        return client_of(front, key_id=keys.access_key, secret=keys.secret_key, token=keys.token)

    first = fetched()
    put(first)
    imds.rotate()
    assert "ExpiredToken" in error_of(lambda: put(first))
    put(fetched())
    assert len(front.stored) == 2 and front.violations == [] and imds.violations == []
    wait_until(lambda: not imds.connections, 5, "the connections end")
