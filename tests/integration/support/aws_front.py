# SPDX-License-Identifier: Apache-2.0
"""
The front of moto's server: looks like CloudWatch and Auto Scaling to a client, verifies what moto
doesn't (signatures, limits, the protocol's headers), keeps what was stored, and misbehaves on demand.

    with Front(moto_port) as front:
        front.misbehave("500")                      # every request, until front.behave()
        front.once("throttled", "drop_after_commit")  # the next two
        front.mix({"500": 0.2, "half_body": 0.1}, seed=7)
        front.stored                                # what CloudWatch has, in order of arrival
        front.violations                            # what a correct client never does; a test fails by it

The faults are the functions fault_*; each says in a line what the client sees. Time is the front's
own: clock_offset_s moves it.
"""

import http.client
import random
import threading
import time
import uuid
import zlib
from collections import Counter, deque
from dataclasses import dataclass
from email.utils import formatdate
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from . import cloudwatch_limits
from .aws_signature import Keys, Refusal, verify
from .http_peer import HttpPeer, message

TARGET = "GraniteServiceVersion20100801.PutMetricData"
JSON_TYPE = "application/x-amz-json-1.0"
REGION = "eu-west-1"
KEY_ID, SECRET, TOKEN = "AKIDFRONT", "secret/of+the=front", "token//of+the=front"
REASONS = {200: "OK", 400: "Bad Request", 403: "Forbidden", 500: "Internal Server Error", 503: "Service Unavailable"}
SLOW_S = 10


@dataclass
class Stored:
    """One PutMetricData that CloudWatch has."""

    at_s: float  # time.time() of its arrival
    request: dict
    wire_bytes: int
    zipped: bool
    reused: bool  # came on a kept connection
    kind: str  # the fault, or "ok"
    answered: bool = False  # a complete 200 went out


class Script:
    """Which fault the next request meets: what is queued, else the mix, else the standing one."""

    def __init__(self):
        self.queue = deque()
        self.standing = "ok"
        self.weights = {}
        self.random = None

    def next(self):
        if self.queue:
            return self.queue.popleft()
        if not self.weights:
            return self.standing
        pick = self.random.random()
        for kind, share in self.weights.items():
            pick -= share
            if pick < 0:
                return kind
        return "ok"


