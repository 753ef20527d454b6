# SPDX-License-Identifier: Apache-2.0
"""The user data in the templates: packaging/user-data's script whole, within EC2's limit, and CloudFormation hears how it
ended."""

import ipaddress
import re
import subprocess

import pytest
import support

SCRIPT = support.SOURCE / "packaging" / "user-data" / "amazon-linux-2023.sh"
LIMIT_BYTES = 16384
SIGNAL = "/opt/aws/bin/cfn-signal"
VALUES = {
    "AgentdVersion": "0.9.0-1", "AgentdUrl": "s3://packages/agentd-0.9.0-1.x86_64.rpm", "AgentdSha256": "0" * 64,
    "BoardUrl": "https://packages.example/agentd-visitor-board-0.9.0-1.x86_64.rpm", "BoardSha256": "f" * 64,
    "AppPort": "80", "TableName": "workshop_messages", "CpuTarget": "50", "AWS::Region": "eu-central-1",
    "AWS::StackName": "board",
}
ASSIGNMENT = re.compile(r"^([A-Z][A-Z0-9_]*)='", re.MULTILINE)


@pytest.fixture(params=support.NAMES)
def template(request):
    return support.load(request.param)


def variables_of(text):
    return ASSIGNMENT.findall(text)


def test_variables_are_those_of_the_script(template):
    block = re.search(r"^# --- begin variables.*?^# --- end variables", SCRIPT.read_text(), re.DOTALL | re.MULTILINE)
    head = support.user_data(template).split("boot() (")[0]
    assert variables_of(head) == variables_of(block[0]) != []


def test_trusts_the_balancer_alone(template):
    """Behind a load balancer: its network, which nobody else is in that the nodes let in. Else nobody."""
    value = re.search(r"^TRUSTED_PROXIES='([^']*)'$", support.user_data(template), re.MULTILINE)[1]
    balancers = support.of_type(template, "AWS::ElasticLoadBalancingV2::LoadBalancer")
    subnets = [ipaddress.ip_network(template["Resources"][subnet["Ref"]]["Properties"]["CidrBlock"])
               for balancer in balancers.values() for subnet in balancer["Properties"]["Subnets"]]
    assert bool(value) == bool(balancers) == bool(subnets)
    assert all(subnet.subnet_of(ipaddress.ip_network(value)) for subnet in subnets)
    assert not value or value == support.only(template, "AWS::EC2::VPC")["Properties"]["CidrBlock"]


def test_script_is_whole(template):
    """But for its variables, and the comments that have a line of their own or are a function's."""
    text = re.sub(r"^# --- begin variables.*?^# --- end variables[^\n]*\n", "", SCRIPT.read_text(),
                  flags=re.DOTALL | re.MULTILINE)
    wanted = [re.sub(r"\(\) \{ # .*", "() {", line) for line in text.splitlines() if line and not line.startswith("#")]
    inside = support.user_data(template).split("boot() (\n", 1)[1].rsplit("\n)\nboot </dev/null\n", 1)[0]
    assert inside.splitlines() == wanted and len(wanted) > 20


def test_ec2_takes_it(template):
    longest = {**VALUES, "AgentdUrl": "s3://" + "x" * 1000, "BoardUrl": "s3://" + "x" * 1000, "TableName": "t" * 255}
    assert len(support.user_data(template, longest).encode()) <= LIMIT_BYTES


def test_shellcheck_finds_nothing(template):
    # SC2016, SC2064, SC2317: quotes and a trap that the script has its reasons for, and said in its comments.
    done = subprocess.run(["shellcheck", "--exclude=SC2016,SC2064,SC2317", "-"], input=support.user_data(template, VALUES),
                          capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "")


def test_no_value_leaves_its_quotes(template):
    """What a parameter may be has no character that ends a shell's quotes."""
    names = set(re.findall(r"\$\{(\w+)\}", "".join(
        part["Fn::Sub"] for part in support.only(template, "AWS::EC2::LaunchTemplate")["Properties"]["LaunchTemplateData"][
            "UserData"]["Fn::Base64"]["Fn::Join"][1] if isinstance(part, dict))))
    assert {"AgentdUrl", "TableName"} <= names
    for name in names:
        parameter = template["Parameters"][name]
        if parameter["Type"] == "Number":
            continue
        pattern = parameter["AllowedPattern"]
        assert pattern.startswith("^") and pattern.endswith("$") and re.fullmatch(pattern, VALUES[name])
        for character in "'\n\\\x00":
            for at in range(len(VALUES[name]) + 1):
                assert not re.fullmatch(pattern, VALUES[name][:at] + character + VALUES[name][at:])


def boot(template, tmp_path, values, last_line="main"):
    """Runs the user data with a cfn-signal that notes its arguments, and `last_line` in the place of the script's."""
    noted = tmp_path / "noted"
    signal = tmp_path / "cfn-signal"
    signal.write_text(f'#!/bin/bash\nprintf "%s\\n" "$@" >{noted}\n')
    signal.chmod(0o755)
    text = support.user_data(template, values)
    assert text.count(SIGNAL) == 1 and text.count("\nmain\n)\n") == 1
    text = text.replace(SIGNAL, str(signal)).replace("\nmain\n)\n", f"\n{last_line}\n)\n")
    done = subprocess.run(["bash"], input=text, capture_output=True, text=True, timeout=60)
    return done, noted.read_text().splitlines()


def expected(template, status):
    (resource,) = [name for name, item in template["Resources"].items() if "CreationPolicy" in item]
    return ["-e", str(status), "-r", f"user data: status {status}, see journalctl -t agentd-user-data",
            "--stack", "board", "--resource", resource, "--region", "eu-central-1"]


def test_failure_is_signalled(template, tmp_path):
    """The script itself, with a value that it refuses before it does anything."""
    done, noted = boot(template, tmp_path, {**VALUES, "AgentdSha256": "none"})
    assert done.returncode == 1 and 'failed: AGENTD_SHA256 is "none"' in done.stdout
    assert noted == expected(template, 1)


@pytest.mark.parametrize(("last_line", "status"), [("true", 0), ("exit 7", 7), ("set -e; false; true", 1)],
                         ids=["success", "exit", "errexit"])
def test_status_is_signalled(template, tmp_path, last_line, status):
    done, noted = boot(template, tmp_path, VALUES, last_line)
    assert done.returncode == status and noted == expected(template, status)
