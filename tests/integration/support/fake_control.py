# SPDX-License-Identifier: Apache-2.0
"""A stand-in for agentd's control API, for tests of what agentctl makes of its answers."""

import json
import socketserver
import threading
from http.server import BaseHTTPRequestHandler


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def address_string(self):
        return "unix"

    def log_message(self, format, *arguments):
        pass

    def answer(self):
        length = int(self.headers.get("Content-Length", 0))
        body = json.loads(self.rfile.read(length)) if length else None
        path = self.path.split("?")[0]
        self.server.requests.append((self.command, self.path, body))
        found = self.server.routes.get((self.command, path), (404, {"error": f"no {path}"}))
        if callable(found):
            found = found(body, self.path)
        if found is None:  # drop the connection
            self.close_connection = True
            return
        status, content = found
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = answer


class FakeControl(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """
    Serves |routes| {(method, path): (status, body)} on a unix socket. A body is JSON or raw bytes; in
    place of the pair a function(request body, path with query) may give it, or None to hang up.
    |requests| lists what was asked: (method, path with query, body).
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, path):
        self.routes = {}
        self.requests = []
        self.path = str(path)
        super().__init__(self.path, Handler)
        self.thread = threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def get(self, path, status, body):
        self.routes["GET", path] = (status, body)

    def post(self, path, status, body):
        self.routes["POST", path] = (status, body)

    def asked(self, method):
        return [(path, body) for verb, path, body in self.requests if verb == method]

    def stop(self):
        self.shutdown()
        self.server_close()
