# SPDX-License-Identifier: Apache-2.0
"""
agentctl's verbs against a stand-in for the daemon: what is asked, what is shown, exit codes. What can
go wrong is in test_agentctl_trouble.py.
"""

import copy
import json
import os
import re
import time

import pytest

from support.agentctl import (  # noqa: F401, F811: fixtures are among them
    app, assert_fits, assert_harmless, binary, CONFIG_TEXT, control, ctl, end, EVENTS, FAILED,
    follow, HEALTH, HOSTILE, NOT_HEALTHY, OK, on_terminal, read_lines, REFUSED, STATUS, TIMED_OUT,
    UNREACHABLE, USAGE, worker,
)

# --- Reading -------------------------------------------------------------------------------------


def test_status(ctl, control):
    result = ctl("status")
    assert result.returncode == OK and result.stderr == ""
    assert_fits(result.stdout)
    for text in ("agentd 0.1.0", "i-0123456789abcdef0", "serving", "pass", "up 3 d 4 h", "holder pid 4000",
                 "core pid 4001", "123 windows", "/var/lib/agentd/metrics.jsonl",
                 "visitor-board  1/2 ready", "12.3k requests, 102/s", "p50 1.23 ms", "p99 9.87 ms",
                 "last exit: killed by SIGKILL", "4.20 MiB", "12.3 %"):
        assert text in result.stdout, text
    assert control.requests == [("GET", "/v1/status", None)]
    # columns are aligned: the state begins where its title does
    lines = result.stdout.splitlines()
    title = next(line for line in lines if "SLOT  STATE" in line)
    row = next(line for line in lines if " ready " in line and "4001" in line)
    assert row.index("ready") == title.index("STATE")


def test_status_without_optional_parts(ctl, control):
    control.get("/v1/status", 200, {"schema_version": 1})
    result = ctl("status")
    assert result.returncode == OK
    control.get("/v1/status", 200, {**STATUS, "apps": [None, 5, {"workers": [7, None]}], "publish": {"sink": "none"}})
    result = ctl("status")
    assert result.returncode == OK and "not published" in result.stdout


def test_status_of_workers_whose_usage_is_unknown(ctl, control):
    control.get("/v1/status", 200, {**STATUS, "apps": [app("api", [worker(1, cpu_percent=None, memory_bytes=None)])]})
    lines = ctl("status").stdout.splitlines()
    title = re.split("  +", next(line for line in lines if "SLOT  STATE" in line).strip())
    row = re.split("  +", next(line for line in lines if " ready " in line and "4001" in line).strip())
    assert [row[title.index(name)] for name in ("CPU", "MEMORY")] == ["-", "-"], (title, row)


def test_status_of_an_app_without_scoreboard(ctl, control):
    control.get("/v1/status", 200, {**STATUS, "apps": [app("api", [worker(1)], requests=None,
                                                           requests_per_second=None)]})
    assert "not counted" in ctl("status").stdout


def test_status_names(ctl):
    assert ctl("status", "--names").stdout.split() == [
        "visitor-board", "visitor-board.1", "visitor-board.2", "api", "api.1"]


def test_long_names_and_large_numbers_fit(ctl, control):
    big = worker(96, pid=4194304, state="draining", since_s=10**9, cpu_percent=6399.9, in_flight=99999,
                 memory_bytes=2**44, requests=2**62, restarts=10**9)
    status = {**STATUS, "instance_id": "x" * 255,
              "apps": [app("a" * 31, [big], requests={k: 2**62 for k in ("total", "2xx", "3xx", "4xx", "5xx")},
                           requests_per_second=1e9, latency_ms={"p50": 1e6, "p99": 1e7}, crash_loop=True)],
              "publish": {**STATUS["publish"], "target": "/t" * 127, "last_error": "e" * 300, "errors": 2**60}}
    control.get("/v1/status", 200, status)
    result = ctl("status")
    assert result.returncode == OK
    assert "crash loop" in result.stdout
    assert_fits(result.stdout)


@pytest.mark.parametrize("verb", ["status", "metrics", "events", "health", "config show"])
def test_json_passes_through(ctl, binary, control, verb):
    result = ctl(*verb.split(), "--json")
    path = {"config show": "/v1/config"}.get(verb, f"/v1/{verb}")
    assert result.returncode == OK
    assert json.loads(result.stdout) == control.routes["GET", path][1]
    # the same answer gives the same bytes, on a terminal with colours too
    assert ctl(*verb.split(), "--json").stdout == result.stdout
    output, _ = on_terminal([binary, "--socket", control.path, *verb.split(), "--json"], columns=40)
    assert output == result.stdout


