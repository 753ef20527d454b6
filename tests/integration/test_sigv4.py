# SPDX-License-Identifier: Apache-2.0
"""
The signer and the endpoints held against botocore: random requests are signed by both, and what
comes out must be the same, byte by byte. The requests are those that both can sign: botocore keeps
a query as it comes, so here everything in it that needs encoding is encoded.
"""

import datetime
import itertools
import json
import random
import subprocess
import types
from urllib.parse import quote, urlsplit

import botocore.auth
import botocore.loaders
import pytest
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.endpoint_provider import EndpointProvider
from botocore.exceptions import BotoCoreError
from botocore.hooks import HierarchicalEmitter
from botocore.model import ServiceId
from botocore.signers import RequestSigner, generate_db_auth_token

SEED = 20150830
BATCH = 1000

METHODS = ["GET", "PUT", "POST", "DELETE", "HEAD", "OPTIONS", "PATCH"]
REGIONS = ["us-east-1", "eu-west-1", "cn-north-1", "us-gov-west-1", "ap-southeast-3"]
SERVICES = ["monitoring", "logs", "dynamodb", "autoscaling", "sts", "execute-api", "service"]
# Letters twice over, all that is reserved, blanks, and one to four bytes of UTF-8.
CHARACTERS = "abcXYZ019-._~abcXYZ019-._~ +%&=/?#:;,@!$'()*[]\\\"<>|{}^`é߿ሴ€\U0001f600"
BLANKS = [" ", "  ", "\t", " \t "]
# Names that start as others do, also those that are added; in all kinds of case.
NAMES = ["X-Amz-Target", "x-amz-target-b", "X-Amz", "X-Amz-Dat", "X-Amz-Date-2", "x-amz-security", "Content-Type",
         "content", "Content-Length", "Host-2", "hos", "My-Header", "my-header1", "MY-HEADER1", "my_header", "A", "a",
         "A-b", "Range", "z.z"]


@pytest.fixture(scope="module")
def tool(build):
    """ask(requests) gives a list of dictionaries to tests/tools/sign and returns its answers."""

    def ask(requests):
        text = "".join(json.dumps(request) + "\n" for request in requests)
        done = subprocess.run([build / "tests/tools/sign"], input=text, capture_output=True, text=True, check=True)
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        assert len(answers) == len(requests)
        return answers

    return ask


# --- Random requests -------------------------------------------------------------------------------

