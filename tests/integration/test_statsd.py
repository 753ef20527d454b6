# SPDX-License-Identifier: Apache-2.0
"""
StatsD: what apps send arrives in the published windows, or is counted as dropped; whoever sends what,
and whoever is killed meanwhile.
"""

import math
import os
import random
import re
import signal
import socket
import stat
import subprocess
import time
from pathlib import Path

import pytest

from support.daemon import free_port, wait_until

BOARD = "visitor-board"
ACCURACY = 0.03  # of a timer's quantiles
OWN_DIMENSIONS = {"AutoScalingGroupName", "InstanceId"}


class Client:
    """A client of one agentd's StatsD: over UDP, or over a unix socket."""

    def __init__(self, address):
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.connect(address)

    def send(self, *lines):
        """One datagram."""
        self.socket.send(b"\n".join(line.encode() if isinstance(line, str) else line for line in lines))

    def close(self):
        self.socket.close()


@pytest.fixture
def statsd(agentd):
    """A factory: an agentd with a UDP socket for StatsD, and a client of it."""
    clients = []

    def start(**settings):
        port = free_port()
        daemon = agentd({"statsd": {"listen": [f"127.0.0.1:{port}"], **settings}})
        clients.append(Client(("127.0.0.1", port)))
        return daemon, clients[-1]

    yield start
    for client in clients:
        client.close()


def environment_of(pid):
    items = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return dict(item.decode().split("=", 1) for item in items if b"=" in item)


def own(datum):
    """A datum's dimensions without the node's."""
    pairs = {pair["Name"]: pair["Value"] for pair in datum.get("Dimensions", [])}
    return {name: value for name, value in pairs.items() if name not in OWN_DIMENSIONS}


def all_data(daemon):
    """Every published datum of a StatsD metric; the agent's own have capitals."""
    names = set(re.findall(r'"MetricName":"((?:[^"\\]|\\.)*)"', daemon.metrics_path.read_text()))
    names = {name.encode().decode("unicode_escape") for name in names}
    return [datum for name in names if not name[:1].isupper() for datum in daemon.metric_data(name)]


def dropped(daemon):
    return daemon.metric_sum("StatsdDropped")


# --- The sockets: the holder's part alone --------------------------------------------------------


def test_worker_learns_where_to_send(agentd, tmp_path):
    port = free_port()
    daemon = agentd({"statsd": {"listen": [str(tmp_path / "s"), f"[::]:{port}"]}})
    environment = environment_of(daemon.worker_pids()[0])
    assert (environment["STATSD_HOST"], environment["STATSD_PORT"]) == ("127.0.0.1", str(port))


def test_apps_own_environment_wins(agentd):
    daemon = agentd(start=False)
    board = daemon.config["apps"][BOARD]
    board["environment"].append("STATSD_HOST=192.0.2.1")
    daemon.write_config({"statsd": {"listen": [f"127.0.0.1:{free_port()}"]}, "apps": {BOARD: board}})
    daemon.start()
    assert environment_of(daemon.worker_pids()[0])["STATSD_HOST"] == "192.0.2.1"


def test_worker_is_told_nothing_without_udp(agentd, tmp_path):
    daemon = agentd({"statsd": {"listen": [str(tmp_path / "s")]}})
    assert "STATSD_HOST" not in environment_of(daemon.worker_pids()[0])


def test_udp_and_tcp_may_have_one_port(agentd):
    port = free_port()
    daemon = agentd({"statsd": {"listen": [f"127.0.0.1:{port}"]}, "prometheus": {"listen": f"127.0.0.1:{port}"}})
    assert daemon.request(path="/metrics", port=port).status == 200
    assert daemon.ctl("reload").returncode == 0
    Client(("127.0.0.1", port)).send("hits:1|c")  # not refused
    assert daemon.health().status == 200


def test_port_in_use_is_said(agentd):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
        daemon = agentd({"statsd": {"listen": [f"127.0.0.1:{port}"]}}, wait=False)
        assert daemon.wait_exit() == 1
        assert f"can't listen on 127.0.0.1:{port}: Address already in use" in daemon.log()


def test_unix_socket_takes_everybody(agentd, tmp_path):
    path = tmp_path / "s"
    daemon = agentd({"statsd": {"listen": [str(path)]}})
    status = path.stat()
    assert stat.S_ISSOCK(status.st_mode) and status.st_mode & 0o777 == 0o666
    Client(str(path)).send("hits:1|c")
    assert daemon.stop() == 0
    assert not path.exists()


