# SPDX-License-Identifier: Apache-2.0
"""
Tests of the packages in a container without agentd: the user data install them from a server on the loopback,
as an instance would from S3 or https. First the RPMs by Amazon Linux's script, then the debs by Ubuntu's.
"""

import re

from package_steps import *  # pylint: disable=wildcard-import,unused-wildcard-import

REBOOT = "reboot"
REPOSITORY = Path("/etc/yum.repos.d/distribution.repo")
# What the instance was last told besides its defaults.
SETTINGS = {"SCALING_TARGET": "60", "TRUSTED_PROXIES": "127.0.0.0/8, 10.0.0.0/16"}


def refuses(pattern, kind="rpm", said="", **changes):
    """The script fails with one line that says why, also in the journal, and installs nothing. |said| is what the
    package manager says before it."""
    since = time.time() - 1
    result = user_data(kind, **changes)
    assert result.returncode == 1, result.stdout + result.stderr
    failed = [line for line in result.stdout.splitlines() if line.startswith("agentd-user-data: failed: ")]
    assert len(failed) == 1 and re.search(pattern, failed[0]), result.stdout + result.stderr
    assert re.search(said, result.stdout + result.stderr), result.stdout + result.stderr
    line = failed[0].removeprefix("agentd-user-data: ")
    wait_until(lambda: line in journal("-t", "agentd-user-data", "-p", "err", since=since), 30, "the line in the journal")
    assert not Path("/usr/sbin/agentd").exists() and not CONFIG_DIR.exists()
    assert run("rpm", "-qa", "agentd*").stdout == ""
    return line


def prepares():
    """the file server answers; nothing of agentd is here."""
    note_files()
    assert server().files_port


def wrong_user_data():
    """each wrong variable fails the script with its reason, and installs nothing."""
    wrong = {
        "APP_PORT": ["http"], "AGENTD_VERSION": ["$(reboot)"], "AGENTD_URL": ["http://example.com/agentd.rpm"],
        "AGENTD_SHA256": ["abc"], "BOARD_URL": ["s3://bucket"], "BOARD_SHA256": [""], "TABLE_NAME": ["a table"],
        "AWS_REGION": ["Frankfurt"], "METRICS_NAMESPACE": ['a";b'], "SCALING_TARGET": ["101"],
        "TRUSTED_PROXIES": ["the-load-balancer", "10.0.0/16", "10.1.0.0/8", "10.0.0.0/16, 10.0.0.1/24", '10.0.0.0/16"'],
    }  # fmt: skip
    return [refuses(f"{name} is ", **{name: value}) for name, values in wrong.items() for value in values]


def wrong_package():
    """a package with another SHA-256, another version, or broken bytes installs nothing, the other one neither."""
    lines = [refuses("has the SHA-256 [0-9a-f]{64}, not 0000.*: nothing is installed", **{name: "0" * 64})
             for name in ("AGENTD_SHA256", "BOARD_SHA256")]  # fmt: skip
    lines.append(refuses(f'the package is "agentd {version_of("rpm")}", not "agentd 0.0.9"', AGENTD_VERSION="0.0.9"))
    lines.append(refuses("can't fetch https://", AGENTD_URL=f"https://localhost:{server().files_port}/absent.rpm"))
    broken = PACKAGES / "broken.rpm"
    content = bytearray(package("rpm", "agentd-visitor-board").read_bytes())
    content[-1000] ^= 1
    broken.write_bytes(content)
    lines.append(refuses("installing failed", BOARD_URL=f"https://localhost:{server().files_port}/{broken.name}",
                         BOARD_SHA256=sha256(broken), said="(?i)digest: bad"))  # fmt: skip
    broken.unlink()
    return lines


def wants_its_requirements():
    """without the distribution's packages dnf installs nothing, and says what is missing."""
    aside = REPOSITORY.with_suffix(".aside")
    REPOSITORY.rename(aside)
    try:
        return [refuses("installing failed", said=r"nothing provides libmicrohttpd\.so\.12\(\)\(64bit\) needed by agentd-")]
    finally:
        aside.rename(REPOSITORY)


