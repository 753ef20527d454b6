# SPDX-License-Identifier: Apache-2.0
"""The metrics that a dashboard or an alarm may name: agentd's, from the table of common/schema/metrics.h as
`print-references json` prints it, and those of AWS that are listed here from its documentation."""

import json

NAMESPACE = "VisitorBoard"  # publish.namespace, as the user data sets it
APP = "visitor-board"

# What a metric's kind lets one ask for: a count's average says nothing, a gauge's sum neither.
STATISTICS = {
    "gauge": ("Average", "Minimum", "Maximum", "SampleCount"),
    "count": ("Sum", "SampleCount"),
    "distribution": ("p50", "p90", "p99", "Average", "Maximum", "SampleCount"),
}

# Namespace -> metric -> the sets of dimensions that AWS publishes it by and that are used here. Sources:
#   AWS/EC2             EC2 User Guide, "CloudWatch metrics that are available for your instances"
#   AWS/AutoScaling     EC2 Auto Scaling User Guide, "Amazon CloudWatch metrics for Amazon EC2 Auto Scaling"
#   AWS/ApplicationELB  User Guide for Application Load Balancers, "CloudWatch metrics"
#   AWS/DynamoDB        DynamoDB Developer Guide, "DynamoDB metrics and dimensions"
GROUP = ("AutoScalingGroupName",)
INSTANCE = ("InstanceId",)
BALANCER = ("LoadBalancer",)
TARGETS = ("TargetGroup", "LoadBalancer")
TABLE = ("TableName",)
OPERATION = ("TableName", "Operation")
AWS = {
    "AWS/EC2": {
        "CPUUtilization": [GROUP, INSTANCE],
        "CPUCreditBalance": [INSTANCE],
        "CPUSurplusCreditBalance": [INSTANCE],
        "StatusCheckFailed": [INSTANCE],
    },
    "AWS/AutoScaling": {
        "GroupDesiredCapacity": [GROUP],
        "GroupInServiceInstances": [GROUP],
        "GroupMaxSize": [GROUP],
        "GroupPendingInstances": [GROUP],
    },
    "AWS/ApplicationELB": {
        "HTTPCode_ELB_5XX_Count": [BALANCER],
        "HTTPCode_Target_5XX_Count": [BALANCER, TARGETS],
        "HealthyHostCount": [TARGETS],
        "RequestCount": [BALANCER, TARGETS],
        "TargetResponseTime": [BALANCER, TARGETS],
        "UnHealthyHostCount": [TARGETS],
    },
    "AWS/DynamoDB": {
        "ConsumedReadCapacityUnits": [TABLE],
        "ConsumedWriteCapacityUnits": [TABLE],
        "ReadThrottleEvents": [TABLE],
        "SuccessfulRequestLatency": [OPERATION],
        "TransactionConflict": [TABLE],
        "WriteThrottleEvents": [TABLE],
    },
}


class Metrics:
    """Makes references to metrics, and refuses those that nobody publishes."""

    def __init__(self, table, node):
        """`table`: what `print-references json` prints. `node`: the dimension by which agentd publishes here, and
        its value: ("AutoScalingGroupName", "${Fleet}")."""
        self.table = {metric["name"]: metric for metric in json.loads(table)}
        self.node = node
        self.used = set()

    def agentd(self, name, stat):
        """(namespace, name, dimensions) of a metric in the table; as agent/publish/body.c sends it."""
        metric = self.table[name]
        if stat not in STATISTICS[metric["kind"]]:
            raise ValueError(f"{name} is a {metric['kind']}: {stat} of it says nothing")
        self.used.add(name)
        dimensions = dict([self.node])
        if metric["scope"] == "app":
            dimensions["App"] = APP
        return NAMESPACE, name, dimensions

    @staticmethod
    def aws(namespace, name, **dimensions):
        if tuple(dimensions) not in AWS[namespace][name]:
            raise ValueError(f"{namespace} {name} is not published by {tuple(dimensions)}")
        return namespace, name, dimensions

    def unit(self, name):
        return self.table[name]["unit"]

    def help(self, name):
        return self.table[name]["help"]

    def unused(self):
        return sorted(set(self.table) - self.used)
