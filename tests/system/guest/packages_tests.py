# SPDX-License-Identifier: Apache-2.0
"""
Tests of the packages in a container without agentd: the user data install them from a server on the loopback,
as an instance would from S3 or https. First the RPMs by Amazon Linux's script, then the debs by Ubuntu's.
"""

import hashlib
import os
import re
import signal

from package_server import BUCKET, PackageServer
from unit import *  # pylint: disable=wildcard-import,unused-wildcard-import

REBOOT = "reboot"
HERE = Path(__file__).parent
PACKAGES = HERE / "packages"
APP_PORT = 80
USER_CONF = CONFIG_DIR / "90-user-data.conf"
KINDS = {"rpm": "amazon-linux-2023.sh", "deb": "ubuntu-24.04.sh"}
STATE = ("/etc/agentd", "/var/lib/agentd", "/var/lib/visitor-board", "/var/lib/agentd-user-data")
# What package managers, the manager and the tests write themselves.
OTHERS = STATE + (
    "/etc/group", "/etc/gshadow", "/etc/passwd", "/etc/shadow", "/etc/subuid", "/etc/subgid", "/etc/.pwd.lock",
    "/etc/agentd", "/usr/lib/agentd-tests", "/var/cache", "/var/lib/apt", "/var/lib/dpkg", "/var/lib/rpm", "/var/log",
    "/var/lib/systemd", "/var/lib/agentd-tests", "/var/tmp",
)  # fmt: skip
server = None
files_before = set()


def package(kind, name, release="1"):
    if kind == "rpm":
        return next((PACKAGES / release).glob(f"{name}-[0-9]*.rpm"))
    return next((PACKAGES / "deb").glob(f"{name}_*.deb"))


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def variables(kind, scheme="https"):
    given = {"AGENTD_VERSION": "0.1.0-1", "AWS_REGION": "eu-central-1", "APP_PORT": str(APP_PORT)}
    base = f"https://localhost:{server.files_port}" if scheme == "https" else f"s3://{BUCKET}"
    for prefix, name in (("AGENTD", "agentd"), ("BOARD", "agentd-visitor-board")):
        path = package(kind, name)
        given[f"{prefix}_URL"] = f"{base}/{path.relative_to(PACKAGES)}"
        given[f"{prefix}_SHA256"] = sha256(path)
    return given


def user_data(kind="rpm", scheme="https", **changes):
    """Runs the script with its variables filled in, as a template does it."""
    text = (HERE / KINDS[kind]).read_text()
    for name, value in {**variables(kind, scheme), **changes}.items():
        text, n = re.subn(rf"^{name}='[^']*'", lambda _, n=name, v=value: f"{n}='{v}'", text, count=1, flags=re.M)
        assert n == 1, f"the script has no {name}"
    script = Path("/run/user-data.sh")
    script.write_text(text)
    script.chmod(0o700)
    result = subprocess.run([str(script)], capture_output=True, text=True, timeout=200, check=False,
                            env={**os.environ, **server.environment()})  # fmt: skip
    return result


def refuses(pattern, kind="rpm", **changes):
    """The script fails with one line that says why, also in the journal, and installs nothing."""
    since = time.time() - 1
    result = user_data(kind, **changes)
    assert result.returncode == 1, result.stdout + result.stderr
    failed = [line for line in result.stdout.splitlines() if line.startswith("agentd-user-data: failed: ")]
    assert len(failed) == 1 and re.search(pattern, failed[0]), result.stdout + result.stderr
    line = failed[0].removeprefix("agentd-user-data: ")
    wait_until(lambda: line in journal("-t", "agentd-user-data", "-p", "err", since=since), 30, "the line in the journal")
    assert not Path("/usr/sbin/agentd").exists() and not CONFIG_DIR.exists()
    assert run("rpm", "-q", "agentd", check=False).returncode == 1
    return line


def files():
    """All files and links but those that others write; directories are shared."""
    found = set()
    for top in ("/usr", "/etc", "/var"):
        for folder, folders, names in os.walk(top):
            folders[:] = [name for name in folders if os.path.join(folder, name) not in OTHERS]
            links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
            found |= {os.path.join(folder, name) for name in names + links}
    return found - set(OTHERS)


def prepares():
    """the file server answers; nothing of agentd is here."""
    global server  # pylint: disable=global-statement
    server = PackageServer(PACKAGES, "/run/package-server")
    files_before.update(files())
    assert show("LoadState") == "not-found"


def wrong_user_data():
    """each wrong variable fails the script with its reason, and installs nothing."""
    wrong = {
        "APP_PORT": "http", "AGENTD_VERSION": "$(reboot)", "AGENTD_URL": "http://example.com/agentd.rpm",
        "AGENTD_SHA256": "abc", "BOARD_URL": "s3://bucket", "BOARD_SHA256": "", "TABLE_NAME": "a table",
        "AWS_REGION": "Frankfurt", "METRICS_NAMESPACE": 'a";b', "SCALING_TARGET": "101",
    }  # fmt: skip
    return [refuses(f"{name} is ", **{name: value}) for name, value in wrong.items()]


