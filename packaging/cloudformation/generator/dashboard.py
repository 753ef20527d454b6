# SPDX-License-Identifier: Apache-2.0
"""The dashboard: rows of widgets, each row with a text that says what to look for."""

import json

COLUMNS = 24
TEXT_HEIGHT, GRAPH_HEIGHT, ALARMS_HEIGHT = 2, 6, 2
# CloudWatch's own colours, so that red is an error everywhere.
RED, ORANGE, GREEN, BLUE, PURPLE, GREY = "#d62728", "#ff7f0e", "#2ca02c", "#1f77b4", "#9467bd", "#7f7f7f"


def series(reference, stat, label, **options):
    """One line of a graph, in the notation of the dashboard's body."""
    namespace, name, dimensions = reference
    flat = [text for pair in dimensions.items() for text in pair]
    return [namespace, name, *flat, {"stat": stat, "label": label, **options}]


def expression(text, label, **options):
    return [{"expression": text, "label": label, **options}]


def shortened(lines, stat):
    """CloudWatch's own short form: "." is what the line above has in that place; the graph's `stat` need not be said."""
    short, above = [], []
    for line in lines:
        if isinstance(line[0], dict):  # an expression
            short.append(line)
            continue
        *names, options = line
        if options["stat"] == stat:
            options = {key: value for key, value in options.items() if key != "stat"}
        short.append(["." if i < len(above) and above[i] == name else name for i, name in enumerate(names)] + [options])
        above = names
    return short


def graph(title, lines, unit="", period=60, line=None):
    """`unit`: of a graph with expressions; metrics say theirs. `line`: (label, value) of a horizontal line."""
    if lines[0][-1].get("color") == BLUE:  # CloudWatch's first by itself
        del lines[0][-1]["color"]
    properties = {"title": title, "region": "${AWS::Region}", "period": period, "stat": lines[0][-1]["stat"]}
    properties["metrics"] = shortened(lines, properties["stat"])
    properties["yAxis"] = {"left": {"min": 0, **({"label": unit, "showUnits": False} if unit else {})}}
    if any(text[-1].get("yAxis") == "right" for text in lines):
        properties["yAxis"]["right"] = {"min": 0}
    if line:
        properties["annotations"] = {"horizontal": [{"label": line[0], "value": line[1], "color": GREY}]}
    return {"type": "metric", "properties": properties}


def rows(title, alarms, parts):
    """The body's widgets. `parts`: (text, [graphs]) a row."""
    widgets = [
        {"type": "text", "x": 0, "y": 0, "width": COLUMNS, "height": TEXT_HEIGHT, "properties": {"markdown": title}},
        {"type": "alarm", "x": 0, "y": TEXT_HEIGHT, "width": COLUMNS, "height": ALARMS_HEIGHT,
         "properties": {"title": "Alarms", "alarms": ["${%s.Arn}" % name for name in alarms]}},
    ]
    y = TEXT_HEIGHT + ALARMS_HEIGHT
    for text, graphs in parts:
        widgets.append({"type": "text", "x": 0, "y": y, "width": COLUMNS, "height": TEXT_HEIGHT,
                        "properties": {"markdown": text}})
        y += TEXT_HEIGHT
        width = COLUMNS // len(graphs)
        for i, widget in enumerate(graphs):
            widgets.append({"type": widget["type"], "x": i * width, "y": y, "width": width, "height": GRAPH_HEIGHT,
                            "properties": widget["properties"]})
        y += GRAPH_HEIGHT
    return widgets


def body(widgets):
    """The body as JSON with one widget a line: a template passed by value may have 51,200 bytes."""
    text = ",\n".join(json.dumps(widget, separators=(",", ":")) for widget in widgets)
    text = text.replace('"${CpuTarget}"', "${CpuTarget}")  # a parameter in the place of a number
    return '{"periodOverride":"auto","widgets":[\n%s\n]}' % text