def test_reload_does_not_move_the_sockets(agentd):
    port, other = free_port(), free_port()
    daemon = agentd({"statsd": {"listen": [f"127.0.0.1:{port}"]}})
    core = daemon.core_pid()
    daemon.write_config({"statsd": {"listen": [f"127.0.0.1:{other}"]}})
    result = daemon.ctl_json("reload")
    assert "statsd.listen" in result["needs_restart"]
    os.kill(core, signal.SIGKILL)  # the next core gets the old ones too
    wait_until(lambda: daemon.core_pid() not in (0, core), 5, "another core")
    daemon.wait_healthy()
    bound = subprocess.run(["ss", "-Hlun"], capture_output=True, text=True, check=True).stdout
    assert f"127.0.0.1:{port} " in bound and f"127.0.0.1:{other} " not in bound


# --- The numbers: the core reads, and writes the series with each window -------------------------


def test_kinds(statsd):
    daemon, client = statsd()
    client.send("hits:1|c", "hits:2|c|@0.1", "hits:-5|c")
    client.send("level:10|g", "level:+5|g", "level:-3|g")
    client.send("size:7|h", "size:7|d", "wait:2.5|ms|@0.5")
    client.send("users:anna|s", "users:bert|s", "users:anna|s")
    client.send("_e{1,1}:a|b", "_sc|a|0", "")
    assert daemon.stop() == 0
    assert daemon.metric_sum("hits") == 1 + 20 - 5
    levels = [datum["StatisticValues"] for datum in daemon.metric_data("level")]
    assert sum(level["SampleCount"] for level in levels) == 3
    assert sum(level["Sum"] for level in levels) == 10 + 15 + 12
    assert max(level["Maximum"] for level in levels) == 15
    (wait,) = daemon.metric_data("wait")
    assert (wait["Unit"], wait["Values"], wait["Counts"]) == ("Milliseconds", [2.5], [2])
    assert daemon.metric_sum("size") == 14
    assert daemon.metric_sum("users") >= 2  # in two windows, if one ended meanwhile
    assert daemon.metric_data("users")[0]["Unit"] == "Count"
    assert dropped(daemon) == 0


@pytest.mark.limit(300)
def test_every_datagram_is_counted_or_dropped(statsd, storm):
    """At 100,000 datagrams a second, whatever the machine takes of them."""
    n, rate = storm(200_000, 6_000_000), 100_000
    daemon, client = statsd()
    started = time.monotonic()
    for sent in range(n):
        client.socket.send(b"hits:1|c")
        if sent % 100 == 99:
            time.sleep(max(0, started + sent / rate - time.monotonic()))
    seconds = time.monotonic() - started
    assert daemon.health().status == 200  # the flood starves nobody
    assert daemon.stop() == 0
    taken = daemon.metric_sum("hits")
    print(f"{n} datagrams in {seconds:.1f} s: {taken:.0f} taken, {dropped(daemon):.0f} dropped")
    assert taken + dropped(daemon) == n
    assert taken > 0


def test_what_the_kernel_drops_is_counted(statsd):
    """A core that doesn't read for a while: more comes than the socket holds."""
    n = 40_000
    daemon, client = statsd()
    core = daemon.core_pid()
    os.kill(core, signal.SIGSTOP)
    for _ in range(n):
        client.send("hits:1|c")
    os.kill(core, signal.SIGCONT)
    assert daemon.stop() == 0
    taken = daemon.metric_sum("hits")
    print(f"{n} datagrams: {taken:.0f} taken, {dropped(daemon):.0f} dropped")
    assert taken + dropped(daemon) == n
    assert taken > 0 and dropped(daemon) > 0


def test_timers_quantiles(statsd):
    daemon, client = statsd()
    generator = random.Random(1)
    values = [generator.lognormvariate(3, 1.5) for _ in range(5000)]
    for start in range(0, len(values), 20):
        client.send(*(f"wait:{value:.6f}|ms" for value in values[start : start + 20]))
        time.sleep(0.001)
    assert daemon.stop() == 0
    data = daemon.metric_data("wait")
    assert all(len(datum["Values"]) <= 150 for datum in data)
    seen = sorted((v, c) for datum in data for v, c in zip(datum["Values"], datum["Counts"]))
    assert sum(count for _, count in seen) == len(values)
    assert math.isclose(daemon.metric_sum("wait"), sum(values), rel_tol=1e-6)
    shown = [value for value, count in seen for _ in range(count)]
    for quantile in (0, 0.01, 0.25, 0.5, 0.9, 0.99, 0.999):
        rank = int(quantile * len(values))
        assert math.isclose(shown[rank], sorted(values)[rank], rel_tol=ACCURACY), quantile


