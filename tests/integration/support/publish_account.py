# SPDX-License-Identifier: Apache-2.0
"""
What a front has stored, counted as CloudWatch would: each copy of a window that came twice counts
twice. Windows are told apart by what is in them.
"""

import json
from collections import Counter

BOARD = "visitor-board"


def dimensions_of(datum):
    return {pair["Name"]: pair["Value"] for pair in datum.get("Dimensions", [])}


def total_of(datum):
    """The sum of a datum's values."""
    if "StatisticValues" in datum:
        return datum["StatisticValues"]["Sum"]
    if "Values" in datum:
        return sum(value * count for value, count in zip(datum["Values"], counts_of(datum)))
    return datum["Value"]


def counts_of(datum):
    return datum.get("Counts", [1] * len(datum["Values"]))


class Account:
    """One front's `stored`. Attributes: everything (each datum), data (without the copies per instance)."""

    def __init__(self, stored):
        self.stored = list(stored)
        self.everything = [datum for record in self.stored for datum in record.request["MetricData"]]
        both = {"InstanceId", "AutoScalingGroupName"}
        self.data = [datum for datum in self.everything if not both <= set(dimensions_of(datum))]

    def series(self, name, app=BOARD):
        """Every datum of that metric, in order of arrival. |app| None: of the host or the agent."""
        return [d for d in self.data if d["MetricName"] == name and dimensions_of(d).get("App") == app]

    def sum(self, name, app=BOARD):
        return sum(total_of(datum) for datum in self.series(name, app))

    def distinct(self, name, app=BOARD):
        """As series(), but each only once: what CloudWatch would have without copies."""
        seen = {json.dumps(datum, sort_keys=True): datum for datum in self.series(name, app)}
        return list(seen.values())

    def distinct_sum(self, name, app=BOARD):
        return sum(total_of(datum) for datum in self.distinct(name, app))

    def copies(self):
        """How many windows came more often than once, each further copy counted."""
        same = Counter(json.dumps(datum, sort_keys=True) for datum in self.series("RequestCount"))
        return sum(count - 1 for count in same.values())

    def windows(self):
        """Starts of the windows, in order of their first arrival."""
        return list(dict.fromkeys(datum["Timestamp"] for datum in self.series("RequestCount")))

    def latencies(self):
        """(milliseconds, count) of all that was stored."""
        return [pair for d in self.series("RequestLatency") for pair in zip(d["Values"], counts_of(d))]


def longest_decrease(numbers):
    """The length of the longest falling sequence: 1 if all are in order, 2 for a merge of two that are."""
    best = []
    for index, number in enumerate(numbers):
        before = [best[earlier] for earlier in range(index) if numbers[earlier] > number]
        best.append(1 + max(before, default=0))
    return max(best, default=0)