class Front(HttpPeer):
    """
    Attributes for tests: stored, violations, counts (requests by fault; "skewed", "expired" and
    other refusals by code), attempts ((time.time(), kind) of each PutMetricData), clock_offset_s,
    skew_code, keys (Keys by access key's id), groups (Auto Scaling group by instance's id), retry_after_ms, slow_s.
    """

    def __init__(self, moto_port, *, certificate=None):
        super().__init__(certificate)
        self.moto_port = moto_port
        self.script = Script()
        self.changed = threading.Condition(self.lock)
        self.keys = {KEY_ID: Keys(SECRET, TOKEN)}
        self.groups = {}
        self.clock_offset_s = 0.0
        self.skew_code = "RequestTimeTooSkewed"
        self.retry_after_ms = 3000
        self.slow_s = SLOW_S
        self.stored = []
        self.attempts = []
        self.violations = []
        self.counts = Counter()

    # --- The script ------------------------------------------------------------------------------

    def misbehave(self, kind):
        """Every request meets this fault from now on; connections in a black hole come out of it, reset."""
        assert kind in ("ok", "refused") or kind in self.faults, kind
        with self.changed:
            self.script.standing = kind
            self.script.weights = {}
            self.changed.notify_all()
        if kind == "refused":
            self.close_port()
        else:
            self.open_port()

    def behave(self):
        self.misbehave("ok")

    def reopen(self):
        """After a while of refusing; not if the script has come to refuse for good."""
        if self.script.standing != "refused":
            self.open_port()

    def once(self, *kinds):
        with self.lock:
            self.script.queue.extend(kinds)

    def mix(self, weights, seed):
        """Each request meets a fault with its probability; the same seed draws the same."""
        assert sum(weights.values()) <= 1 and set(weights) <= set(self.faults)
        self.behave()
        with self.lock:
            self.script.random = random.Random(seed)
            self.script.weights = dict(weights)

    def now_s(self):
        return time.time() + self.clock_offset_s

    def environment(self):
        """What makes an AWS client talk to this front with the first of its keys."""
        key_id, keys = next(iter(self.keys.items()))
        variables = {"AWS_ACCESS_KEY_ID": key_id, "AWS_SECRET_ACCESS_KEY": keys.secret, "AWS_SESSION_TOKEN": keys.token}
        if self.certificate:
            variables["AWS_CA_BUNDLE"] = str(self.certificate.path)
        return variables

    # --- Requests --------------------------------------------------------------------------------

    def complain(self, text):
        with self.lock:
            self.violations.append(text)

    def serve(self, request):
        is_query = request.header("content-type").startswith("application/x-www-form-urlencoded")
        service = "autoscaling" if is_query else "monitoring"
        try:
            verify(
                *(request.method, request.target, request.headers, request.body),
                keys_of=self.keys,
                region=REGION,
                service=service,
                now_s=self.now_s(),
                skew_code=self.skew_code,
            )
            if is_query:
                self.describe_instances(request)
            else:
                self.put_metric_data(request, self.checked(request))
        except Refusal as refusal:
            self.counts[refusal.code] += 1
            if refusal.fault_of_client:
                self.complain(f"{refusal.code}: {refusal}")
            self.refuse(request, refusal.status, refusal.code, str(refusal))
        except cloudwatch_limits.Invalid as error:
            self.complain(str(error))
            self.refuse(request, 400, "InvalidParameterValueException", str(error))

    def checked(self, request):
        """The request as a dict, if it is a PutMetricData as CloudWatch wants it."""
        for name, wanted in (("X-Amz-Target", TARGET), ("Content-Type", JSON_TYPE), ("X-Amzn-Query-Mode", "true")):
            cloudwatch_limits.expect(request.header(name) == wanted, f"{name} is {request.header(name)!r}")
        cloudwatch_limits.expect((request.method, request.target) == ("POST", "/"), "it is no POST of /")
        encoding = request.header("content-encoding")
        cloudwatch_limits.expect(encoding in ("", "gzip"), f"Content-Encoding is {encoding!r}")
        cloudwatch_limits.expect(len(request.body) <= cloudwatch_limits.BODY_LIMIT_BYTES, "the body is too large")
        if encoding:
            inflate = zlib.decompressobj(wbits=31)
            try:
                request.body_text = inflate.decompress(request.body) + inflate.flush()
            except zlib.error as error:
                raise cloudwatch_limits.Invalid(f"no gzip: {error}") from error
            cloudwatch_limits.expect(inflate.eof and not inflate.unused_data, "the gzip has no end, or more behind it")
        else:
            request.body_text = request.body
        return cloudwatch_limits.parse(request.body_text, self.now_s())

    def put_metric_data(self, request, content):
        with self.lock:
            kind = self.script.next()
            self.counts[kind] += 1
            self.attempts.append((time.time(), kind))
            request.kind, request.content = kind, content
        self.faults.get(kind, fault_ok)(self, request)

    def commit(self, request):
        """Moto has it after this, and so has `stored`."""
        with self.lock:  # one after the other, so that the order is moto's too
            moto = http.client.HTTPConnection("127.0.0.1", self.moto_port, timeout=30)
            hop = ("host", "content-length", "content-encoding", "connection", "expect", "accept-encoding")
            headers = {name: value for name, value in request.headers if name.lower() not in hop}
            try:
                moto.request("POST", "/", body=request.body_text, headers=headers)
                answer = moto.getresponse()
                text = answer.read()
            finally:
                moto.close()
            if answer.status != 200:
                raise cloudwatch_limits.Invalid(f"moto says {answer.status}: {text[:300]!r}")
            zipped = bool(request.header("content-encoding"))
            record = Stored(time.time(), request.content, len(request.body), zipped, request.reused, request.kind)
            self.stored.append(record)
        return record

    # --- Answers ---------------------------------------------------------------------------------

    def answer(self, status=200, headers=(), body=b"", content_type=JSON_TYPE):
        """An answer's bytes, with what every answer of AWS carries."""
        general = [("x-amzn-RequestId", str(uuid.uuid4())), ("Date", formatdate(self.now_s(), usegmt=True))]
        kind = [("Content-Type", content_type)] if content_type else []
        return message(status, REASONS[status], [*general, *kind, *headers], body)

    def success(self):
        # Both are right for an operation without output.
        return self.answer(body=b"{}" if len(self.stored) % 2 else b"")

    def error(self, status, code, text, headers=()):
        side = "Sender" if status < 500 else "Receiver"
        body = f'{{"__type":"com.amazonaws.cloudwatch.v2010_08_01#{code}","message":"{text}"}}'.encode()
        legacy = code.removesuffix("Exception")
        return self.answer(status, [("x-amzn-query-error", f"{legacy};{side}"), *headers], body)

    def refuse(self, request, status, code, text):
        text = text.encode("ascii", "replace").decode().replace("\\", "/").replace('"', "'")
        request.connection.send(self.error(status, code, text))

    def wait_changed(self, timeout_s=None):
        """Until the script's standing fault is another one."""
        with self.changed:
            standing = self.script.standing
            self.changed.wait_for(lambda: self.stopping.is_set() or self.script.standing != standing, timeout_s)

    def stop(self):
        self.stopping.set()
        with self.changed:
            self.changed.notify_all()
        super().stop()

    def describe_instances(self, request):
        """Auto Scaling's DescribeAutoScalingInstances, in the Query protocol's XML."""
        fields = {name: values[0] for name, values in parse_qs(request.body.decode(), strict_parsing=True).items()}
        if fields.get("Action") != "DescribeAutoScalingInstances" or fields.get("Version") != "2011-01-01":
            raise cloudwatch_limits.Invalid(f"the action is {fields}")
        with self.lock:
            self.counts["DescribeAutoScalingInstances"] += 1
            asked = [value for name, value in fields.items() if name.startswith("InstanceIds.member.")]
            found = [(instance, self.groups[instance]) for instance in asked if instance in self.groups]
        members = "".join(
            f"<member><InstanceId>{escape(instance)}</InstanceId><AutoScalingGroupName>{escape(group)}"
            "</AutoScalingGroupName><LifecycleState>InService</LifecycleState></member>"
            for instance, group in found
        )
        text = (
            '<DescribeAutoScalingInstancesResponse xmlns="http://autoscaling.amazonaws.com/doc/2011-01-01/">'
            f"<DescribeAutoScalingInstancesResult><AutoScalingInstances>{members}</AutoScalingInstances>"
            f"</DescribeAutoScalingInstancesResult><ResponseMetadata><RequestId>{uuid.uuid4()}</RequestId>"
            "</ResponseMetadata></DescribeAutoScalingInstancesResponse>"
        )
        request.connection.send(self.answer(body=text.encode(), content_type="text/xml"))


