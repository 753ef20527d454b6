# SPDX-License-Identifier: Apache-2.0
"""Makes the templates of this folder from their *.yaml.in, the parts, the table of metrics and the user-data script:

    print-references json | make_templates.py FOLDER SCRIPT TARGET

FOLDER is packaging/cloudformation, SCRIPT the user data's, TARGET where single-node.yaml and scalable.yaml are written.
Only the standard library: it runs where agentd is built.

A line "# @WHAT" in a *.yaml.in is replaced, at its indentation:
    include FILE [NAME=TEXT]
                   a file of parts/, without its comments and with TEXT for @NAME@
    alarms         the resources of alarms.py
    dashboard      the body of dashboard.py
    user-data      the script, without its block of variables
"""

import pathlib
import re
import sys

import alarms
import dashboard
import metrics

DIRECTIVE = re.compile(r"^( *)# @([a-z-]+)(?: (.+))?$")
VARIABLES = re.compile(r"^# --- begin variables.*?^# --- end variables[^\n]*\n", re.DOTALL | re.MULTILINE)
HEADER = """\
# SPDX-License-Identifier: Apache-2.0
# Made from {0}.in by `make templates`: do not edit.
"""


class Template:
    """One template: what it shows and what it alarms on."""

    def __init__(self, folder, script, references):
        self.folder, self.script, self.metrics = folder, script, references
        self.alarms = self.make_alarms()
        self.widgets = self.make_widgets()
        if self.metrics.unused():
            raise ValueError(f"{self.name} shows no widget for {', '.join(self.metrics.unused())}: place it in dashboard.py")

    def expand(self, text):
        lines = []
        for line in text.splitlines():
            match = DIRECTIVE.match(line)
            if match:
                made = self.directive(match[2], match[3])
                lines += [match[1] + part if part else "" for part in made.splitlines()]
            else:
                lines.append(line)
        return "\n".join(lines) + "\n"

    def directive(self, what, argument):
        if what == "include":
            name, *settings = argument.split()
            text = without_comments((self.folder / "parts" / name).read_text())
            for key, value in (setting.split("=") for setting in settings):
                text = text.replace(f"@{key}@", value)
            return self.expand(text)
        if what == "alarms":
            return "\n".join(alarms.dump(self.alarms))
        if what == "dashboard":
            return dashboard.body(self.widgets)
        if what == "user-data":
            return self.script
        raise ValueError(f"unknown directive {what}")

    def make(self):
        text = (self.folder / f"{self.name}.in").read_text()
        return HEADER.format(self.name) + self.expand(without_licence(text))


class SingleNode(Template):
    name, node = "single-node.yaml", ("InstanceId", "${Node}")

    def make_alarms(self):
        return alarms.of_single_node(self.metrics, "${Node}", "${Table}")

    def make_widgets(self):
        source = self.metrics
        title = ("# Visitor Board, one node\nTop to bottom: what visitors see, then why. An alarm that is not green comes "
                 "first. Docs: packaging/cloudformation/README.md.")
        return dashboard.rows(title, self.alarms, [
            dashboard.visitors(source, None), dashboard.node(source, "${Node}"), dashboard.hosts(source),
            dashboard.app(source), dashboard.table(source, "${Table}"), dashboard.agent(source)])


class Scalable(Template):
    name, node = "scalable.yaml", ("AutoScalingGroupName", "${Fleet}")
    balancer, targets = "${LoadBalancer.LoadBalancerFullName}", "${Targets.TargetGroupFullName}"

    def make_alarms(self):
        return alarms.of_fleet(self.metrics, "${Fleet}", self.targets, self.balancer, "${Table}")

    def make_widgets(self):
        source = self.metrics
        title = ("# Visitor Board, the fleet\nTop to bottom: what visitors see, then why. An alarm that is not green comes "
                 "first. Docs: packaging/cloudformation/README.md.")
        return dashboard.rows(title, self.alarms, [
            dashboard.visitors(source, self.balancer),
            dashboard.fleet(source, "${Fleet}", self.targets, self.balancer), dashboard.hosts(source),
            dashboard.app(source), dashboard.table(source, "${Table}"), dashboard.agent(source)])


def without_licence(text):
    return re.sub(r"\A# SPDX[^\n]*\n", "", text)


def without_comments(text):
    """Without those that have a line of their own: they are for who reads the part, and a template has 51,200 bytes."""
    return re.sub(r"^ *# (?!@)[^\n]*\n", "", text, flags=re.MULTILINE)


def read_script(path):
    """The script without its block of variables, which the template writes itself, and without comments that have a
    line of their own or are a function's: user data has 16 KB, a template passed by value 51,200 bytes."""
    text, n = VARIABLES.subn("", path.read_text())
    if n != 1 or not text.startswith("#!/bin/bash\n"):
        raise ValueError(f"{path}: is not a bash script with one block of variables")
    text = re.sub(r"^(\w+\(\) \{) # .*$", r"\1", text, flags=re.MULTILINE)
    return "\n".join(line for line in text.splitlines() if line and not line.startswith("#"))


def main(folder, script, target):
    table, text = sys.stdin.read(), read_script(pathlib.Path(script))
    for kind in (SingleNode, Scalable):
        template = kind(pathlib.Path(folder), text, metrics.Metrics(table, kind.node))
        (pathlib.Path(target) / kind.name).write_text(template.make())


if __name__ == "__main__":
    main(*sys.argv[1:])
