# SPDX-License-Identifier: Apache-2.0
"""Reads templates as CloudFormation does, and the tables and sources that they are held against."""

import json
import os
import pathlib
import re

import yaml

SOURCE = pathlib.Path(os.environ.get("AGENTD_SOURCE", pathlib.Path(__file__).resolve().parents[2]))
FOLDER = SOURCE / "packaging" / "cloudformation"
NAMES = ("single-node", "scalable")


class Loader(yaml.SafeLoader):
    """SafeLoader, with CloudFormation's short forms as their long ones."""


def _function(loader, suffix, node):
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
        if suffix == "GetAtt":
            value = value.split(".", 1)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


Loader.add_multi_constructor("!", _function)


def path_of(name):
    return FOLDER / f"{name}.yaml"


def load(name):
    return yaml.load(path_of(name).read_text(), Loader)


def of_type(template, kind):
    return {name: item for name, item in template["Resources"].items() if item["Type"] == kind}


def only(template, kind):
    (item,) = of_type(template, kind).values()
    return item


def user_data(template, values=None):
    """The user data as an instance gets it, with `values` for the parameters."""
    parts = only(template, "AWS::EC2::LaunchTemplate")["Properties"]["LaunchTemplateData"]["UserData"]["Fn::Base64"]
    text = ""
    for part in parts["Fn::Join"][1]:
        text += part if isinstance(part, str) else substitute(part["Fn::Sub"], values or {})
    return text


def substitute(text, values):
    return re.sub(r"\$\{([^!}]+)\}", lambda match: values.get(match[1], f"<{match[1]}>"), text)


def dashboard(template):
    """The body: references stay as "<Fleet>", the CPU target is 50."""
    text = only(template, "AWS::CloudWatch::Dashboard")["Properties"]["DashboardBody"]["Fn::Sub"]
    return json.loads(substitute(text, {"CpuTarget": "50"}))


def lines(widget):
    """(namespace, name, dimensions, options) of each metric of a widget, with CloudWatch's short forms undone."""
    above, stat = [], widget["properties"]["stat"]
    for line in widget["properties"]["metrics"]:
        if isinstance(line[0], dict):
            continue
        *short, options = line
        names = [above[i] if text == "." else text for i, text in enumerate(short)]
        above = names
        yield names[0], names[1], dict(zip(names[2::2], names[3::2])), {"stat": stat, **options}


def reference(value):
    """{"Ref": "Fleet"} -> "<Fleet>", as in a dashboard."""
    if isinstance(value, str):
        return value
    if "Ref" in value:
        return f"<{value['Ref']}>"
    return f"<{'.'.join(value['Fn::GetAtt'])}>"


def alarm_metrics(alarm):
    """(namespace, name, dimensions, statistic, period) of each metric that an alarm looks at."""
    properties = alarm["Properties"]
    if "MetricName" in properties:
        yield (*_metric(properties), properties.get("Statistic") or properties["ExtendedStatistic"], properties["Period"])
    for query in properties.get("Metrics", []):
        if "MetricStat" in query:
            stat = query["MetricStat"]
            yield (*_metric(stat["Metric"]), stat["Stat"], stat["Period"])


def _metric(properties):
    dimensions = {item["Name"]: reference(item["Value"]) for item in properties["Dimensions"]}
    return properties["Namespace"], properties["MetricName"], dimensions


def metrics_table():
    """Name -> (scope, kind), of the committed reference, which another test holds to common/schema/metrics.h."""
    table, scope = {}, None
    for line in (SOURCE / "docs" / "reference-metrics.md").read_text().splitlines():
        if line.startswith("## "):
            scope = {"Host": "host", "Apps": "app", "Agent": "agent"}[line[3:]]
        match = re.match(r"\| `(\w+)` \| \w+ \| (\w+) \|", line)
        if match:
            table[match[1]] = (scope, match[2])
    return table
