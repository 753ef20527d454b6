# SPDX-License-Identifier: Apache-2.0
"""aws-cdk-lib as a second reader: CfnInclude takes each template and gives it back as it is, and it knows the metrics of
AWS that the generator lists."""

import json
import os
import pathlib
import subprocess
import sys

import pytest
import support

sys.path.insert(0, str(support.FOLDER / "generator"))
import metrics  # noqa: E402 (the generator's list of AWS's metrics)

SYNTH = pathlib.Path(__file__).with_name("cdk") / "synth.js"
MODULES = os.environ.get("AGENTD_CDK_MODULES")
pytestmark = pytest.mark.skipif(not MODULES, reason="aws-cdk-lib is not installed (AGENTD_CDK_MODULES)")


def node(*arguments):
    environment = {**os.environ, "NODE_PATH": MODULES, "JSII_DEPRECATED": "fail", "CDK_DISABLE_VERSION_CHECK": "1"}
    return subprocess.run(["node", SYNTH, *arguments], env=environment, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def synthesized():
    done = node(*(support.path_of(name) for name in support.NAMES))
    assert (done.returncode, done.stderr) == (0, "")
    return {pathlib.Path(path).stem: result for path, result in json.loads(done.stdout).items()}


def plain(value):
    """GetAtt as a list, which CDK writes in either form, and DependsOn as a sorted one."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    if not isinstance(value, dict):
        return value
    value = {key: plain(item) for key, item in value.items()}
    if isinstance(value.get("Fn::GetAtt"), str):
        value["Fn::GetAtt"] = value["Fn::GetAtt"].split(".", 1)
    if "DependsOn" in value:
        depends = value["DependsOn"]
        value["DependsOn"] = sorted([depends] if isinstance(depends, str) else depends)
    return value


@pytest.mark.parametrize("name", support.NAMES)
def test_cfn_include_says_nothing(synthesized, name):
    assert synthesized[name]["messages"] == []


@pytest.mark.parametrize("name", support.NAMES)
@pytest.mark.parametrize("section", ["Parameters", "Conditions", "Resources", "Outputs"])
def test_cfn_include_gives_it_back(synthesized, name, section):
    assert plain(synthesized[name]["template"][section]) == plain(support.load(name)[section])


@pytest.mark.parametrize(("right", "wrong", "said"), [
    ("MinHealthyPercentage: 100", "MinHealthyPercentage: most", "should be a number"),
    ("!GetAtt Table.Arn", "!GetAtt Tables.Arn", "Tables"),
], ids=["type", "reference"])
def test_cfn_include_finds_a_fault(tmp_path, right, wrong, said):
    text = support.path_of("scalable").read_text()
    assert right in text
    path = tmp_path / "faulty.yaml"
    path.write_text(text.replace(right, wrong))
    done = node(path)
    assert done.returncode != 0 and said in done.stderr


def test_cdk_knows_the_metrics_of_aws():
    done = node("--metrics")
    assert (done.returncode, done.stderr) == (0, "")
    known = {(namespace, name, frozenset(dimensions)) for namespace, name, dimensions in json.loads(done.stdout)}
    listed = {(namespace, name, dimensions) for namespace, names in metrics.AWS.items()
              for name, sets in names.items() for dimensions in sets}
    missing = {(namespace, name, dimensions) for namespace, name, dimensions in listed
               if (namespace, name, frozenset(dimensions)) not in known}
    assert listed and not missing
