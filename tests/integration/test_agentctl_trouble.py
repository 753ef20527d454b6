# SPDX-License-Identifier: Apache-2.0
"""
agentctl where things are wrong: a daemon that is down, late, wrong or refuses, terminals of
all kinds, workers that write to be mistaken for something else; and its completion.
"""

import os
import pwd
import re
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

from support.agentctl import (  # noqa: F401, F811: fixtures are among them
    app, assert_fits, assert_harmless, binary, clean_environment, COLOR, control, ctl, EVENTS,
    FAILED, HEALTH, HOSTILE, NOT_PERMITTED, OK, on_terminal, REFUSED, STATUS, UNREACHABLE, USAGE,
    worker,
)

# --- What can go wrong on the way ----------------------------------------------------------------

ASKING = ["status", "health", "metrics", "events", "config show", "restart", "restart --core", "reload"]


@pytest.mark.parametrize("verb", ASKING)
def test_unreachable(ctl, tmp_path, verb):
    result = ctl(*verb.split(), socket_path=tmp_path / "none")
    assert result.returncode == UNREACHABLE and result.stdout == ""
    assert "systemctl status agentd" in result.stderr and result.stderr.count("\n") == 1
    stale = tmp_path / "stale"
    with socket.socket(socket.AF_UNIX) as unused:
        unused.bind(str(stale))
    result = ctl(*verb.split(), socket_path=stale)
    assert result.returncode == UNREACHABLE and "refused" in result.stderr


@pytest.mark.parametrize("status, code", [
    (400, USAGE), (403, NOT_PERMITTED), (404, USAGE), (409, REFUSED), (500, FAILED), (503, UNREACHABLE)])
@pytest.mark.parametrize("verb", ASKING)
def test_errors_of_the_daemon(ctl, control, verb, status, code):
    for route in list(control.routes):
        control.routes[route] = (status, {"error": "reason \x1b[31m here"})
    if verb == "restart --core":  # it looks for the core first
        control.get("/v1/status", 200, STATUS)
    result = ctl(*verb.split())
    if verb == "reload" and status == 409:
        code = FAILED
    assert result.returncode == code and result.stdout == ""
    assert "reason [31m here" in result.stderr and result.stderr.count("\n") == 1


@pytest.mark.parametrize("answer, says", [
    ((200, b"not json"), "not agentd"),
    ((200, b"[1]"), "not agentd"),
    ((200, b""), "not agentd"),
    ((200, b"[" * 5000), "not agentd"),
    ((200, {"schema_version": 2}), "schema version 2"),
    (None, "agentd"),
])
def test_wrong_answers(ctl, control, answer, says):
    control.routes["GET", "/v1/status"] = lambda body, path: answer
    result = ctl("status")
    assert result.returncode in (FAILED, UNREACHABLE) and result.stdout == ""
    assert says in result.stderr and result.stderr.count("\n") == 1


def test_an_endless_answer_ends(ctl, control):
    control.get("/v1/status", 200, b'{"a":"' + b"x" * (17 << 20) + b'"}')
    assert ctl("status").returncode == FAILED


def test_a_daemon_that_hangs(ctl, tmp_path):
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(str(tmp_path / "deaf"))
        deaf.listen(5)
        began = time.monotonic()
        result = ctl("status", socket_path=tmp_path / "deaf")
    assert result.returncode == UNREACHABLE and "does not answer" in result.stderr
    assert 4 < time.monotonic() - began < 10


def test_not_http(ctl, tmp_path):
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(tmp_path / "other"))
        other.listen(5)

        def answer():
            connection, _ = other.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"220 mail.example ESMTP\r\n" * 3)

        thread = threading.Thread(target=answer)
        thread.start()
        result = ctl("status", socket_path=tmp_path / "other")
        thread.join()
    assert result.returncode == FAILED and "not agentd" in result.stderr


def test_socket_path_too_long(ctl):
    result = ctl("status", socket_path="/tmp/" + "x" * 200)
    assert result.returncode == USAGE and "107 bytes" in result.stderr


