# SPDX-License-Identifier: Apache-2.0
"""What a visitor does and sees, in Chromium: with script and without, by mouse and by keyboard."""

import contextlib
import os
import re
import sqlite3

import pytest
from conftest import INSTANCE, WAIT_MS, ZONE
from looks import look, look_in_all_manners
from playwright.sync_api import expect

PAGE_ROWS = 50
LIMIT = 500
REFRESH_MS = 5000  # as script.js has it
TRIES = 40
ODD_TEXTS = [
    "Greetings from S\u00e3o Paulo \U0001f44b\U0001f3fd",
    "\u0645\u0631\u062d\u0628\u0627 \u0628\u0627\u0644\u062c\u0645\u064a\u0639\u060c \u0647\u0630\u0647 \u0631\u0633\u0627\u0644\u0629 \u0645\u0646 \u0627\u0644\u0642\u0627\u0647\u0631\u0629",
    "\u05e9\u05dc\u05d5\u05dd \u05dc\u05db\u05d5\u05dc\u05dd",
    "Line one\nLine two\n\tindented line three",
    "x" * LIMIT,
    "https://example.com/a/very/long/address/" + "path/" * 40,
    "\u65e5\u672c\u8a9e\u306e\u30e1\u30c3\u30bb\u30fc\u30b8\u3001\u3068\u3066\u3082\u9577\u3044\u6587\u7ae0\u3067\u3082\u6b63\u3057\u304f\u6298\u308a\u8fd4\u3055\u308c\u307e\u3059\u3002" * 4,
    "\U0001f469\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466" * 40,
    "</td><script>alert(1)</script> & \"quoted\"",
    "The quick brown fox jumps over the lazy dog. " * 11,
]

expect.set_options(timeout=WAIT_MS)
with_and_without_script = pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])


def field(page):
    return page.get_by_label("Your message")


def button(page):
    return page.get_by_role("button", name="Post message")


def rows(page):
    return page.locator("tbody tr")


def texts(page):
    return page.locator("tbody td:first-child").all_text_contents()


def fill(daemon, count):
    for number in range(count):
        daemon.post(f"message {number}")


def fake_clock(page):
    """Timers of the page go on only when a test lets them."""
    page.clock.install()


def let_refresh(page, condition):
    """Lets the page's time go on, refresh by refresh, until |condition| holds."""
    for _ in range(TRIES):
        with page.expect_request(page.url.split("?")[0], timeout=WAIT_MS):
            page.clock.run_for(REFRESH_MS)
        page.wait_for_timeout(250)
        if condition():
            return
    raise AssertionError(f"not after {TRIES} refreshes")


# --- Posting -------------------------------------------------------------------------------------


@with_and_without_script
def test_post(board, visit, script):
    daemon = board()
    page = visit(daemon, script=script)
    expect(page).to_have_title("Visitor Board")
    expect(page.locator("#served")).to_have_text(f"Served by: {INSTANCE} in {ZONE}")
    expect(page.get_by_text("No messages yet.")).to_be_visible()
    for text in ("hello", "<b>second</b>\nline"):
        field(page).fill(text)
        button(page).click()
        expect(rows(page).first.locator("td").first).to_have_text(text, use_inner_text=True)
        expect(field(page)).to_have_value("")
    first = rows(page).first.locator("td")
    expect(first.nth(1)).to_contain_text(re.compile(r"(just now|\d+ min ago) *\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC"))
    expect(first.nth(2)).to_have_text(INSTANCE)
    expect(page.locator("#total")).to_have_text("2 in all")
    expect(page.locator("#load li")).to_have_text(re.compile(rf"{INSTANCE}\s*2"))
    assert texts(page) == ["<b>second</b>\nline", "hello"]


