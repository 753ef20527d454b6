# SPDX-License-Identifier: Apache-2.0
"""Who may do what over the control socket: strangers nothing, its group read, the admin group and root change."""

import errno
import grp
import json
import os
import re
import shutil
import subprocess

import pytest

from support.daemon import UnixConnection, wait_until

STRANGER = 65534  # uid and gid of nobody
NOT_PERMITTED, UNREACHABLE = 5, 4

CHANGES = [("POST", "/v1/restart", '{"app":"visitor-board"}'), ("POST", "/v1/reload", ""),
           ("POST", "/v1/scale", '{"app":"visitor-board","workers":2}'), ("POST", "/v1/drain", "{}"),
           ("POST", "/v1/undrain", ""), ("POST", "/v1/stress/off", "{}")]
READS = ["/v1/status", "/v1/stress", "/v1/health", "/v1/metrics", "/v1/events", "/v1/config", "/v1/version"]


class Someone:
    """A user of the machine: asks the control API with those ids and no privilege."""

    def __init__(self, daemon, gid=STRANGER, groups=(), uid=STRANGER):
        self.daemon = daemon
        self.ids = {"user": uid, "group": gid, "extra_groups": list(groups)}

    def ask(self, method, target, body=""):
        """(status or the error's name, the client's pid); by a child, as the interpreter may not be for others."""
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                os.setgroups(self.ids["extra_groups"])
                os.setresgid(*[self.ids["group"]] * 3)
                os.setresuid(*[self.ids["user"]] * 3)
                os.write(writer, json.dumps(one_request(self.daemon.control_socket, method, target, body)).encode())
            finally:
                os._exit(0)
        os.close(writer)
        with os.fdopen(reader) as pipe:
            answer = pipe.read()
        os.waitpid(pid, 0)
        return json.loads(answer), pid

    def ctl(self, *arguments):
        """agentctl, from a place where anybody may run it."""
        program = self.daemon.dir / "agentctl"
        if not program.exists():
            shutil.copy(self.daemon.build / "agentctl", program)
            program.chmod(0o755)
        return subprocess.run([str(program), "--socket", str(self.daemon.control_socket), *arguments],
                              capture_output=True, text=True, timeout=30, check=False, cwd="/", **self.ids)


def one_request(path, method, target, body):
    """The answer's status, or the name of the error that connecting met."""
    connection = UnixConnection(path, timeout=10)
    try:
        connection.connect()
    except OSError as error:
        return errno.errorcode[error.errno]
    connection.request(method, target, body=body or None, headers={"Content-Type": "application/json"} if body else {})
    return connection.getresponse().status


@pytest.fixture(scope="module")
def groups():
    """Two groups of this machine, neither of which is root's or nobody's."""
    if os.geteuid() != 0:
        pytest.skip("only root can become other users")
    found = [group for group in grp.getgrall() if group.gr_gid not in (0, STRANGER) and re.fullmatch("[a-z]+", group.gr_name)]
    assert len(found) >= 2, "this machine has hardly a group"
    return found[:2]


@pytest.fixture
def start(agentd):
    """start({"group": ...}): an agentd whose directories all may enter, so that the socket alone decides."""

    def start(control):
        daemon = agentd({"control": control}, start=False)
        os.chmod(daemon.dir, 0o755)
        os.chmod(daemon.dir / "run", 0o755)
        daemon.start()
        daemon.wait_ready(2)
        return daemon

    return start


def assert_may_nothing(someone):
    for method, target, body in [("GET", target, "") for target in READS] + CHANGES:
        assert someone.ask(method, target, body)[0] == "EACCES", (method, target)
    result = someone.ctl("status")
    assert result.returncode in (NOT_PERMITTED, UNREACHABLE) and "ermi" in result.stderr, result


