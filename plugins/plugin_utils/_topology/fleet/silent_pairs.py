# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The pairs of members in which neither end has an endpoint of the other: their number, members, and the first ones.

Where nobody has an endpoint these are all pairs of the fleet, so they are counted by class of reachability and not listed.
This plugin util is private to the collection.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import merge
from itertools import islice

from .member import Fleet, Reach, tunnel_kind


@dataclass(frozen=True)
class SilentPairs:
    """count: of all pairs. first: the first ones, sorted. names: the members of all of them."""

    count: int
    first: tuple[tuple[str, str], ...]
    names: frozenset[str]


def silent_pairs(fleet: Fleet, most: int) -> SilentPairs:
    """Return the pairs without an endpoint at either end, of which at most ``most`` are listed.

    An override of a peer's endpoint, in either direction, takes the pair out. The work is linear in members and overrides.
    """
    reach = {member.name: member.reach for member in fleet.members if member.public_key is not None}
    by_reach: dict[Reach, list[str]] = {}
    for name in sorted(reach):
        by_reach.setdefault(reach[name], []).append(name)
    silent = {one: [other for other in by_reach if not tunnel_kind(one, other)] for one in by_reach}
    excluded: dict[str, set[str]] = {}
    for one, other in _overridden(fleet):
        if one != other and one in reach and other in reach and reach[other] in silent[reach[one]]:
            excluded.setdefault(one, set()).add(other)
            excluded.setdefault(other, set()).add(one)
    of_class = {one: sum(len(by_reach[other]) for other in others) - (one in others) for one, others in silent.items()}
    # By member, the number of pairs that it is in.
    degrees = Counter({name: of_class[own] - len(excluded.get(name, ())) for name, own in reach.items()})
    candidates = [name for name in sorted(reach) if degrees[name]]
    listed = _in_order(candidates, reach, by_reach, silent, excluded)
    return SilentPairs(sum(degrees.values()) // 2, tuple(islice(listed, most)), frozenset(candidates))


def _overridden(fleet: Fleet) -> Iterator[tuple[str, str]]:
    for member in fleet.members:
        for name, view in member.settings.peer_overrides.items():
            if view.endpoint or view.no_endpoint:
                yield member.name, name


def _in_order(
    names: Sequence[str],
    reach: Mapping[str, Reach],
    by_reach: Mapping[Reach, Sequence[str]],
    silent: Mapping[Reach, Sequence[Reach]],
    excluded: Mapping[str, Collection[str]],
) -> Iterator[tuple[str, str]]:
    """Yield the pairs in order, each with the smaller name first."""
    for name in names:
        of_classes = (by_reach[other] for other in silent[reach[name]])
        later = (islice(members, bisect_right(members, name), None) for members in of_classes)
        without = excluded.get(name, ())
        yield from ((name, other) for other in merge(*later) if other not in without)