def test_health(ctl, control):
    result = ctl("health")
    assert result.returncode == OK and result.stdout.startswith("healthy  pass  serving")
    assert "visitor-board  2/2 workers ready" in result.stdout
    control.get("/v1/health", 503, {**HEALTH, "ok": False, "status": "fail", "state": "draining"})
    result = ctl("health")
    assert result.returncode == NOT_HEALTHY and "not healthy  fail  draining" in result.stdout
    assert ctl("health", "--json").returncode == NOT_HEALTHY
    control.get("/v1/health", 200, {**HEALTH, "status": "degraded"})
    result = ctl("health")
    assert result.returncode == OK and "healthy  degraded" in result.stdout
    control.get("/v1/health", 503, {"error": "starting"})
    result = ctl("health")
    assert result.returncode == UNREACHABLE and result.stdout == ""


def test_metrics(ctl):
    result = ctl("metrics")
    assert result.returncode == OK
    assert_fits(result.stdout)
    lines = result.stdout.splitlines()
    assert lines[0] == "windows of 10 s"
    assert [line for line in lines if not line.startswith(" ")][2:] == ["host", "visitor-board", "agentd"]
    cpu = next(line for line in lines if "CPUUtilization" in line)
    assert re.split(r"\s{2,}", cpu.strip()) == ["CPUUtilization", "12.5 %", "1.00 %", "10.0 %", "30.0 %", "10"]
    pressure = next(line for line in lines if "PressureCPU" in line)
    assert pressure.split() == ["PressureCPU", "-", "-", "-", "-", "-"]


def test_events(ctl, control):
    result = ctl("events")
    assert result.returncode == OK
    lines = result.stdout.splitlines()
    assert lines[0] == "(3 older events are no longer kept)"
    assert lines[1].startswith("11-21 22:25:16  worker-died visitor-board.2 (pid 4002): killed by SIGKILL")
    assert lines[2] == "11-21 22:25:17  core-started (pid 4001): the core serves again"
    assert control.requests[-1][1] == "/v1/events?since=0&limit=50"
    ctl("events", "-n", "7")
    assert control.requests[-1][1] == "/v1/events?since=0&limit=7"
    ctl("events", "--since", "7")
    assert control.requests[-1][1] == "/v1/events?since=7&limit=256"
    ctl("events", "--since", "7", "--lines=3")
    assert control.requests[-1][1] == "/v1/events?since=7&limit=3"


def test_events_wrap_on_a_terminal(binary, control):
    output, status = on_terminal([binary, "--socket", control.path, "events"])
    assert status == OK
    assert_fits(output)
    assert "\n" + " " * 18 in output


def test_events_with_last_lines(ctl, binary, control):
    """One line an event, unless they are asked for; a terminal is told that there are some."""
    died = {**EVENTS["events"][0], "lines": ["out of luck", HOSTILE]}
    control.get("/v1/events", 200, {**EVENTS, "events": [died, EVENTS["events"][1]]})
    assert len(ctl("events").stdout.splitlines()) == 3
    for option in ("--verbose", "-v"):
        lines = ctl("events", option).stdout.splitlines()
        assert lines[2] == "    | out of luck" and lines[3].startswith("    | ") and "core-started" in lines[4]
        assert "\x1b" not in lines[3]
    output, status = on_terminal([binary, "--socket", control.path, "events"])
    assert status == OK and "(--verbose shows what 1 dead worker wrote at last)" in output


@pytest.mark.parametrize("late", [2, 99])
def test_events_follow_waits_for_last_lines(binary, control, late):
    """The journal gives them after the death is known; a death that never has any is shown all the same."""
    looks = []

    def answer(body, path):
        since = int(re.search(r"since=(\d+)", path).group(1))
        looks.append(since)
        died = {**EVENTS["events"][0], "id": 9, **({"lines": ["late"]} if len(looks) == late else {})}
        events = [event for event in (died, {**EVENTS["events"][1], "id": 10}) if event["id"] > since]
        return 200, {**EVENTS, "lost": 0, "last_id": 10, "events": events}

    control.routes["GET", "/v1/events"] = lambda body, path: (
        (200, {**EVENTS, "lost": 0, "last_id": 8, "events": []}) if "since=0" in path else answer(body, path))
    process = follow(binary, control.path, "events", "--follow", "--verbose")
    wanted = ["worker-died", "    | late", "core-started"] if late == 2 else ["worker-died", "core-started"]
    lines = read_lines(process, len(wanted))
    assert all(word in line for word, line in zip(wanted, lines)), lines
    end(process)