def unsigned():
    """where dnf wants signatures, it refuses the packages; the user data's SHA-256 stand for them."""
    configured = Path("/etc/dnf/dnf.conf")
    configured.write_text(configured.read_text() + "localpkg_gpgcheck=1\n")
    result = run("dnf", "-y", "install", *(str(package("rpm", name)) for name in NAMES), check=False)
    assert result.returncode == 1 and "is not signed" in result.stdout + result.stderr, result.stdout + result.stderr
    return installs_and_boots()


def second_run():
    """the user data once more: nothing is fetched, nothing restarts."""
    before, fetched = (holder(), core(), workers()), len(server().seen)
    steps = boot_with("rpm")
    assert (holder(), core(), workers()) == before and len(server().seen) == fetched
    return steps


def forgotten():
    """the same packages once more, when the user data don't know that they are there: agentd goes on."""
    main = holder()
    Path("/var/lib/agentd-user-data/installed").unlink()
    steps = boot_with("rpm")
    assert holder() == main and installed_rpms() == [f"{name}-{version_of('rpm')}" for name in NAMES]
    return steps


def new_settings():
    """the user data with other values: written, and agentd restarted with them."""
    old = holder()
    boot_with("rpm", **SETTINGS)
    assert "scaling_target = 60;" in USER_CONF.read_text() and holder() != old


def posts_as(connection, address):
    """The status of one post of the visitor with that address, through a load balancer."""
    connection.request("POST", "/api/messages", '{"message":"hello"}',
                       {"Content-Type": "application/json", "X-Forwarded-For": address})  # fmt: skip
    response = connection.getresponse()
    response.read()
    return response.status


def trusts_the_balancer():
    """TRUSTED_PROXIES reaches the workers: each visitor behind a load balancer has a limit of its own."""
    for pid in workers():
        environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        assert b"BOARD_TRUSTED_PROXIES=127.0.0.0/8, 10.0.0.0/16" in environment, environment
    # One connection is one worker, and the limit is each worker's.
    connection = http.client.HTTPConnection("127.0.0.1", APP_PORT, timeout=30)
    posts = 0
    while posts_as(connection, "192.0.2.1") != 429:
        posts += 1
        assert posts < 1000, "one visitor is never too fast"
    # As many again as one address has at once; of the first visitor, they would take a minute.
    assert [posts_as(connection, "192.0.2.2") for _ in range(30)] == [201] * 30
    assert posts_as(connection, "203.0.113.9, 192.0.2.3") == 201
    connection.close()
    return [f"{posts} posts of one visitor, then 429"]


def to_release(release):
    main, old_core, serving = holder(), core(), workers()
    flow = load_of_both()
    flow.wait_requests(100, 120)
    steps = boot_with("rpm", release=release, **SETTINGS)
    flow.wait_requests(100, 120)
    flow.stop().assert_none_failed()
    assert "agentd-user-data: agentctl reload --wait" in steps, steps
    assert holder() == main and core() not in (0, old_core) and not set(workers()) & set(serving)
    assert installed_rpms() == [f"{name}-{version_of('rpm', release)}" for name in NAMES]
    return [*steps, flow.summary()]


def new_release():
    """user data with another release, under load: upgraded in place, new workers, no failed request."""
    return to_release("2")


def release_before():
    """user data with the release before, under load: back the same way."""
    return to_release("1")


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


def fetches_from_s3():
    """with s3:// addresses: by the role's credentials, signed; then erased again."""
    fetched_before = server().seen.count("GET /latest/meta-data/iam/security-credentials/the-role")
    steps = boot_with("rpm", "s3", AWS_REGION="")
    assert server().seen.count("GET /latest/meta-data/iam/security-credentials/the-role") == fetched_before + 2
    assert 'region = "eu-central-1"' in USER_CONF.read_text()
    erased()
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
    wrong_package,
    wants_its_requirements,
    unsigned,
    second_run,
    forgotten,
    new_settings,
    trusts_the_balancer,
    journal_fields,
    stress_on_and_off,
    new_release,
    release_before,
    upgraded_under_load,
    upgrade_refused,
    crash_loop,
    stops,
    socket_unit,
    erased,
    fetches_from_s3,
    debs,
]
