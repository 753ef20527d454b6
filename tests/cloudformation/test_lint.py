# SPDX-License-Identifier: Apache-2.0
"""cfn-lint and yamllint have nothing to say about the templates, and they do look."""

import pathlib
import subprocess
import sys

import pytest
import support

YAMLLINT = pathlib.Path(__file__).with_name("yamllint.yaml")


def run(program, *arguments):
    """A program of the interpreter's own environment."""
    program = pathlib.Path(sys.executable).with_name(program)
    done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, timeout=300)
    return done.returncode, done.stdout + done.stderr


def cfn_lint(path):
    # Informational findings too. I1022 wants Fn::Sub where the user data's script is joined to its variables: Fn::Sub
    # would take the script's own ${...} for its.
    return run("cfn-lint", "--include-checks", "I", "--ignore-checks", "I1022", "--", path)


@pytest.mark.parametrize("name", support.NAMES)
def test_cfn_lint_finds_nothing(name):
    assert cfn_lint(support.path_of(name)) == (0, "")


# What is wrong, and the rule that must say so.
FAULTS = [
    ("HttpTokens: required", "HttpTokens: perhaps", "E3030"),
    ("!Ref InternetGateway", "!Ref NoGateway", "E1020"),
    ("BillingMode:", "Billing:", "E3002"),
]


@pytest.mark.parametrize(("right", "wrong", "rule"), FAULTS, ids=[rule for *_, rule in FAULTS])
def test_cfn_lint_finds_a_fault(tmp_path, right, wrong, rule):
    text = support.path_of("scalable").read_text()
    assert right in text
    path = tmp_path / "faulty.yaml"
    path.write_text(text.replace(right, wrong))
    status, said = cfn_lint(path)
    assert status != 0 and rule in said


def test_yamllint_finds_nothing():
    paths = sorted(support.FOLDER.glob("*.yaml")) + sorted(support.FOLDER.glob("parts/*.yaml"))
    assert len(paths) > len(support.NAMES)
    assert run("yamllint", "--strict", "-c", YAMLLINT, *paths) == (0, "")


@pytest.mark.parametrize("name", support.NAMES)
def test_template_may_be_passed_by_value(name):
    """CloudFormation takes up to 51,200 bytes; more has to be put into a bucket first."""
    assert support.path_of(name).stat().st_size <= 51200