def test_events_follow(binary, control):
    def answer(body, path):
        since = int(re.search(r"since=(\d+)", path).group(1))
        answers.append(since)
        if since == 9 and answers.count(9) == 1:
            return None  # the core restarts: hangs up once
        events = [{**EVENTS["events"][1], "id": i, "text": f"event {i}"} for i in range(since + 1, 11)]
        return 200, {**EVENTS, "lost": 0, "last_id": min(since + 1, 10) if since else 8, "events": events[:1]}

    answers = []
    control.routes["GET", "/v1/events"] = answer
    process = follow(binary, control.path, "events", "--follow", "--json")
    lines = [json.loads(line) for line in read_lines(process, 3)]
    assert [line["id"] for line in lines] == [1, 9, 10]
    assert "waiting for it" in end(process)
    assert answers[:4] == [0, 8, 9, 9]



# --- Logs ----------------------------------------------------------------------------------------


@pytest.fixture
def log_directory(control, tmp_path):
    directory = tmp_path / "logs"
    directory.mkdir()
    (directory / "visitor-board.1.log").write_text("".join(f"one {i}\n" for i in range(100)))
    (directory / "visitor-board.2.log").write_text("two 0\n" + HOSTILE + "\n")
    (directory / "api.1.log").write_text("api 0\n")
    control.get("/v1/status", 200, {**STATUS, "log_directory": str(directory)})
    return directory


def test_logs_of_one(ctl, log_directory):
    result = ctl("logs", "visitor-board.1", "-n", "2")
    assert result.returncode == OK and result.stdout == "one 98\none 99\n"
    assert len(ctl("logs", "visitor-board.1").stdout.splitlines()) == 50


def test_logs_of_an_app(ctl, log_directory):
    result = ctl("logs", "visitor-board", "-n", "1")
    lines = result.stdout.splitlines()
    assert result.returncode == OK and lines[0] == "visitor-board.1: one 99"
    assert lines[1].startswith("visitor-board.2: second line")
    assert_harmless(result.stdout)
    assert "api" not in result.stdout and "api.1: api 0" in ctl("logs").stdout


def test_logs_json(ctl, log_directory):
    lines = [json.loads(line) for line in ctl("logs", "visitor-board", "-n", "1", "--json").stdout.splitlines()]
    assert lines[0] == {"SYSLOG_IDENTIFIER": "visitor-board.1", "MESSAGE": "one 99"}
    assert lines[1]["MESSAGE"].startswith("second line")


def test_logs_follow(binary, control, log_directory):
    process = follow(binary, control.path, "logs", "api", "-f")
    assert read_lines(process, 1) == ["api 0"]
    with open(log_directory / "api.1.log", "a") as log:
        log.write("api 1\napi ")
    assert read_lines(process, 1) == ["api 1"]
    (log_directory / "api.1.log").rename(log_directory / "api.1.log.1")
    (log_directory / "api.1.log").write_text("api 3\n")
    assert read_lines(process, 2) == ["api ", "api 3"]
    end(process)


def test_logs_wrong(ctl, log_directory):
    result = ctl("logs", "nope")
    assert result.returncode == USAGE and "no app 'nope'; there is: visitor-board, api" in result.stderr
    result = ctl("logs", "api.9")
    assert result.returncode == FAILED and str(log_directory) in result.stderr


@pytest.fixture
def fake_journalctl(tmp_path):
    """A directory for PATH in which journalctl prints its arguments."""
    directory = tmp_path / "bin"
    directory.mkdir()
    script = directory / "journalctl"
    script.write_text('#!/bin/sh\necho "$*"\n')
    script.chmod(0o755)
    return {"PATH": f"{directory}:{os.environ['PATH']}"}


def test_logs_from_the_journal(ctl, control, fake_journalctl):
    assert ctl("logs", environment=fake_journalctl).stdout == (
        "--lines=50 -t agentd -t agentd-core -t visitor-board.1 -t visitor-board.2 -t api.1\n")
    assert ctl("logs", "visitor-board.2", "-f", "-n3", environment=fake_journalctl).stdout == (
        "--lines=3 --follow -t visitor-board.2\n")
    assert ctl("logs", "api", "--json", environment=fake_journalctl).stdout.startswith("--lines=50 --output=json")


