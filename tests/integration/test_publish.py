# SPDX-License-Identifier: Apache-2.0
"""
Publishing to CloudWatch against a service that verifies everything and misbehaves: numbers are exact,
nothing is lost, nothing is double but what is counted as ambiguous. Scenarios run side by side on a
stage (support/publish_stage.py); each test below tells what became of one. The fault table goes to
$AGENTD_LOGS/fault-table.txt.
"""

import math
import os
import random
import re
import signal
import time

import pytest

from support import processes
from support.aws_front import AMBIGUOUS, FAULTS
from support.daemon import wait_until
from support.fake_imds import INSTANCE, FakeImds
from support.publish_account import BOARD, counts_of, dimensions_of
from support.publish_stage import LATE_S, SCENARIOS, WINDOW_S, Stage, scenario

LIMIT_S = 3600 if os.environ.get("AGENTD_SOAK") == "1" else 300  # of the slowest, which all others wait for
SEED = int(os.environ.get("AGENTD_SEED", "0")) or random.randrange(1, 10_000)


@pytest.fixture(scope="module")
def stage(request, build, plain_build, storm, tmp_path_factory):
    """Starts the scenarios of the tests that were chosen."""
    chosen = [item.callspec.params["name"] for item in request.session.items if item.module is request.module]
    print(f"AGENTD_SEED={SEED}")
    stage = Stage(build, plain_build, storm, chosen, tmp_path_factory.mktemp("stage"))
    yield stage
    stage.close()


# --- Numbers -------------------------------------------------------------------------------------

ACCESS_LINE = re.compile(r"GET /(\d+) 200 (\d+) us")


def quantile(pairs, share):
    """The value at rank ceil(share * n) of (value, count) pairs."""
    pairs = sorted(pairs)
    rank = max(1, math.ceil(share * sum(count for _, count in pairs)))
    for value, count in pairs:
        rank -= count
        if rank <= 0:
            return value
    raise AssertionError("no values")


def raw_latencies(daemon):
    """The workers' own list, as (milliseconds, 1)."""
    logs = sorted((daemon.dir / "run" / "log").glob(f"{BOARD}.*"))
    return [(int(took) / 1000, 1) for path in logs for _, took in ACCESS_LINE.findall(path.read_text())]


def check_moto_has(node, account, name):
    """Per window: sum, count, minimum and maximum as boto3 gets them are those of the bodies."""
    expected = {}
    for datum in account.series(name):
        values = datum.get("Values")
        if values:
            counts = counts_of(datum)
            own = (math.fsum(v * c for v, c in zip(values, counts)), sum(counts), min(values), max(values))
        else:
            own = tuple(datum["StatisticValues"][key] for key in ("Sum", "SampleCount", "Minimum", "Maximum"))
        known = expected.get(datum["Timestamp"], (0, 0, math.inf, -math.inf))
        expected[datum["Timestamp"]] = (known[0] + own[0], known[1] + own[1], min(known[2], own[2]), max(known[3], own[3]))
    points = node.stage.moto.statistics(node.namespace, name, {"App": BOARD})
    assert set(points) == set(expected), name
    for stamp, (total, count, least, most) in expected.items():
        point = points[stamp]
        assert (point["SampleCount"], point["Minimum"], point["Maximum"]) == (count, least, most), (name, stamp)
        assert math.isclose(point["Sum"], total, rel_tol=1e-12), (name, stamp)  # added in another order