@with_and_without_script
def test_paging(board, visit, script):
    daemon = board()
    fill(daemon, 2 * PAGE_ROWS + 1)
    page = visit(daemon, script=script)
    found = texts(page)
    for count in (PAGE_ROWS, 1):
        page.get_by_role("link", name="Older messages").click()
        expect(page.get_by_role("heading", name="Older messages")).to_be_visible()
        expect(rows(page)).to_have_count(count)
        found += texts(page)
    assert found == [f"message {number}" for number in reversed(range(2 * PAGE_ROWS + 1))]
    expect(page.get_by_role("link", name="Older messages")).to_have_count(0)
    page.get_by_role("link", name="Newest messages").click()
    expect(rows(page).first).to_contain_text(f"message {2 * PAGE_ROWS}")
    expect(page.get_by_role("link", name="Newest messages")).to_have_count(0)


# --- Errors --------------------------------------------------------------------------------------


def expect_error(page, words):
    error = page.locator("#message-error")
    expect(error).to_contain_text(words)
    expect(field(page)).to_have_attribute("aria-invalid", "true")
    expect(field(page)).to_have_attribute("aria-describedby", "message-error message-hint")
    expect(field(page)).to_be_focused()
    above, below = error.bounding_box(), field(page).bounding_box()
    assert 0 <= below["y"] - above["y"] - above["height"] < 30, "the error is beside the field"


