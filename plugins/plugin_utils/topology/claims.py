# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What each member claims of the overlay's addresses: from inventory, its own word and its neighbours' memories.

`addressing.py` decides. This plugin util is private to the collection.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import chain

from ansible_collections.wirewright.overlay.plugins.module_utils.prefix import Address, Prefix, parse_prefix
from ansible_collections.wirewright.overlay.plugins.plugin_utils.addressing import Allocation, Claim, allocate
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.observation import (
    Observation,
    Recollection,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.settings import Settings


def forgotten(
    names: Iterable[str], settings: Mapping[str, Settings], observations: Mapping[str, Observation]
) -> set[str]:
    """Return the members for which their neighbours must be asked, because they do not say all about themselves."""
    found = set()
    for name in names:
        seen, wanted = observations.get(name), settings[name]
        if seen is None or not seen.public_key:
            found.add(name)
        elif not wanted.addresses:
            own = [address.host for address in seen.addresses]
            if not all(any(network.contains(host) for host in own) for network in wanted.network):
                found.add(name)
    return found


def contested(own: Mapping[str, Sequence[Address]], memories: Mapping[str, Sequence[Recollection]]) -> set[str]:
    """Return the members that say they have an address that another says or is remembered to have.

    own, memories: as in `allocate_addresses`; of a member that is contested, the neighbours must be asked.
    """
    known = {name: {address.packed for address in addresses} for name, addresses in own.items()}
    for name, about in memories.items():
        known.setdefault(name, set()).update(address.packed for memory in about for address in memory.addresses)
    uses = Counter(chain.from_iterable(known.values()))
    return {name for name in own if any(uses[packed] > 1 for packed in known[name])}


def allocate_addresses(
    names: Sequence[str],
    unresolved: Collection[str],
    settings: Mapping[str, Settings],
    own: Mapping[str, Sequence[Address]],
    memories: Mapping[str, Sequence[Recollection]],
    prefix: str,
) -> Allocation:
    """Return the overlay addresses of all members.

    own: what each says that it has. memories: what its neighbours remember of each.
    """
    claims = []
    for name in names:
        remembered = [(memory.neighbour, address) for memory in memories.get(name, ()) for address in memory.addresses]
        if name in unresolved:
            # Nobody knows what its inventory says, so nobody else gets what it may still have.
            held = tuple(dict.fromkeys(address for _neighbour, address in remembered))
            claims.append(Claim(name, (), explicit=held))
            continue
        wanted = settings[name]
        claims.append(Claim(name, wanted.network, wanted.addresses, tuple(own.get(name, ())), tuple(remembered)))
    return allocate(claims, _reserved(settings[name] for name in names), prefix)


def _reserved(settings: Iterable[Settings]) -> list[Prefix]:
    """Return what unmanaged peers occupy."""
    texts = {text for wanted in settings for peer in dict.fromkeys(wanted.static_peers) for text in peer.allowed_ips}
    return [prefix for prefix in map(parse_prefix, sorted(texts)) if prefix.length > 0]
