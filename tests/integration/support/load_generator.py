# SPDX-License-Identifier: Apache-2.0
"""
A load generator that tells the truth about every single request.

Raw sockets on asyncio; each request has an id (header X-Request-Id) and one record; nothing is ever
retried. Two kinds of client, counted apart: "new" opens a connection for each request, "kept" sends
on one connection until the server announces `Connection: close`. Failed is: refused, reset, end of
file before the answer is complete, anything but the expected statuses, or slower than |slow_s|.
"""

import asyncio
import errno
import itertools
import threading
import time
from collections import Counter
from dataclasses import dataclass
from typing import Optional

HEAD_LIMIT = 64 * 1024
KINDS = ("new", "kept")


@dataclass
class Record:
    """One request. error is None if it was answered as it should be."""

    id: int
    kind: str
    started_at_s: float  # time.monotonic()
    latency_s: float = 0.0
    status: int = 0
    error: Optional[str] = None
    reused: bool = False  # sent on a connection that had carried a request before
    opened_at_s: float = 0.0  # when that connection's opening began
    local_port: int = 0  # of that connection; 0: it was never open


class ProtocolError(Exception):
    """The server's answer is no HTTP."""


class Connection:
    """An open connection, and who it is on this side."""

    def __init__(self, reader, writer, opened_at_s):
        self.reader, self.writer, self.opened_at_s = reader, writer, opened_at_s
        self.local_port = writer.get_extra_info("sockname")[1]

    @classmethod
    async def open(cls, host, port):
        opened_at_s = time.monotonic()
        return cls(*await asyncio.open_connection(host, port, limit=HEAD_LIMIT), opened_at_s)

    def close(self):
        self.writer.close()


async def read_answer(reader):
    """Returns (status, may this connection be used again). Raises on anything incomplete."""
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head[:-4].split(b"\r\n")
    parts = first.split(b" ", 2)
    if len(parts) < 2 or not parts[0].startswith(b"HTTP/1.") or not parts[1].isdigit():
        raise ProtocolError(f"status line {first[:80]!r}")
    status = int(parts[1])
    headers = {}
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon:
            raise ProtocolError(f"header {line[:80]!r}")
        headers[name.strip().lower()] = value.strip()
    keep = headers.get(b"connection", b"").lower() != b"close"
    if status in (204, 304):
        return status, keep
    if headers.get(b"transfer-encoding", b"").lower() == b"chunked":
        while True:
            size = int(await reader.readuntil(b"\r\n"), 16)
            await reader.readexactly(size + 2)
            if size == 0:
                return status, keep
    if b"content-length" not in headers:
        await reader.read(-1)
        return status, False
    await reader.readexactly(int(headers[b"content-length"]))
    return status, keep


def error_name(error):
    """What to call a failure in the summary."""
    if isinstance(error, asyncio.IncompleteReadError):
        return "eof"
    if isinstance(error, (asyncio.TimeoutError, TimeoutError)):
        return "timeout"
    if isinstance(error, ConnectionResetError):  # asyncio's own has no errno
        return "econnreset"
    if isinstance(error, OSError) and error.errno:
        return errno.errorcode.get(error.errno, str(error.errno)).lower()
    return type(error).__name__


def default_request(request_id):
    """The board's page."""
    return "GET", "/", b""


def post_request(request_id):
    """A message that names its request."""
    return "POST", "/", b"message=request+%d" % request_id


