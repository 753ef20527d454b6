# SPDX-License-Identifier: Apache-2.0
EXTRA_DIST += tests/integration/conftest.py tests/integration/pytest.ini \
	tests/integration/support/__init__.py tests/integration/support/daemon.py \
	tests/integration/support/libconfig.py tests/integration/support/load_generator.py \
	tests/integration/support/processes.py
