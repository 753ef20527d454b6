# SPDX-License-Identifier: Apache-2.0
"""A metadata service that can do what the mock of AWS can't: rotate, expire, refuse, be slow."""

import datetime
import http.server
import json
import threading
import time

ROLES = "/latest/meta-data/iam/security-credentials/"


class FakeMetadata:
    """
    IMDSv2 on loopback, from start() to stop(). What it does is in its attributes, which may be set
    at any time: lifetime_s of the next credentials (negative: over already), status of the
    credentials, role (None: 404), token_status, delay_s of each answer. Each answer with credentials
    has a new number in its key, ASIA1, ASIA2, ...; tokens are good until revoke().
    """

    def __init__(self):
        self.lifetime_s = 3600
        self.status = 200
        self.role = "the-role"
        self.token_status = 200
        self.delay_s = 0
        self.values = {"/latest/meta-data/instance-id": "i-0fake"}
        self.issued = 0
        self.tokens = []
        self.requests = []  # "GET /path"
        self.server = None

    def start(self, port=0):
        fake = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_PUT(self):
                fake.answer(self)

            def do_GET(self):
                fake.answer(self)

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def stop(self):
        if self.server:
            self.server.shutdown()
            self.server.server_close()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def revoke(self):
        """As after an IMDS restart: no token is known any more."""
        self.tokens.clear()

    def answer(self, handler):
        self.requests.append(f"{handler.command} {handler.path}")
        status, body = self.choose(handler)
        time.sleep(self.delay_s)
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        try:
            handler.wfile.write(body.encode())
        except BrokenPipeError:
            pass  # it was too slow for whoever asked

    def choose(self, handler):
        if handler.path == "/latest/api/token":
            if handler.command != "PUT" or self.token_status != 200:
                return self.token_status if handler.command == "PUT" else 405, ""
            self.tokens.append(f"token-{len(self.requests)}")
            return 200, self.tokens[-1]
        if handler.headers.get("X-aws-ec2-metadata-token") not in self.tokens:
            return 401, ""
        if handler.path == ROLES:
            return (200, self.role) if self.role else (404, "")
        if handler.path == f"{ROLES}{self.role}":
            return (200, self.credentials()) if self.status == 200 else (self.status, "")
        return (200, self.values[handler.path]) if handler.path in self.values else (404, "")

    def credentials(self):
        self.issued += 1
        end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=self.lifetime_s)
        return json.dumps({
            "Code": "Success",
            "Type": "AWS-HMAC",
            "AccessKeyId": f"ASIA{self.issued}",
            "SecretAccessKey": "secret-of-the-fake",
            "Token": "token-of-the-fake",
            "Expiration": end.strftime("%Y-%m-%dT%H:%M:%SZ"),
        })
