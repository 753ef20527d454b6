# SPDX-License-Identifier: Apache-2.0
"""
What CloudWatch accepts of a PutMetricData in AWS JSON 1.0: the limits that its documentation names,
and the shape. Strict: a member that is not in the API is a mistake too, as moto would ignore it.

Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html
"""

import json
import math
import re

BODY_LIMIT_BYTES = 1024 * 1024
DATUMS_MAX = 1000
VALUES_MAX = 150
DIMENSIONS_MAX = 30
VALUE_MAX = 2.0**360
PAST_S = 14 * 86400
FUTURE_S = 2 * 3600
RATES = "Bytes Kilobytes Megabytes Gigabytes Terabytes Bits Kilobits Megabits Gigabits Terabits Count".split()
UNITS = {"Seconds", "Microseconds", "Milliseconds", "Percent", "None", *RATES, *(f"{unit}/Second" for unit in RATES)}
NAMESPACE = re.compile(r"[0-9A-Za-z.\-_/#: ]{1,255}")
PRINTABLE = re.compile(r"[\x20-\x7e]+")
MEMBERS = {
    *("MetricName", "Dimensions", "Timestamp", "Value", "StatisticValues", "Values", "Counts", "Unit"),
    "StorageResolution",
}
STATISTICS = {"SampleCount", "Sum", "Minimum", "Maximum"}


class Invalid(Exception):
    """The service would answer InvalidParameterValue or SerializationException."""


def expect(condition, text):
    if not condition:
        raise Invalid(text)


def unique_members(pairs):
    members = dict(pairs)
    expect(len(members) == len(pairs), f"a member twice among {[name for name, _ in pairs]}")
    return members


def no_constant(text):
    raise Invalid(f"{text} is no JSON")


def check_number(value, what):
    expect(type(value) in (int, float), f"{what} is {value!r}")
    expect(math.isfinite(value) and abs(value) <= VALUE_MAX, f"{what} is {value!r}")


def check_text(text, limit, what):
    expect(isinstance(text, str) and PRINTABLE.fullmatch(text), f"{what} is {text!r}")
    expect(text.strip() and len(text) <= limit, f"{what} is {text!r}")


def check_dimensions(dimensions):
    expect(isinstance(dimensions, list) and len(dimensions) <= DIMENSIONS_MAX, "Dimensions: too many")
    names = [pair.get("Name") for pair in dimensions]
    expect(len(set(names)) == len(names), f"a dimension twice: {names}")
    for pair in dimensions:
        expect(set(pair) == {"Name", "Value"}, f"a dimension is {pair}")
        check_text(pair["Name"], 255, "a dimension's name")
        check_text(pair["Value"], 1024, "a dimension's value")
        expect(not pair["Name"].startswith(":"), f"a dimension's name is {pair['Name']!r}")


def check_statistics(values):
    expect(set(values) == STATISTICS, f"StatisticValues are {values}")
    for name, value in values.items():
        check_number(value, name)
    count, least, most = values["SampleCount"], values["Minimum"], values["Maximum"]
    slack = 1e-9 * (abs(least) + abs(most)) * count
    expect(count > 0 and least <= most, f"StatisticValues are {values}")
    expect(least * count - slack <= values["Sum"] <= most * count + slack, f"the sum is impossible: {values}")


def check_distribution(datum):
    values, counts = datum["Values"], datum.get("Counts")
    expect(isinstance(values, list) and 0 < len(values) <= VALUES_MAX, f"{len(values)} Values")
    expect(counts is None or len(counts) == len(values), "Values and Counts differ in length")
    expect(len(set(values)) == len(values), "a value twice in Values")
    for value in values:
        check_number(value, "a value")
    for count in counts or ():
        check_number(count, "a count")
        expect(count > 0, f"a count is {count}")


def check_datum(datum, now_s):
    expect(isinstance(datum, dict) and set(datum) <= MEMBERS, f"a datum is {datum}")
    check_text(datum.get("MetricName"), 255, "MetricName")
    check_dimensions(datum.get("Dimensions", []))
    expect(sum(kind in datum for kind in ("Value", "Values", "StatisticValues")) == 1, f"what is the value: {datum}")
    expect("Counts" not in datum or "Values" in datum, "Counts without Values")
    if "Value" in datum:
        check_number(datum["Value"], "Value")
    elif "Values" in datum:
        check_distribution(datum)
    else:
        check_statistics(datum["StatisticValues"])
    expect(datum.get("Unit", "None") in UNITS, f"the unit is {datum.get('Unit')!r}")
    expect(datum.get("StorageResolution", 60) in (1, 60), f"StorageResolution is {datum.get('StorageResolution')}")
    check_number(datum.get("Timestamp"), "Timestamp")
    expect(-PAST_S <= datum["Timestamp"] - now_s <= FUTURE_S, f"{datum['Timestamp'] - now_s:+.0f} s is too far away")


def parse(body, now_s):
    """The request as a dict, checked; Invalid if the service would refuse it."""
    expect(len(body) <= BODY_LIMIT_BYTES, f"{len(body)} bytes")
    try:
        request = json.loads(body.decode(), object_pairs_hook=unique_members, parse_constant=no_constant)
    except ValueError as error:
        raise Invalid(f"no JSON: {error}") from error
    expect(isinstance(request, dict) and set(request) == {"Namespace", "MetricData"}, "the members of the request")
    namespace, data = request["Namespace"], request["MetricData"]
    expect(isinstance(namespace, str) and NAMESPACE.fullmatch(namespace), f"Namespace is {namespace!r}")
    expect(not namespace.startswith((":", "AWS/")), f"Namespace is {namespace!r}")
    expect(isinstance(data, list) and 0 < len(data) <= DATUMS_MAX, f"{len(data)} datums")
    for datum in data:
        check_datum(datum, now_s)
    return request