@scenario
def numbers(stage):
    """Over TLS: what the clients counted is what boto3 gets, and the quantiles are the workers' own."""
    delays = random.Random(SEED)
    front = stage.front(certificate=stage.certificate())
    worker = {"command": [str(stage.build / "tests/tools/delay-worker")], "workers": 2}
    node = stage.node("numbers", front=front, app=worker).start()

    def delayed(request_id):
        # From 0.1 ms to 0.6 s over more buckets than one datum takes values.
        return "GET", f"/{int(min(600_000, 100 + delays.lognormvariate(8.5, 1.6)))}", b""

    flow = node.load(make_request=delayed, clients_new=6, clients_kept=14, pause_s=0.01)
    time.sleep(stage.storm(3.5 * WINDOW_S, 600))
    node.rest()
    node.stop()
    account = node.check()
    assert len(account.windows()) >= 4
    raw = raw_latencies(node.daemon)
    assert len(raw) == flow.sent
    for name in ("RequestCount", "RequestLatency", "Errors4xx", "Errors5xx"):
        check_moto_has(node, account, name)
    latencies = account.latencies()
    assert len({value for value, _ in latencies}) > 150, "no datum had to be split"
    for share in (0.5, 0.9, 0.99):
        true, told = quantile(raw, share), quantile(latencies, share)
        print(f"p{share * 100:g}: {told:.3f} ms stored, {true:.3f} ms true, {100 * (told / true - 1):+.2f} %")
        assert abs(told / true - 1) <= 0.03, (share, told, true)
    for datum in account.data:
        assert dimensions_of(datum)["AutoScalingGroupName"] == "group of numbers"
        assert datum["StorageResolution"] == 1
    # Each window goes by itself, compressed, over a connection that is kept.
    assert len(front.stored) >= len(account.windows()) - 1
    assert all(record.zipped for record in front.stored)
    assert any(record.reused for record in front.stored)


@scenario
def flush_fixed(stage):
    """publish.flush = 30: windows of half a minute in one request; the first data by the end of the second flush."""
    node = stage.node("flush_fixed", publish={"flush": 30}).start()
    node.load()
    wait_until(lambda: len(node.front.stored) >= 2, 120, "two requests", 0.2)
    node.rest()
    node.stop()
    account = node.check()
    assert len(node.front.stored) <= len(account.windows()), "one request each window or more"
    second = [d["Timestamp"] for d in node.front.stored[1].request["MetricData"] if d["MetricName"] == "RequestCount"]
    assert second == sorted(second) and len(second) >= 2


# --- One fault at a time -------------------------------------------------------------------------


def says(publish, pattern):
    """Whether status tells of that error."""
    return publish["errors"] > 0 and publish["last_error"] and re.search(pattern, publish["last_error"])


def have_a_fault(stage, name, begin, end, *, may_double=False, health_s=0.25, status_says=None):
    """A window before it, some while it lasts, some after it; then SIGTERM."""
    node = stage.node(name, health_s=health_s).start()
    node.load()
    node.wait_stored(timeout_s=2.5 * WINDOW_S + 20)
    descriptors = node.descriptors()
    begin(node)
    time.sleep(stage.storm(22, 120))  # over the ends of two windows
    if status_says is not None:
        wait_until(lambda: says(node.publish(), status_says), LATE_S, f"status says {status_says}: {node.publish()}", 0.2)
    end(node)
    node.wait_stored(time.time())
    node.wait_empty()
    assert node.descriptors() <= descriptors + 4, "descriptors leak"
    node.rest()
    node.stop()
    return node, node.check(may_double)


def fault_scenario(kind, status_says=""):
    def run(stage):
        name = f"fault_{kind}"
        often = kind in ("black_hole", "slow", "refused", "drop_after_commit")
        node, account = have_a_fault(
            stage,
            name,
            lambda node: node.front.misbehave(kind),
            lambda node: node.front.behave(),
            may_double=kind in AMBIGUOUS,
            health_s=0.05 if often else 0.25,
            status_says=status_says,
        )
        if kind != "refused":
            assert node.front.counts[kind] > 0, "the fault never came"
        if kind == "throttled_retry_after":
            check_retry_after(node.front)

    run.__doc__ = FAULTS[kind].__doc__ if kind in FAULTS else "The port refuses."
    run.__name__ = f"fault_{kind}"
    scenario(run)


def check_retry_after(front):
    """Never earlier than the service has asked for."""
    attempts = front.attempts
    for (at_s, kind), (next_s, _) in zip(attempts, attempts[1:]):
        if kind == "throttled_retry_after":
            assert next_s - at_s >= front.retry_after_ms / 1000 - 0.1, attempts


