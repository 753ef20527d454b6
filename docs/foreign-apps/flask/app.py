# SPDX-License-Identifier: Apache-2.0
"""A Flask app as there are many; nothing in it knows of agentd."""

import os
import time

from flask import Flask

app = Flask(__name__)


@app.get("/")
def index():
    return f"Hello from Flask, process {os.getpid()}\n"


@app.get("/busy/<int:milliseconds>")
def busy(milliseconds):
    """A request that takes a while."""
    time.sleep(min(milliseconds, 5000) / 1000)
    return "done\n"