def test_too_long_without_script(board, visit):
    daemon = board()
    page = visit(daemon, script=False)
    draft = "\U0001f600" * (LIMIT // 2) + "z" * (LIMIT // 2 - 20) + "\nlast line" + "z" * 20
    field(page).fill(draft)
    button(page).click()
    expect_error(page, "more than 500 characters")
    expect(page).to_have_title("Error: Visitor Board")
    expect(field(page)).to_have_value(draft)
    field(page).fill(draft[:LIMIT])
    button(page).click()
    expect(rows(page)).to_have_count(1)
    assert texts(page) == [draft[:LIMIT]]


def test_counter_and_too_long_with_script(board, visit):
    daemon = board()
    page = visit(daemon)
    posts = []
    page.on("request", lambda request: posts.append(request.url) if request.method == "POST" else None)
    count = page.locator("#count")
    expect(count).to_have_text("500 left")
    field(page).fill("\U0001f600" * LIMIT)
    expect(count).to_have_text("0 left")
    expect(page.locator("[role=status].spoken")).to_have_text("Characters: 0 left")
    field(page).fill("\U0001f600" * (LIMIT - 1) + "ab")
    expect(count).to_have_text("1 too many")
    button(page).click()
    expect_error(page, "501 characters")
    assert not posts
    field(page).press("End")
    field(page).press("Backspace")
    expect(page.locator("#message-error")).to_have_count(0)
    expect(field(page)).not_to_have_attribute("aria-invalid", "true")
    button(page).click()
    expect(rows(page)).to_have_count(1)
    assert texts(page) == ["\U0001f600" * (LIMIT - 1) + "a"] and len(posts) == 1


def test_error_in_the_address(board, visit):
    """As the original's redirect has it; the refresh does not ask for the error again."""
    daemon = board()
    page = visit(daemon, "?error=too-long", before=fake_clock)
    expect_error(page, "more than 500 characters")
    daemon.post("from another visitor")
    let_refresh(page, lambda: texts(page) == ["from another visitor"])
    expect_error(page, "more than 500 characters")


# --- The refresh ---------------------------------------------------------------------------------


def test_refresh_shows_others_and_keeps_the_draft(board, visit):
    """By the page's own clock: what others post appears, and whoever types notices nothing."""
    daemon = board()
    fill(daemon, 3)
    page = visit(daemon)
    statuses = []
    page.on("response", lambda response: statuses.append(response.status))
    field(page).press_sequentially("my draft")
    field(page).press("ArrowLeft")
    page.evaluate("document.querySelector('tbody tr').marked = true")
    daemon.post("from another visitor")
    expect(rows(page)).to_have_count(4)
    assert texts(page) == ["from another visitor", "message 2", "message 1", "message 0"]
    expect(page.locator("[role=status].spoken")).to_have_text("One new message.")
    expect(page.locator("#total")).to_have_text("4 in all")
    expect(page.locator("#load li")).to_have_text(re.compile(r"\s4$"))
    expect(field(page)).to_have_value("my draft")
    expect(field(page)).to_be_focused()
    assert page.evaluate("document.getElementById('message').selectionStart") == len("my draft") - 1
    assert page.evaluate("document.querySelectorAll('tbody tr')[1].marked"), "a row that stays is the same"
    with page.expect_response(lambda response: response.status == 304, timeout=2 * WAIT_MS):
        pass
    assert set(statuses) <= {200, 304}


def test_refresh_leaves_the_focus(board, visit):
    daemon = board()
    fill(daemon, PAGE_ROWS + 1)
    page = visit(daemon, before=fake_clock)
    link = page.get_by_role("link", name="Older messages")
    link.focus()
    daemon.post("from another visitor")
    let_refresh(page, lambda: texts(page)[0] == "from another visitor")
    expect(link).to_be_focused()
    expect(rows(page)).to_have_count(PAGE_ROWS)
    field(page).focus()
    before = link.get_attribute("href")
    let_refresh(page, lambda: link.get_attribute("href") != before)


def test_server_goes_and_comes_back(board, visit):
    daemon = board()
    daemon.post("before")
    page = visit(daemon, before=fake_clock)
    field(page).fill("my draft")
    assert daemon.stop() == 0
    notice = page.locator("#notice")
    for _ in range(3):
        with page.expect_event("requestfailed", timeout=WAIT_MS):
            page.clock.run_for(60000)
        page.wait_for_timeout(250)
    expect(notice).to_contain_text("does not answer")
    assert texts(page) == ["before"]
    daemon.start(timeout_s=60)
    daemon.wait_ready(1, timeout_s=60)
    daemon.post("after")
    for _ in range(TRIES):
        page.clock.run_for(60000)
        page.wait_for_timeout(500)
        if texts(page) == ["after", "before"]:
            break
    assert texts(page) == ["after", "before"]
    expect(notice).to_be_empty()
    expect(field(page)).to_have_value("my draft")


def test_times_go_by_the_servers_clock(board, visit):
    """A visitor's clock may be wrong: the first answer to a refresh sets it right."""
    daemon = board()
    daemon.post("now")

    def three_hours_ahead(page):
        ahead = page.evaluate("Date.now()") + 3 * 3600 * 1000 + 60000
        page.clock.install(time=ahead / 1000)

    page = visit(daemon, before=three_hours_ahead)
    words = page.locator("time span")
    expect(words).to_have_text("3 h ago")
    let_refresh(page, lambda: re.fullmatch(r"just now|\d min ago", words.text_content()))


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_motion(board, visit, motion):
    daemon = board()
    daemon.post("before")
    page = visit(daemon, motion=motion, before=fake_clock)
    daemon.post("after")
    let_refresh(page, lambda: texts(page) == ["after", "before"])
    expect(rows(page).first).to_have_class("fresh")
    name = rows(page).first.locator("td").first.evaluate("cell => getComputedStyle(cell).animationName")
    assert name == ("none" if motion == "reduce" else "fresh")


# --- Keyboard, structure -------------------------------------------------------------------------


def test_keyboard_only(board, visit):
    daemon = board()
    fill(daemon, PAGE_ROWS + 1)
    page = visit(daemon)
    order = []
    for _ in range(3):
        page.keyboard.press("Tab")
        order.append(page.evaluate("document.activeElement.localName"))
        width = page.evaluate("getComputedStyle(document.activeElement).outlineWidth")
        assert float(width.removesuffix("px")) >= 2, "the focus can be seen"
    assert order == ["textarea", "button", "a"]
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Shift+Tab")
    page.keyboard.type("typed")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(rows(page).first).to_contain_text("typed")
    page.keyboard.press("Tab")
    page.keyboard.type("typed again")
    page.keyboard.press("Control+Enter")
    expect(rows(page).first).to_contain_text("typed again")
    for _ in range(3):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Older messages")).to_be_visible()


@pytest.mark.parametrize("width", [1280, 320])
def test_structure(board, visit, width):
    """The table is one for screen readers, too, where it looks like cards."""
    daemon = board()
    daemon.post("hello")
    page = visit(daemon, width=width)
    for role in ("banner", "main"):
        expect(page.get_by_role(role)).to_have_count(1)
    table = page.get_by_role("table", name="Messages")
    expect(table.get_by_role("columnheader")).to_have_text(["Message", "Time", "Instance"])
    expect(table.get_by_role("row")).to_have_count(2)
    expect(table.get_by_role("cell").first).to_have_text("hello")


# --- Looks ---------------------------------------------------------------------------------------


def test_looks_without_messages_and_with_one(board, visit):
    daemon = board()
    look_in_all_manners(visit, daemon, "none")
    daemon.post("Hello from Dublin!")
    look_in_all_manners(visit, daemon, "one")


def test_looks_with_many_messages(board, visit):
    daemon = board()
    for number in range(2 * PAGE_ROWS):
        daemon.post(ODD_TEXTS[number // 3 % len(ODD_TEXTS)] if number % 3 == 0 else f"message {number}")

    def go_back(page):
        page.get_by_role("link", name="Older messages").click()
        expect(page.get_by_role("heading", name="Older messages")).to_be_visible()

    look_in_all_manners(visit, daemon, "many")
    look(visit(daemon, width=768), "many-light-768")
    look_in_all_manners(visit, daemon, "older", act=go_back)


def test_looks_with_an_error(board, visit):
    daemon = board()
    daemon.post("hello")

    def send_too_much(page):
        field(page).fill("Too long. " * 55)
        page.evaluate("document.querySelector('form').submit()")  # past the script, which would not send it
        expect_error(page, "more than 500 characters")

    look_in_all_manners(visit, daemon, "error", act=send_too_much)


def replace_database(daemon, content):
    (daemon.dir / "new").write_bytes(content)
    os.rename(daemon.dir / "new", daemon.dir / "board.db")
    for name in ("board.db-wal", "board.db-shm"):
        (daemon.dir / name).unlink(missing_ok=True)


NO_DATABASE = b"This is certainly no database.\n" * 1000


def test_looks_with_old_messages(board, visit):
    """The file is no database any more: what is known is shown, with a notice."""
    daemon = board()
    daemon.post("still known")
    page = visit(daemon)
    replace_database(daemon, NO_DATABASE)
    expect(page.locator("#notice")).to_contain_text("last ones that this server knows")
    assert texts(page) == ["still known"]
    look_in_all_manners(visit, daemon, "stale")


def test_looks_when_nothing_is_known(board, visit):
    """Nothing could be read since the start. Then all comes by itself, and stays in a second outage."""
    daemon = board()
    with contextlib.closing(sqlite3.connect(daemon.dir / "board.db")) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    good = (daemon.dir / "board.db").read_bytes()
    replace_database(daemon, NO_DATABASE)
    answer = daemon.request(timeout_s=60)
    assert answer.status == 503
    look_in_all_manners(visit, daemon, "unreadable")

    page = visit(daemon)
    expect(page.locator("#notice")).to_contain_text("can't be read")
    replace_database(daemon, good)
    expect(page.get_by_text("No messages yet.")).to_be_visible()
    expect(page.locator("#notice")).to_be_empty()
    daemon.post("hello")
    expect(rows(page)).to_have_count(1)

    page.route("**/", lambda route: route.fulfill(status=503, body=answer.body, content_type="text/html"))
    expect(page.locator("#notice")).to_contain_text("can't be read")
    assert texts(page) == ["hello"]
    page.unroute("**/")
    expect(page.locator("#notice")).to_be_empty()
    assert texts(page) == ["hello"]
