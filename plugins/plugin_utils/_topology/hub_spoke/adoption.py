# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What to write where a hub or a spoke that is adopted would lose allowed IPs of another one.

This plugin util is private to the collection.
"""

from __future__ import annotations

import socket
from collections.abc import Collection

from ....module_utils._interface.losses import Loss
from ....module_utils._ip.prefix import Prefix
from ..plan_model.fleet import FleetPlan

_FULL_TUNNEL = "set {prefix}full_tunnel of this host to true, or {allow}"
_OTHER_FAMILY = (
    "the overlay has no addresses of this family, so no such packets go through the tunnel: put an %s network into "
    "{prefix}network, for all hosts, or {allow}"
)
_ISOLATED = "set {prefix}isolate to false, so that spokes reach each other, or {allow}"
_LARGER = (
    "list the networks behind it, which do not overlap the overlay's own, in {prefix}networks of {peer}, or {allow}"
)
_CLIENTS = (
    "they are in the overlay's own network, and a spoke has its own address only: make {prefix}network a smaller one without "
    "them, and add them to {prefix}networks of {peer}; or {allow}"
)


def of_hubs_and_spokes(loss: Loss, plan: FleetPlan, networks: Collection[Prefix]) -> str:
    """Return what to write where {prefix}networks refuses the allowed IPs of a member, "" for others."""
    lost, is_hub = loss.prefixes, plan.hosts[loss.peer].hub is not None
    all_packets = {prefix.family for prefix in lost if not prefix.length}
    if is_hub and all_packets:
        # A full tunnel has the families of the overlay.
        known = all_packets & {network.family for network in networks}
        return _FULL_TUNNEL if known else _OTHER_FAMILY % ("IPv6" if socket.AF_INET6 in all_packets else "IPv4")
    if not any(prefix.contains(network) or network.contains(prefix) for prefix in lost for network in networks):
        return ""
    if is_hub and plan.isolate and any(network.contains(prefix) for prefix in lost for network in networks):
        return _ISOLATED
    inside = all(any(network.contains(prefix) for network in networks) for prefix in lost)
    return _CLIENTS if inside else _LARGER
