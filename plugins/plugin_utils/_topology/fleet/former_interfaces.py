# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Interfaces that an overlay had on a host: renamed ones, and those that led to a hub which left its group.

The run that no longer plans them removes them. A new interface continues with what the former one has stored.
This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ..._untrusted import mapping_of
from .observation import observe
from .settings import Settings, is_interface_name

# What hub and spokes append to the overlay of an interface for direct tunnels: it is none that leads to a hub.
DIRECT = " direct"
# What an interface has stored of the overlay, besides its own key.
_STORED = ("addresses", "peers", "revoked")


def former_interfaces(
    fact: Mapping[str, Any] | None, planned: Collection[str], overlay: str, settings: Settings
) -> tuple[str, ...]:
    """Return the interfaces of a host that belong to this overlay and are not planned, by name.

    Two overlays of one host can have the same topology and groups; then their networks differ. So an interface counts if it
    has stored this overlay and an address in one of its networks, or one of the host's own addresses.
    """
    reported = mapping_of(mapping_of(fact).get("interfaces"))
    names = (name for name in map(str, reported) if is_interface_name(name) and name not in planned)
    explicit = {address.packed for address in settings.addresses}

    def is_former(name: str) -> bool:
        seen = observe({"interfaces": reported}, name)
        return seen.overlay == overlay and any(
            address.packed in explicit or any(network.contains(address.host) for network in settings.network)
            for address in seen.addresses
        )

    return tuple(sorted(filter(is_former, names))) if overlay else ()


def continued(
    fact: Mapping[str, Any] | None, planned: Collection[str], former: Collection[str]
) -> Mapping[str, Any] | None:
    """Return a fact in which a new interface has the addresses, peers and revoked keys of a former one.

    So overlay addresses stay, and revoked keys stay refused, when an interface is renamed.
    """
    if fact is None or not former:
        return fact
    reported = mapping_of(fact.get("interfaces"))
    stored = mapping_of(reported.get(min(former)))
    inherited = {name: stored[name] for name in _STORED if name in stored}
    new = {
        name: {**mapping_of(reported.get(name)), **inherited}
        for name in planned
        if not any(mapping_of(reported.get(name)).get(part) for part in (*_STORED, "notes"))
    }
    return {**fact, "interfaces": {**reported, **new}}
