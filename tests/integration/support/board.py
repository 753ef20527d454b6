# SPDX-License-Identifier: Apache-2.0
"""The visitor board alone, without agentd: one process on a port of its own, in a private directory."""

import http.client
import os
import signal
import subprocess

from .daemon import SANITIZER_REPORT, Answer, free_port, wait_until

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
JSON = {"Content-Type": "application/json"}


class Board:
    def __init__(self, build, directory, **settings):
        self.program = build / "visitor-board"
        self.dir = directory
        self.port = free_port()
        self.settings = {"PORT": str(self.port), "INSTANCE_ID": "node-1", "BOARD_DATABASE": str(directory / "board.db"),
                         "BOARD_POSTS_PER_MINUTE": "0", **settings}
        self.process = None

    def start(self):
        environment = {**os.environ, "UBSAN_OPTIONS": "print_stacktrace=1", **self.settings}
        with open(self.dir / "board.log", "ab") as log:
            self.process = subprocess.Popen([str(self.program)], env=environment, stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, cwd=self.dir)
        wait_until(self.answers, 20, "/health answers")
        return self

    def answers(self):
        assert self.process.poll() is None, self.log()
        try:
            return self.request(path="/health").status == 200
        except OSError:
            return False

    def log(self):
        return (self.dir / "board.log").read_text(errors="replace")

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            assert self.process.wait(20) == 0, self.log()
        assert not SANITIZER_REPORT.search(self.log().encode()), self.log()

    def request(self, method="GET", path="/", body=None, headers=None):
        """One request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            return Answer(connection.getresponse())
        finally:
            connection.close()
