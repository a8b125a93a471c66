# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The overlay addresses that each member claims: from the inventory, its own facts and the cached state of others.

`addressing.py` chooses among them. This plugin util is private to the collection.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import chain

from ....module_utils._ip.prefix import Address, Prefix
from .addressing import Allocation, Claim, allocate
from .observation import CachedPeer, Observation
from .settings import Settings


def incomplete(
    names: Iterable[str], settings: Mapping[str, Settings], observations: Mapping[str, Observation]
) -> set[str]:
    """Return the members whose own facts lack a key or an address, so that the cached state of others is needed."""
    found = set()
    for name in names:
        seen, wanted = observations.get(name), settings[name]
        if seen is None or not seen.has_key:
            found.add(name)
        elif not wanted.addresses:
            own = [address.host for address in seen.addresses]
            if not all(any(network.contains(host) for host in own) for network in wanted.network):
                found.add(name)
    return found


def contested(own: Mapping[str, Sequence[Address]], cached: Mapping[str, Sequence[CachedPeer]]) -> set[str]:
    """Return the members that report an address which another member reports, or is cached with.

    own, cached: as in `allocate_addresses`. For these members the cached state of others is needed.
    """
    known = {name: {address.packed for address in addresses} for name, addresses in own.items()}
    for name, about in cached.items():
        known.setdefault(name, set()).update(address.packed for peer in about for address in peer.addresses)
    uses = Counter(chain.from_iterable(known.values()))
    return {name for name in own if any(uses[packed] > 1 for packed in known[name])}


def allocate_addresses(
    names: Sequence[str],
    unresolved: Collection[str],
    settings: Mapping[str, Settings],
    own: Mapping[str, Sequence[Address]],
    cached: Mapping[str, Sequence[CachedPeer]],
    prefix: str,
    withheld: Mapping[bytes, str] | None = None,
) -> Allocation:
    """Return the overlay addresses of all members.

    own: the addresses that each member reports. cached: the cached state of others about each member. withheld: as in
    `allocate`.
    """
    claims = []
    for name in names:
        recorded = [(peer.reporter, address) for peer in cached.get(name, ()) for address in peer.addresses]
        if name in unresolved:
            # Its variables are unknown, so the addresses that it may still have are not given to others.
            reported = tuple(own.get(name, ()))
            claims.append(Claim(name, (), own=reported, cached=tuple(recorded), keeps=True, reports=name in own))
            continue
        wanted = settings[name]
        if name not in own and not wanted.network and not wanted.addresses:
            # The addresses of an adopted interface, which only the host itself notes.
            claims.append(Claim(name, (), cached=tuple(recorded), keeps=True))
            continue
        reported = tuple(own.get(name, ()))
        claims.append(Claim(name, wanted.network, wanted.addresses, reported, tuple(recorded), reports=name in own))
    return allocate(claims, _reserved(settings[name] for name in names), prefix, withheld or {})


def _reserved(settings: Iterable[Settings]) -> list[Prefix]:
    """Return the prefixes of unmanaged peers."""
    lists = dict.fromkeys(wanted.static_peers for wanted in settings)
    return sorted({prefix for peers in lists for peer in peers for prefix in peer.allowed_ips if prefix.length})