def test_tags_that_are_allowed_become_dimensions(statsd):
    daemon, client = statsd(dimensions=["route", "method"])
    for number in range(20):
        client.send(f"hits:1|c|#method:GET,request:{number},route:/a")
    client.send("hits:1|c|#route:/b,route:/c", "hits:1|c|#route,method:", "hits:1|c|#InstanceId:i-1")
    assert daemon.stop() == 0
    sums = {}
    for datum in daemon.metric_data("hits"):
        key = tuple(sorted(own(datum).items()))
        sums[key] = sums.get(key, 0) + datum["StatisticValues"]["Sum"]
        assert len({pair["Name"] for pair in datum["Dimensions"]}) == len(datum["Dimensions"])
    assert sums == {(("method", "GET"), ("route", "/a")): 20, (("route", "/b"),): 1, (): 2}


def test_series_are_bounded(statsd):
    daemon, client = statsd(series_max=5)
    for number in range(20):
        client.send(f"series-{number}:1|c")
    client.send("series-0:1|c")
    assert daemon.stop() == 0
    assert {datum["MetricName"] for datum in all_data(daemon)} == {f"series-{n}" for n in range(5)}
    assert daemon.metric_sum("series-0") == 2
    assert dropped(daemon) == 15


def test_hostile_datagrams(statsd):
    """Nothing that CloudWatch would refuse gets through, as it refuses the whole request then."""
    daemon, client = statsd(dimensions=["tag"])
    bad = [
        "hits:nan|g", "hits:inf|c", "hits:1e400|c", "hits:1e200|g", "hits:1|c|@0", "hits:1|c|@2",
        ":1|c", " :1|c", "a:b:1|c", "hits|c", "hits:|c", "hits:1", "hits:0x1|c", "hits:1|", "n" * 256 + ":1|c",
        b"\0\0\0", b"hits:\xff|c",
    ]  # fmt: skip
    good = [
        "h\u00e9t\u20ac:1|c", b"raw\xff\xfe\x01\x1b[31m:1|c", 'quote"back\\slash:1|c', "n" * 255 + ":1|c",
        "tagged:1|c|#tag:\u00e9\x01\x02", "tagged:1|c|#tag:" + "v" * 200, "tagged:1|c|#tag:" + "v" * 5000,
        "tagged:1|c|#" + ",".join(f"t{n}:v" for n in range(1000)), "tagged:-1e84|g", "tagged:+1e84|g",
        "tagged:1e-300|ms",
    ]  # fmt: skip
    for line in bad + good:
        client.send(line)
    client.send(*["cut:1|c"] * 1250)  # 10,000 bytes: the lines that are whole count
    assert daemon.stop() == 0
    for datum in all_data(daemon):
        assert re.fullmatch(r"(?!:)[ -~]{1,255}", datum["MetricName"]), datum
        for name, value in own(datum).items():
            assert re.fullmatch(r"(?!:)[!-~]{1,255}", name) and re.fullmatch(r"[ -~]{1,1024}", value)
            assert value.strip() and not value.startswith(":")
        numbers = [*datum.get("Values", []), *datum.get("StatisticValues", {}).values()]
        assert all(number == 0 or 2.0**-360 <= abs(number) <= 2.0**360 for number in numbers), datum
    names = {datum["MetricName"] for datum in all_data(daemon)}
    assert names == {"h_t_", "raw____[31m", 'quote"back\\slash', "n" * 255, "tagged", "cut"}
    assert daemon.metric_sum("cut") == 8192 // len("cut:1|c\n")
    assert dropped(daemon) == len(bad) + 1  # the datagram that was cut


def test_datagrams_wait_for_the_next_core(statsd):
    daemon, client = statsd()
    core = daemon.core_pid()
    os.kill(core, signal.SIGSTOP)
    for _ in range(100):
        client.send("hits:1|c")
    os.kill(core, signal.SIGKILL)
    wait_until(lambda: daemon.core_pid() not in (0, core), 5, "another core")
    for _ in range(100):
        client.send("hits:1|c")
    daemon.wait_healthy()
    assert daemon.stop() == 0
    assert daemon.metric_sum("hits") == 200
    assert dropped(daemon) == 0


def test_unix_socket(agentd, tmp_path):
    """Its senders wait instead of losing datagrams."""
    n = 2000
    daemon = agentd({"statsd": {"listen": [str(tmp_path / "s")]}})
    client = Client(str(tmp_path / "s"))
    for _ in range(n):
        client.send("hits:1|c")
    client.close()
    assert daemon.stop() == 0
    assert daemon.metric_sum("hits") == n
    assert dropped(daemon) == 0
