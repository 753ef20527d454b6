# SPDX-License-Identifier: Apache-2.0
"""A terminal that can be looked at: a tmux server of our own, of one window."""

import os
import subprocess
import tempfile
import time
from pathlib import Path


class Tmux:
    """Runs |command| (a list) at |columns| x |rows|. |term| is what the program inside is told."""

    def __init__(self, command, columns=80, rows=24, term="screen-256color", environment=None):
        self.directory = tempfile.TemporaryDirectory(prefix="agentd-tmux-")
        self.socket = str(Path(self.directory.name) / "socket")
        config = Path(self.directory.name) / "tmux.conf"
        config.write_text(f"set -g default-terminal {term}\nset -g status off\nset -g remain-on-exit on\n"
                          "set -s escape-time 0\n")
        inside = {k: v for k, v in os.environ.items() if k not in ("TMUX", "NO_COLOR", "COLUMNS", "LINES")}
        inside = {**inside, "LC_ALL": "C.UTF-8", **(environment or {})}
        self.environment = {**inside, "TERM": "xterm-256color"}
        words = [f"{k}={v}" for k, v in (environment or {}).items()]
        self.ask("-f", str(config), "new-session", "-d", "-x", str(columns), "-y", str(rows),
                 "env", *words, *command)

    def ask(self, *words):
        return subprocess.run(["tmux", "-u", "-S", self.socket, *words], env=self.environment, check=True,
                              capture_output=True, text=True, timeout=20).stdout

    def screen(self, escapes=False):
        """Its lines, without the blanks at their ends; with |escapes| as a terminal would get them."""
        return self.ask("capture-pane", "-p", *(["-e", "-N"] if escapes else [])).rstrip("\n").split("\n")

    def text(self):
        return "\n".join(self.screen())

    def keys(self, *keys):
        """Names of keys as tmux has them: "q", "Down", "C-c"."""
        self.ask("send-keys", *keys)

    def resize(self, columns, rows):
        self.ask("resize-window", "-x", str(columns), "-y", str(rows))

    def show(self, what):
        """A variable of tmux: alternate_on, cursor_flag, pane_dead, pane_pid."""
        return self.ask("display-message", "-p", "#{" + what + "}").strip()

    def wait(self, what, timeout_s=20):
        """Until |what|, a text or a function of the screen's text, is there. Returns the screen's text."""
        deadline = time.monotonic() + timeout_s
        while True:
            text = self.text()
            if what(text) if callable(what) else what in text:
                return text
            assert time.monotonic() < deadline, f"{what} did not come:\n{text}"
            time.sleep(0.05)

    def stop(self):
        subprocess.run(["tmux", "-S", self.socket, "kill-server"], env=self.environment, capture_output=True,
                       timeout=20)
        self.directory.cleanup()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
