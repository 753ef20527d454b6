# SPDX-License-Identifier: Apache-2.0
"""The board as a Flask app of the usual kind: template from a string, one query a view, one durable commit a post."""
import datetime
import functools
import os
import sqlite3
import uuid

from flask import Flask, jsonify, redirect, render_template_string, request

app = Flask(__name__)
INSTANCE = os.environ.get("INSTANCE_ID", "bench")
STYLE = os.environ.get("BOARD_STYLE", "")
PAGE = """<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>Visitor Board</title>
<style>{{ style|safe }}</style></head>
<body><header><div class="inner"><h1>Visitor Board</h1><p class="served">Served by: <strong>{{ instance }}</strong></p></div></header>
<main>{% if error %}<p class="error">{{ error }}</p>{% endif %}
<form method="post" action="/"><label for="message">Your message</label><textarea id="message" name="message" maxlength="500"></textarea>
<button type="submit">Post message</button></form>
<h2>Messages</h2>
{% if messages %}<table><thead><tr><th>Message</th><th>Time</th><th>Instance</th></tr></thead><tbody>
{% for m in messages %}<tr><td>{{ m[0] }}</td><td><time datetime="{{ m[1] }}">{{ m[1] }}</time></td><td>{{ m[2] }}</td></tr>
{% endfor %}</tbody></table>{% else %}<p>No messages yet.</p>{% endif %}</main></body></html>"""


@functools.lru_cache(maxsize=None)
def database():
    """One connection a worker process: the fastest that this design allows."""
    db = sqlite3.connect(os.environ["BOARD_DATABASE"], timeout=5, isolation_level=None)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=FULL")
    db.execute("CREATE TABLE IF NOT EXISTS flask_messages (seq INTEGER PRIMARY KEY, id TEXT, message TEXT, timestamp TEXT, instance TEXT)")
    return db


@app.get("/")
def index():
    rows = database().execute("SELECT message, timestamp, instance FROM flask_messages ORDER BY seq DESC LIMIT 50").fetchall()
    return render_template_string(PAGE, messages=rows, instance=INSTANCE, style=STYLE, error=request.args.get("error"))


@app.post("/")
def post():
    message = request.form.get("message", "").strip() or "(no text)"
    now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    db = database()
    db.execute("BEGIN IMMEDIATE")
    db.execute("INSERT INTO flask_messages (id, message, timestamp, instance) VALUES (?, ?, ?, ?)", (str(uuid.uuid4()), message, now, INSTANCE))
    db.execute("COMMIT")
    return redirect("/")


@app.get("/health")
def health():
    return jsonify(ok=True, instanceId=INSTANCE)