def wrong_checksum():
    """a package with another SHA-256 installs nothing, the second one neither."""
    lines = [refuses("has the SHA-256 [0-9a-f]{64}, not 0000.*: nothing is installed", **{name: "0" * 64})
             for name in ("AGENTD_SHA256", "BOARD_SHA256")]  # fmt: skip
    lines.append(refuses('the package is "agentd 0.1.0-1", not "agentd 0.2.0"', AGENTD_VERSION="0.2.0"))
    lines.append(refuses("can't fetch https://", AGENTD_URL=f"https://localhost:{server.files_port}/absent.rpm"))
    return lines


def boot_with(kind, scheme="https", **changes):
    result = user_data(kind, scheme, **changes)
    assert result.returncode == 0, result.stdout + result.stderr
    steps = [line for line in result.stdout.splitlines() if line.startswith("agentd-user-data: ")]
    assert healthy() and request(port=APP_PORT)[0] == 200 and refused(8080)
    assert show("ActiveState", "UnitFileState") == ["active", "enabled"]
    wait_workers(len(os.sched_getaffinity(0)))
    return steps


def installs_and_boots():
    """the RPMs by user data: installed, configured, started, /health 200."""
    steps = boot_with("rpm")
    text = USER_CONF.read_text()
    for words in ('sink = "cloudwatch"', 'namespace = "VisitorBoard"', 'region = "eu-central-1"', 'listen = [ "80" ]'):
        assert words in text, text
    assert "visitor-board" in run("agentctl", "status").stdout
    assert user_of(workers()[0]) == "visitor-board" and user_of(holder()) == "agentd"
    verified = run("rpm", "-V", "--nodeps", "agentd", "agentd-visitor-board", check=False).stdout
    assert not verified, verified
    # The restarts from here on needn't wait for a load balancer.
    (CONFIG_DIR / "80-tests.conf").write_text("health: { lame_duck = 1; };\n")
    return steps


def second_run():
    """the user data once more: nothing is fetched, nothing restarts."""
    before, fetched = (holder(), core(), workers()), len(server.seen)
    steps = boot_with("rpm")
    assert (holder(), core(), workers()) == before and len(server.seen) == fetched
    return steps


def new_settings():
    """the user data with another value: written, and agentd restarted with it."""
    old = holder()
    boot_with("rpm", SCALING_TARGET="60")
    assert "scaling_target = 60;" in USER_CONF.read_text() and holder() != old


def journal_fields():
    """events are found by identifier, field and message id, and the catalog explains them."""
    line = json.loads(journal("-u", UNIT, "EVENT=worker-ready", "-n", "1", "-o", "json"))
    assert line["SYSLOG_IDENTIFIER"] == "agentd-core" and line["APP"] == "visitor-board", line
    assert int(line["SLOT"]) >= 1 and int(line["WORKER_PID"]) in workers(), line
    since, serving = time.time() - 1, workers()
    send(serving[0], signal.SIGKILL)
    wait_workers(len(serving), without=serving[:1])
    died = json.loads(wait_until(lambda: journal("EVENT=worker-died", "-o", "json", since=since), 60, "its death"))
    assert died["WORKER_PID"] == str(serving[0]), died
    text = journal("MESSAGE_ID=" + died["MESSAGE_ID"], "-x", "-o", "short", since=since)
    assert "A worker died" in text and f"Worker {died['SLOT']} of visitor-board, process {serving[0]}" in text, text
    return text.splitlines()


def stress():
    """agentctl stress on loads the node, stress off ends it."""
    run("agentctl", "stress", "on", "--load", "30", "--for", "60s")
    wait_until(lambda: named("agentd-stress"), 30, "agentd-stress runs")
    run("agentctl", "stress", "off")
    wait_until(lambda: not named("agentd-stress"), 30, "agentd-stress is gone")


def rpm_upgrade(release, *options):
    names = ("agentd", "agentd-visitor-board")
    return run("rpm", "-U", "--nodeps", *options, *(str(package("rpm", name, release)) for name in names))


def upgraded_under_load():
    """rpm -U under load: no failed request, the same workers, the new version runs."""
    serving, main, old = workers(), holder(), core()
    flow = Load(APP_PORT, duration_s=120, max_requests=20000, clients_new=2, clients_kept=2, pause_s=0.02, slow_s=30,
                timeout_s=60)  # fmt: skip
    flow.wait_requests(100, 60)
    said = rpm_upgrade("2").stdout
    assert "upgraded from " in said, said
    flow.wait_requests(100, 60)
    flow.stop().assert_none_failed()
    assert (workers(), holder()) == (serving, main) and core() not in (0, old)
    assert run("rpm", "-q", "agentd").stdout.startswith("agentd-0.1.0-2"), "not the new release"
    return [*said.splitlines(), flow.summary()]


