# SPDX-License-Identifier: Apache-2.0
"""
The commands in the README and in docs/: those that can run here are run against a real agentd, in the pages' order; the
others are listed by name in ELSEWHERE. A command that is neither fails. What a page says of an output is looked for in it.
"""

import functools
import os
import re
import select
import shlex
import signal
import subprocess
from decimal import Decimal
from pathlib import Path

import pytest

from support.daemon import wait_until

SOURCE = Path(os.environ.get("AGENTD_SOURCE", Path(__file__).resolve().parents[2]))
PAGES = sorted(path.relative_to(SOURCE).as_posix() for pattern in ("README.md", "docs/**/*.md", "packaging/**/*.md")
               for path in SOURCE.glob(pattern) if "node_modules" not in path.parts)
RUNS = ("agentctl", "curl", "kill")  # the first words of what is run here
# The beginnings of what isn't, and what stands for it.
ELSEWHERE = {
    "aws ": "needs an account; tests/cloudformation holds the templates",
    "watch -n 5 \"aws ": "needs an account",
    "journalctl ": "needs a booted systemd: tests/system",
    "systemctl ": "needs a booted systemd: tests/system",
    "systemd-sysusers": "needs a booted systemd: tests/system",
    "./bootstrap": "tests/checks/check-dist and tests/system build and install",
    "make rpm": "tests/system builds and installs the packages",
    "sha256sum ": "of packages that tests/system builds",
    "./run-demo.sh": "builds; it is run by hand and by the release's check",
    "./run-tests.sh": "runs this test",
}
# Long and heavy is for those who look on; here each is done once, and small.
SMALLER = [(r"--for \S+", "--for 1s"), (r"--load \d+", "--load 5"), (r"--rate \d+", "--rate 20"),
           (r"--connections \d+", "--connections 2"), (r"\bscale visitor-board \d+", "scale visitor-board 3")]
ENDLESS = re.compile(r"agentctl (watch (?!.*--for)|(logs|events) .*(-f|--follow)\b)")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
SHOWN = re.compile(r"[A-Za-z][A-Za-z0-9-]*")
READS = re.compile(r"agentctl (status|metrics|cost|events|stress status|health)\b")
NODE = "i-0123456789abcdef0"  # what the pages call theirs
OTHER_NODE = re.compile(rf"(?!{NODE})(i-|node-)[0-9a-f]+$")  # here is one only
LIMIT_S = 60
QUIET_S = 2


def page(name):
    return (SOURCE / name).read_text()


def with_commands():
    return [name for name in PAGES if re.search(r"^```(sh|console)$", page(name), re.M)]


def without_comment(line):
    return re.sub(r"\s{2,}# .*$", "", line)


def whole_commands(lines):
    """Lines of a shell, joined where a quote or a backslash goes on."""
    commands, held = [], ""
    for line in lines:
        held += line
        if held.endswith("\\"):
            held = held[:-1]
            continue
        try:
            shlex.split(held)
        except ValueError:  # an open quote
            held += "\n"
            continue
        if held.strip():
            commands.append(re.sub(r" {2,}", " ", held.strip()))
        held = ""
    assert not held, f"unfinished: {held}"
    return commands


def commands_of(text):
    """Blocks of a page: lists of (command, exit code, lines that it is said to print)."""
    for language, body in BLOCK.findall(text):
        if language == "sh":
            yield [(command, 0, []) for command in whole_commands(without_comment(l) for l in body.splitlines())]
        elif language == "console":
            block = []
            for line in body.splitlines():
                if line.startswith("$ "):
                    code = re.search(r"# exit code (\d)", line)
                    block.append((without_comment(line[2:]).strip(), int(code[1]) if code else 0, []))
                else:
                    block[-1][2].append(line)
            yield block


def plain(command):
    return re.sub(r"\bsudo ", "", command)


def parts(command):
    return [part.strip() for part in re.split(r"&&|;(?![^'\"]*['\"])", plain(command)) if part.strip()]


def is_elsewhere(command):
    return any(parts(command)[0].startswith(beginning) for beginning in ELSEWHERE)


def is_run(command):
    return all(part.split()[0] in RUNS for part in parts(command))


def adapted(daemon, command):
    """The command for the agentd of this test: its addresses, a worker's pid, shorter times."""
    command = plain(command)
    for wanted, smaller in SMALLER:
        command = re.sub(wanted, smaller, command)
    command = re.sub(r"http://(ALB|ADDRESS|[\w.-]+\.amazonaws\.com|127\.0\.0\.1:(?!8081)\d+)", f"http://127.0.0.1:{daemon.port}", command)
    command = command.replace("127.0.0.1:8081", f"127.0.0.1:{daemon.health_port}")
    command = command.replace("config check", f"config check --config {daemon.config_path}")
    if re.search(r"\bPID\b", command):
        daemon.wait_ready(2)
        command = re.sub(r"\bPID\b", str(daemon.workers()[0]["pid"]), command)
    return command


def run(daemon, command):
    """(exit code, all that it printed). What never ends is interrupted when it has printed something, or is quiet."""
    environment = {**os.environ, "AGENTCTL_SOCKET": str(daemon.control_socket), "LC_ALL": "C.UTF-8",
                   "AWS_EC2_METADATA_DISABLED": "true", "PATH": f"{daemon.build}:{os.environ['PATH']}"}
    process = subprocess.Popen(["bash", "-c", f"exec {command}" if len(parts(command)) == 1 else command],
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment)
    try:
        first = b""
        if ENDLESS.search(command + " "):
            if select.select([process.stdout], [], [], QUIET_S)[0]:  # a log may have nothing to say
                first = os.read(process.stdout.fileno(), 65536)
            process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=LIMIT_S)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    interrupted = bool(ENDLESS.search(command + " ")) and process.returncode == -signal.SIGINT
    return 0 if interrupted else process.returncode, (first + rest).decode()


