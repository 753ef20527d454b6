# SPDX-License-Identifier: Apache-2.0
"""The role may do what the code calls, and nothing else: both sides are read, and neither may have more."""

import re

import pytest
import support

AWS_SOURCES = support.SOURCE / "common" / "aws"
BOARD_SOURCES = support.SOURCE / "apps" / "visitor-board"
# Commands of the board that an administrator runs, with rights of his own; the board itself never does.
ADMINISTRATORS = {"create-table.c"}
# A transaction is permitted by what is in it.
TRANSACTION = {"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem"}
# Any operation of DynamoDB by its name, wherever it stands in a string.
OPERATION = re.compile(
    r'"((?:Get|Put|Update|Delete)Item|Query|Scan|Batch\w+|Transact(?:Get|Write)Items|Execute\w+|'
    r'(?:Create|Describe|Update|Delete)(?:Table|TimeToLive|ContinuousBackups)|List\w+)"')
# Who calls AWS in the operating system, and with what: AWS's documentation on a role for Session Manager. Run Command needs no
# more: its documents come by ssmmessages where that is permitted ("Reference: ec2messages, ssmmessages, and other API operations").
SESSION_MANAGER = {"ssm:UpdateInstanceInformation", "ssmmessages:CreateControlChannel", "ssmmessages:CreateDataChannel",
                   "ssmmessages:OpenControlChannel", "ssmmessages:OpenDataChannel"}
# Actions that know no resources.
WITHOUT_RESOURCE = {"cloudwatch:PutMetricData", "autoscaling:DescribeAutoScalingInstances"} | SESSION_MANAGER


def statements(template):
    for kind in ("AWS::IAM::RolePolicy", "AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"):
        assert not support.of_type(template, kind)  # a node could boot before them
    role = support.only(template, "AWS::IAM::Role")["Properties"]
    assert "ManagedPolicyArns" not in role  # they can't be read here
    for policy in role["Policies"]:
        if "Fn::If" in policy:
            _, policy, otherwise = policy["Fn::If"]
            assert otherwise == {"Ref": "AWS::NoValue"}
        for statement in policy["PolicyDocument"]["Statement"]:
            actions = statement["Action"]
            yield statement, {actions} if isinstance(actions, str) else set(actions)


def granted(template):
    return set().union(*(actions for _, actions in statements(template)))


def requests_of(path):
    """What a service's file asks for: its X-Amz-Target, or Action of the query protocol."""
    text = path.read_text()
    found = {f"cloudwatch:{name}" for name in re.findall(r'"GraniteServiceVersion20100801\.(\w+)"', text)}
    found |= {f"autoscaling:{name}" for name in re.findall(r'"Action=(\w+)&Version=2011-01-01', text)}
    if '"DynamoDB_20120810.%s"' in text:
        found |= dynamodb_actions()
    return found


def dynamodb_actions():
    operations = set()
    for path in sorted(BOARD_SOURCES.glob("*.c")):
        if path.name not in ADMINISTRATORS:
            operations |= set(OPERATION.findall(path.read_text()))
    if "TransactWriteItems" in operations:
        operations.remove("TransactWriteItems")
        items = (BOARD_SOURCES / "dynamodb-items.c").read_text()
        parts = set(re.findall(r'\{\\"(Put|Update|Delete|ConditionCheck)\\":', items))
        assert parts
        operations |= {TRANSACTION[part] for part in parts}
    return {f"dynamodb:{name}" for name in operations}


def called():
    """By agentd and the board. A file that makes requests which nothing here understands is an error."""
    found = set()
    for path in sorted(support.SOURCE.glob("*/**/*.c")):
        folder = path.relative_to(support.SOURCE).parts[0]
        if folder not in ("common", "agent", "apps", "ctl") or path.name == "request.c":
            continue
        if "aws_call_start(" in path.read_text():
            requests = requests_of(path)
            assert requests, f"{path}: calls AWS, but what? Teach this test to read it"
            found |= requests
    return found


@pytest.fixture(params=support.NAMES)
def template(request):
    return support.load(request.param)


def user_data_calls(template):
    """curl signs one kind of request there: a GET of an object."""
    signed = re.findall(r'--aws-sigv4 "aws:amz:\$AWS_REGION:(\w+)"', support.user_data(template))
    assert signed == ["s3"]
    return {"s3:GetObject"}


def test_the_code_is_read():
    assert {"cloudwatch:PutMetricData", "autoscaling:DescribeAutoScalingInstances", "dynamodb:Query"} <= called()


def test_granted_is_what_is_called(template):
    assert granted(template) == called() | user_data_calls(template) | SESSION_MANAGER


def test_nothing_is_granted_by_pattern(template):
    for statement, actions in statements(template):
        assert statement["Effect"] == "Allow" and "NotAction" not in statement
        assert not any("*" in action for action in actions)


def test_each_action_has_its_resource(template):
    for statement, actions in statements(template):
        if statement["Resource"] == "*":
            assert actions <= WITHOUT_RESOURCE
        services = {action.split(":")[0] for action in actions}
        if services == {"dynamodb"}:
            assert statement["Resource"] == {"Fn::GetAtt": ["Table", "Arn"]}
        if services == {"cloudwatch"}:
            assert statement["Condition"] == {"StringEquals": {"cloudwatch:namespace": "VisitorBoard"}}
        if services == {"s3"}:
            assert [part["Fn::Sub"][1]["Object"]["Fn::Select"][1]["Fn::Split"][1]["Ref"] for part in statement["Resource"]] == [
                "AgentdUrl", "BoardUrl"]
            assert all(part["Fn::Sub"][0].endswith(":s3:::${Object}") for part in statement["Resource"])


def test_the_documentation_says_the_same(template):
    text = (support.SOURCE / "docs" / "visitor-board-stores.md").read_text()
    listed = set(re.findall(r"^\| `(dynamodb:\w+)` \|", text, re.MULTILINE))
    assert listed == {action for action in granted(template) if action.startswith("dynamodb:")}
