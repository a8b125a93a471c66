# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The networks that a host reaches by itself: its routes in the fact of `overlay_prepare`, which is hostile input.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from ....module_utils._ip.prefix import Prefix, parse_prefix
from ..._untrusted import text_of

# overlay_prepare returns fewer.
_LINES, _LINE_LENGTH = 1000, 100
_LONGEST_NAME = 15  # IFNAMSIZ without the NUL


class NetworkRoute(NamedTuple):
    """A host's own route to a network. is_connected: the host is on the network, and this is not only a path to it."""

    destination: Prefix
    interface: str
    metric: int
    is_connected: bool

    @property
    def label(self) -> str:
        """The route for a message."""
        kind = "the network on" if self.is_connected else "routed through"
        metric = f", metric {self.metric}" if self.metric else ""
        return f"{self.destination} ({kind} {self.interface or 'several interfaces'}{metric})"


def network_routes(fact: Mapping[str, Any] | None, planned: Collection[str]) -> tuple[NetworkRoute, ...]:
    """Return the routes in a fact, without those through interfaces that the plan makes or removes."""
    text = text_of((fact or {}).get("routes"))[: _LINES * _LINE_LENGTH]
    routes = filter(None, map(_route, text.split("\n")[:_LINES]))
    return tuple(dict.fromkeys(route for route in routes if route.interface not in planned))


def _route(line: str) -> NetworkRoute | None:
    fields = line.split("\t")
    if len(fields) != 4 or len(line) > _LINE_LENGTH:
        return None
    destination, interface, metric, kind = fields
    if len(interface) > _LONGEST_NAME or not interface.isprintable() or not (metric.isascii() and metric.isdigit()):
        return None
    try:
        prefix = parse_prefix(destination)
    except ValueError:
        return None
    return NetworkRoute(prefix, interface, int(metric), kind == "connected") if prefix.length else None
