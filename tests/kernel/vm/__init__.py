# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A virtual machine with a stock Debian kernel, for tests that need real WireGuard and ESP."""
