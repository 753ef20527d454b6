# SPDX-License-Identifier: Apache-2.0
"""The alarms, as resources of a template."""

import json
import re

MINUTE = 60
WINDOWS_A_MINUTE = 6  # of 10 s: observe.window's default
ERRORS_MAX = 5  # a minute
LATENCY_MAX_MS = 500
PLAIN = re.compile(r"[A-Za-z][\w/-]*")  # YAML's text without quotes


class Raw(str):
    """YAML as it stands, such as "!Ref Fleet"."""


def yaml_value(text):
    """"${Fleet}" -> !Ref Fleet; "${Targets.TargetGroupFullName}" -> !GetAtt ..."""
    match = re.fullmatch(r"\$\{([\w.]+)\}", text)
    if not match:
        return text
    return Raw(("!GetAtt " if "." in match[1] else "!Ref ") + match[1])


def flow(value):
    """YAML of dicts, lists and scalars in one line: short, for a template passed by value may have 51,200 bytes."""
    if isinstance(value, dict):
        return "{%s}" % ", ".join(f"{key}: {flow(item)}" for key, item in value.items())
    if isinstance(value, list):
        return "[%s]" % ", ".join(flow(item) for item in value)
    plain = isinstance(value, Raw) or isinstance(value, str) and PLAIN.fullmatch(value)
    return value if plain else json.dumps(value)


def dump(resources):
    """The resources of a template; a property a line, and metric math an input a line."""
    lines = []
    for name, resource in resources.items():
        lines += [f"{name}:", f"  Type: {resource['Type']}", "  Properties:"]
        for key, value in resource["Properties"].items():
            if key == "Metrics":
                lines += [f"    {key}:", *(f"      - {flow(item)}" for item in value)]
            else:
                lines.append(f"    {key}: {flow(value)}")
    return lines


def metric(reference):
    namespace, name, dimensions = reference
    return {
        "Namespace": namespace,
        "MetricName": name,
        "Dimensions": [{"Name": key, "Value": yaml_value(text)} for key, text in dimensions.items()],
    }


def query(name, reference, stat, period=MINUTE):
    """One input of metric math."""
    return {"Id": name, "ReturnData": False, "MetricStat": {"Metric": metric(reference), "Period": period, "Stat": stat}}


def result(name, text, label):
    return {"Id": name, "Expression": text, "Label": label}


def alarm(name, description, what, threshold, out_of, *, missing="notBreaching", compare=">="):
    """`what`: {"Metrics": [...]}, or one metric with its statistic. `out_of`: (n, m) minutes."""
    operator = {">=": "GreaterThanOrEqualToThreshold", "<": "LessThanThreshold"}[compare]
    return {
        "Type": "AWS::CloudWatch::Alarm",
        "Properties": {
            "AlarmName": Raw('!Sub "${AWS::StackName}-%s"' % name),
            "AlarmDescription": description,
            **what,
            "ComparisonOperator": operator,
            "Threshold": threshold,
            "DatapointsToAlarm": out_of[0],
            "EvaluationPeriods": out_of[1],
            "TreatMissingData": missing,
            "AlarmActions": [Raw("!Ref AlertTopic")],
            "OKActions": [Raw("!Ref AlertTopic")],
        },
    }


def one(reference, stat, period=MINUTE):
    key = "ExtendedStatistic" if stat.startswith("p") else "Statistic"
    return {**metric(reference), key: stat, "Period": period}


def slow(metrics):
    return alarm(
        "p99", f"One of a hundred answers takes over {LATENCY_MAX_MS} ms. Look at pressure, steal and the table's latency.",
        one(metrics.agentd("RequestLatency", "p99"), "p99"), LATENCY_MAX_MS, (3, 5))


def throttled(metrics, table):
    return alarm(
        "throttled", "DynamoDB refuses reads or writes: the table's maximum or a hot partition. Visitors see errors.",
        {"Metrics": [
            query("reads", metrics.aws("AWS/DynamoDB", "ReadThrottleEvents", TableName=table), "Sum"),
            query("writes", metrics.aws("AWS/DynamoDB", "WriteThrottleEvents", TableName=table), "Sum"),
            result("events", "FILL(reads,0)+FILL(writes,0)", "throttled"),
        ]}, 1, (2, 5))