def visitors(metrics, balancer):
    requests = [series(metrics.agentd("RequestCount", "Sum"), "Sum", "answered by the app", color=BLUE)]
    latency = [
        series(metrics.agentd("RequestLatency", "p50"), "p50", "p50", color=GREEN),
        series(metrics.agentd("RequestLatency", "p99"), "p99", "p99", color=ORANGE),
    ]
    errors = [
        series(metrics.agentd("Errors5xx", "Sum"), "Sum", "5xx of the app", color=RED),
        series(metrics.agentd("Errors4xx", "Sum"), "Sum", "4xx of the app", color=GREY),
    ]
    text = ("## What visitors see\nRequests rise and fall with the visitors; **p99 and 5xx should not follow**. "
            "4xx are mostly visitors' own errors and scanners.")
    if balancer:
        requests.append(series(metrics.aws("AWS/ApplicationELB", "RequestCount", LoadBalancer=balancer), "Sum",
                               "at the load balancer", color=PURPLE))
        latency.append(series(metrics.aws("AWS/ApplicationELB", "TargetResponseTime", LoadBalancer=balancer), "p99",
                              "seconds", id="elb", visible=False))
        latency.append(expression("elb*1000", "p99 at the load balancer", color=PURPLE))
        errors.append(series(metrics.aws("AWS/ApplicationELB", "HTTPCode_ELB_5XX_Count", LoadBalancer=balancer), "Sum",
                             "5xx of the load balancer", color=ORANGE))
        text += " A load balancer's 5xx without one of the app: no healthy node answered."
    return text, [
        graph("Requests a minute", requests),
        graph("Latency", latency, metrics.unit("RequestLatency")),
        graph("Errors a minute", errors),
    ]


def cpu(metrics, ec2_dimensions, **line):
    """CPU as agentd sees it every 10 s, beside EC2's own and the part that stress makes."""
    return graph("CPU", [
        series(metrics.agentd("CPUUtilization", "Average"), "Average", "agentd, 10 s", color=BLUE, period=10),
        series(metrics.agentd("StressLoad", "Average"), "Average", "of it stress", color=RED, period=10),
        series(metrics.aws("AWS/EC2", "CPUUtilization", **ec2_dimensions), "Average", "EC2", color=GREY),
    ], **line)


def fleet(metrics, group, targets, balancer):
    def of_group(name, label, color):
        return series(metrics.aws("AWS/AutoScaling", name, AutoScalingGroupName=group), "Average", label, color=color)

    reporting = metrics.agentd("PublishErrors", "SampleCount")
    return (
        "## The fleet\nOn load: CPU crosses the target, **desired** steps up, then **in service** follows, then CPU "
        "falls. `agentctl stress on` shows it; the red line is its share. Nodes that report below those in service: "
        "an agent is silent."), [
        graph("Instances", [
            of_group("GroupDesiredCapacity", "desired", ORANGE),
            of_group("GroupInServiceInstances", "in service", GREEN),
            of_group("GroupPendingInstances", "pending", GREY),
            of_group("GroupMaxSize", "maximum", RED),
        ]),
        cpu(metrics, {"AutoScalingGroupName": group}, line=("target", "${CpuTarget}")),
        graph("Healthy and reporting", [
            series(metrics.aws("AWS/ApplicationELB", "HealthyHostCount", TargetGroup=targets, LoadBalancer=balancer),
                   "Minimum", "healthy", color=GREEN),
            series(metrics.aws("AWS/ApplicationELB", "UnHealthyHostCount", TargetGroup=targets,
                               LoadBalancer=balancer), "Maximum", "unhealthy", color=RED),
            series(reporting, "SampleCount", "windows", id="windows", visible=False),
            # A window is 10 s, and each node has one sample of this count in it.
            expression("windows/(PERIOD(windows)/10)", "nodes that report", color=BLUE),
        ]),
    ]


def node(metrics, instance):
    return (
        "## The node\nOn load: CPU rises, and nothing else helps a single node. `agentctl stress on` shows it; the red "
        "line is its share. Surplus credits cost money; without credits, CPU below is slowed down."), [
        cpu(metrics, {"InstanceId": instance}),
        graph("CPU credits", [
            series(metrics.aws("AWS/EC2", "CPUCreditBalance", InstanceId=instance), "Average", "earned", color=GREEN,
                   period=300),
            series(metrics.aws("AWS/EC2", "CPUSurplusCreditBalance", InstanceId=instance), "Average", "surplus",
                   color=RED, period=300),
        ], period=300),
    ]


