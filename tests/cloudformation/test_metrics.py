# SPDX-License-Identifier: Apache-2.0
"""Each widget, alarm and scaling policy looks at a metric that somebody publishes, by its true dimensions, and each
metric of agentd has its place."""

import re
import sys

import pytest
import support

sys.path.insert(0, str(support.FOLDER / "generator"))
import metrics  # noqa: E402 (the generator's list of AWS's metrics)

NAMESPACE = "VisitorBoard"
TABLE = support.metrics_table()
STATISTICS = {
    "gauge": {"Average", "Minimum", "Maximum", "SampleCount"},
    "count": {"Sum", "SampleCount"},
    "distribution": {"p50", "p90", "p99"},
}
# By which dimension a node's series go, as agent/publish/body.c has it: the group's where there is one.
NODE = {"single-node": "InstanceId", "scalable": "AutoScalingGroupName"}
# What a dimension's value must be: an attribute of a resource of this type.
VALUES = {
    "InstanceId": ("AWS::EC2::Instance", None),
    "AutoScalingGroupName": ("AWS::AutoScaling::AutoScalingGroup", None),
    "LoadBalancer": ("AWS::ElasticLoadBalancingV2::LoadBalancer", "LoadBalancerFullName"),
    "TargetGroup": ("AWS::ElasticLoadBalancingV2::TargetGroup", "TargetGroupFullName"),
    "TableName": ("AWS::DynamoDB::Table", None),
}


@pytest.fixture(params=support.NAMES)
def name(request):
    return request.param


@pytest.fixture
def template(name):
    return support.load(name)


def graphs(template):
    return [widget for widget in support.dashboard(template)["widgets"] if widget["type"] == "metric"]


def used(template):
    """(namespace, name, dimensions, statistic, period) of everything that is looked at."""
    for widget in graphs(template):
        for namespace, metric, dimensions, options in support.lines(widget):
            yield namespace, metric, dimensions, options["stat"], options.get("period", widget["properties"]["period"])
    for alarm in support.of_type(template, "AWS::CloudWatch::Alarm").values():
        yield from support.alarm_metrics(alarm)
    for policy in support.of_type(template, "AWS::AutoScaling::ScalingPolicy").values():
        tracking = policy["Properties"]["TargetTrackingConfiguration"]
        if "CustomizedMetricSpecification" in tracking:
            custom = tracking["CustomizedMetricSpecification"]
            dimensions = {item["Name"]: support.reference(item["Value"]) for item in custom["Dimensions"]}
            yield custom["Namespace"], custom["MetricName"], dimensions, custom["Statistic"], custom["Period"]


def test_the_table_is_read():
    assert TABLE["CPUUtilization"] == ("host", "gauge") and TABLE["RequestLatency"] == ("app", "distribution")
    source = (support.SOURCE / "common" / "schema" / "metrics.h").read_text()
    assert len(TABLE) == len(re.findall(r"^ {4}METRIC\(", source, re.MULTILINE))


def test_agentd_sends_these_dimensions():
    """What the tests below expect is what the code writes."""
    body = (support.SOURCE / "agent" / "publish" / "body.c").read_text()
    record = (support.SOURCE / "agent" / "publish" / "record.c").read_text()
    assert re.findall(r'append_dimension\(out, "(\w+)"', body) == ["AutoScalingGroupName", "InstanceId"]
    assert re.findall(r'record_dimension \w+ = {\.name = "(\w+)"', record) == ["App"]


def test_each_metric_is_published(template):
    for namespace, metric, dimensions, _, _ in used(template):
        if namespace == NAMESPACE:
            assert metric in TABLE
        else:
            assert tuple(dimensions) in metrics.AWS[namespace][metric]


def test_metrics_of_agentd_have_their_dimensions(name, template):
    seen = 0
    for namespace, metric, dimensions, statistic, period in used(template):
        if namespace != NAMESPACE:
            continue
        scope, kind = TABLE[metric]
        assert set(dimensions) == {NODE[name]} | ({"App"} if scope == "app" else set()), metric
        assert dimensions.get("App") in (None, "visitor-board")
        assert statistic in STATISTICS[kind], (metric, statistic)
        assert period % 10 == 0  # observe.window
        seen += 1
    assert seen > 0


def test_dimensions_are_resources_of_the_template(template):
    for _, metric, dimensions, _, _ in used(template):
        for dimension, value in dimensions.items():
            if dimension in ("App", "Operation"):
                continue
            resource, _, attribute = value.strip("<>").partition(".")
            assert value == f"<{value.strip('<>')}>", metric
            assert (template["Resources"][resource]["Type"], attribute or None) == VALUES[dimension], metric


def test_the_app_is_the_one_that_is_configured(template):
    assert re.search(r"^ *visitor-board: \{", support.user_data(template), re.MULTILINE)


def test_the_namespace_is_one(template):
    assert f"METRICS_NAMESPACE='{NAMESPACE}'\n" in support.user_data(template)
    assert {space for space, *_ in used(template) if not space.startswith("AWS/")} == {NAMESPACE}


def test_aws_publishes_nothing_below_a_minute(template):
    for namespace, metric, _, _, period in used(template):
        assert namespace == NAMESPACE or period % 60 == 0, metric


def test_each_metric_of_agentd_is_shown(template):
    shown = {metric for widget in graphs(template) for space, metric, _, _ in support.lines(widget) if space == NAMESPACE}
    assert shown == set(TABLE)


