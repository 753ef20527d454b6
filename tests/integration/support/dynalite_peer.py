# SPDX-License-Identifier: Apache-2.0
"""dynalite, a local DynamoDB that counts capacity units as AWS does, as a process of its own."""

import os
import subprocess
from pathlib import Path

import pytest

from .daemon import free_port, wait_until


class Dynalite:
    """Attributes: port, process."""

    def __init__(self, log_path):
        modules = os.environ.get("AGENTD_DYNALITE_MODULES")
        if not modules:
            pytest.skip("no dynalite here: npm could not install it")
        self.port = free_port()
        with open(log_path, "wb") as log:
            self.process = subprocess.Popen(
                ["node", f"{modules}/dynalite/cli.js", "--host", "127.0.0.1", "--port", str(self.port), "--createTableMs", "0"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        wait_until(lambda: b"listening" in Path(log_path).read_bytes(), 60, "dynalite listens", 0.1)

    def stop(self):
        self.process.terminate()
        self.process.wait(10)