def hosts(metrics):
    pressure = (("PressureCPU", "CPU", BLUE), ("PressureMemory", "memory", ORANGE), ("PressureIO", "I/O", PURPLE))
    return (
        "## Hosts\nPressure is the share of time in which work waited: **CPU pressure rises before latency does**. "
        "Steal means spent CPU credits or a busy neighbour. Memory that only rises is a leak."), [
        graph("Memory and disk", [
            series(metrics.agentd("MemoryUtilization", "Maximum"), "Maximum", "memory, fullest node", color=BLUE),
            series(metrics.agentd("SwapUtilization", "Maximum"), "Maximum", "swap", color=ORANGE),
            series(metrics.agentd("DiskUtilization", "Maximum"), "Maximum", "disk", color=GREY),
        ]),
        graph("Pressure", [series(metrics.agentd(name, "Average"), "Average", label, color=color)
                           for name, label, color in pressure]),
        graph("Steal", [series(metrics.agentd("CPUSteal", "Maximum"), "Maximum", "worst node", color=RED)]),
        graph("Network a minute", [
            series(metrics.agentd("NetworkIn", "Sum"), "Sum", "in", color=BLUE),
            series(metrics.agentd("NetworkOut", "Sum"), "Sum", "out", color=GREEN),
        ]),
    ]


def app(metrics):
    return (
        "## The app\n**Restarts should be 0**: each one is a worker that died. Requests in flight that rise while "
        "requests a minute don't: the workers wait for something, most likely the table."), [
        graph("Workers ready", [
            series(metrics.agentd("WorkersReady", "Average"), "Average", "a node", color=GREEN),
            series(metrics.agentd("WorkersReady", "Minimum"), "Minimum", "fewest", color=ORANGE),
        ]),
        graph("Restarts a minute", [series(metrics.agentd("WorkerRestarts", "Sum"), "Sum", "restarts", color=RED)]),
        graph("In flight", [
            series(metrics.agentd("InFlight", "Average"), "Average", "a node", color=BLUE),
            series(metrics.agentd("InFlight", "Maximum"), "Maximum", "most", color=ORANGE),
        ]),
        graph("What the app uses", [
            series(metrics.agentd("AppMemory", "Maximum"), "Maximum", "memory, Bytes", color=BLUE),
            series(metrics.agentd("AppCPU", "Average"), "Average", "CPU, percent of one", color=ORANGE,
                   yAxis="right"),
        ]),
    ]


def table(metrics, name):
    def of_table(metric, label, **options):
        return series(metrics.aws("AWS/DynamoDB", metric, TableName=name), "Sum", label, **options)

    operations = (("Query", BLUE), ("GetItem", GREEN), ("PutItem", PURPLE), ("TransactWriteItems", ORANGE))
    return (
        "## DynamoDB\nConsumed units are the bill. **Throttled should be 0**: at the table's maximum it says no, and "
        "visitors see 503. Conflicts are writers that met; they try again."), [
        graph("Consumed units a second", [
            of_table("ConsumedReadCapacityUnits", "read", id="read", visible=False),
            of_table("ConsumedWriteCapacityUnits", "write", id="write", visible=False),
            expression("read/PERIOD(read)", "read", color=BLUE),
            expression("write/PERIOD(write)", "write", color=ORANGE),
        ]),
        graph("Throttled and conflicts a minute", [
            of_table("ReadThrottleEvents", "throttled reads", color=RED),
            of_table("WriteThrottleEvents", "throttled writes", color=ORANGE),
            of_table("TransactionConflict", "conflicts", color=GREY),
        ]),
        graph("Latency of the table", [
            series(metrics.aws("AWS/DynamoDB", "SuccessfulRequestLatency", TableName=name, Operation=operation),
                   "Average", operation, color=color) for operation, color in operations]),
    ]


def agent(metrics):
    counts = (("PublishErrors", "failed attempts", ORANGE), ("PublishAmbiguous", "perhaps sent twice", PURPLE),
              ("PublishDropped", "windows given up", RED), ("StatsdDropped", "StatsD dropped", GREY))
    return (
        "## The agent\nPublishing that fails waits in the spool and is sent later: **errors with a spool that grows, "
        "then shrinks, lost nothing**. Windows given up are lost. Memory is flat."), [
        graph("Publishing a minute", [series(metrics.agentd(name, "Sum"), "Sum", label, color=color)
                                      for name, label, color in counts]),
        graph("Spool", [series(metrics.agentd("SpoolBytes", "Maximum"), "Maximum", "largest", color=BLUE)]),
        graph("What the agent uses", [
            series(metrics.agentd("AgentMemory", "Maximum"), "Maximum", "memory, Bytes", color=BLUE),
            series(metrics.agentd("AgentCPU", "Average"), "Average", "CPU, percent of one", color=ORANGE,
                   yAxis="right"),
        ]),
    ]
