# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The failover program as a module, and settings for three hubs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .programs import load

PROGRAM = Path(__file__).parents[3] / "roles/hub_spoke/files/wirewright-overlay-failover"
HUBS = [{"name": f"hub{n}", "dev": f"wg{n - 1}", "address": f"10.42.0.{n}"} for n in (1, 2, 3)]

failover = load(PROGRAM)


def settings(hubs: int = 3, **options: Any) -> Any:
    """Return the parsed configuration of the first hubs."""
    return failover.parse_settings(json.dumps({"hubs": HUBS[:hubs], **options}))
