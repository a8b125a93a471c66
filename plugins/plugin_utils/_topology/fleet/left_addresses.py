# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The overlay addresses that revoked hosts leave. Other hosts do not get them while the inventory revokes the name.

A member that no run has reached since may still have such an address under the revoked key: packets for a host that gets it
would go to the revoked one. Hosts remove the peer, so each notes the address that it had stored.
This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from ....module_utils._ip.prefix import Address, Prefix
from ..._problems import host_list
from .observation import Observation, cached_peers
from .settings import Settings

# By reporter and by revoked name, at most one address in each network.
Left = Mapping[str, Mapping[str, tuple[Address, ...]]]


def left_addresses(
    revoked: Collection[str], networks: Iterable[Prefix], devices: Sequence[Mapping[str, Observation]]
) -> Left:
    """Return what each host has stored, or noted in an earlier run, as addresses of names that the inventory revokes.

    devices: the observations of each network of interfaces, by host, without those of revoked hosts.
    One host can so withhold one address in each network for each revoked name, and no more.
    """
    names = frozenset(revoked)
    if not names:
        return {}
    wanted = tuple(dict.fromkeys(networks))
    found: dict[str, dict[str, list[Address]]] = {}
    for on_device in devices:
        for name, peers in cached_peers(on_device, names).items():
            for peer in peers:
                found.setdefault(peer.reporter, {}).setdefault(name, []).extend(peer.addresses)
        for reporter, seen in on_device.items():
            for name, addresses in seen.left.items():
                if name in names:
                    found.setdefault(reporter, {}).setdefault(name, []).extend(addresses)
    chosen = {
        reporter: {name: one for name in sorted(about) if (one := _one_in_each(wanted, about[name]))}
        for reporter, about in sorted(found.items())
    }
    return {reporter: about for reporter, about in chosen.items() if about}


def withheld(left: Left, settings: Mapping[str, Settings], revoked: Iterable[str]) -> dict[bytes, str]:
    """Return the addresses that other hosts do not get, packed, each with its former host and who says so, for messages."""
    said: dict[tuple[bytes, str], list[str]] = {}
    for reporter, about in left.items():
        for name, addresses in about.items():
            for address in addresses:
                said.setdefault((address.packed, name), []).append(reporter)
    found: dict[bytes, str] = {}
    for name in sorted(revoked):
        for address in settings[name].addresses if name in settings else ():
            found.setdefault(address.packed, f"that of {name!r}, which is revoked")
    for (packed, name), reporters in sorted(said.items()):
        found.setdefault(packed, f"that of {name!r}, which is revoked, according to {host_list(reporters)}")
    return found


def noted(left: Left) -> dict[str, str]:
    """Return the note of each host on what it has stored; `Observation.left` is read from it in the next run."""
    return {
        reporter: "\n".join(
            f"{name}\t{','.join(address.bare for address in addresses)}" for name, addresses in about.items()
        )
        for reporter, about in left.items()
    }


def _one_in_each(networks: Iterable[Prefix], addresses: Iterable[Address]) -> tuple[Address, ...]:
    ordered = sorted(set(addresses), key=lambda address: (address.packed, address.length))
    inside = (next((one for one in ordered if network.contains(one.host)), None) for network in networks)
    return tuple(one for one in dict.fromkeys(inside) if one is not None)
