# SPDX-License-Identifier: Apache-2.0
"""
Fixtures of the browser tests: Chromium before the real board under the real daemon ($AGENTD_BUILD).

    def test_something(board, visit):
        page = visit(board())                        # a page of its own context, with script
        page = visit(daemon, width=390, theme="dark", script=False)
        look(page, "name")                           # a picture, and nothing for axe to find

Pictures go to $AGENTD_LOGS/screenshots. What the page's policy forbids, an exception in its script or
an unexpected line in its console fails the test.
"""

import os
import re
import shutil
import sys
import tempfile
from pathlib import Path
from urllib.parse import quote_plus

import pytest
from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "integration"))

from support import processes  # noqa: E402
from support.daemon import Agentd  # noqa: E402

WAIT_MS = 60000  # for anything; the machine may be busy with other things
INSTANCE = "i-0a1b2c3d4e5f60718"
ZONE = "eu-west-1a"
ENVIRONMENT = ["BOARD_POSTS_PER_MINUTE=0", f"INSTANCE_ID={INSTANCE}", f"AVAILABILITY_ZONE={ZONE}"]


def pytest_configure(config):
    processes.become_subreaper()
    os.umask(0o022)  # agentd refuses a configuration that a group may write


@pytest.fixture(scope="session")
def browser():
    program = shutil.which("chromium")
    if not program:
        pytest.fail("no chromium; run ./run-tests.sh browser", pytrace=False)
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=program, timeout=2 * WAIT_MS,
                                             args=["--no-sandbox"] if os.getuid() == 0 else [])
        yield running
        running.close()


class Board(Agentd):
    """agentd with the board, and how another visitor uses it."""

    def write_config(self, config):
        super().write_config(config)
        if not config:
            environment = [f"BOARD_DATABASE={self.dir / 'board.db'}", *ENVIRONMENT]
            super().write_config({"apps": {"visitor-board": {"workers": 1, "environment": environment}}})

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/"

    def post(self, text):
        answer = self.request("POST", "/", body="message=" + quote_plus(text), timeout_s=60,
                              headers={"Content-Type": "application/x-www-form-urlencoded"})
        assert answer.status == 302


@pytest.fixture
def board():
    """A factory of started boards with one worker each; each is stopped and checked at the end."""
    made = []

    def make():
        directory = tempfile.TemporaryDirectory(prefix="agentd-browser-")
        daemon = Board(Path(os.environ["AGENTD_BUILD"]), directory.name)
        made.append((daemon, directory))
        daemon.start(timeout_s=60)
        daemon.wait_ready(1, timeout_s=60)
        return daemon

    yield make
    problems = [problem for daemon, _ in made for problem in daemon.finish()]
    for _, directory in made:
        directory.cleanup()
    assert not problems, "\n".join(problems)


@pytest.fixture
def visit(browser):
    """visit(daemon, path="", *, width, theme, script, motion, before=None): a page that has loaded."""
    contexts, said = [], []

    def on_console(message):
        # A status that is no success is what some tests want to see.
        if message.type in ("error", "warning") and not re.match("Failed to load resource", message.text):
            said.append(message.text)

    def open_page(daemon, path="", *, width=1280, theme="light", script=True, motion="no-preference", before=None):
        context = browser.new_context(viewport={"width": width, "height": 860}, color_scheme=theme,
                                      java_script_enabled=script, reduced_motion=motion, locale="en-GB")
        contexts.append(context)
        context.set_default_timeout(WAIT_MS)
        page = context.new_page()
        page.on("console", on_console)
        page.on("pageerror", lambda error: said.append(str(error)))
        if before:
            before(page)
        page.goto(daemon.url + path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not said, "\n".join(said)
