# SPDX-License-Identifier: Apache-2.0
"""
Metadata, credentials and the group's name, as agentd asks for them (by tests/tools/aws-probe), from
AWS's own mock of the metadata service, from a fake that misbehaves, and from moto.
"""

import os
import subprocess
import time
import urllib.error
import urllib.request

import boto3
import pytest
from moto.server import ThreadedMotoServer

from support.daemon import SANITIZER_REPORT, free_port, wait_until
from support.fake_aws import FakeMetadata


class Probe:
    """One run of aws-probe, in an environment of its own: nothing of AWS's in it but |environment|."""

    def __init__(self, build, home, environment, *what):
        self.process = subprocess.Popen(
            [build / "tests/tools/aws-probe", *what],
            env={"HOME": str(home), "PATH": os.environ["PATH"], **environment},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def finish(self, timeout_s=60):
        """The lines of its answers and of its log."""
        out, log = self.process.communicate(timeout=timeout_s)
        assert not SANITIZER_REPORT.search(log.encode()), log
        for secret in ("secret-of-the-fake", "token-of-the-fake"):
            assert secret not in out + log
        return out.splitlines(), log.splitlines()


@pytest.fixture
def probe(build, tmp_path):
    """probe({"NAME": "value"}, "credentials", ...) starts a Probe; those still running are ended."""
    probes = []

    def start(environment, *what):
        probes.append(Probe(build, tmp_path, environment, *what))
        return probes[-1]

    yield start
    for running in probes:
        running.process.kill()
        running.process.wait()


def imds_at(url):
    return {"AWS_EC2_METADATA_SERVICE_ENDPOINT": url}


# --- AWS's mock ------------------------------------------------------------------------------------

class Mock:
    """The mock in its mode of IMDSv2 only, on a port of its own."""

    def __init__(self, home):
        self.home = home
        self.url = f"http://127.0.0.1:{free_port()}"
        self.process = None

    def start(self):
        program = os.environ.get("AGENTD_METADATA_MOCK")
        self.process = subprocess.Popen(
            [program, "--imdsv2", "--hostname", "127.0.0.1", "--port", self.url.rpartition(":")[2]],
            env={"HOME": str(self.home), "PATH": os.environ["PATH"]}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(lambda: self.status_without_token() == 401, what="the mock refuses IMDSv1")

    def status_without_token(self):
        try:
            return urllib.request.urlopen(f"{self.url}/latest/meta-data/instance-id", timeout=5).status
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return None  # not up yet

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()


@pytest.fixture
def mock(tmp_path):
    """AWS's mock, not started yet."""
    if not os.environ.get("AGENTD_METADATA_MOCK"):
        pytest.skip("AGENTD_METADATA_MOCK names no mock of the metadata service")
    made = Mock(tmp_path)
    yield made
    made.stop()


def test_mock_values(probe, mock):
    mock.start()
    answers, _ = probe(imds_at(mock.url), "imds:meta-data/instance-id", "imds:meta-data/tags/instance/Name",
                       "imds:meta-data/autoscaling/target-lifecycle-state", "imds:meta-data/nothing").finish()
    assert answers[0].startswith("imds i-")
    assert answers[1:] == ["imds test-instance", "imds Terminated", "imds: No such file or directory"]


def test_mock_role(probe, mock):
    """The mock's credentials are over since 2020: they are used for want of better, with a warning."""
    mock.start()
    run = probe(imds_at(mock.url), "credentials", "credentials")
    answers, log = run.finish()
    assert run.process.returncode == 0
    assert answers == ["credentials IMDS 12345678901 2020-04-02T00:49:51.000Z"] * 2
    assert len([line for line in log if "expired already" in line]) == 1, log


def test_mock_is_late(probe, mock, storm):
    """As at boot: nobody listens for a while."""
    late_s = storm(3, 20)
    run = probe(imds_at(mock.url), "until:meta-data/instance-id", "credentials")
    time.sleep(late_s)
    assert run.process.poll() is None
    mock.start()
    answers, _ = run.finish()
    assert run.process.returncode == 0
    assert set(answers[:-2]) == {"imds: Connection refused"}
    assert answers[-2].startswith("imds i-")
    assert answers[-1].startswith("credentials IMDS ")


# --- A fake that misbehaves ------------------------------------------------------------------------

@pytest.fixture
def fake():
    made = FakeMetadata().start()
    yield made
    made.stop()


def wait_issued(fake, number):
    wait_until(lambda: fake.issued >= number, what=f"credentials number {number} are asked for")


def test_rotated(probe, fake):
    """Those of 6 s are asked for again at half of what is left, and when a service refuses them."""
    fake.lifetime_s = 6
    answers, _ = probe(imds_at(fake.url), "credentials", "credentials", "sleep:4000", "credentials", "expire",
                       "credentials").finish()
    assert [answer.split()[2] for answer in answers] == ["ASIA1", "ASIA1", "ASIA2", "ASIA3"]


def test_outage_is_survived(probe, fake):
    """IMDS breaks while credentials are in use: they are used on past their end, with one warning."""
    fake.lifetime_s = 3
    run = probe(imds_at(fake.url), "credentials", "sleep:4000", "credentials", "credentials", "expire", "credentials",
                "expire", "credentials")
    wait_issued(fake, 1)
    fake.status = 500
    answers, log = run.finish()
    assert run.process.returncode == 0
    assert [answer.split()[2] for answer in answers] == ["ASIA1"] * 5
    assert len([line for line in log if "could not be renewed" in line]) == 1, log


def test_outage_ends(probe, fake):
    fake.lifetime_s = 2
    run = probe(imds_at(fake.url), "credentials", "sleep:3000", "credentials", "sleep:2000", "expire", "credentials")
    wait_issued(fake, 1)
    fake.lifetime_s = -60  # what comes is over already, and since longer than what is here
    wait_issued(fake, 2)
    fake.lifetime_s = 3600
    answers, log = run.finish()
    assert [answer.split()[2] for answer in answers] == ["ASIA1", "ASIA1", "ASIA3"]
    assert len([line for line in log if "expired already" in line]) == 1, log
    assert len([line for line in log if "fresh again" in line]) == 1, log


def test_token_revoked(probe, fake):
    """401: one new token, and the value."""
    run = probe(imds_at(fake.url), "imds:meta-data/instance-id", "sleep:1000", "imds:meta-data/instance-id")
    wait_until(lambda: len(fake.requests) == 2, what="the first value is asked for")
    fake.revoke()
    answers, _ = run.finish()
    assert answers == ["imds i-0fake"] * 2
    assert fake.requests == ["PUT /latest/api/token", "GET /latest/meta-data/instance-id",
                             "GET /latest/meta-data/instance-id", "PUT /latest/api/token",
                             "GET /latest/meta-data/instance-id"]


def test_slow(probe, fake):
    """Slower than an attempt may be: what is asked for is not there, and the attempts are bounded."""
    fake.delay_s = 1.5
    answers, _ = probe(imds_at(fake.url), "imds:meta-data/instance-id").finish()
    assert answers == ["imds: Connection timed out"]
    assert fake.requests == ["PUT /latest/api/token"] * 3


@pytest.mark.parametrize("attribute,value,reason", [
    ("role", None, "IMDS: no role is attached to this instance (404)"),
    ("status", 404, "IMDS: "),
    ("token_status", 403, "IMDS: refused (403"),
    ("token_status", 404, "IMDS: answers nonsense, or has no IMDSv2"),
    ("token_status", 503, "IMDS: answers with errors"),
])
def test_no_credentials(probe, fake, attribute, value, reason):
    setattr(fake, attribute, value)
    run = probe(imds_at(fake.url), "credentials")
    [answer], _ = run.finish()
    assert run.process.returncode == 1
    assert answer.startswith("credentials: no credentials: environment: AWS_ACCESS_KEY_ID is not set; ")
    assert reason in answer


def test_proxy_is_not_for_metadata(probe, fake):
    """A node behind a proxy: requests to the metadata service never leave the instance."""
    nobody = f"http://127.0.0.1:{free_port()}"
    answers, _ = probe({**imds_at(fake.url), "http_proxy": nobody, "HTTP_PROXY": nobody, "https_proxy": nobody,
                        "ALL_PROXY": nobody}, "imds:meta-data/instance-id", "credentials").finish()
    assert answers[0] == "imds i-0fake"
    assert answers[1].startswith("credentials IMDS ASIA1 ")


# --- The group, from moto --------------------------------------------------------------------------

@pytest.fixture(scope="module")
def moto():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def test_group(probe, moto):
    session = boto3.Session(aws_access_key_id="A", aws_secret_access_key="s", region_name="eu-west-1")
    ec2, autoscaling = (session.client(name, endpoint_url=moto) for name in ("ec2", "autoscaling"))
    image = ec2.describe_images()["Images"][0]["ImageId"]
    name = "web & <board> 'é'"
    autoscaling.create_launch_configuration(LaunchConfigurationName="c", ImageId=image, InstanceType="t3.micro")
    autoscaling.create_auto_scaling_group(AutoScalingGroupName=name, LaunchConfigurationName="c", MinSize=2,
                                          MaxSize=2, AvailabilityZones=["eu-west-1a"])
    members = [member["InstanceId"] for member in autoscaling.describe_auto_scaling_instances()["AutoScalingInstances"]]
    assert len(members) == 2
    environment = {"AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "s", "AWS_REGION": "eu-west-1",
                   "AWS_ENDPOINT_URL_AUTO_SCALING": moto, "AWS_EC2_METADATA_DISABLED": "true"}
    answers, _ = probe(environment, *(f"group:{member}" for member in members), "group:i-0123456789abcdef0").finish()
    assert answers == [f"group {name}"] * 2 + ["group "]
