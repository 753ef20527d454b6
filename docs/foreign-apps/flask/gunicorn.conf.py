# SPDX-License-Identifier: Apache-2.0
"""
gunicorn under agentd. It takes the listener from LISTEN_FDS and says READY=1 by itself, so `bind` is
not named here.
"""

import os

workers = 2
# The app is loaded before gunicorn says that it is ready: one that fails to load never replaces one
# that serves.
preload_app = True
# As long as agentd's drain_timeout.
graceful_timeout = 30
# gunicorn's own request metrics, if agentd listens for StatsD.
if "STATSD_HOST" in os.environ:
    statsd_host = f"{os.environ['STATSD_HOST']}:{os.environ['STATSD_PORT']}"
