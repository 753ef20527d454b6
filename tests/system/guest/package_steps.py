# SPDX-License-Identifier: Apache-2.0
"""
The packages as an instance gets them: the user data install them from a server on the loopback, as from S3 or
https, by the distribution's own package manager. What the tests of both guests use, and the tests that both have.
"""

import functools
import hashlib
import os
import re
import signal

from package_server import BUCKET, PackageServer
from unit import *  # pylint: disable=wildcard-import,unused-wildcard-import

HERE = Path(__file__).parent
PACKAGES = HERE / "packages"
NAMES = ("agentd", "agentd-visitor-board")
APP_PORT = 80
USER_CONF = CONFIG_DIR / "90-user-data.conf"
KINDS = {"rpm": "amazon-linux-2023.sh", "deb": "ubuntu-24.04.sh"}
STATE = ("/etc/agentd", "/var/lib/agentd", "/var/lib/visitor-board", "/var/lib/agentd-user-data")
# What package managers, the manager and the tests write themselves.
OTHERS = STATE + (
    "/etc/group", "/etc/gshadow", "/etc/passwd", "/etc/shadow", "/etc/subuid", "/etc/subgid", "/etc/.pwd.lock",
    "/usr/lib/agentd-tests", "/var/cache", "/var/lib/apt", "/var/lib/dnf", "/var/lib/dpkg", "/var/lib/rpm", "/var/log",
    "/var/lib/systemd", "/var/lib/agentd-tests", "/var/tmp",
    "/etc/agentd-second.conf", "/var/lib/agentd-second",  # power_cut.py's
)  # fmt: skip
FILES_BEFORE = Path("/var/lib/agentd-tests/files-before")


@functools.cache
def server():
    """What packages are fetched from, started when it is first wanted."""
    return PackageServer(PACKAGES, "/run/package-server")


def package(kind, name, release="1"):
    if kind == "rpm":
        return next((PACKAGES / release).glob(f"{name}-[0-9]*.rpm"))
    return next((PACKAGES / "deb").glob(f"{name}_*.deb"))


@functools.cache
def version_of(kind, release="1"):
    """VERSION-RELEASE, as agentd's package itself says."""
    path = str(package(kind, "agentd", release))
    if kind == "rpm":
        return run("rpm", "-qp", "--qf", "%{VERSION}-%{RELEASE}", path).stdout
    return run("dpkg-deb", "-W", "--showformat=${Version}", path).stdout


def installed_rpms():
    """NAME-VERSION-RELEASE of both packages."""
    return run("rpm", "-q", "--qf", "%{NAME}-%{VERSION}-%{RELEASE}\n", *NAMES).stdout.split()


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


# --- The user data ---------------------------------------------------------------------------------


def variables(kind, scheme="https", release="1"):
    given = {"AGENTD_VERSION": version_of(kind, release), "AWS_REGION": "eu-central-1", "APP_PORT": str(APP_PORT)}
    base = f"https://localhost:{server().files_port}" if scheme == "https" else f"s3://{BUCKET}"
    for prefix, name in zip(("AGENTD", "BOARD"), NAMES):
        path = package(kind, name, release)
        given[f"{prefix}_URL"] = f"{base}/{path.relative_to(PACKAGES)}"
        given[f"{prefix}_SHA256"] = sha256(path)
    return given


def user_data(kind="rpm", scheme="https", release="1", **changes):
    """Runs the script with its variables filled in, as a template does it."""
    text = (HERE / KINDS[kind]).read_text()
    for name, value in {**variables(kind, scheme, release), **changes}.items():
        text, n = re.subn(rf"^{name}='[^']*'", lambda _, n=name, v=value: f"{n}='{v}'", text, count=1, flags=re.M)
        assert n == 1, f"the script has no {name}"
    script = FILES_BEFORE.with_name("user-data.sh")  # /run executes nothing
    script.write_text(text)
    script.chmod(0o700)
    return run(str(script), check=False, timeout_s=320, env={**os.environ, **server().environment()})


def boot_with(kind, scheme="https", release="1", **changes):
    """The user data end well, and the board serves where they say. Returns the steps that they told."""
    result = user_data(kind, scheme, release, **changes)
    assert result.returncode == 0, result.stdout + result.stderr
    assert healthy() and request(port=APP_PORT)[0] == 200 and refused(BOARD_PORT)
    assert show("ActiveState", "UnitFileState") == ["active", "enabled"]
    wait_workers(len(os.sched_getaffinity(0)))
    return [line for line in result.stdout.splitlines() if line.startswith("agentd-user-data: ")]


