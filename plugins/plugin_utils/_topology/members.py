# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The members of an overlay with their addresses and public keys, out of a plan or of the fact of one host.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypedDict

from .._untrusted import mapping_of
from .fleet.observation import cached_names, cached_peers, observe


class MemberEntry(TypedDict):
    """A member. addresses: those of the overlay, without lengths. public_key: None if unknown."""

    addresses: list[str]
    public_key: str | None


def planned_interfaces(plan: Mapping[str, Any]) -> list[str]:
    """Return the interfaces of a plan in its plain form, the first hub's first."""
    hubs = [host["hub"]["interface"] for host in plan["hosts"].values() if host["hub"]]
    return list(dict.fromkeys([plan["interface"], *hubs]))


def planned_members(plan: Mapping[str, Any], interface: str) -> dict[str, MemberEntry]:
    """Return the members in a plan in its plain form. A spoke has the public key of this interface."""
    return {
        name: {
            "addresses": [_bare(address) for address in host["addresses"]],
            "public_key": host["public_keys"].get(interface) if host["public_keys"] else host["public_key"],
        }
        for name, host in sorted(plan["hosts"].items())
    }


def reported_members(fact: Mapping[str, Any], interface: str, own_name: str) -> dict[str, MemberEntry]:
    """Return the members that a host has as peers, and itself; nothing where it has no such interface."""
    if interface not in mapping_of(fact.get("interfaces")):
        return {}
    seen = observe(fact, interface)
    found = {own_name: _entry((address.bare for address in seen.addresses), seen.public_key)}
    for name, peers in cached_peers({"": seen}, {*cached_names(seen)} - {""}).items():
        if peers:
            found[name] = _entry((address.bare for address in peers[0].addresses), peers[0].public_key)
    return dict(sorted(found.items()))


def _entry(addresses: Iterable[str], public_key: str) -> MemberEntry:
    return {"addresses": list(addresses), "public_key": public_key or None}


def _bare(address: str) -> str:
    return address.partition("/")[0]