def test_operations_are_those_of_the_board(template):
    """DynamoDB's latency goes by operation: by those that the board calls."""
    shown = {dimensions["Operation"] for _, _, dimensions, _, _ in used(template) if "Operation" in dimensions}
    sources = (support.SOURCE / "apps" / "visitor-board").glob("store-dynamodb*.c")
    called = set(re.findall(r'(?:link_call|read_send)\([^;"]*"(\w+)"', "".join(path.read_text() for path in sources)))
    assert shown == called != set()


def test_the_group_sends_what_is_looked_at():
    """Auto Scaling publishes only what the group names."""
    template = support.load("scalable")
    (collection,) = support.only(template, "AWS::AutoScaling::AutoScalingGroup")["Properties"]["MetricsCollection"]
    looked_at = {metric for namespace, metric, *_ in used(template) if namespace == "AWS/AutoScaling"}
    assert set(collection["Metrics"]) == looked_at


def test_expressions_name_their_inputs(template):
    inputs = [[line[-1] if isinstance(line[-1], dict) else {} for line in widget["properties"]["metrics"]]
              for widget in graphs(template)]
    inputs += [[{"id": query["Id"], "expression": query.get("Expression", "")} for query in alarm["Properties"]["Metrics"]]
               for alarm in support.of_type(template, "AWS::CloudWatch::Alarm").values() if "Metrics" in alarm["Properties"]]
    seen = 0
    for entries in inputs:
        ids = [entry["id"] for entry in entries if "id" in entry]
        assert len(ids) == len(set(ids)) and all(re.fullmatch(r"[a-z]\w*", text) for text in ids)
        for entry in entries:
            for word in re.findall(r"\b[a-z]\w*", entry.get("expression", "")):
                assert word in ids
                seen += 1
    assert seen > 0


def test_widgets_fill_the_grid(template):
    taken = set()
    for widget in support.dashboard(template)["widgets"]:
        cells = {(x, y) for x in range(widget["x"], widget["x"] + widget["width"])
                 for y in range(widget["y"], widget["y"] + widget["height"])}
        assert not cells & taken and all(x < 24 for x, _ in cells)
        taken |= cells
    assert len(taken) == 24 * (max(y for _, y in taken) + 1)  # no holes


def test_dashboard_is_free(template):
    """Three dashboards with up to 50 metrics each are."""
    assert sum(len(list(support.lines(widget))) for widget in graphs(template)) <= 50


def test_alarms_are_shown_and_heard(template):
    alarms = support.of_type(template, "AWS::CloudWatch::Alarm")
    (widget,) = [widget for widget in support.dashboard(template)["widgets"] if widget["type"] == "alarm"]
    assert widget["properties"]["alarms"] == [f"<{alarm}.Arn>" for alarm in alarms]
    for alarm in alarms.values():
        assert alarm["Properties"]["AlarmActions"] == alarm["Properties"]["OKActions"] == [{"Ref": "AlertTopic"}]


def test_the_alarms_that_there_must_be(template):
    alarms = {alarm["Properties"]["AlarmName"]["Fn::Sub"].removeprefix("${AWS::StackName}-"): alarm["Properties"]
              for alarm in support.of_type(template, "AWS::CloudWatch::Alarm").values()}
    assert set(alarms) >= {"5xx", "p99", "unhealthy", "throttled", "agent-silent"}
    for key, alarm in alarms.items():
        # Nothing said is what a silent agent says; elsewhere it is that nothing happened.
        assert alarm["TreatMissingData"] == ("breaching" if key == "agent-silent" else "notBreaching")
        assert alarm["DatapointsToAlarm"] <= alarm["EvaluationPeriods"]


@pytest.mark.parametrize("wrong", [("RequestLatencies", "p99"), ("RequestCount", "Average"), ("CPUUtilization", "Sum")])
def test_the_generator_refuses(wrong):
    table = '[{"name":"RequestCount","kind":"count","scope":"app"},{"name":"CPUUtilization","kind":"gauge","scope":"host"}]'
    source = metrics.Metrics(table, ("InstanceId", "${Node}"))
    with pytest.raises((KeyError, ValueError)):
        source.agentd(*wrong)
    with pytest.raises(ValueError):
        source.aws("AWS/EC2", "StatusCheckFailed", AutoScalingGroupName="${Fleet}")


def test_the_policy_waits_until_a_new_node_reports():
    """The group's average is of those that report. A node that is reckoned with before it does counts as busy as the rest, and
    more come than are needed. So it is not while it may still be installing."""
    group = support.only(support.load("scalable"), "AWS::AutoScaling::AutoScalingGroup")["Properties"]
    assert group["DefaultInstanceWarmup"] >= group["HealthCheckGracePeriod"]


def test_the_policy_asks_for_the_unit_that_is_sent():
    template = support.load("scalable")
    (custom,) = [policy["Properties"]["TargetTrackingConfiguration"]["CustomizedMetricSpecification"]
                 for policy in support.of_type(template, "AWS::AutoScaling::ScalingPolicy").values()
                 if "CustomizedMetricSpecification" in policy["Properties"]["TargetTrackingConfiguration"]]
    source = (support.SOURCE / "common" / "schema" / "metrics.h").read_text()
    (unit,) = re.findall(rf'METRIC\(\s*\w+, "{custom["MetricName"]}", \w+, \w+, "(\w+)"', source)
    assert custom["Unit"] == unit
