# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a run reaches a node.

This plugin util is private to the collection.
"""

from __future__ import annotations

from ..plan_model.fleet import HostInput


def is_reached(host: HostInput) -> bool:
    """Return whether a node is in this run and has reported its facts."""
    return host.reached and host.fact is not None
