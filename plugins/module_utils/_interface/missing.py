# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""An interface in check mode that does not exist yet, because an earlier task has only predicted it.

This module is private to the collection.
"""

from __future__ import annotations

from dataclasses import replace

from .._host.links import WIREGUARD, Link
from .._host.missing_interfaces import missing
from .._wireguard.keys import ZERO
from .._wireguard.model import Device, Settings
from .options import WantedInterface
from .plan import Current


def assumed(current: Current, wanted: WantedInterface) -> tuple[Current, tuple[str, ...]]:
    """Return the state with the interface as another task creates it, without peers, and a warning."""
    link = Link(wanted.name, WIREGUARD, None, True, None)
    device = Device(wanted.name, Settings(ZERO, 0, 0), ZERO)
    return replace(current, link=link, device=device), (missing(wanted.name),)
