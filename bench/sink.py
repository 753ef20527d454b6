# SPDX-License-Identifier: Apache-2.0
"""
Where the measured agents send to: CloudWatch over TLS, and UDP. It takes everything, keeps when it came
and how much it was, and says yes. Whether a request is right is not judged here: the tests' front does.
"""

import json
import pathlib
import socket
import ssl
import subprocess
import sys
import threading
import time
import zlib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests" / "integration"))
from support.http_peer import HttpPeer, message  # noqa: E402

TARGET = "GraniteServiceVersion20100801.PutMetricData"
RECEIVE_BYTES = 65536
SYSTEM_BUNDLE = pathlib.Path("/etc/ssl/certs/ca-certificates.crt")


class Certificate:
    """
    For 127.0.0.1, signed by itself. The tests' own wants a Python package that a plain system lacks. Its clients
    trust it beside all that the system trusts (bundle_path), as on a node: that is a good part of their memory.
    """

    def __init__(self, directory):
        self.path, self.key_path = directory / "sink.pem", directory / "sink.key"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1",
                        "-subj", "/CN=bench", "-addext", "subjectAltName=IP:127.0.0.1",
                        "-keyout", str(self.key_path), "-out", str(self.path)], check=True, capture_output=True)
        self.bundle_path = directory / "bundle.pem"
        self.bundle_path.write_text(SYSTEM_BUNDLE.read_text() + self.path.read_text())

    def server_context(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.path, self.key_path)
        return context


class CloudWatch(HttpPeer):
    """Attributes: calls and sent_bytes (heads and bodies, before TLS), arrivals ((time.time(), instance's id, window's start))."""

    def __init__(self, certificate):
        super().__init__(certificate)
        self.calls, self.sent_bytes, self.arrivals = 0, 0, []

    def environment(self):
        return {"AWS_ACCESS_KEY_ID": "AKIDBENCH", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "token" * 80,
                "AWS_CA_BUNDLE": str(self.certificate.bundle_path), "AWS_EC2_METADATA_DISABLED": "true", "AWS_REGION": "eu-west-1", "NO_PROXY": "*"}

    def serve(self, request):
        now_s = time.time()
        head = len(f"{request.method} {request.target} HTTP/1.1\r\n\r\n") + sum(len(n) + len(v) + 4 for n, v in request.headers)
        with self.lock:
            self.calls += 1
            self.sent_bytes += head + len(request.body)
        if request.header("x-amz-target") == TARGET:
            self.note(request, now_s)
        general = [("x-amzn-RequestId", "00000000-0000-0000-0000-000000000000"), ("Content-Type", request.header("content-type"))]
        request.connection.send(message(200, "OK", general, b"{}"))

    def note(self, request, now_s):
        """Remembers which windows of CPUUtilization came, and of which node."""
        body = zlib.decompress(request.body, wbits=31) if request.header("content-encoding") == "gzip" else request.body
        for datum in json.loads(body)["MetricData"]:
            dimensions = {pair["Name"]: pair["Value"] for pair in datum.get("Dimensions", [])}
            if datum["MetricName"] == "CPUUtilization":
                with self.lock:
                    self.arrivals.append((now_s, dimensions.get("InstanceId"), datum["Timestamp"], datum["StatisticValues"]))

    def complain(self, text):
        print(f"the sink was sent no HTTP: {text}", file=sys.stderr)


class Udp:
    """A port that takes datagrams. Attributes: port, calls, sent_bytes."""

    def __init__(self):
        self.calls, self.sent_bytes = 0, 0
        self.socket = socket.socket(type=socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.receive, daemon=True).start()

    def receive(self):
        while True:
            self.sent_bytes += len(self.socket.recv(RECEIVE_BYTES))
            self.calls += 1