def test_logs_when_the_daemon_is_down(ctl, tmp_path, fake_journalctl):
    result = ctl("logs", socket_path=tmp_path / "none", environment=fake_journalctl)
    assert result.returncode == OK and result.stdout == "--lines=50 -t agentd -t agentd-core\n"
    assert "not reachable" in result.stderr
    result = ctl("logs", "api", socket_path=tmp_path / "none", environment=fake_journalctl)
    assert " -t api.1 -t api.2 " in result.stdout and "-t api.96" in result.stdout


# --- Configuration -------------------------------------------------------------------------------

GOOD = 'apps: { web: { command = [ "/bin/true" ]; }; };\n'


def test_config_check(ctl, control, tmp_path):
    good = tmp_path / "good.conf"
    good.write_text(GOOD)
    result = ctl("config", "check", "--config", str(good))
    assert (result.returncode, result.stdout, result.stderr) == (OK, "ok: 1 app\n", "")
    bad = tmp_path / "bad.conf"
    bad.write_text("agent: {\n  log_levle = \"info\";\n};\n")
    result = ctl("config", "check", "--config", str(bad))
    assert result.returncode == USAGE and result.stdout == ""
    assert result.stderr.startswith(f"{bad}:2: ") and "log_levle" in result.stderr
    assert result.stderr.count("\n") == 1
    result = ctl("config", "check", "--config", str(tmp_path / "none"))
    assert result.returncode == USAGE and str(tmp_path / "none") in result.stderr
    assert control.requests == []


def test_config_check_json(ctl, tmp_path):
    good = tmp_path / "good.conf"
    good.write_text(GOOD)
    result = ctl("config", "check", "--json", "--config", str(good))
    assert json.loads(result.stdout) == {"schema_version": 1, "ok": True, "apps": 1, "error": None}
    result = ctl("config", "check", "--json", "--config", str(tmp_path / "none"))
    answer = json.loads(result.stdout)
    assert result.returncode == USAGE and not answer["ok"] and answer["apps"] is None and answer["error"]


def test_config_directory(ctl, tmp_path):
    """conf.d beside the file is read, unless --config-dir names another."""
    main = tmp_path / "agentd.conf"
    main.write_text(GOOD)
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "a.conf").write_text('apps: { other: { command = [ "/bin/true" ]; listen = [ ]; }; };\n')
    assert ctl("config", "check", "--config", str(main)).stdout == "ok: 2 apps\n"
    other = tmp_path / "empty"
    other.mkdir()
    assert ctl("config", "check", "--config", str(main), "--config-dir", str(other)).stdout == "ok: 1 app\n"


def test_config_show(ctl, control, tmp_path):
    result = ctl("config", "show")
    assert (result.returncode, result.stdout) == (OK, CONFIG_TEXT)
    good = tmp_path / "good.conf"
    good.write_text(GOOD)
    requests = len(control.requests)
    result = ctl("config", "show", "--config", str(good))
    assert result.returncode == OK and "/bin/true" in result.stdout and str(good) in result.stdout
    assert json.loads(ctl("config", "show", "--json", "--config", str(good)).stdout)["text"] == result.stdout
    assert len(control.requests) == requests


# --- Changing ------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments, body", [
    ([], {}),
    (["api"], {"app": "api"}),
    (["visitor-board.2"], {"app": "visitor-board", "slot": 2}),
    (["--core"], {"core": True}),
])
def test_restart_asks(ctl, control, arguments, body):
    result = ctl("restart", *arguments)
    assert result.returncode == OK
    assert result.stdout == ("restarting the core\n" if "core" in body else "restarting 2 workers\n")
    assert control.asked("POST") == [("/v1/restart", body)]


def test_restart_waits(ctl, control):
    looks = iter([(200, {"done": False, "failed": None}), None, (503, {"error": "starting"}),
                  (200, {"done": True, "failed": None})])
    control.routes["GET", "/v1/restart/5"] = lambda body, path: next(looks)
    result = ctl("restart", "--wait")
    assert (result.returncode, result.stdout) == (OK, "restarted 2 workers\n")
    result = ctl("restart", "--json")
    assert json.loads(result.stdout) == {"schema_version": 1, "restarting": 2, "token": 5}
    control.get("/v1/restart/5", 200, {"done": True, "failed": None})
    assert json.loads(ctl("restart", "--wait", "--json").stdout) == {
        "schema_version": 1, "restarting": 2, "token": 5, "done": True, "failed": None, "worker": None}