def assert_may_only_read(someone):
    daemon = someone.daemon
    pids = sorted(daemon.worker_pids())
    for target in READS:
        assert someone.ask("GET", target)[0] == 200, target
    for method, target, body in CHANGES:
        status, pid = someone.ask(method, target, body)
        assert status == 403
        wait_until(lambda p=pid: re.search(rf"refused to uid {STRANGER}, pid {p}$", daemon.log(), re.M), what="it is logged")
    assert someone.ctl("status").returncode == 0
    assert someone.ctl("restart", "visitor-board").returncode == NOT_PERMITTED
    assert someone.ctl("restart", "--core").returncode == NOT_PERMITTED
    assert someone.ctl("reload").returncode == NOT_PERMITTED
    assert someone.ctl("upgrade").returncode == NOT_PERMITTED
    assert sorted(daemon.worker_pids()) == pids


def test_strangers(start, groups):
    daemon = start({"group": groups[0].gr_name, "admin_group": groups[1].gr_name})
    assert_may_nothing(Someone(daemon))
    # the admin group changes what it can reach: who reads is the other's to say
    assert_may_nothing(Someone(daemon, groups=[groups[1].gr_gid]))
    status = os.stat(daemon.control_socket)
    assert (status.st_mode & 0o777, status.st_uid, status.st_gid) == (0o660, 0, groups[0].gr_gid)


@pytest.mark.parametrize("how", ["primary", "supplementary"])
def test_readers(start, groups, how):
    daemon = start({"group": groups[0].gr_name, "admin_group": groups[1].gr_name})
    reader = groups[0].gr_gid
    assert_may_only_read(Someone(daemon, gid=reader) if how == "primary" else Someone(daemon, groups=[reader]))


@pytest.mark.parametrize("how", ["primary", "supplementary", "among many"])
def test_admins(start, groups, how):
    daemon = start({"group": groups[0].gr_name, "admin_group": groups[1].gr_name})
    reader, admin = (group.gr_gid for group in groups)
    someone = {
        "primary": Someone(daemon, gid=admin, groups=[reader]),
        "supplementary": Someone(daemon, groups=[reader, admin]),
        "among many": Someone(daemon, groups=[*range(70000, 70900), reader, admin]),
    }[how]
    pids = daemon.worker_pids()
    for method, target, body in CHANGES:
        status, pid = someone.ask(method, target, body)
        assert status in (200, 202)
        wait_until(lambda p=pid: re.search(rf"asked for by uid {STRANGER}, pid {p}$", daemon.log(), re.M), what="it is logged")
    wait_until(lambda: not set(pids) & set(daemon.worker_pids()) and len(daemon.worker_pids()) == 2, 15, "they are replaced")
    result = someone.ctl("restart", "visitor-board", "--wait")
    assert result.returncode == 0, result.stderr


def test_root_only(start, groups):
    """No group is named: nobody but root."""
    daemon = start({})
    assert_may_nothing(Someone(daemon, groups=[group.gr_gid for group in groups]))
    assert daemon.ctl("reload").returncode == 0
    assert re.search(rf"asked for by uid 0, pid \d+$", daemon.log(), re.M)


def test_no_admin_group(start, groups):
    daemon = start({"group": groups[0].gr_name})
    assert_may_only_read(Someone(daemon, groups=[group.gr_gid for group in groups]))


def test_groups_that_do_not_exist(start, groups):
    """A name that nobody knows opens nothing."""
    daemon = start({"group": "no-such-group", "admin_group": "neither-this"})
    assert "no-such-group" in daemon.log()
    assert_may_nothing(Someone(daemon, groups=[group.gr_gid for group in groups]))


def test_admin_group_changes_at_reload(start, groups):
    daemon = start({"group": groups[0].gr_name})
    someone = Someone(daemon, groups=[group.gr_gid for group in groups])
    assert someone.ask(*CHANGES[1])[0] == 403
    daemon.write_config({"control": {"group": groups[0].gr_name, "admin_group": groups[1].gr_name}})
    assert daemon.ctl("reload").returncode == 0
    assert someone.ask(*CHANGES[1])[0] == 200
    daemon.write_config({"control": {"group": groups[0].gr_name}})
    assert daemon.ctl("reload").returncode == 0
    assert someone.ask(*CHANGES[1])[0] == 403
