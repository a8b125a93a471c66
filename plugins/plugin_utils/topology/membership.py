# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Members put together from what is wanted, seen and remembered of each host.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from ansible_collections.wirewright.overlay.plugins.module_utils.prefix import Address, Prefix, parse_prefix
from ansible_collections.wirewright.overlay.plugins.plugin_utils.problems import Problem
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.endpoints import (
    families,
    offered,
    recalled,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.member import Member
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.model import Endpoints, HostInput
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.observation import (
    Observation,
    Recollection,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.settings import AUTO, Settings


def unresolved_problems(hosts: Iterable[HostInput], prefix: str) -> Iterator[Problem]:
    """Yield the variables that cannot be evaluated, of hosts that were heard from: others may need their facts."""
    for host in hosts:
        if host.fact is not None:
            for variable, reason in host.unresolved.items():
                yield Problem(host.name, prefix + variable, reason)


def member_of(
    host: HostInput,
    settings: Settings,
    observation: Observation | None,
    public_key: str | None,
    addresses: tuple[Address, ...],
    memories: Sequence[Recollection],
    networks: Collection[Prefix],
) -> Member:
    """Return a member, with where it can be reached. networks: those of the overlay, which cannot carry it."""

    def in_overlay(text: str) -> bool:
        address = parse_prefix(text.partition("%")[0])
        return any(network.contains(address) for network in networks)

    endpoints = offered(host.name, settings, host.ansible_host, observation, memories, in_overlay)
    return Member(
        host.name,
        settings,
        observation,
        public_key,
        addresses,
        endpoints,
        families(settings, endpoints, observation),
        not host.unresolved,
    )


def without_stale_endpoints(members: Sequence[Member], memories: Mapping[str, Sequence[Recollection]]) -> list[Member]:
    """Forget a remembered endpoint of a silent member that somebody else has: addresses are given out again.

    Its peers keep the endpoint that they hold.
    """
    uses = Counter(text for member in members for text in member.endpoints.texts)

    def is_stale(member: Member) -> bool:
        texts = member.endpoints.texts
        return (
            member.observation is None
            and any(uses[text] > 1 for text in texts)
            and (member.settings.endpoint == AUTO and member.endpoints == recalled(memories.get(member.name, ())))
        )

    return [replace(member, endpoints=Endpoints()) if is_stale(member) else member for member in members]
