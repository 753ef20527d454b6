# SPDX-License-Identifier: Apache-2.0
"""What the integration tests stand on: the real binaries, started and watched, and a load generator."""
