# SPDX-License-Identifier: Apache-2.0
"""moto's server as a process of its own, and what boto3 reads back from it."""

import datetime
import http.client
import os
import subprocess
import sys

import boto3
from botocore.config import Config

from .daemon import free_port, wait_until

STATISTICS = ["Sum", "SampleCount", "Minimum", "Maximum"]


class Moto:
    """Attributes: port, process, cloudwatch (boto3's client, straight to moto)."""

    def __init__(self, log_path, region="eu-west-1"):
        self.port = free_port()
        environment = {**os.environ, "AWS_EC2_METADATA_DISABLED": "true"}
        with open(log_path, "wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "moto.server", "--host", "127.0.0.1", "--port", str(self.port)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
            )
        wait_until(self.answers, 60, f"moto answers; see {log_path}", 0.1)
        self.cloudwatch = client(f"http://127.0.0.1:{self.port}", region=region)

    def answers(self):
        if self.process.poll() is not None:
            raise AssertionError(f"moto ended with {self.process.returncode}")
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/moto-api/data.json")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def stop(self):
        self.process.terminate()
        self.process.wait(10)

    def statistics(self, namespace, name, dimensions, period_s=10):
        """Datapoints by their second: {timestamp: {"Sum": ..., "SampleCount": ..., ...}}."""
        now = datetime.datetime.now(datetime.timezone.utc)
        answer = self.cloudwatch.get_metric_statistics(
            Namespace=namespace,
            MetricName=name,
            Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()],
            StartTime=now - datetime.timedelta(hours=3),
            EndTime=now + datetime.timedelta(hours=1),
            Period=period_s,
            Statistics=STATISTICS,
        )
        return {int(point["Timestamp"].timestamp()): point for point in answer["Datapoints"]}


def client(url, *, key_id="AKIDMOTO", secret="secret", token=None, region="eu-west-1", verify=None):
    """boto3's CloudWatch client, without retries, so that a test sees each answer."""
    return boto3.session.Session().client(
        "cloudwatch",
        endpoint_url=url,
        region_name=region,
        aws_access_key_id=key_id,
        aws_secret_access_key=secret,
        aws_session_token=token,
        verify=verify,
        config=Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=5),
    )
