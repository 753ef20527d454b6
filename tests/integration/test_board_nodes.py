# SPDX-License-Identifier: Apache-2.0
"""Two boards on one table, as on two nodes: what one has acknowledged, the other shows to who posted it."""

import json
import re
import subprocess

import pytest

from support.board import FORM, JSON, Board
from support.daemon import wait_until
from support.moto_peer import Moto


@pytest.fixture
def nodes(build, tmp_path):
    """DynamoDB's stand-in, and two boards on a table that create-table has made."""
    moto = Moto(tmp_path / "moto.log")
    settings = {"TABLE_NAME": "messages", "AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "a",
                "AWS_SECRET_ACCESS_KEY": "s", "AWS_SESSION_TOKEN": "", "AWS_EC2_METADATA_DISABLED": "true",
                "DYNAMODB_ENDPOINT_URL": f"http://127.0.0.1:{moto.port}"}
    boards = []
    try:
        for number in (1, 2):
            (tmp_path / f"node-{number}").mkdir()
            boards.append(Board(build, tmp_path / f"node-{number}", **settings, INSTANCE_ID=f"node-{number}"))
        subprocess.run([str(boards[0].program), "create-table"], env={**boards[0].settings}, check=True, timeout=60,
                       stdin=subprocess.DEVNULL)
        for board in boards:
            board.start()
        yield moto, *boards
    finally:
        for board in boards:
            board.stop()
        moto.stop()


def test_a_poster_sees_it_on_the_other_node(nodes, storm):
    _, *boards = nodes
    for number in range(storm(16, 2000)):
        writer, reader = boards[number % 2], boards[1 - number % 2]
        posted = writer.request("POST", "/", f"message=number+{number}.", FORM)
        assert (posted.status, posted.headers["location"]) == (302, "/")
        cookie = posted.headers["set-cookie"]
        assert re.fullmatch(r"board_posted=\d+; Max-Age=10; Path=/; HttpOnly; SameSite=Lax", cookie)
        page = reader.request(headers={"Cookie": cookie.split(";")[0]})
        assert f">number {number}.<" in page.text
    # Everybody else within a second or so.
    for board in boards:
        wait_until(lambda board=board: f">number {number}.<" in board.request().text, 10, "all see it")


def test_cursors_and_keys_are_the_boards(nodes):
    _, one, two = nodes
    for number in range(7):
        key = {"Idempotency-Key": f"key-{number}"}
        body = json.dumps({"message": f"number {number}"})
        answers = [board.request("POST", "/api/messages", body, {**JSON, **key}) for board in (one, two)]
        assert [answer.status for answer in answers] == [201, 201]
        assert answers[0].json() == answers[1].json()
        assert answers[1].headers["idempotent-replayed"] == "true"
    seen, cursor = [], None
    for turn in range(7):
        path = "/api/messages?limit=1" + (f"&cursor={cursor}" if cursor else "")
        answer = (one, two)[turn % 2].request(path=path).json()
        seen += [message["message"] for message in answer["messages"]]
        cursor = answer["next"]
    assert seen == [f"number {number}" for number in range(6, -1, -1)]
    assert cursor is None
    wait_until(lambda: two.request(path="/api/stats").json() == {
        "total": 7, "lastHour": {"instances": [{"instanceId": "node-1", "messages": 7}], "others": 0}}, 10, "statistics")


def test_the_table_goes_away(nodes):
    """The last good page with a notice; posts keep their text; /health stays."""
    moto, one, _ = nodes
    assert one.request("POST", "/", "message=before", FORM).status == 302
    assert ">before<" in one.request().text
    moto.stop()
    page = wait_until(lambda: "last ones that this server knows" in (p := one.request()).text and p, 20, "a notice")
    assert page.status == 200 and ">before<" in page.text
    refused = one.request("POST", "/", "message=my+draft", FORM)
    assert refused.status == 503 and "my draft</textarea>" in refused.text
    assert one.request(path="/ready").status == 503
    assert one.request(path="/health").status == 200