class Dice:
    """What random requests are made of."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def chance(self, share):
        return self.random.random() < share

    def text(self, least, most):
        return "".join(self.random.choices(CHARACTERS, k=self.random.randint(least, most)))

    def word(self, alphabet, least, most):
        return "".join(self.random.choices(alphabet, k=self.random.randint(least, most)))

    def path(self):
        if self.chance(0.1):
            return self.random.choice(["", "/", "//", "/.", "/..", "/a/../..//b/"])
        segments = [self.random.choice(["", ".", "..", "..."]) if self.chance(0.2) else quote(self.text(0, 8), safe="~")
                    for _ in range(self.random.randint(1, 6))]
        return "/" + "/".join(segments)

    def escaped(self, least, most):
        encoded = quote(self.text(least, most), safe="~")
        return encoded.lower() if self.chance(0.05) else encoded

    def query(self):
        """Unsorted, with repeated, prefix-sharing, empty and valueless parameters."""
        names = [self.escaped(1, 4) for _ in range(self.random.randint(0, 5))]
        parts = []
        for name in names + self.random.choices(names, k=self.random.randint(0, 3)) if names else []:
            if self.chance(0.1):
                name += self.escaped(1, 2)
            parts.append(name if self.chance(0.2) else f"{name}={self.escaped(0, 6)}")
        self.random.shuffle(parts)
        return "&".join(parts)

    def unique_query(self):
        """As botocore makes it anew before it presigns: canonical names, each once."""
        names = sorted({quote(self.text(1, 5), safe="~") for _ in range(self.random.randint(0, 4))})
        self.random.shuffle(names)
        return "&".join(name if self.chance(0.2) else f"{name}={quote(self.text(0, 6), safe='~')}" for name in names)

    def header_value(self):
        words = [self.text(0, 5).replace("\\", "").strip() for _ in range(self.random.randint(0, 4))]
        value = "".join(word + self.random.choice(BLANKS) for word in words)
        return self.random.choice(["", *BLANKS]) + value

    def headers(self):
        return [(self.random.choice(NAMES), self.header_value()) for _ in range(self.random.randint(0, 6))]

    def host(self):
        return self.word("abcdef019", 1, 8) + ".example.com" + self.random.choice(["", "", ":8443", ":80"])

    def time_s(self):
        return self.random.randint(0, 4102444800)

    def request(self, do):
        token = self.word("ABCxyz019+/=", 1, 300) if self.chance(0.5) else None
        request = {
            "do": do,
            "access_key_id": "AKIA" + self.word("ABCDEFGH234567", 12, 16),
            "secret_access_key": self.word("ABCxyz019+/", 1, 60),
            "session_token": token,
            "host": self.host(),
            "region": self.random.choice(REGIONS),
            "time_s": self.time_s(),
        }
        if do == "rds":
            return request | {"host": self.word("abcdef019", 1, 8) + ".rds.amazonaws.com", "user": self.text(1, 12),
                              "port": self.random.choice([1, 443, 3306, 5432, 65535])}
        s3 = self.chance(0.4)
        return request | {
            "method": self.random.choice(METHODS),
            "path": self.path(),
            "query": self.query() if do == "sign" else self.unique_query(),
            "headers": [f"{name}:{value}" for name, value in self.headers()],
            "body": self.text(0, 40) if do == "sign" and self.chance(0.5) else None,
            "payload_hash": "UNSIGNED-PAYLOAD" if do == "sign" and s3 and self.chance(0.3) else None,
            "service": "s3" if s3 else self.random.choice(SERVICES),
            "s3": s3,
            "expires_s": self.random.randint(1, 604800),
        }


# --- The same by botocore --------------------------------------------------------------------------

def credentials_of(request):
    return Credentials(request["access_key_id"], request["secret_access_key"], request["session_token"])


def aws_request(request):
    url = f"https://{request['host']}{request['path'] or '/'}" + (f"?{request['query']}" if request["query"] else "")
    made = AWSRequest(method=request["method"], data=(request["body"] or "").encode() or None, url=url)
    for line in request["headers"]:
        name, value = line.split(":", 1)
        made.headers.add_header(name, value)
    if request["payload_hash"]:
        made.context["client_config"] = Config(s3={"payload_signing_enabled": False})
    return made


def botocore_sign(request):
    made = aws_request(request)
    given = len(made.headers.items())
    signer = botocore.auth.S3SigV4Auth if request["s3"] else botocore.auth.SigV4Auth
    signer(credentials_of(request), request["service"], request["region"]).add_auth(made)
    return {f"{name.lower()}: {value}" for name, value in made.headers.items()[given:]}


def botocore_presign(request):
    made = aws_request(request)
    signer = botocore.auth.S3SigV4QueryAuth if request["s3"] else botocore.auth.SigV4QueryAuth
    signer(credentials_of(request), request["service"], request["region"], request["expires_s"]).add_auth(made)
    return urlsplit(made.url).query


EMITTER = HierarchicalEmitter()  # which a signer only borrows


def botocore_rds(request):
    signer = RequestSigner(ServiceId("rds"), request["region"], "rds-db", "v4", credentials_of(request),
                           EMITTER)
    client = types.SimpleNamespace(_request_signer=signer, meta=types.SimpleNamespace(region_name=request["region"]))
    return generate_db_auth_token(client, request["host"], request["port"], request["user"])


def oracle(request, monkeypatch):
    """What the tool should answer."""
    moment = datetime.datetime.fromtimestamp(request["time_s"], datetime.timezone.utc)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: moment.replace(tzinfo=None))
    if request["do"] == "sign":
        return botocore_sign(request)
    if request["do"] == "presign":
        return botocore_presign(request)
    return botocore_rds(request)


def comparable(answer):
    if "headers" in answer:
        return {": ".join([name.lower(), value])
                for name, value in (line.split(": ", 1) for line in answer["headers"])}
    return answer.get("query") or answer.get("token") or answer


@pytest.mark.limit(3600)
def test_random_requests(tool, storm, monkeypatch):
    dice = Dice(SEED)
    count = storm(10_000, 200_000)
    for start in range(0, count, BATCH):
        requests = [dice.request(dice.random.choices(["sign", "presign", "rds"], [0.7, 0.25, 0.05])[0])
                    for _ in range(BATCH)]
        for request, answer in zip(requests, tool(requests)):
            wanted = oracle(request, monkeypatch)
            assert comparable(answer) == wanted, f"after {start}: {json.dumps(request)}"


# --- Endpoints -------------------------------------------------------------------------------------

# botocore's name of the service, and the host's first label.
ENDPOINTS = {"cloudwatch": "monitoring", "logs": "logs", "dynamodb": "dynamodb", "autoscaling": "autoscaling",
             "sts": "sts", "ec2": "ec2", "s3": "s3"}


def test_endpoints(tool):
    loader = botocore.loaders.Loader()
    partitions = loader.load_data("partitions")
    regions = [region for partition in partitions["partitions"] for region in partition["regions"]
               if not region.endswith("-global")]
    assert len(partitions["partitions"]) >= 8 and len(regions) > 40
    providers = {name: EndpointProvider(loader.load_service_model(name, "endpoint-rule-set-1"), partitions)
                 for name in ENDPOINTS}
    questions, wanted = [], []
    for name, region, fips, dual in itertools.product(ENDPOINTS, regions, (False, True), (False, True)):
        options = {"Region": region, "UseFIPS": fips, "UseDualStack": dual}
        if name == "sts":
            options["UseGlobalEndpoint"] = False
        try:
            wanted.append(providers[name].resolve_endpoint(**options).url)
        except BotoCoreError:
            wanted.append(None)
        questions.append({"do": "endpoint", "service": ENDPOINTS[name], "environment": "X", "region": region,
                          "getenv": {"AWS_USE_FIPS_ENDPOINT": str(fips).lower(),
                                     "AWS_USE_DUALSTACK_ENDPOINT": str(dual).lower()}})
    differences = [(question, answer, url) for question, answer, url in zip(questions, tool(questions), wanted)
                   if answer.get("url") != url]
    assert not differences
