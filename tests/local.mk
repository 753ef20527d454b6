# SPDX-License-Identifier: Apache-2.0
EXTRA_DIST += tests/integration/conftest.py tests/integration/pytest.ini \
	tests/integration/support/__init__.py tests/integration/support/daemon.py \
	tests/integration/support/libconfig.py tests/integration/support/load_generator.py \
	tests/integration/support/processes.py
EXTRA_DIST += tests/system/run tests/system/tree.sh tests/system/guest/agentd-tests.service \
	tests/system/guest/container_tests.py tests/system/guest/runner.py \
	tests/system/guest/unit.py tests/system/guest/vm_tests.py
