# SPDX-License-Identifier: Apache-2.0
# The templates are made from their *.yaml.in, the table of metrics and the user data's script. They are committed; a
# test compares.
TEMPLATE_TOOLS = packaging/cloudformation/generator/make_templates.py packaging/cloudformation/generator/alarms.py \
	packaging/cloudformation/generator/dashboard.py packaging/cloudformation/generator/metrics.py
EXTRA_DIST += packaging/cloudformation/README.md packaging/cloudformation/single-node.yaml.in \
	packaging/cloudformation/single-node.yaml packaging/cloudformation/scalable.yaml.in \
	packaging/cloudformation/scalable.yaml packaging/cloudformation/parts/alerts.yaml \
	packaging/cloudformation/parts/launch-data.yaml packaging/cloudformation/parts/network.yaml \
	packaging/cloudformation/parts/parameters.yaml packaging/cloudformation/parts/role.yaml \
	packaging/cloudformation/parts/table.yaml packaging/cloudformation/parts/user-data.yaml $(TEMPLATE_TOOLS) \
	tests/unit/test-templates.sh
TESTS += tests/unit/test-templates.sh

.PHONY: templates
templates: docs/tools/print-references
	docs/tools/print-references json | PYTHONDONTWRITEBYTECODE=1 python3 $(srcdir)/packaging/cloudformation/generator/make_templates.py \
		$(srcdir)/packaging/cloudformation $(srcdir)/packaging/user-data/amazon-linux-2023.sh $(srcdir)/packaging/cloudformation
