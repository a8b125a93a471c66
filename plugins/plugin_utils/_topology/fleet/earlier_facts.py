# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Facts of earlier runs, from a persistent fact cache, that hosts of this run contradict.

A host may have got another key, address or endpoint since, by a run with another fact cache. Such a fact must not put the old
one back on the hosts of a limited run, which have stored the new one.
This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from typing import NamedTuple

from ....module_utils._wireguard.endpoint import address_family
from ..._untrusted import mapping_of
from ..plan_model.fleet import HostInput
from .observation import CachedPeer, Observation, cached_peers, observe
from .settings import AUTO


class Contradicted(NamedTuple):
    """The hosts whose earlier fact has another key, or another address or endpoint, than hosts of this run have stored."""

    keys: frozenset[str]
    others: frozenset[str]


class _Reported(NamedTuple):
    """What a host reported of all its interfaces. underlay: empty where a variable gives the endpoint."""

    keys: frozenset[str]
    addresses: frozenset[bytes]
    underlay: frozenset[str]


def contradicted(inputs: Mapping[str, HostInput], earlier: Set[str]) -> Contradicted:
    """Return the hosts whose facts are contradicted. earlier: the hosts whose facts are of an earlier run."""
    keys, others = set(), set()
    reported: dict[str, _Reported] = {}
    for reporter, host in inputs.items() if earlier else ():
        if reporter in earlier:
            continue
        for seen in _observations(host):
            for name, peers in cached_peers({reporter: seen}, earlier).items():
                if not peers or name in keys:
                    continue
                known = reported.get(name) or reported.setdefault(name, _reported(inputs[name]))
                if any(known.keys and peer.public_key not in known.keys for peer in peers):
                    keys.add(name)
                elif any(_is_other(peer, known) for peer in peers):
                    others.add(name)
    return Contradicted(frozenset(keys), frozenset(others - keys))


def _observations(host: HostInput) -> Iterator[Observation]:
    fact = host.fact or {}
    return (observe(fact, str(interface)) for interface in mapping_of(fact.get("interfaces")))


def _reported(host: HostInput) -> _Reported:
    seen = list(_observations(host))
    # The same on all interfaces.
    underlay = {link.address for one in seen[:1] for link in one.underlay.values()}
    return _Reported(
        frozenset(one.public_key for one in seen if one.public_key),
        frozenset(address.packed for one in seen for address in one.addresses),
        frozenset(underlay if host.variables.get("endpoint") in (None, "", AUTO) else ()),
    )


def _is_other(peer: CachedPeer, known: _Reported) -> bool:
    if known.addresses and any(address.packed not in known.addresses for address in peer.addresses):
        return True
    host = peer.endpoint.host if peer.endpoint is not None else ""
    return bool(known.underlay) and address_family(host) is not None and host not in known.underlay
