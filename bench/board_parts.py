# SPDX-License-Identifier: Apache-2.0
"""What the board's benchmarks share: a server on CPU 0, the environment of the Flask board, wrk's figures, memory, a row."""

import hashlib
import os
import pathlib
import re
import socket
import subprocess
import sys
import time
import urllib.request

import tidy

HERE = pathlib.Path(__file__).resolve().parent


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def venv(name="requirements.txt"):
    """Flask, gunicorn and what else bench/flask-board/NAME pins, in the cache."""
    requirements = HERE / "flask-board" / name
    key = hashlib.sha256(requirements.read_bytes()).hexdigest()[:12]
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "agentd" / f"flask-{key}"
    if not (cache / "bin" / "gunicorn").exists():
        print(f"installing {name} into {cache}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", str(cache)], check=True)
        subprocess.run([str(cache / "bin" / "pip"), "install", "-q", "-r", str(requirements)], check=True)
    return cache


class Server:
    def __init__(self, arguments, port, env=None):
        self.port = port
        self.process = tidy.spawn(["taskset", "-c", "0", *arguments], env)

    def wait(self, path="/"):
        end = time.monotonic() + 20
        while True:
            try:
                return urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=2).read()
            except OSError:
                if time.monotonic() > end or self.process.poll() is not None:
                    sys.exit(f"{sys.argv[0]}: no answer from {self.process.args}")
                time.sleep(0.1)


def pss_kib(pids):
    return sum(int(re.search(r"^Pss:\s+(\d+)", pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(), re.M)[1]) for pid in pids)


def tree(pid):
    pids = [int(p) for p in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [pid, *(q for p in pids for q in tree(p))]


def line(what, ours, theirs, wanted, at_least=True, digits=0):
    ratio = ours / theirs
    met = ratio >= wanted if at_least else ratio <= wanted
    shown = f"{ratio:.2f}" if ratio >= 0.1 else f"{ratio:.2g}"
    print(f"| {what} | {ours:,.{digits}f} | {theirs:,.{digits}f} | {shown} | {'>=' if at_least else '<='} {wanted} | {'yes' if met else '**no**'} |", flush=True)