def dropped(metrics):
    return alarm(
        "metrics-lost", "A node has given up metrics: " + metrics.help("PublishDropped"),
        one(metrics.agentd("PublishDropped", "Sum"), "Sum"), 1, (1, 5))


def of_single_node(metrics, instance, table):
    return {
        "ErrorsAlarm": alarm(
            "5xx", "The app answers with 5xx. Look at agentctl events and journalctl -t visitor-board.1.",
            one(metrics.agentd("Errors5xx", "Sum"), "Sum"), ERRORS_MAX, (2, 3)),
        "LatencyAlarm": slow(metrics),
        "UnhealthyAlarm": alarm(
            "unhealthy", "EC2's status checks fail: the instance or its host. EC2 recovers it where it can.",
            one(metrics.aws("AWS/EC2", "StatusCheckFailed", InstanceId=instance), "Maximum"), 1, (2, 3)),
        "ThrottledAlarm": throttled(metrics, table),
        "SilentAlarm": alarm(
            "agent-silent", "agentd has sent nothing for five minutes: it, the node or its way to CloudWatch is down.",
            one(metrics.agentd("CPUUtilization", "SampleCount"), "SampleCount"), 1, (5, 5), missing="breaching",
            compare="<"),
        "LostAlarm": dropped(metrics),
    }


def of_fleet(metrics, group, targets, balancer, table):
    balancer_only = {"LoadBalancer": balancer}
    return {
        "ErrorsAlarm": alarm(
            "5xx", "Visitors get 5xx, of the app or of the load balancer. A refresh of the instances stops on it.",
            {"Metrics": [
                query("app", metrics.aws("AWS/ApplicationELB", "HTTPCode_Target_5XX_Count", **balancer_only), "Sum"),
                query("elb", metrics.aws("AWS/ApplicationELB", "HTTPCode_ELB_5XX_Count", **balancer_only), "Sum"),
                result("errors", "FILL(app,0)+FILL(elb,0)", "5xx"),
            ]}, ERRORS_MAX, (2, 3)),
        "LatencyAlarm": slow(metrics),
        "UnhealthyAlarm": alarm(
            "unhealthy", "A node fails its health check for three minutes; the group should have replaced it.",
            one(metrics.aws("AWS/ApplicationELB", "UnHealthyHostCount", TargetGroup=targets, LoadBalancer=balancer),
                "Maximum"), 1, (3, 3)),
        "ThrottledAlarm": throttled(metrics, table),
        "SilentAlarm": alarm(
            "agent-silent", "Fewer nodes report than are in service, for five minutes: an agentd is down, or its way to "
            "CloudWatch.",
            {"Metrics": [
                query("windows", metrics.agentd("PublishErrors", "SampleCount"), "SampleCount"),
                query("nodes", metrics.aws("AWS/AutoScaling", "GroupInServiceInstances", AutoScalingGroupName=group),
                      "Average"),
                # Each node has one sample of this count in each window.
                result("silent", f"nodes-FILL(windows,0)/{WINDOWS_A_MINUTE}", "silent nodes"),
            ]}, 0.9, (5, 5), missing="breaching"),
        "LostAlarm": dropped(metrics),
        "MaximumAlarm": alarm(
            "at-maximum", "The fleet is at its maximum size: it can't grow with more load, and this is what it may cost.",
            {"Metrics": [
                query("nodes", metrics.aws("AWS/AutoScaling", "GroupInServiceInstances", AutoScalingGroupName=group),
                      "Average"),
                query("most", metrics.aws("AWS/AutoScaling", "GroupMaxSize", AutoScalingGroupName=group), "Average"),
                result("full", "nodes/most", "share of the maximum"),
            ]}, 1, (10, 10)),
    }