def test_socket_from_the_environment(binary, control):
    result = subprocess.run([binary, "status", "--names"], env=clean_environment(AGENTCTL_SOCKET=control.path),
                            capture_output=True, timeout=20)
    assert result.returncode == OK and result.stdout.startswith(b"visitor-board\n")
    # a proxy in the environment has no say
    result = subprocess.run([binary, "status", "--names"], capture_output=True, timeout=20,
                            env=clean_environment(AGENTCTL_SOCKET=control.path, http_proxy="http://127.0.0.1:1"))
    assert result.returncode == OK


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user to be refused")
def test_no_permission(public_agentctl, control, tmp_path):
    def become_nobody():
        os.setgroups([])
        os.setgid(65534)
        os.setuid(pwd.getpwnam("nobody").pw_uid)

    os.chmod(control.path, 0o660)
    os.chown(control.path, 0, 4)  # group adm on Debian
    parents = [tmp_path, *tmp_path.parents]
    modes = [(p, p.stat().st_mode) for p in parents if p != Path("/") and p.stat().st_mode & 0o5 != 0o5]
    group = subprocess.run(["stat", "-c", "%G", control.path], capture_output=True, text=True).stdout.strip()
    try:
        for parent, mode in modes:
            parent.chmod(mode | 0o5)
        result = subprocess.run([public_agentctl, "--socket", control.path, "status"], env=clean_environment(),
                                capture_output=True, text=True, timeout=20, preexec_fn=become_nobody)
    finally:
        for parent, mode in modes:
            parent.chmod(mode & 0o7777)
    assert result.returncode == NOT_PERMITTED, result
    assert f"group {group}" in result.stderr and result.stderr.count("\n") == 1


def test_full_disk(binary, control):
    with open("/dev/full", "w") as full:
        result = subprocess.run([binary, "--socket", control.path, "status"], stdout=full,
                                stderr=subprocess.PIPE, text=True, env=clean_environment(), timeout=20)
    assert result.returncode == FAILED and "can't write" in result.stderr


# --- Terminals -----------------------------------------------------------------------------------


def test_colors(binary, control):
    command = [binary, "--socket", control.path, "status"]
    output, status = on_terminal(command)
    assert status == OK and "\x1b[32m" in output
    plain = COLOR.sub("", output)
    assert_fits(output)
    for arguments, environment in (
        (["--no-color"], {}), ([], {"NO_COLOR": "1"}), ([], {"TERM": "dumb"}), ([], {"TERM": ""})):
        output, _ = on_terminal(command + arguments, environment=environment)
        assert output == plain, (arguments, environment)
    assert "\x1b[32m" in on_terminal(command, environment={"NO_COLOR": ""})[0]
    piped = subprocess.run(command, capture_output=True, env=clean_environment(), timeout=20).stdout.decode()
    assert piped == plain


@pytest.mark.parametrize("columns", [40, 60, 80, 200])
@pytest.mark.parametrize("verb", ["events", "health", "metrics", "help"])
def test_narrow_terminals(binary, control, verb, columns):
    output, status = on_terminal([binary, "--socket", control.path, verb], columns=columns)
    assert status == OK
    assert_fits(output, max(columns, 60 if verb in ("health", "metrics") else columns))