for fault, said in {
    "500": "InternalServiceFault",
    "500_after_commit": "InternalServiceFault",
    "503": "503",
    "throttled": "Throttling",
    "throttled_retry_after": "Throttling",
    "denied": "AccessDenied",
    "garbage": "",
    "portal": "",
    "half_body": "",
    "half_after_commit": None,
    "slow": None,
    "drip": None,
    "close_idle": None,
    "black_hole": "",
    "drop_after_commit": "",
    "reset": "",
    "refused": "",
}.items():
    fault_scenario(fault, said)


def wrong_clock(stage, name, offset_s, code):
    def begin(node):
        node.front.skew_code = code
        node.front.clock_offset_s = offset_s

    def end(node):
        node.front.clock_offset_s = 0.0

    node, account = have_a_fault(stage, name, begin, end)
    # It corrects itself: nearly everything was stored at once, also when the clock came back.
    assert 1 <= node.front.counts[code] <= len(account.windows()) + 2, node.front.counts


@scenario
def fault_clock_behind(stage):
    """The service's clock is an hour behind ours."""
    wrong_clock(stage, "fault_clock_behind", -3600, "RequestTimeTooSkewed")


@scenario
def fault_clock_ahead(stage):
    """An hour ahead, and called as the JSON services call it."""
    wrong_clock(stage, "fault_clock_ahead", 3600, "InvalidSignatureException")


def use_endpoint(node, url):
    """Another publish.endpoint, in force after a reload."""
    publish = {**node.daemon.config["publish"], "endpoint": url}
    node.daemon.write_config({**node.daemon.config, "publish": publish})
    result = node.daemon.ctl("reload", "--wait", timeout_s=60)
    assert result.returncode == 0, result.stderr


@scenario
def fault_dns(stage):
    """The endpoint's name can't be looked up (its label is too long for any resolver to ask)."""
    have_a_fault(
        stage,
        "fault_dns",
        lambda node: use_endpoint(node, f"http://{'x' * 64}.test:{node.front.port}"),
        lambda node: use_endpoint(node, node.front.url),
        health_s=0.05,
        status_says="",
    )


@scenario
def refused_for_good(stage):
    """A window that the service calls wrong is dropped, alone, counted and told; the next ones go on."""
    node = stage.node("refused_for_good").start()
    node.load()
    node.wait_stored()
    node.front.once("invalid", "invalid")  # the first perhaps with several windows in it
    wait_until(lambda: node.front.counts["invalid"] >= 1, LATE_S, "a refusal", 0.2)
    node.wait_stored(time.time())
    node.wait_empty()
    node.rest()
    node.stop()
    account = node.account()
    lost = node.sent - int(account.sum("RequestCount"))
    assert lost > 0 and account.sum("PublishDropped", None) >= 1
    node.check(dropped=lost)
    assert "dropped" in node.daemon.log()


# --- Mixed, and deaths ---------------------------------------------------------------------------

MIX = {
    **{"500": 0.08, "500_after_commit": 0.08, "503": 0.06, "throttled": 0.05, "throttled_retry_after": 0.03},
    **{"garbage": 0.08, "half_body": 0.08, "half_after_commit": 0.06, "drip": 0.03, "slow": 0.03},
    **{"drop_after_commit": 0.08, "reset": 0.08, "refused_for_a_while": 0.06, "black_hole": 0.02},
}


def mixed_scenario(number):
    def mixed(stage):
        """All at random, each with a seed of its own; in the soak for ten minutes. Memory stays flat."""
        node = stage.node(f"mixed_{number}", health_s=0.05, plain=True)
        node.front.slow_s = 3
        node.start()
        node.load()
        node.wait_stored()
        descriptors = node.descriptors()
        node.front.mix(MIX, SEED + number)
        time.sleep(10)
        before_kib = processes.memory_kib(node.daemon.core_pid())[1]
        time.sleep(stage.storm(25, 600))
        node.front.behave()
        node.wait_stored(time.time())
        node.wait_empty()
        after_kib = processes.memory_kib(node.daemon.core_pid())[1]
        print(f"{node.name}: {before_kib} kB anonymous before, {after_kib} kB after; {dict(node.front.counts)}")
        assert after_kib <= before_kib + 1024
        assert node.descriptors() <= descriptors + 4
        node.rest()
        node.stop()
        node.check(may_double=True)

    mixed.__name__ = f"mixed_{number}"
    scenario(mixed)


