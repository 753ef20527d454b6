# SPDX-License-Identifier: Apache-2.0
"""
EC2's instance metadata, version 2 only, as far as agentd asks: the token, the instance's id and
Region, tags, the role's credentials. It can come late, be slow, forget its tokens, and rotate the
credentials, which the front of the test then honours.

    with FakeImds(front, tags={"aws:autoscaling:groupName": "blue"}) as imds:
        environment = imds.environment()
        imds.rotate(lifetime_s=3600)    # new keys; the old ones expire at the front

A request of version 1 (no token) is answered with 401 and kept in `violations`.
"""

import json
import secrets
import time
from collections import Counter

from .aws_front import REGION
from .aws_signature import Keys
from .http_peer import HttpPeer, message

TOKEN_TTL_MAX_S = 21600
INSTANCE = "i-0123456789abcdef0"
ROLE = "node-role"


class FakeImds(HttpPeer):
    """
    Attributes for tests: violations; counts (requests by path, "401", "late"); role (None: the
    instance has none); tags (None: tags are not enabled); delay_s of each answer; silent (accepts,
    answers nothing); denied (answers 403, as where IMDS is turned off); instance_type (None: no such value).
    """

    def __init__(self, front, *, tags=None, role=ROLE, lifetime_s=6 * 3600):
        super().__init__()
        self.front = front
        self.tags = tags
        self.role = role
        self.instance_type = "m7i.large"
        self.delay_s = 0.0
        self.silent = False
        self.denied = False
        self.tokens = {}  # token -> time.monotonic() of its end
        self.violations = []
        self.counts = Counter()
        self.credentials = None
        front.keys.clear()  # only what comes from here
        self.rotate(lifetime_s, expire_old=False)

    def environment(self):
        return {"AWS_EC2_METADATA_SERVICE_ENDPOINT": self.url, "AWS_EC2_METADATA_DISABLED": "false"}

    def rotate(self, lifetime_s=6 * 3600, expire_old=True):
        """New credentials for the role; by default the front calls the old ones expired from now on."""
        if expire_old:
            for keys in self.front.keys.values():
                keys.expired = True
        key_id, keys = f"ASIA{secrets.token_hex(8).upper()}", Keys(secrets.token_urlsafe(30), secrets.token_urlsafe(300))
        self.front.keys[key_id] = keys
        now_s = time.time()
        self.credentials = {
            "Code": "Success",
            "LastUpdated": iso(now_s),
            "Type": "AWS-HMAC",
            "AccessKeyId": key_id,
            "SecretAccessKey": keys.secret,
            "Token": keys.token,
            "Expiration": iso(now_s + lifetime_s),
        }

    def forget_tokens(self):
        """Every token that was handed out is answered with 401 from now on."""
        self.tokens.clear()

    def complain(self, text):
        self.violations.append(text)

    def serve(self, request):
        self.stopping.wait(self.delay_s)
        self.counts[request.target] += 1
        if self.silent:
            self.stopping.wait(60)
            request.connection.reset()
        elif self.denied:
            self.answer(request, 403)
        elif request.method == "PUT":
            self.serve_token(request)
        else:
            self.serve_value(request)

    def serve_token(self, request):
        ttl = request.header("x-aws-ec2-metadata-token-ttl-seconds")
        if request.target != "/latest/api/token" or not ttl.isdigit() or not 1 <= int(ttl) <= TOKEN_TTL_MAX_S:
            self.complain(f"PUT {request.target} with a time to live of {ttl!r}")
            self.answer(request, 400)
            return
        token = secrets.token_urlsafe(40)
        self.tokens[token] = time.monotonic() + int(ttl)
        self.answer(request, 200, token, [("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", ttl)])

    def serve_value(self, request):
        token = request.header("x-aws-ec2-metadata-token")
        if request.method != "GET" or not token or request.header("x-forwarded-for"):
            self.complain(f"{request.method} {request.target} as in version 1")
        if self.tokens.get(token, 0) < time.monotonic():
            self.counts["401"] += 1
            self.answer(request, 401)
            return
        value = self.values().get(request.target)
        self.answer(request, 404 if value is None else 200, value or "")

    def values(self):
        """What there is now, by path."""
        root = "/latest/meta-data/"
        values = {
            f"{root}instance-id": INSTANCE,
            f"{root}placement/region": REGION,
            f"{root}placement/availability-zone": f"{REGION}b",
            "/latest/dynamic/instance-identity/document": json.dumps({"region": REGION, "instanceId": INSTANCE}),
        }
        if self.instance_type:
            values[f"{root}instance-type"] = self.instance_type
        if self.tags is not None:
            values[f"{root}tags/instance"] = values[f"{root}tags/instance/"] = "\n".join(self.tags)
            values.update({f"{root}tags/instance/{name}": value for name, value in self.tags.items()})
        if self.role:
            list_path = f"{root}iam/security-credentials"
            values[list_path] = values[f"{list_path}/"] = self.role
            values[f"{list_path}/{self.role}"] = json.dumps(self.credentials)
        return values

    def answer(self, request, status, text="", headers=()):
        reasons = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found"}
        kind = [("Content-Type", "text/plain"), ("Server", "EC2ws")]
        request.connection.send(message(status, reasons[status], [*kind, *headers], text.encode()))


def iso(time_s):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time_s))