def test_restart_fails(ctl, control):
    control.get("/v1/restart/5", 200, {"done": True, "failed": "api.1 is not ready after 30 s"})
    result = ctl("restart", "--wait")
    assert result.returncode == FAILED and "api.1 is not ready after 30 s" in result.stderr
    control.get("/v1/restart/5", 404, {"error": "no such restart"})
    result = ctl("restart", "--wait", "--json")
    assert result.returncode == FAILED and json.loads(result.stdout)["failed"] == "no such restart"


def test_restart_times_out(ctl, control):
    control.get("/v1/restart/5", 200, {"done": False, "failed": None})
    began = time.monotonic()
    result = ctl("restart", "--timeout", "500ms")
    assert result.returncode == TIMED_OUT and 0.4 < time.monotonic() - began < 5
    assert "not done in time" in result.stderr and "restarted" not in result.stdout


def test_restart_core_waits_for_another(ctl, control):
    pids = iter([4001, 4001, None, 4099])

    def status(body, path):
        pid = next(pids)
        return pid and (200, {**STATUS, "core": {"pid": pid}})

    control.routes["GET", "/v1/status"] = status
    result = ctl("restart", "--core", "--wait")
    assert (result.returncode, result.stdout) == (OK, "restarted the core\n")


def test_restart_usage(ctl, control):
    result = ctl("restart", "--core", "api")
    assert result.returncode == USAGE and "not both" in result.stderr and control.requests == []


def test_reload(ctl, control):
    result = ctl("reload")
    assert (result.returncode, result.stdout) == (
        OK, "changed: apps.api.workers\nreloading api\nreloading web, after the roll that is under way\n")
    assert control.asked("POST") == [("/v1/reload", {})]
    assert ctl("reload", "--app", "api").returncode == OK
    assert control.asked("POST")[-1] == ("/v1/reload", {"app": "api"})
    control.post("/v1/reload", 200, {"schema_version": 1, "changed": [], "needs_restart": ["health.listen", "a.b"]})
    assert ctl("reload").stdout == "takes effect at a restart of agentd only: health.listen, a.b\n"
    control.post("/v1/reload", 200, {"schema_version": 1, "changed": [], "needs_restart": []})
    assert ctl("reload").stdout == "no key changed\n"
    assert json.loads(ctl("reload", "--json").stdout)["needs_restart"] == []


def test_reload_is_refused(ctl, control):
    control.post("/v1/reload", 409, {"error": "agentd is stopping", "refused": True})
    result = ctl("reload")
    assert (result.returncode, result.stderr) == (REFUSED, "agentctl: agentd is stopping\n")


def test_reload_of_a_bad_file(ctl, control):
    error = "/etc/agentd/agentd.conf:12: apps.api.workers: 99 is too many; 0 to 64"
    control.post("/v1/reload", 409, {"error": error})
    result = ctl("reload")
    assert (result.returncode, result.stdout, result.stderr) == (FAILED, "", error + "\n")


def test_reload_waits_for_the_workers(ctl, control):
    looks = iter([(200, {"done": False, "failed": None}), None, (200, {"done": True, "failed": None})])
    control.routes["GET", "/v1/restart/5"] = lambda body, path: next(looks)
    result = ctl("reload", "--wait")
    assert (result.returncode, result.stdout) == (
        OK, "changed: apps.api.workers\nreloaded api\nreloaded web\n")
    assert next(looks, None) is None
    control.get("/v1/restart/5", 200, {"done": False, "failed": None})
    assert ctl("reload", "--timeout", "300ms").returncode == TIMED_OUT
    control.get("/v1/restart/5", 200, {"done": True, "failed": "api: worker 3 (pid 7): exited with status 1"})
    result = ctl("reload", "--wait", "--json")
    assert result.returncode == FAILED and "other workers serve on; api: worker 3 (pid 7): exited" in result.stderr
    answer = json.loads(result.stdout)
    assert answer["done"] is False and answer["failed"].startswith("api: ")


WORKER = {"app": "api", "slot": 3, "pid": 7, "lines_due": False, "lines": []}


def failed(**worker):
    return 200, {"done": True, "failed": "api: worker 3 (pid 7): exited with status 1", "worker": {**WORKER, **worker}}


