# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lets tests in folders below use `planned_fleet` and the files beside it."""