def load_of_both(**options):
    """A load on new and on kept connections, of which none may fail."""
    calm = {"clients_new": 2, "clients_kept": 2, "pause_s": 0.02, "slow_s": 30, "timeout_s": 60}
    return Load(APP_PORT, duration_s=400, max_requests=20000, **{**calm, **options})


# --- What is where ---------------------------------------------------------------------------------


def files():
    """All files and links but those that others write; directories are shared."""
    found = set()
    for top in ("/usr", "/etc", "/var"):
        for folder, folders, names in os.walk(top):
            folders[:] = [name for name in folders if os.path.join(folder, name) not in OTHERS]
            links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
            found |= {os.path.join(folder, name) for name in names + links}
    return found - set(OTHERS)


def note_files():
    """Remembers what is there before the packages come, also over a reboot."""
    assert show("LoadState") == "not-found" and run("rpm", "-qa", "agentd*").stdout == ""
    FILES_BEFORE.write_text("\0".join(sorted(files())))


def nothing_left(*command):
    """Runs the command that removes the packages: only configuration and state are left."""
    run(*command)
    assert not named("agentd") + named("agentd-core") + workers()
    assert show("LoadState") == "not-found"
    left = files() - set(FILES_BEFORE.read_text().split("\0"))
    assert not left, sorted(left)[:20]
    assert not Path("/usr/libexec/agentd").exists()
    assert USER_CONF.exists() and Path("/var/lib/visitor-board").is_dir()


# --- Tests of both guests --------------------------------------------------------------------------


def installs_and_boots():
    """the RPMs by user data and dnf: installed, configured, started, /health 200."""
    steps = boot_with("rpm")
    text = USER_CONF.read_text()
    for words in ('sink = "cloudwatch"', 'namespace = "VisitorBoard"', 'region = "eu-central-1"', 'listen = [ "80" ]'):
        assert words in text, text
    assert installed_rpms() == [f"{name}-{version_of('rpm')}" for name in NAMES]
    assert "visitor-board" in run("agentctl", "status").stdout
    assert user_of(workers()[0]) == "visitor-board" and user_of(holder()) == "agentd"
    # With what they require: all of it is in tests/system/distribution.spec.
    verified = run("rpm", "-V", *NAMES, check=False).stdout
    assert not verified, verified
    # The restarts from here on needn't wait for a load balancer.
    (CONFIG_DIR / "80-tests.conf").write_text("health: { lame_duck = 1; };\n")
    return steps


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


def stress_on_and_off():
    """agentctl stress on loads the node, stress off ends it."""
    run("agentctl", "stress", "on", "--load", "30", "--for", "60s")
    wait_until(lambda: named("agentd-stress"), 30, "agentd-stress runs")
    run("agentctl", "stress", "off")
    wait_until(lambda: not named("agentd-stress"), 30, "agentd-stress is gone")


def rpm_upgrade(release, *options):
    paths = [str(package("rpm", name, release)) for name in NAMES]
    return run("rpm", "-U", *options, *paths, timeout_s=200)


def upgraded_under_load():
    """rpm -U under load: no failed request, the same workers, the new version runs."""
    serving, main, old = workers(), holder(), core()
    flow = load_of_both()
    flow.wait_requests(100, 120)
    said = rpm_upgrade("2").stdout
    assert "upgraded from " in said, said
    flow.wait_requests(100, 120)
    flow.stop().assert_none_failed()
    assert (workers(), holder()) == (serving, main) and core() not in (0, old)
    assert installed_rpms() == [f"{name}-{version_of('rpm', '2')}" for name in NAMES]
    return [*said.splitlines(), flow.summary()]


def stops():
    """systemctl stop leaves no process, and both ports refuse."""
    systemctl("stop", UNIT)
    left = named("agentd") + named("agentd-core") + workers() + unit_processes()
    assert not left, f"left: {left}"
    assert refused(APP_PORT) and refused(HEALTH_PORT)
    systemctl("start", UNIT)
    wait_healthy()


def erased():
    """rpm -e ends agentd and leaves no file but configuration and state."""
    nothing_left("rpm", "-e", *reversed(NAMES))


__all__ = [name for name in dir() if not name.startswith("_")]
