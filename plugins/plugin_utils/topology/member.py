# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A member while the fleet is being planned: what it wants, what was seen of it, what was decided for it.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.wirewright.overlay.plugins.module_utils.prefix import Address
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.endpoints import choose
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.model import Endpoints
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.observation import Observation
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.settings import Settings

# What decides which endpoints a member uses and offers; members are planned by the few such classes there are.
Reach = tuple[tuple[str, ...], bool, bool, bool]


@dataclass(frozen=True)
class Member:
    """One member; `resolved` says whether its variables could be evaluated."""

    name: str
    settings: Settings
    observation: Observation | None
    public_key: str | None
    addresses: tuple[Address, ...]
    endpoints: Endpoints
    families: tuple[str, ...]
    resolved: bool = True

    @property
    def underlay_mtus(self) -> dict[str, int]:
        """Known underlay MTUs by address family."""
        underlay = self.observation.underlay if self.observation else {}
        return {family: link.mtu for family, link in underlay.items() if link.mtu is not None}

    @property
    def reach(self) -> Reach:
        """The member's class of reachability."""
        offers = self.endpoints
        return self.families, bool(offers.ipv4), bool(offers.ipv6), bool(offers.name)


@dataclass(frozen=True)
class Fleet:
    """All members that are not revoked, and what is revoked."""

    members: Sequence[Member]
    prefix: str
    revoked: Mapping[str, str] = field(default_factory=dict)
    revoked_by: Mapping[str, str] = field(default_factory=dict)
    excluded: frozenset[str] = frozenset()

    @property
    def resolved(self) -> Iterator[Member]:
        """The members whose variables could be evaluated."""
        return (member for member in self.members if member.resolved)


def tunnel_kind(one: Reach, other: Reach) -> str:
    """Return what carries the tunnel between members of two classes: "ipv4", "ipv6", "name", or "" for neither end."""
    return _uses(one, other) or _uses(other, one)  # pylint: disable=arguments-out-of-order  # both ways


def _uses(one: Reach, other: Reach) -> str:
    families, (_families, *offers) = one[0], other
    marked = Endpoints(*("-" if offered else "" for offered in offers))
    return choose(families, marked)[0]


def tunnel_kinds(fleet: Fleet) -> dict[str, frozenset[str]]:
    """Return for each member what carries its tunnels to the other members: linear in members, not in pairs."""
    sizes = Counter(member.reach for member in fleet.members)
    kinds: dict[Reach, frozenset[str]] = {}
    for one, size in sizes.items():
        others = (other for other in sizes if other != one or size > 1)
        kinds[one] = frozenset(tunnel_kind(one, other) for other in others)
    return {member.name: kinds[member.reach] for member in fleet.members}