@pytest.mark.parametrize("verb", ["reload", "restart"])
def test_failed_roll_shows_the_last_lines(ctl, control, verb):
    """Also when they come a moment later, from the journal; and they can't pass for anything else."""
    lines = ["no such file: /etc/api.key", HOSTILE, "  giving up"]
    looks = iter([failed(lines_due=True), None, failed(lines_due=True), failed(lines=lines)])
    control.routes["GET", "/v1/restart/5"] = lambda body, path: next(looks)
    result = ctl(verb, "--wait")
    assert result.returncode == FAILED
    message, title, *shown = result.stderr.splitlines()
    assert message.endswith("the other workers serve on; api: worker 3 (pid 7): exited with status 1")
    assert title == "  last lines of api.3 (pid 7):"
    assert len(shown) == 3 and all(line.startswith("    | ") for line in shown)
    assert (shown[0], shown[2]) == ("    | no such file: /etc/api.key", "    |   giving up")
    assert "\x1b" not in result.stderr and "second line" in shown[1]
    looks = iter([failed(lines_due=True), failed(lines=lines)])
    answer = json.loads(ctl(verb, "--wait", "--json").stdout)
    assert answer["worker"]["lines"] == lines and answer["worker"]["slot"] == 3


def test_failed_roll_without_last_lines(ctl, control):
    """They are waited for, and not for ever; a worker that was never started has none."""
    control.get("/v1/restart/5", *failed(lines_due=True))
    result = ctl("reload", "--wait")
    assert result.returncode == FAILED
    assert result.stderr.splitlines()[1:] == ["  no last lines of api.3 (pid 7) were found"]
    control.get("/v1/restart/5", *failed(pid=None))
    assert len(ctl("reload", "--wait").stderr.splitlines()) == 1


def test_scale(ctl, control):
    assert ctl("scale", "api", "2").stdout == "api: 2 workers instead of 1\n"
    assert control.asked("POST") == [("/v1/scale", {"app": "api", "workers": 2})]
    ready = copy.deepcopy(STATUS)
    ready["apps"] = [app("api", [worker(1), worker(2)])]
    looks = iter([(200, STATUS), (200, ready)])
    control.routes["GET", "/v1/status"] = lambda body, path: next(looks)
    assert ctl("scale", "api", "2", "--wait").returncode == OK
    for words in (["api"], ["api.1", "2"], ["api", "65"], ["api", "two"]):
        assert ctl("scale", *words).returncode == USAGE, words


def test_drain(ctl, control):
    result = ctl("drain")
    assert result.stdout == "drained: /health says 503, the workers serve on\nit may cost\n"
    assert ctl("undrain").stdout == "already not drained: /health says how the node is\n"
    assert control.asked("POST") == [("/v1/drain", {}), ("/v1/undrain", {})]
    assert ctl("undrain", "--wait").returncode == OK
    assert json.loads(ctl("drain", "--json").stdout)["warning"] == "it may cost"


# --- Others --------------------------------------------------------------------------------------


def test_version(ctl, tmp_path):
    result = ctl("version")
    assert result.returncode == OK and re.fullmatch(r"agentctl \S+\nagentd   0.1.0\n", result.stdout)
    result = ctl("version", socket_path=tmp_path / "none")
    assert result.returncode == OK and "not reachable" in result.stdout
    answer = json.loads(ctl("version", "--json", socket_path=tmp_path / "none").stdout)
    assert answer["schema_version"] == 1 and answer["agentd"] is None and answer["agentctl"]


def test_help(ctl, control):
    general = ctl("help").stdout
    assert general == ctl("--help").stdout
    assert_fits(general)
    for verb in ("status", "config check", "restart"):
        assert re.search(rf"^  {verb} ", general, re.M)
        page = ctl(*verb.split(), "--help")
        assert page.returncode == OK and page.stdout.startswith(f"usage: agentctl {verb}")
        assert ctl("help", *verb.split()).stdout == page.stdout
        assert_fits(page.stdout)
    assert ctl("help", "nope").returncode == USAGE
    assert control.requests == []


@pytest.mark.parametrize("arguments, says", [
    ([], "no verb given; allowed: status, top, health"),
    (["stauts"], "did you mean 'status'?"),
    (["status", "--jsn"], "did you mean --json?"),
    (["status", "more"], "usage: agentctl status"),
    (["events", "-n", "many"], "a whole number is wanted"),
    (["stat\x1b[31mus\n"], "no verb 'stat[31mus '"),
])
def test_bad_usage(ctl, control, arguments, says):
    result = ctl(*arguments)
    assert result.returncode == USAGE and result.stdout == ""
    assert says in result.stderr and result.stderr.count("\n") == 1
    assert_harmless(result.stderr)
    assert control.requests == []
