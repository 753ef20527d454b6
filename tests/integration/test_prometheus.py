# SPDX-License-Identifier: Apache-2.0
"""/metrics: what Prometheus reads is well-formed by its own tool, and true."""

import re
import shutil
import subprocess

import pytest

from support.daemon import free_port, wait_until

BOARD = "visitor-board"
SAMPLE = re.compile(r'(agentd_[a-z0-9_]+)(?:\{((?:[a-z]+="(?:[^"\\]|\\.)*",?)+)\})? (\S+)')
LABEL = re.compile(r'([a-z]+)="((?:[^"\\]|\\.)*)"')


@pytest.fixture
def scraped(agentd):
    """An agentd with a port for Prometheus."""
    daemon = agentd({"prometheus": {"listen": f"127.0.0.1:{free_port()}"}})
    daemon.prometheus_port = int(daemon.config["prometheus"]["listen"].split(":")[1])
    return daemon


def scrape(daemon):
    answer = daemon.request(path="/metrics", port=daemon.prometheus_port)
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return answer.text


def samples(text):
    """{(name, (label, value), ...): number}; each line is a sample, a comment, or a failure."""
    found = {}
    for line in text.splitlines():
        if line.startswith(("# HELP ", "# TYPE ")):
            continue
        match = SAMPLE.fullmatch(line)
        assert match, line
        key = (match[1], *LABEL.findall(match[2] or ""))
        assert key not in found, line
        found[key] = float(match[3])
    return found


def test_promtool_has_no_complaint(scraped):
    promtool = shutil.which("promtool")
    if not promtool:
        pytest.skip("no promtool (Debian: package prometheus)")
    scraped.request()
    result = subprocess.run(
        [promtool, "check", "metrics"], input=scrape(scraped), capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_families_stand_together(scraped):
    """Each has one HELP and one TYPE, before its samples, and all of its samples follow."""
    seen, current = set(), None
    for line in scrape(scraped).splitlines():
        if line.startswith("# HELP "):
            current = line.split()[2]
            assert current not in seen
            seen.add(current)
        elif line.startswith("# TYPE "):
            assert line.split()[2] == current
        else:
            name = SAMPLE.fullmatch(line)[1]
            assert name == current or re.sub("_(bucket|sum|count)$", "", name) == current


def test_numbers_are_those_of_status(scraped):
    for number in range(30):
        scraped.request(path="/" if number % 3 else f"/no-such-{number}")
    wait_until(lambda: scraped.status()["apps"][0]["requests"]["total"] == 30, 5, "all in status")
    status, found = scraped.status(), samples(scrape(scraped))
    (app,) = status["apps"]
    label = ("app", BOARD)
    for name in ("2xx", "3xx", "4xx", "5xx"):
        assert found["agentd_app_requests_total", label, ("class", name)] == app["requests"][name]
    assert found["agentd_app_requests_total", label, ("class", "4xx")] == 10
    assert found["agentd_app_request_duration_seconds_count", label] == 30
    assert found["agentd_app_request_duration_seconds_bucket", label, ("le", "+Inf")] == 30
    assert 0 < found["agentd_app_request_duration_seconds_sum", label] < 30
    buckets = [n for key, n in found.items() if key[0] == "agentd_app_request_duration_seconds_bucket"]
    assert buckets == sorted(buckets)
    assert found["agentd_app_workers", label, ("state", "ready")] == app["ready"] == 2
    assert found["agentd_app_workers_wanted", label] == 2
    assert found["agentd_build_info", ("version", status["version"])] == 1
    assert found["agentd_healthy",] == 1
    assert found["agentd_node_state", ("state", "serving")] == 1
    assert found["agentd_core_restarts_total",] == 0
    assert 0 < found["agentd_memory_utilization_ratio",] < 1
    assert 0 < found["agentd_disk_utilization_ratio",] < 1


def test_totals_go_on_over_cores(scraped):
    for _ in range(10):
        scraped.request()
    wait_until(lambda: scraped.status()["apps"][0]["requests"]["total"] == 10, 5, "all in status")
    assert scraped.ctl("restart", "--core", "--wait").returncode == 0
    key = ("agentd_app_requests_total", ("app", BOARD), ("class", "2xx"))
    found = wait_until(lambda: samples(scrape(scraped)), 5, "metrics of the next core")
    assert found[key] == 10
    assert found["agentd_core_restarts_total",] == 1


def test_what_else_is_asked_for(scraped):
    head = scraped.request("HEAD", "/metrics", port=scraped.prometheus_port)
    assert (head.status, head.body) == (200, b"")
    assert scraped.request("POST", "/metrics", port=scraped.prometheus_port).status == 405
    for path in ("/", "/health", "/v1/status", "/v1/config"):
        assert scraped.request(path=path, port=scraped.prometheus_port).status == 404


def test_control_socket_answers_too(agentd):
    daemon = agentd()  # without a port for it
    answer = daemon.control("GET", "/metrics")
    assert answer.status == 200
    assert samples(answer.text)["agentd_app_workers_wanted", ("app", BOARD)] == 2
