# SPDX-License-Identifier: Apache-2.0
"""The board as it often is on DynamoDB: one item a message, a Scan of the whole table a view. It shows the newest 50 alone."""
import datetime
import functools
import os
import uuid

import boto3
from flask import Flask, jsonify, redirect, render_template_string, request

from app import PAGE

SHOWN = 50
app = Flask(__name__)
INSTANCE = os.environ.get("INSTANCE_ID", "bench")


@functools.lru_cache(maxsize=None)
def table():
    """One client a worker process, which keeps its connection."""
    service = boto3.resource("dynamodb", region_name=os.environ["AWS_REGION"], endpoint_url=os.environ.get("DYNAMODB_ENDPOINT_URL"))
    return service.Table(os.environ.get("TABLE_NAME", "workshop_messages"))


def scan():
    """A Scan answers up to 1 MB: on to the end, or the newest may be missing."""
    answer = table().scan()
    items = answer["Items"]
    while "LastEvaluatedKey" in answer:
        answer = table().scan(ExclusiveStartKey=answer["LastEvaluatedKey"])
        items += answer["Items"]
    return items


@app.get("/")
def index():
    newest = sorted(scan(), key=lambda item: item["timestamp"], reverse=True)[:SHOWN]
    rows = [(item["message"], item["timestamp"], item["instanceId"]) for item in newest]
    return render_template_string(PAGE, messages=rows, instance=INSTANCE, style="", error=request.args.get("error"))


@app.post("/")
def post():
    message = request.form.get("message", "").strip() or "(no text)"
    now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    table().put_item(Item={"id": str(uuid.uuid4()), "message": message, "timestamp": now, "instanceId": INSTANCE})
    return redirect("/")


@app.get("/health")
def health():
    return jsonify(ok=True, instanceId=INSTANCE)
