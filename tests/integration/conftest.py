# SPDX-License-Identifier: Apache-2.0
"""
Fixtures of the integration tests, which drive the real binaries of $AGENTD_BUILD over loopback.

    def test_something(agentd, load):
        daemon = agentd({"apps": {"visitor-board": {"workers": 3}}})   # started, /health is 200
        flow = load(daemon.port, duration_s=5)                         # runs in the background
        flow.wait_requests(100)
        os.kill(daemon.core_pid(), signal.SIGKILL)
        flow.join().assert_none_failed()

Each test may take 120 s; `@pytest.mark.limit(300)` gives another number of seconds.
Files run side by side (pytest-xdist), each in one process; so nothing here has a fixed port, name or place. What measures the
whole machine or loads all of it is marked `@pytest.mark.alone`, and run-tests.sh runs that afterwards.
The fixture `plain_agentd` is the same from a build without sanitizers ($AGENTD_PLAIN_BUILD).
"""

import os
import shutil
import signal
import tempfile
from pathlib import Path

import pytest

from support import processes
from support.daemon import Agentd
from support.load_generator import Load

TEST_LIMIT_S = 120


def pytest_configure(config):
    processes.become_subreaper()
    os.umask(0o022)  # agentd refuses a configuration that a group may write


@pytest.fixture(autouse=True)
def time_limit(request):
    """Fails a test that takes too long, so that a hang is a failure with a stack and not a stuck run."""
    marker = request.node.get_closest_marker("limit")
    seconds = marker.args[0] if marker else TEST_LIMIT_S

    def late(signum, frame):
        raise AssertionError(f"the test took more than {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def build_directory(variable):
    """The build under test, checked."""
    path = Path(os.environ.get(variable, ""))
    for name in ("agentd", "agentd-core", "agentd-stress", "agentctl", "visitor-board"):
        if not os.access(path / name, os.X_OK):
            pytest.fail(f"{variable}={path} holds no {name}; run ./run-tests.sh integration", pytrace=False)
    return path


@pytest.fixture(scope="session")
def build():
    """The build directory of the binaries under test."""
    return build_directory("AGENTD_BUILD")


@pytest.fixture(scope="session")
def plain_build():
    """A build without sanitizers, for what they would change: memory use, speed."""
    if not os.environ.get("AGENTD_PLAIN_BUILD"):
        pytest.skip("AGENTD_PLAIN_BUILD names no build without sanitizers")
    return build_directory("AGENTD_PLAIN_BUILD")


@pytest.fixture(scope="session")
def public_agentctl(build):
    """A copy of agentctl that other users can run: a build below a home directory is closed to them."""
    with tempfile.TemporaryDirectory(prefix="agentctl-") as directory:
        os.chmod(directory, 0o755)
        yield shutil.copy(build / "agentctl", directory)


def factory(build):
    """Yields a function that makes (and by default starts) an Agentd; checks all of them at the end."""
    made = []

    def make(config=None, *, start=True, wait=True, **options):
        directory = tempfile.TemporaryDirectory(prefix="agentd-test-")
        daemon = Agentd(build, directory.name, config, **options)
        made.append((daemon, directory))
        if start:
            daemon.start(wait=wait)
        return daemon

    yield make
    problems = [problem for daemon, _ in made for problem in daemon.finish()]
    for _, directory in made:
        directory.cleanup()
    assert not problems, "\n".join(problems)


@pytest.fixture
def agentd(build):
    """
    A factory: agentd(config={}, *, start=True, wait=True, environment={}, arguments=[], extra_files={})
    returns a support.daemon.Agentd. At the end of the test each is stopped with SIGTERM; a process or
    a zombie left behind, or a sanitizer's report in any file of its directory, fails the test.
    """
    yield from factory(build)


@pytest.fixture
def plain_agentd(plain_build):
    """As `agentd`, from the build without sanitizers."""
    yield from factory(plain_build)


@pytest.fixture
def load():
    """
    A factory: load(port, duration_s=5, clients_new=4, clients_kept=4, ...) starts a
    support.load_generator.Load in the background. Loads still running at the end are stopped.
    """
    loads = []

    def start(port, **options):
        loads.append(Load(port, **options))
        return loads[-1]

    yield start
    for running in loads:
        running.stop()


@pytest.fixture(scope="session")
def storm():
    """storm(reduced, full): how many rounds; the full count with AGENTD_SOAK=1 (make soak)."""
    soak = os.environ.get("AGENTD_SOAK") == "1"

    def choose(reduced, full):
        return full if soak else reduced

    return choose