for seed_number in (1, 2, 3):
    mixed_scenario(seed_number)


def kill_core(node):
    core = node.daemon.core_pid()
    os.kill(core, signal.SIGKILL)
    wait_until(lambda: node.daemon.core_pid() not in (0, core), 20, "another core")


@scenario
def core_killed(stage):
    """In an outage and while it ends: at random, at a window's end, and in the middle of a request."""
    node = stage.node("core_killed").start()
    node.health.paused = True  # a dead core answers late; the deaths' own tests have that
    node.load()
    node.wait_stored()
    node.front.misbehave("503")
    end_s = time.time() + 2 * WINDOW_S
    while time.time() < end_s:
        to_end_s = WINDOW_S - time.time() % WINDOW_S
        time.sleep(min(random.uniform(2, 5), to_end_s + random.uniform(0, 0.05)))
        kill_core(node)
    node.front.slow_s = 3
    for kind in ("ok", "slow", "ok"):  # killed when it has sent and before it has heard
        node.front.misbehave(kind)
        seen = len(node.front.stored)
        wait_until(lambda: len(node.front.stored) > seen, LATE_S, "a request is stored", 0.005)
        kill_core(node)
    node.front.behave()
    node.wait_stored(time.time())
    node.wait_empty()
    node.rest()
    node.stop()
    node.check(may_double=True)


@scenario
def holder_killed(stage):
    """The whole daemon dies in an outage, and again while it recovers. Closed windows are not lost."""
    node = stage.node("holder_killed").start()
    node.front.misbehave("503")
    for recovering in (False, True):
        node.load()
        time.sleep(4)
        node.settle()
        if recovering:
            node.front.behave()
            node.wait_stored()
        node.kill_holder()
        node.start()
    node.load()
    time.sleep(4)
    node.wait_stored(time.time() - WINDOW_S)
    node.wait_empty()
    node.rest()
    node.stop()
    node.check(may_double=True)


@scenario
def stop_sends_the_open_window(stage):
    """SIGTERM loses nothing: it sends, and where nobody answers it keeps, and the next start sends."""
    node = stage.node("stop_sends_the_open_window", publish={"stop_timeout": 3}).start()
    node.load()
    time.sleep(4)
    node.rest()
    node.stop()
    assert node.account().sum("RequestCount") == node.sent
    for kind in ("black_hole", "refused"):
        node.start()
        node.load()
        time.sleep(4)
        node.front.misbehave(kind)
        node.rest()
        node.stop()
        assert node.account().sum("RequestCount") < node.sent
        node.front.behave()
    node.start()
    node.wait_stored(time.time() - WINDOW_S)
    node.wait_empty()
    node.stop()
    node.check(may_double=True)


# --- Who the node is -----------------------------------------------------------------------------

FROM_IMDS = {"region": None, "asg_name": None}


def imds_node(stage, name, *, start_imds=True, publish=None, **options):
    """A node that knows nothing by itself."""
    front = stage.front()
    imds = FakeImds(front, **options)
    if start_imds:
        imds.start()
    # The front has the role's keys only; in the environment there are none.
    environment = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_SESSION_TOKEN": "", "AWS_REGION": ""}
    environment |= {"AWS_DEFAULT_REGION": "", "AWS_ENDPOINT_URL_AUTO_SCALING": front.url, **imds.environment()}
    node = stage.node(name, front=front, environment=environment, publish={**FROM_IMDS, **(publish or {})})
    node.imds = imds
    return node