def upgrade_refused():
    """an upgrade that can't go on says why, and the old one serves on."""
    before = (holder(), workers())
    bad = CONFIG_DIR / "99-bad.conf"
    bad.write_text("health: { lame_dukc = 3; };\n")
    try:
        result = rpm_upgrade("2", "--replacepkgs")
    finally:
        bad.unlink()
    said = result.stdout + result.stderr
    assert "the running one goes on as it is" in said and "lame_dukc" in said, said
    assert (holder(), workers()) == before and healthy()
    return said.splitlines()


def crash_loop():
    """an app that always dies is a crash loop: in the journal, with its words, and the board serves on."""
    since, before = time.time() - 1, workers()
    extra = CONFIG_DIR / "95-crasher.conf"
    extra.write_text('apps: { crasher: { command = [ "/bin/sh", "-c", "echo can not; exit 1" ]; user = "visitor-board"; workers = 1; }; };\n')
    restart()
    try:
        wait_until(lambda: journal("EVENT=crash-loop", "APP=crasher", since=since), 120, "the crash loop in the journal")
        assert request(port=APP_PORT)[0] == 200
        words = journal("-u", UNIT, "-t", "crasher.1", since=since)
        assert set(words.split("\n")) == {"can not", ""}, words
        events = json.loads(run("agentctl", "events", "--json", "--lines", "256").stdout)["events"]
        assert any(event["event"] == "worker-died" and event["app"] == "crasher" for event in events)
    finally:
        extra.unlink()
        restart()
    assert set(wait_workers(len(before))) != set(before)


def stops():
    """systemctl stop leaves no process, and both ports refuse."""
    systemctl("stop", UNIT)
    left = named("agentd") + named("agentd-core") + workers()
    assert not left, f"left: {left}"
    assert refused(APP_PORT) and refused(HEALTH_PORT)
    systemctl("start", UNIT)
    wait_healthy()


NO_LOW_PORTS = "CAP_SETUID CAP_SETGID"


def socket_unit():
    """without the capability port 80 needs agentd.socket, and is served with it, restarts too."""
    since = time.time() - 1
    systemctl("stop", UNIT)
    drop_in(f"[Service]\nAmbientCapabilities=\nAmbientCapabilities={NO_LOW_PORTS}\n"
            f"CapabilityBoundingSet=\nCapabilityBoundingSet={NO_LOW_PORTS}\n")  # fmt: skip
    try:
        systemctl("--no-block", "start", UNIT)
        line = wait_until(lambda: re.search(r".*can't listen on 80: .*", journal("-u", UNIT, since=since)), 60, "a refusal")
        systemctl("stop", UNIT)
        systemctl("enable", "--now", "agentd.socket")
        for action in ("start", "restart"):
            systemctl(action, UNIT)
            wait_healthy()
            assert request(port=APP_PORT)[0] == 200
            assert not capabilities(holder())["CapBnd"] & 1 << 10
        systemctl("disable", "--now", "agentd.socket", check=False)
        systemctl("stop", "agentd.socket", UNIT)
        assert refused(APP_PORT)
    finally:
        drop_in(None)
        systemctl("stop", "agentd.socket", check=False)
        restart()
        wait_healthy()
    return [line.group(0)]


def nothing_left(*command):
    """Runs the command that removes the packages: only configuration and state are left."""
    run(*command)
    assert not named("agentd") + named("agentd-core") + workers()
    assert show("LoadState") == "not-found"
    left = files() - files_before
    assert not left, sorted(left)[:20]
    assert not Path("/usr/libexec/agentd").exists()
    assert USER_CONF.exists() and Path("/var/lib/visitor-board").is_dir()


def erased():
    """rpm -e ends agentd and leaves no file but configuration and state."""
    nothing_left("rpm", "-e", "agentd-visitor-board", "agentd")


def fetches_from_s3():
    """with s3:// addresses: by the role's credentials, signed; then erased again."""
    refused_without = server.seen.count("GET /latest/meta-data/iam/security-credentials/the-role")
    steps = boot_with("rpm", "s3", AWS_REGION="")
    assert server.seen.count("GET /latest/meta-data/iam/security-credentials/the-role") == refused_without + 2
    assert 'region = "eu-central-1"' in USER_CONF.read_text()
    nothing_left("rpm", "-e", "agentd-visitor-board", "agentd")
    return steps


def debs():
    """the debs by Ubuntu's user data and apt; removed, they leave nothing else."""
    steps = boot_with("deb")
    before = (holder(), workers())
    said = run("dpkg", "-i", str(package("deb", "agentd")), timeout_s=200).stdout
    assert "upgraded from " in said and (holder(), workers()) == before, said
    nothing_left("dpkg", "--remove", "agentd-visitor-board", "agentd")
    return steps


TESTS = [
    prepares,
    wrong_user_data,
    wrong_checksum,
    installs_and_boots,
    second_run,
    new_settings,
    journal_fields,
    stress,
    upgraded_under_load,
    upgrade_refused,
    crash_loop,
    stops,
    socket_unit,
    erased,
    fetches_from_s3,
    debs,
]