@pytest.mark.parametrize("locale", ["C.UTF-8", "C"])
def test_hostile_text(binary, control, locale):
    """Whatever a worker says of itself, the terminal sees text in 80 columns."""
    hostile = {**worker(1), "status": HOSTILE, "last_exit": HOSTILE, "state": HOSTILE}
    control.get("/v1/status", 200, {
        **STATUS, "instance_id": HOSTILE, "version": HOSTILE[:30], "state": HOSTILE[:20],
        "apps": [app("visitor-board", [hostile, worker(2)])],
        "publish": {**STATUS["publish"], "last_error": HOSTILE, "target": HOSTILE}})
    control.get("/v1/health", 200, {**HEALTH, "status": HOSTILE, "state": HOSTILE, "instanceId": HOSTILE,
                                    "apps": [{"name": HOSTILE}]})
    control.get("/v1/events", 200, {**EVENTS, "events": [
        {**EVENTS["events"][0], "text": HOSTILE, "event": HOSTILE[:20], "time": HOSTILE}]})
    control.get("/v1/config", 200, {"schema_version": 1, "text": HOSTILE})
    for verb in ("status", "health", "events", "config show"):
        output, code = on_terminal([binary, "--socket", control.path, *verb.split()],
                                   environment={"LC_ALL": locale})
        assert code == OK
        assert_harmless(output)
        if verb in ("status", "health"):
            assert_fits(output)
        if locale == "C":
            assert output.isascii()
    # and the facts beside it stay readable
    output, _ = on_terminal([binary, "--socket", control.path, "status", "--no-color"])
    assert re.search(r"^ +2 +ready +4002 ", output, re.M)


# --- Completion ----------------------------------------------------------------------------------

SCRIPT = Path(__file__).resolve().parents[2] / "ctl" / "agentctl.bash"


def complete(binary, control, line):
    """What bash would offer behind |line|, whose last word is being typed."""
    words = re.findall(r"=|[^\s=]+", line) + ([""] if line.endswith(" ") else [])
    program = f"""
        source {SCRIPT}
        PATH={os.path.dirname(binary)}:$PATH
        COMP_WORDS=({" ".join(f"'{word}'" for word in words)})
        COMP_CWORD={len(words) - 1}
        _agentctl
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    result = subprocess.run(["bash", "--norc", "-c", program], capture_output=True, text=True, timeout=20,
                            env=clean_environment(AGENTCTL_SOCKET=control.path))
    assert result.stderr == ""
    return result.stdout.split()


@pytest.mark.parametrize("line, offers", [
    ("agentctl ", ["status", "top", "health", "metrics", "cost", "events", "logs", "config", "restart", "reload",
                   "scale", "drain", "undrain", "stress", "upgrade", "load", "watch", "version", "help"]),
    ("agentctl re", ["restart", "reload"]),
    ("agentctl --json re", ["restart", "reload"]),
    ("agentctl --socket /x re", ["restart", "reload"]),
    ("agentctl --socket=/x re", ["restart", "reload"]),
    ("agentctl config ", ["check", "show"]),
    ("agentctl config s", ["show"]),
    ("agentctl config show ", []),
    ("agentctl status ", []),
    ("agentctl status --j", ["--json"]),
    ("agentctl restart --", ["--socket", "--json", "--no-color", "--help", "--core", "--wait", "--timeout"]),
    ("agentctl config check --conf", ["--config", "--config-dir"]),
    ("agentctl restart ", ["visitor-board", "visitor-board.1", "visitor-board.2", "api", "api.1"]),
    ("agentctl logs -n 5 api", ["api", "api.1"]),
    ("agentctl restart --wait visitor-board.", ["visitor-board.1", "visitor-board.2"]),
    ("agentctl restart api ", []),
    ("agentctl restart --timeout ", []),
    ("agentctl events -n ", []),
    ("agentctl help ver", ["version"]),
    ("agentctl nonsense --", ["--socket", "--json", "--no-color", "--help"]),
])
def test_completion(binary, control, line, offers):
    assert complete(binary, control, line) == offers


def test_completion_of_paths(binary, control, tmp_path):
    (tmp_path / "file.conf").touch()
    (tmp_path / "folder.d").mkdir()
    both = {str(tmp_path / "file.conf"), str(tmp_path / "folder.d")}
    assert set(complete(binary, control, f"agentctl config check --config {tmp_path}/f")) == both
    assert set(complete(binary, control, f"agentctl config check --config={tmp_path}/f")) == both
    assert complete(binary, control, f"agentctl config check --config-dir {tmp_path}/f") == [str(tmp_path / "folder.d")]
