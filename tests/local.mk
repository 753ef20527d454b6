# SPDX-License-Identifier: Apache-2.0
# What the integration tests hold against the supervisor; it links nothing of ours.
noinst_PROGRAMS += tests/tools/bad-worker
tests_tools_bad_worker_SOURCES = tests/tools/bad-worker.c

EXTRA_DIST += tests/integration/conftest.py tests/integration/pytest.ini \
	tests/integration/support/__init__.py tests/integration/support/daemon.py \
	tests/integration/support/growth.py tests/integration/support/holder.py tests/integration/support/holder_fixtures.py \
	tests/integration/test_hold_core.py tests/integration/test_hold_start.py tests/integration/test_hold_traced.py \
	tests/integration/test_hold_systemd.py tests/integration/test_hold_workers.py \
	tests/integration/support/kills.py tests/integration/support/libconfig.py tests/integration/support/load_generator.py \
	tests/integration/support/processes.py \
	tests/integration/test_bad_config.py tests/integration/test_bad_workers.py tests/integration/test_control_permissions.py tests/integration/test_disk_full.py tests/integration/test_http_abuse.py
EXTRA_DIST += tests/system/bare-tree tests/system/run tests/system/tree.sh tests/system/guest/agentd-tests.service \
	tests/system/guest/container_tests.py tests/system/guest/greedy_worker.py tests/system/guest/runner.py \
	tests/system/guest/hardening.py tests/system/guest/power_cut.py tests/system/guest/unit.py \
	tests/system/guest/vm_tests.py
EXTRA_DIST += run-demo.sh run-tests.sh scripts/build.sh scripts/go-peers.sh scripts/jobs.sh scripts/node-peers.sh scripts/python-peers.sh scripts/requirements.sh \
	tests/integration/requirements.txt \
	tests/checks/check-clang tests/checks/check-cppcheck tests/checks/check-dist \
	tests/checks/check-format tests/checks/check-layering \
	tests/checks/check-paths tests/checks/check-shellcheck tests/checks/check-size \
	tests/checks/check-spdx

# The fuzz targets alone: the rest is not needed to run them.
.PHONY: fuzz-targets soak soak-mixed
fuzz-targets: $(filter tests/fuzz/%,$(noinst_PROGRAMS))

# The integration storms with their full counts, and an hour of mixed events: hours, not minutes. The hour is
# SOAK_SECONDS long if that is given; soak-mixed is the mixed events alone.
soak:
	AGENTD_SOAK=1 AGENTD_SOAK_SECONDS=$(SOAK_SECONDS) $(srcdir)/run-tests.sh integration
soak-mixed:
	AGENTD_SOAK=1 AGENTD_SOAK_SECONDS=$(SOAK_SECONDS) PYTEST_ADDOPTS="-k test_soak" $(srcdir)/run-tests.sh integration

# Workers and peers of the integration tests.
noinst_PROGRAMS += tests/tools/delay-worker
tests_tools_delay_worker_SOURCES = tests/tools/delay-worker.c
tests_tools_delay_worker_CPPFLAGS = $(AM_CPPFLAGS) $(SYSTEMD_CFLAGS)
tests_tools_delay_worker_LDADD = $(NET_LIBS)
EXTRA_DIST += tests/integration/test_docs.py
EXTRA_DIST += tests/integration/test_bench_tidy.py tests/integration/test_board.py tests/integration/test_changes.py tests/integration/test_foreign_apps.py tests/integration/test_reload.py tests/integration/test_numbers.py \
	tests/integration/test_probes.py tests/integration/test_prometheus.py tests/integration/test_sigv4.py tests/integration/test_statsd.py \
	tests/integration/test_soak.py tests/integration/test_storms.py tests/integration/test_stress.py tests/integration/test_terminal.py
# CloudWatch's stand-in, and what is published to it.
EXTRA_DIST += tests/integration/support/aws_front.py tests/integration/support/aws_signature.py \
	tests/integration/support/certificates.py tests/integration/support/cloudwatch_limits.py \
	tests/integration/support/fake_imds.py tests/integration/support/http_peer.py \
	tests/integration/support/moto_peer.py tests/integration/support/publish_account.py \
	tests/integration/support/publish_stage.py tests/integration/test_aws_front.py tests/integration/test_publish.py

# The board's API against its contract.
EXTRA_DIST += tests/integration/requirements-schemathesis.txt tests/integration/schemathesis.toml \
	tests/integration/support/board.py tests/integration/test_board_api.py \
	tests/integration/test_board_attacks.py tests/integration/test_board_nodes.py

# The board as visitors see it.
EXTRA_DIST += scripts/browser-peers.sh tests/browser/conftest.py tests/browser/looks.py tests/browser/pytest.ini \
	tests/browser/requirements.txt tests/browser/test_page.py
# The packages, as an instance installs them.
EXTRA_DIST += tests/checks/check-user-data tests/system/packages.sh tests/system/distribution.spec \
	tests/system/guest/package_server.py tests/system/guest/package_steps.py tests/system/guest/packages_tests.py
EXTRA_DIST += tests/cloudformation/cdk/package-lock.json tests/cloudformation/cdk/package.json \
	tests/cloudformation/cdk/synth.js tests/cloudformation/pytest.ini tests/cloudformation/requirements.txt \
	tests/cloudformation/support.py tests/cloudformation/test_iam.py tests/cloudformation/test_lint.py \
	tests/cloudformation/test_metrics.py tests/cloudformation/test_synth.py tests/cloudformation/test_user_data.py \
	tests/cloudformation/yamllint.yaml
# Two nodes behind a load balancer.
EXTRA_DIST += tests/integration/support/haproxy.py tests/integration/test_fleet_nodes.py
