# SPDX-License-Identifier: Apache-2.0
"""
An HTTP/1.1 server for peers that check what they are sent to the byte and may misbehave below HTTP:
half answers, resets, silence, a port that refuses. One thread a connection; loopback only.
"""

import re
import socket
import struct
import threading
from dataclasses import dataclass, field

HEAD_LIMIT_BYTES = 64 * 1024
BODY_LIMIT_BYTES = 4 * 1024 * 1024
TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


class BadRequest(Exception):
    """What came is no request of HTTP/1.1 as we want it."""


@dataclass
class Request:
    method: str
    target: str
    headers: list  # (name, value) as they came, values trimmed
    body: bytes
    reused: bool  # not the first on its connection
    connection: "Connection" = field(repr=False)

    def header(self, name, default=""):
        """The first of that name."""
        return next((value for own, value in self.headers if own.lower() == name.lower()), default)


class Connection:
    """One accepted connection; also the means to misbehave on it."""

    def __init__(self, own_socket):
        self.socket = own_socket
        self.received = b""
        self.requests = 0
        self.closed = False

    def receive(self):
        """Waits for more; false when the client has closed."""
        more = self.socket.recv(65536)
        self.received += more
        return bool(more)

    def take(self, length):
        taken, self.received = self.received[:length], self.received[length:]
        return taken

    def read_head(self):
        """The head's lines without their ends; none if the client has closed."""
        while b"\r\n\r\n" not in self.received:
            if len(self.received) > HEAD_LIMIT_BYTES:
                raise BadRequest(f"no end of the head: {self.received[:80]!r}")
            if not self.receive():
                return []
        lines = self.take(self.received.index(b"\r\n\r\n") + 4)[:-4].split(b"\r\n")
        if any(b"\n" in line or b"\r" in line for line in lines):
            raise BadRequest(f"a bare CR or LF: {lines}")
        return lines

    def read_request(self):
        """The next request; None at the end of the connection. Fields that come twice are refused."""
        lines = self.read_head()
        if not lines:
            return None
        first = lines[0].decode("latin-1").split(" ")
        if len(first) != 3 or first[2] != "HTTP/1.1":
            raise BadRequest(f"the request line is {first}")
        headers = []
        for line in lines[1:]:
            name, colon, value = line.partition(b":")
            if not colon or not TOKEN.fullmatch(name):
                raise BadRequest(f"a header is {line[:80]!r}")
            headers.append((name.decode(), value.strip().decode("latin-1")))
        names = [name.lower() for name, _ in headers]
        if len(set(names)) != len(names) or "host" not in names:
            raise BadRequest(f"fields: {sorted(names)}")
        request = Request(first[0], first[1], headers, b"", self.requests > 0, self)
        request.body = self.read_body(request)
        self.requests += 1
        return request

    def read_body(self, request):
        if request.header("transfer-encoding"):
            raise BadRequest("a chunked body, which AWS doesn't take")
        length = request.header("content-length", "0" if request.method in ("GET", "PUT", "HEAD") else "")
        if not length.isdigit() or int(length) > BODY_LIMIT_BYTES:
            raise BadRequest(f"Content-Length is {length!r}")
        if request.header("expect").lower() == "100-continue":
            self.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        while len(self.received) < int(length):
            if not self.receive():
                raise ConnectionAbortedError("broken off in the body")
        return self.take(int(length))

    def send(self, data):
        """False if the client has gone."""
        try:
            self.socket.sendall(data)
            return True
        except OSError:
            self.closed = True
            return False

    def reset(self):
        """Ends it by RST instead of FIN, from any thread: one that waits for the client is woken."""
        self.closed = True
        try:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            socket.socket.shutdown(self.socket, socket.SHUT_RD)  # tells the client nothing
        except OSError:
            pass

    def close(self):
        """For its own thread only."""
        self.closed = True
        self.socket.close()


def message(status, reason, headers, body=b""):
    """A whole answer as bytes."""
    lines = [f"HTTP/1.1 {status} {reason}", *(f"{name}: {value}" for name, value in headers)]
    lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class HttpPeer:
    """
    Serves while `with` lasts or between start() and stop(). A subclass has serve(request), which
    answers on request.connection, and complain(text) for what is no request.
    """

    def __init__(self, certificate=None):
        self.port = 0  # the kernel chooses
        self.certificate = certificate
        self.stopping = threading.Event()
        self.lock = threading.RLock()
        self.listener = None
        self.connections = set()
        # Bound and not listening: keeps the port ours, and refuses, while there is no listener.
        self.placeholder = self._bound()
        self.port = self.placeholder.getsockname()[1]

    @property
    def url(self):
        return f"{'https' if self.certificate else 'http'}://127.0.0.1:{self.port}"

    def start(self):
        self.open_port()
        return self

    def stop(self):
        self.stopping.set()
        self.close_port()
        self.placeholder.close()

    __enter__ = start

    def __exit__(self, *error):
        self.stop()

    def open_port(self):
        with self.lock:
            if self.listener is None and not self.stopping.is_set():
                self.listener = self._bound()
                self.listener.listen(64)
                threading.Thread(target=self._accept, args=(self.listener,), daemon=True).start()

    def close_port(self):
        """Refuses connections from now on, and resets those that there are."""
        with self.lock:
            listener, self.listener = self.listener, None
            if listener:
                listener.shutdown(socket.SHUT_RDWR)  # wakes the accepting thread
                listener.close()
            for connection in list(self.connections):
                connection.reset()

    def serve(self, request):
        raise NotImplementedError

    def complain(self, text):
        raise NotImplementedError

    def _bound(self):
        bound = socket.socket()
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.bind(("127.0.0.1", self.port))
        return bound

    def _accept(self, listener):
        while True:
            try:
                accepted, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._converse, args=(accepted,), daemon=True).start()

    def _converse(self, accepted):
        try:
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.certificate:
                accepted = self.certificate.server_context().wrap_socket(accepted, server_side=True)
            connection = Connection(accepted)
        except OSError:  # ssl.SSLError is one: the client doesn't trust us, or has gone
            accepted.close()
            return
        with self.lock:
            self.connections.add(connection)
        try:
            while not connection.closed:
                request = connection.read_request()
                if request is None or connection.closed:  # reset meanwhile
                    break
                self.serve(request)
                if request.header("connection").lower() == "close":
                    break
        except BadRequest as error:
            self.complain(str(error))
            connection.send(message(400, "Bad Request", [("Connection", "close")]))
        except OSError:
            pass  # the connection has gone: its client died, or we reset it
        finally:
            with self.lock:
                self.connections.discard(connection)
            connection.close()
