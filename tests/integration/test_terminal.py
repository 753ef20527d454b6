# SPDX-License-Identifier: Apache-2.0
"""agentd in the foreground of a terminal."""

import fcntl
import os
import pty
import select
import signal
import subprocess
import tempfile
import termios
from pathlib import Path

import pytest

from support import libconfig
from support.daemon import free_port, wait_until


@pytest.fixture
def directory():
    with tempfile.TemporaryDirectory(prefix="agentd-tty-") as path:  # short: sockets lie in it
        yield Path(path)


def test_a_terminal_that_stops_background_output(build, directory):
    """After stty tostop, the kernel stops who writes from another process group, as the core does."""
    config = directory / "agentd.conf"
    config.write_text(libconfig.settings({
        "agent": {"runtime_dir": str(directory / "run"), "state_dir": str(directory)},
        "health": {"listen": f"127.0.0.1:{free_port()}", "lame_duck": 0},
    }))
    terminal, side = pty.openpty()
    attributes = termios.tcgetattr(side)
    attributes[3] |= termios.TOSTOP
    termios.tcsetattr(side, termios.TCSANOW, attributes)

    def take_terminal():
        os.setsid()
        fcntl.ioctl(side, termios.TIOCSCTTY, 0)

    process = subprocess.Popen([build / "agentd", "--config", config, "--libexec", build],
                               stdin=side, stdout=side, stderr=side, preexec_fn=take_terminal)
    said = []

    def says(text):
        if select.select([terminal], [], [], 0.1)[0]:
            said.append(os.read(terminal, 4096).decode())
        return text in "".join(said)

    try:
        wait_until(lambda: says("agentd has started"), 8, "the core's first line")
        process.send_signal(signal.SIGTERM)
        wait_until(lambda: says("") and process.poll() is not None, 10, "its end")
        assert process.returncode == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        os.close(terminal)
        os.close(side)