def end_well(node, group):
    node.wait_empty()
    node.rest()
    node.stop()
    account = node.check()
    node.imds.stop()
    assert node.imds.violations == []
    assert {dimensions_of(d).get("AutoScalingGroupName") for d in account.data} == {group}
    return account


def waits_for(node, pattern):
    """Status says what is missing."""

    def said():
        publish = node.publish()
        return re.search(pattern, f"{publish['waiting_for']} {publish['last_error']}", re.IGNORECASE)

    wait_until(said, 60, f"status says {pattern}: {node.publish()}", 0.5)


@scenario
def imds_late(stage):
    """IMDS comes 20 s after the node: the windows wait, and all are there; with the instance's id too."""
    tags = {"aws:autoscaling:groupName": "blue & green"}
    node = imds_node(stage, "imds_late", start_imds=False, tags=tags, publish={"per_instance": True})
    node.imds.instance_type = "t3.micro"
    node.start()
    node.load()
    time.sleep(2 * WINDOW_S)
    assert node.front.attempts == [] and node.publish()["queued"] >= 1
    waits_for(node, "IMDS|instance|metadata")
    node.imds.start()
    node.wait_stored()
    node.wait_stored(time.time())
    # what the CPU costs on such an instance
    said = " ".join(node.daemon.ctl("stress", "on", "--load", "85").stdout.split())
    node.daemon.ctl("stress", "off")
    assert "a t3.micro earns 12 CPU credits an hour; 2 vCPUs at 85 % use 102." in said, said
    account = end_well(node, "blue & green")
    every = [dimensions_of(datum) for datum in account.everything]
    assert len(every) == 2 * len(account.data)
    assert {own["InstanceId"] for own in every if "InstanceId" in own} == {INSTANCE}


@scenario
def imds_role_missing(stage):
    """An instance without a role: status says so, data waits, and goes when somebody attaches one."""
    node = imds_node(stage, "imds_role_missing", tags={"aws:autoscaling:groupName": "blue"})
    role, node.imds.role = node.imds.role, None
    node.start()
    node.load()
    time.sleep(1.5 * WINDOW_S)
    waits_for(node, "credentials|role")
    assert node.front.stored == []
    node.imds.role = role
    node.wait_stored(timeout_s=2 * LATE_S)
    node.wait_stored(time.time())
    end_well(node, "blue")


@scenario
def imds_rotates(stage):
    """A slow IMDS that forgets its tokens, and credentials that expire at the service before their time."""
    node = imds_node(stage, "imds_rotates", tags={"aws:autoscaling:groupName": "blue"})
    node.imds.delay_s = 0.7
    node.start()
    node.load()
    node.wait_stored()
    for _ in range(2):
        node.imds.forget_tokens()
        node.imds.rotate()
        node.wait_stored(time.time())
    assert node.front.counts["ExpiredTokenException"] >= 2
    assert len({record.kind for record in node.front.stored}) == 1
    end_well(node, "blue")


@scenario
def imds_expired(stage):
    """IMDS hands out credentials that have expired by their date, as it does in an outage of its own: they are used."""
    node = imds_node(stage, "imds_expired", tags={"aws:autoscaling:groupName": "blue"}, lifetime_s=-600).start()
    node.load()
    node.wait_stored()
    node.imds.close_port()
    node.wait_stored(time.time())
    end_well(node, "blue")


@scenario
def group_by_auto_scaling(stage):
    """Tags are not in IMDS: Auto Scaling is asked for the group's name."""
    node = imds_node(stage, "group_by_auto_scaling", tags=None)
    node.front.groups[INSTANCE] = "green"
    node.start()
    node.load()
    node.wait_stored()
    node.wait_stored(time.time())
    assert node.front.counts["DescribeAutoScalingInstances"] >= 1
    end_well(node, "green")


# --- The tests -----------------------------------------------------------------------------------


@pytest.mark.limit(LIMIT_S)
@pytest.mark.parametrize("name", SCENARIOS)
def test_publishing(stage, name):
    stage.result(name)
