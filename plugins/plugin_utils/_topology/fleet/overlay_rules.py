# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules on the interfaces of several overlays.

An interface belongs to one overlay: a second one would replace the peers of the first. An interface that an overlay no
longer uses is removed (former_interfaces.py), or reported where that is not certain or not wanted.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

from ..._problems import Problem, agree, host_list
from .observation import Observation, cached_names, observe
from .settings import Settings


class Scope(NamedTuple):
    """Which hosts of the inventory a fleet is. others: the other hosts.

    groups: the groups that the play or the variable of the role names, "" if it names more than whole groups.
    """

    groups: str = ""
    others: Collection[str] = frozenset()


WHOLE = Scope()


def taken_interfaces(
    observations: Mapping[str, Observation],
    settings: Mapping[str, Settings],
    interface: str,
    overlay: str,
    prefix: str,
) -> Iterator[Problem]:
    """Yield the hosts whose interface belongs to another overlay, unless they adopt it.

    An overlay is identified by its topology and, for hubs and spokes, by the groups. Unreachable hosts are not checked.
    """
    for name, seen in observations.items():
        if overlay and seen.overlay and seen.overlay != overlay and not settings[name].adopt:
            text = (
                f"{interface!r} on this host belongs to another overlay ({seen.overlay}), whose peers this one "
                f"({overlay}) would replace; use another interface for one of them, or set {prefix}adopt to true if "
                "this is the same overlay under another name"
            )
            yield Problem(name, prefix + "interface", text)


def left_out(
    names: Collection[str],
    observations: Mapping[str, Observation],
    scope: Scope,
    revoked: Collection[str],
    prefix: str,
) -> Iterator[Problem]:
    """Yield hosts that would lose peers, or have none, because the play perhaps has a part of the fleet only.

    names: the members. A host that leaves the groups that the fleet had leaves the fleet; other groups may be a part of it.
    """
    remedy = f"set {prefix}group to the group of the whole fleet, whatever hosts the play has"
    for name in names if scope.others else ():
        seen = observations.get(name)
        if scope.groups and (seen is None or seen.groups in ("", scope.groups)):
            continue
        known = [other for other in cached_names(seen) if other in scope.others and other not in revoked]
        if known:
            remedies = remedy
            why = f"are not whole groups and lack {agree(known, 'it', 'them')}"
            if scope.groups and seen is not None:
                why = f"are those of {scope.groups!r}, and this host had those of {seen.groups!r} as peers"
                remedies = f"{remedy}, use another {prefix}interface and {prefix}port for another overlay"
            text = (
                f"{host_list(known)} would be removed as peers, because the hosts of this play {why}; {remedies}, or list "
                f"{agree(known, 'it', 'them')} in {prefix}revoked if {agree(known, 'it is', 'they are')} to leave"
            )
            yield Problem(name, prefix + "group", text)
        elif len(names) == 1 and not scope.groups:
            text = f"this is the only member, because the hosts of this play are not whole groups; {remedy}"
            yield Problem(name, prefix + "group", text)


def left_behind(
    facts: Mapping[str, Mapping[str, Any] | None],
    interfaces: Mapping[str, Collection[str]],
    overlay: str,
    prefix: str,
) -> Iterator[Problem]:
    """Yield interfaces of this overlay that it no longer uses.

    facts: by host, None for an unreachable one. interfaces: by host, those that the plan makes or removes.
    """
    for name, known in interfaces.items():
        reported = (facts.get(name) or {}).get("interfaces")
        for interface in sorted(map(str, reported)) if overlay and isinstance(reported, Mapping) else ():
            if interface not in known and observe({"interfaces": reported}, interface).overlay == overlay:
                yield left_interface(name, interface, prefix)


def left_interface(name: str, interface: str, prefix: str) -> Problem:
    """Return the warning about an interface that an overlay no longer uses and does not remove."""
    text = (
        f"{interface!r} on this host belongs to this overlay, which no longer uses it, perhaps because a hub left "
        "its group; it stays, with its routes, until a task of overlay_apply gives it the state absent"
    )
    return Problem(name, prefix + "interface", text)
