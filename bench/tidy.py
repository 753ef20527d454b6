# SPDX-License-Identifier: Apache-2.0
"""
A benchmark leaves nothing behind, however it ends: by itself, with an error, or by SIGINT, SIGTERM or SIGHUP, at any moment.

    with tidy.place() as directory:
        process = tidy.spawn([...])              ends with the `with`
        text = tidy.run([...])                   at the latest then, too
        tidy.at_end(lambda: ...)                 so does this; the last one first
"""

import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import tempfile

END_LIMIT_S = 20
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Leaving:
    """What has to be done at the end, and a signal that came when it could not be obeyed."""

    def __init__(self):
        self.duties, self.held, self.pending = [], 0, 0

    def on_signal(self, number, _frame):
        if self.held:
            self.pending = number
        else:
            self.leave(number)

    def leave(self, number):
        for one in SIGNALS:
            signal.signal(one, signal.SIG_IGN)  # once is enough: leaving takes a moment
        sys.exit(128 + number)

    @contextlib.contextmanager
    def hold(self):
        """No signal comes between the start of something and the note of it."""
        self.held += 1
        try:
            yield
        finally:
            self.held -= 1
            if self.pending and not self.held:
                self.leave(self.pending)


leaving = Leaving()


@contextlib.contextmanager
def place():
    """A directory for this benchmark alone."""
    for number in SIGNALS:
        signal.signal(number, leaving.on_signal)
    with tempfile.TemporaryDirectory(prefix="agentd-bench-") as directory:
        try:
            yield pathlib.Path(directory)
        finally:
            with leaving.hold():
                while leaving.duties:
                    do(leaving.duties.pop())


def do(duty):
    """One that fails keeps no other from being done."""
    try:
        duty()
    except (OSError, subprocess.SubprocessError) as error:
        print(f"{sys.argv[0]}: {error}", file=sys.stderr)


def at_end(duty):
    leaving.duties.append(duty)


def spawn(arguments, environment=None):
    """A subprocess.Popen that says nothing, in a session of its own: the terminal's signals are for the benchmark."""
    with leaving.hold():
        process = subprocess.Popen([str(a) for a in arguments], env={**os.environ, **(environment or {})}, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        at_end(lambda: end(process))
    return process


def run(arguments, **options):
    """What it prints, once it has ended well. subprocess.run() loses its child if a signal comes while it starts it."""
    with leaving.hold():
        process = subprocess.Popen([str(a) for a in arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, **options)
        at_end(lambda: end(process))
    output, _ = process.communicate()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, process.args)
    return output


def end(process):
    """SIGTERM, and SIGKILL to who doesn't obey."""
    process.terminate()
    try:
        process.wait(END_LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