def first_words(text):
    return {match[0] for line in text.splitlines() if (match := SHOWN.match(line.strip()))}


def check(daemon, command, code, shown):
    """Runs it. A reading is repeated until it shows what the page says: a window takes 10 s, an event a moment."""
    real = adapted(daemon, command)
    wanted = {word for word in first_words("\n".join(shown)) if not OTHER_NODE.match(word)}
    seen = []

    def good():
        seen[:] = run(daemon, real)
        return seen[0] == code and wanted <= first_words(seen[1])

    if READS.search(real):
        try:
            wait_until(good, LIMIT_S, "", interval_s=0.5)
            return
        except AssertionError:
            pass
    elif good():
        return
    missing = wanted - first_words(seen[1])
    raise AssertionError(f"{command}\n{real}: exit {seen[0]}, wanted {code}; no lines that begin with {missing}\n{seen[1]}"
                         f"\n{daemon.log_tail()}")


@pytest.mark.parametrize("name", with_commands())
def test_commands(agentd, name):
    blocks = list(commands_of(page(name)))
    unknown = [c for block in blocks for c, _, _ in block if not is_run(c) and not is_elsewhere(c)]
    assert not unknown, f"{name}: neither run here nor listed in ELSEWHERE: {unknown}"
    blocks = [[entry for entry in block if is_run(entry[0])] for block in blocks]
    if not any(blocks):
        return
    daemon = agentd({"agent": {"instance_id": NODE}})
    daemon.request("GET", "/")
    for block in filter(None, blocks):
        for entry in block:
            check(daemon, *entry)
        daemon.ctl("undrain")  # each block begins with a node in service
        daemon.ctl("stress", "off")


@functools.cache
def verbs(build):
    """{verb: its options}, by agentctl's own help."""
    def ask(*words):
        return subprocess.run([str(build / "agentctl"), *words], capture_output=True, text=True, check=True).stdout

    listed = ask("help").split("verbs:")[1].split("options of every verb:")[0]
    names = re.findall(r"^  ([a-z]+(?: [a-z]+)?)(?=  |$)", listed, re.M)
    options = {}
    for verb in names:
        options[verb] = set(re.findall(r"(?<![\w-])(--?[a-z][a-z-]*)", ask(*verb.split(), "--help")))
    return options


def mentions(text):
    """agentctl's command lines in a page: in its blocks and between backticks."""
    for _, body in BLOCK.findall(text):
        yield from re.findall(r"(?<![\w/-])agentctl +([a-z-][^\n|;&)\"]*)", body)
    yield from re.findall(r"`(?:sudo )?agentctl ([^`]+)`", BLOCK.sub("", text))


def wrong_with(known, line):
    words = re.split(r"\s+", re.sub(r"\s+# .*", "", line.strip()))
    while words and words[0].startswith("--"):
        words = words[2:] if words[0] == "--socket" else words[1:]
    if not words or not re.fullmatch(r"[a-z]+", words[0]):  # VERB, "…": no word of its own
        return None
    verb = next((v for v in (" ".join(words[:2]), words[0]) if v in known), None)
    if verb is None:
        return f"no verb in \"agentctl {line}\""
    wrong = [w for w in words[1:] if re.match(r"--?[a-z]", w) and w.split("=")[0] not in known[verb]]
    return f"\"agentctl {verb}\" has no {wrong}" if wrong else None


def test_verbs_and_options(build):
    known = verbs(build)
    assert {"status", "stress on", "config check", "load"} <= known.keys() and "--rate" in known["load"], known
    found = [(name, line) for name in PAGES for line in mentions(page(name))]
    assert len(found) > 100
    wrong = [f"{name}: {problem}" for name, line in found if (problem := wrong_with(known, line))]
    assert not wrong, "\n".join(wrong)
    assert wrong_with(known, "stress status --loud") and wrong_with(known, "dance")


def test_no_command_hides():
    """Commands stand in blocks of "sh", or of "console" with their output: only those are looked at."""
    assert "README.md" in with_commands() and "docs/runbooks/session-2.md" in with_commands()
    for name in PAGES:
        for language, body in BLOCK.findall(page(name)):
            hidden = re.search(r"^(\$ .*|(sudo )?(agentctl|aws) [a-z].*)", body, re.M)
            assert language in ("sh", "console") or not hidden, f"{name}: a block of \"{language}\" has {hidden[0]}"


def test_links_lead_somewhere():
    for name in PAGES:
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page(name)):
            if "://" not in target:
                assert ((SOURCE / name).parent / target).exists(), f"{name}: {target}"


def test_bill_adds_up():
    rows = [[cell.strip() for cell in line.strip("|").split("|")]
            for line in page("docs/qa-preparation.md").split("| USD a month |")[1].split("\n\n")[0].splitlines()[2:]]
    for column in (2, 3):
        *lines, total = [Decimal(row[column].strip("*")) for row in rows]
        assert len(lines) > 10 and sum(lines) == total, (column, sum(lines), total)
