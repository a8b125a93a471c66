# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Peers that left the inventory, but may be a host that cannot be reached, under its former name.

The key of a renamed host is known only to itself. Until it is reached, it cannot be distinguished from a removed host, so its
peer is kept, unless the stored endpoint shows that it is another host.
This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from ....module_utils._wireguard.endpoint import Endpoint, address_family
from ..._problems import Problem, agree, host_list
from ..plan_model.fleet import HostInput
from .member import Member
from .observation import Observation, endpoint_or_none, peer_fields

_MOST = 1000  # of the names that hosts report


def former_names(
    members: Iterable[Member],
    observations: Iterable[Mapping[str, Observation]],
    inputs: Mapping[str, HostInput],
    revoked: Collection[str],
) -> dict[str, list[str]]:
    """Return by name the peers that hosts have stored and the inventory lacks, with the silent members that each may be.

    observations: of each device. revoked: names.
    """
    silent = {
        member.name: _places(inputs[member.name], member)
        for member in members
        if member.public_key is None and member.observation is None and member.resolved and not member.refused
    }
    endpoints: dict[str, set[str]] = {}
    for on_device in observations if silent else ():
        for seen in on_device.values():
            for _key, name, _addresses, endpoint in peer_fields(seen):
                if name and name not in inputs and name not in revoked and len(endpoints) < _MOST:
                    found = endpoint_or_none(endpoint)
                    endpoints.setdefault(name, set()).add(found.host if found else "")
    return {
        name: sorted(other for other, places in silent.items() if _may_be(hosts, places))
        for name, hosts in endpoints.items()
        if any(_may_be(hosts, places) for places in silent.values())
    }


def kept(found: Mapping[str, Collection[str]], prefix: str) -> Iterable[Problem]:
    """Yield the warning of each silent member that a kept peer may be. found: as `former_names` returns it."""
    names: dict[str, list[str]] = {}
    for former, members in found.items():
        for member in members:
            names.setdefault(member, []).append(former)
    for member, formers in names.items():
        it = agree(formers, "it", "one of them")
        text = (
            f"{host_list(formers)} {agree(formers, 'is', 'are')} no longer in the inventory, and this host may have been {it} "
            f"before it was renamed, so {agree(formers, 'it stays a peer', 'they stay peers')} until a run reaches this host; "
            f"list {agree(formers, 'it', 'them')} in {prefix}revoked to remove {agree(formers, 'it', 'them')} now"
        )
        yield Problem(member, prefix + "public_key", text)


def _places(host: HostInput, member: Member) -> set[str]:
    """Return the addresses and names at which the inventory says that a host is."""
    endpoint = member.settings.endpoint
    return {host.ansible_host or host.name, *([endpoint.host] if isinstance(endpoint, Endpoint) else [])}


def _may_be(hosts: Collection[str], places: Collection[str]) -> bool:
    """Return whether a peer with these endpoints may be a host at these places; names and no endpoint tell nothing."""
    both = (hosts, places)
    if any(not host or address_family(host) is None for listed in both for host in listed):
        return True
    return bool(set(hosts) & set(places))