# --- Faults --------------------------------------------------------------------------------------


def fault_ok(front, request):
    """Stored and answered."""
    record = front.commit(request)
    record.answered = request.connection.send(front.success())


def fault_500(front, request):
    """Not stored; InternalServiceFault."""
    request.connection.send(front.error(500, "InternalServiceFault", "an internal error"))


def fault_500_after_commit(front, request):
    """Stored, though the answer is a 500."""
    front.commit(request)
    fault_500(front, request)


def fault_503(front, request):
    """Not stored; a load balancer's 503, no JSON."""
    body = b"<html><body>Service Unavailable</body></html>"
    request.connection.send(front.answer(503, body=body, content_type="text/html"))


def fault_throttled(front, request):
    """Not stored; ThrottlingException."""
    request.connection.send(front.error(400, "ThrottlingException", "Rate exceeded"))


def fault_throttled_retry_after(front, request):
    """Not stored; ThrottlingException and when to come back."""
    wish = [("x-amz-retry-after", str(front.retry_after_ms))]
    request.connection.send(front.error(400, "ThrottlingException", "Rate exceeded", wish))


def fault_denied(front, request):
    """Not stored; the role lacks cloudwatch:PutMetricData."""
    front.refuse(request, 403, "AccessDeniedException", "not authorized to perform: cloudwatch:PutMetricData")


def fault_invalid(front, request):
    """Not stored; the service calls the data wrong, though it isn't."""
    front.refuse(request, 400, "InvalidParameterValueException", "The value 1 for parameter Value is invalid.")


def fault_garbage(front, request):
    """Not stored; bytes that are no HTTP."""
    request.connection.send(b"\x00\xff\x16 garbage \r\n\r\n" * 20)
    request.connection.reset()


def fault_portal(front, request):
    """Not stored; somebody else's 200, without a request's id: a proxy's or a portal's page."""
    request.connection.send(message(200, "OK", [("Content-Type", "text/html")], b"<html>Please log in</html>"))


def fault_half_body(front, request):
    """Not stored; an error whose body breaks off."""
    request.connection.send(front.error(500, "InternalServiceFault", "an internal error")[:-20])
    request.connection.closed = True


def fault_half_after_commit(front, request):
    """Stored; a success whose body breaks off."""
    front.commit(request)
    request.connection.send(front.answer(body=b"{}")[:-1])
    request.connection.closed = True


def fault_slow(front, request):
    """Stored at once, answered 10 s later."""
    record = front.commit(request)
    front.stopping.wait(front.slow_s)
    record.answered = request.connection.send(front.success())


def fault_drip(front, request):
    """Stored at once; the answer comes byte by byte over 10 s."""
    record = front.commit(request)
    answer = front.success()
    for index in range(len(answer)):
        if not request.connection.send(answer[index : index + 1]) or front.stopping.wait(front.slow_s / len(answer)):
            return
    record.answered = True


def fault_close_idle(front, request):
    """Stored and answered; then the connection is closed, though nothing has said so, as idle ones are."""
    fault_ok(front, request)
    request.connection.closed = True


def fault_black_hole(front, request):
    """Not stored; no answer ever. It ends with a reset when the front does something else."""
    front.wait_changed(60)
    request.connection.reset()


def fault_drop_after_commit(front, request):
    """Stored; then the connection is reset."""
    front.commit(request)
    request.connection.reset()


def fault_reset(front, request):
    """Not stored; the connection is reset."""
    request.connection.reset()


def fault_refused_for_a_while(front, request):
    """Not stored; the connection is reset, and for some time the port refuses."""
    front.close_port()
    timer = threading.Timer(1.5, front.reopen)
    timer.daemon = True
    timer.start()


FAULTS = {name.removeprefix("fault_"): fault for name, fault in list(globals().items()) if name.startswith("fault_")}
Front.faults = FAULTS  # a front of another service has its own
# The client can't know whether these were stored.
AMBIGUOUS = {"500", "500_after_commit", "half_after_commit", "half_body", "garbage", "slow", "drip", "black_hole"}
AMBIGUOUS |= {"drop_after_commit", "reset", "refused_for_a_while"}