class Load:
    """
    A running load; made by the fixture `load`. Bounded by |duration_s| and by |max_requests|.

    clients_new, clients_kept: how many of each kind; pause_s: rest of a client between two requests
    (keeps the rate low enough that the machine isn't what is measured); make_request(id) returns
    (method, path, body); expected: statuses that are right; slow_s: the limit of a good answer;
    timeout_s: when a request is given up (and failed).
    """

    def __init__(
        self,
        port,
        *,
        duration_s=5.0,
        max_requests=50_000,
        clients_new=4,
        clients_kept=4,
        pause_s=0.005,
        make_request=default_request,
        expected=(200, 302),
        slow_s=5.0,
        timeout_s=10.0,
        host="127.0.0.1",
    ):
        self.port = port
        self.host = host
        self.max_requests = max_requests
        self.clients = ["new"] * clients_new + ["kept"] * clients_kept
        self.pause_s = pause_s
        self.make_request = make_request
        self.expected = frozenset(expected)
        self.slow_s = slow_s
        self.timeout_s = timeout_s
        self.records = []
        self.ids = itertools.count(1)
        self.deadline_s = time.monotonic() + duration_s
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._main, name="load", daemon=True)
        self.thread.start()

    # --- For tests -------------------------------------------------------------------------------

    def stop(self):
        """Lets requests in flight end, begins none, and returns self when all are recorded."""
        self.stopping.set()
        return self.join()

    def join(self):
        """Waits until the load is over."""
        self.thread.join(max(0.0, self.deadline_s - time.monotonic()) + self.timeout_s + 30)
        assert not self.thread.is_alive(), "the load generator hangs"
        return self

    def wait_requests(self, count, timeout_s=20):
        """Until so many requests more are recorded: the load really flows."""
        goal = len(self.records) + count
        deadline = time.monotonic() + timeout_s
        while len(self.records) < goal:
            assert time.monotonic() < deadline, f"no {count} requests in {timeout_s} s: {self.summary()}"
            assert self.thread.is_alive(), f"the load has ended: {self.summary()}"
            time.sleep(0.01)

    @property
    def sent(self):
        return len(self.records)

    @property
    def failed(self):
        return [record for record in self.records if record.error]

    @property
    def answered(self):
        """Requests with a complete answer, whatever its status."""
        return [record for record in self.records if record.status]

    def percentile(self, share, kind=None):
        """Latency in seconds at |share| (0 to 1) of the answered requests."""
        latencies = sorted(r.latency_s for r in self.answered if kind in (None, r.kind))
        assert latencies, "nothing was answered"
        return latencies[min(len(latencies) - 1, int(share * len(latencies)))]

    def summary(self):
        """One line for messages: requests and failures by kind and cause."""
        parts = []
        for kind in KINDS:
            own = [record for record in self.records if record.kind == kind]
            causes = Counter(record.error for record in own if record.error)
            text = ", ".join(f"{count} {cause}" for cause, count in causes.most_common())
            parts.append(f"{kind}: {len(own)} sent, {sum(causes.values())} failed{' (' + text + ')' if text else ''}")
        return "; ".join(parts)

    def assert_none_failed(self, at_least=1):
        """Every request was answered as it should be, and there were enough of each kind."""
        for kind in set(self.clients):
            count = sum(record.kind == kind for record in self.records)
            assert count >= at_least, f"only {count} requests of kind {kind}"
        examples = "\n".join(str(record) for record in self.failed[:5])
        assert not self.failed, f"{self.summary()}\n{examples}"

    # --- Inside ----------------------------------------------------------------------------------

    def _main(self):
        asyncio.run(self._run())

    async def _run(self):
        await asyncio.gather(*(self._client(kind) for kind in self.clients))

    def _next_id(self):
        if self.stopping.is_set() or time.monotonic() > self.deadline_s:
            return 0
        request_id = next(self.ids)
        return request_id if request_id <= self.max_requests else 0

    async def _client(self, kind):
        connection = None
        while request_id := self._next_id():
            record = Record(request_id, kind, time.monotonic(), reused=connection is not None)
            try:
                connection = await asyncio.wait_for(self._exchange(record, connection), self.timeout_s)
            except (OSError, EOFError, asyncio.TimeoutError, asyncio.LimitOverrunError, ValueError, ProtocolError) as error:
                record.error = error_name(error)
                self._close(connection)
                connection = None
            record.latency_s = time.monotonic() - record.started_at_s
            if record.error is None and record.latency_s > self.slow_s:
                record.error = "slow"
            self.records.append(record)
            await asyncio.sleep(self.pause_s)
        self._close(connection)

    async def _exchange(self, record, connection):
        """Sends and reads one; returns the connection if it may carry another."""
        opened = connection or await Connection.open(self.host, self.port)
        record.opened_at_s, record.local_port = opened.opened_at_s, opened.local_port
        try:
            method, path, body = self.make_request(record.id)
            head = f"{method} {path} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\nX-Request-Id: {record.id}\r\n"
            if record.kind == "new":
                head += "Connection: close\r\n"
            if body:
                head += f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n"
            opened.writer.write(head.encode() + b"\r\n" + body)
            await opened.writer.drain()
            record.status, keep = await read_answer(opened.reader)
            if record.status not in self.expected:
                record.error = f"status {record.status}"
        except BaseException:
            self._close(opened)
            raise
        if keep and record.kind == "kept":
            return opened
        self._close(opened)
        return None

    @staticmethod
    def _close(connection):
        if connection:
            connection.close()
