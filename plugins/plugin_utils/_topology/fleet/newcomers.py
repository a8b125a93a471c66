# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hosts of a run that other members do not have as a peer yet, and are not changed together with them.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping

from ..plan_model.fleet import HostInput, Newcomers
from .observation import Observation

Related = Callable[[str, str], bool]


def newcomers(
    inputs: Mapping[str, HostInput],
    keys: Mapping[str, str | None],
    absent: Collection[str],
    observations: Mapping[str, Observation],
    related: Related = lambda _one, _other: True,
) -> Newcomers | None:
    """Return the new hosts of a run and the members that get them as a peer later, None if there are none.

    keys: of the members, None if unknown. absent: the members that are not changed together with the hosts of this run.
    related: whether two members have a tunnel.
    A member without facts is taken to lack a host that has no state of the overlay, and no other. A member that has no
    state itself gets all peers at once, and does not count.
    """
    new: dict[str, None] = {}
    lacking: dict[str, None] = {}
    others = sorted(name for name in absent if keys.get(name) is not None)
    for name, key in keys.items() if others else ():
        own = observations.get(name)
        if name in absent or key is None or own is None:
            continue
        is_new = not _has_state(own)
        for other in others:
            theirs = observations.get(other)
            lacks = is_new if theirs is None else _has_state(theirs) and not _has_peer(theirs, name, key)
            if lacks and related(name, other):
                new[name] = lacking[other] = None
    if not new:
        return None
    later = tuple(name for name in lacking if not inputs[name].outside and inputs[name].fact is not None)
    return Newcomers(tuple(sorted(new)), tuple(sorted(lacking.keys() - set(later))), tuple(sorted(later)))


def merged(found: Iterable[Newcomers | None]) -> Newcomers | None:
    """Return the newcomers on several devices as one."""
    known = [one for one in found if one is not None]
    if not known:
        return None
    hosts, next_run, later = (tuple(sorted({name for part in parts for name in part})) for parts in zip(*known))
    return Newcomers(hosts, next_run, tuple(name for name in later if name not in next_run))


def _has_state(seen: Observation) -> bool:
    return bool(seen.peers or seen.overlay)


def _has_peer(seen: Observation, name: str, key: str) -> bool:
    # Without parsing the lines: with serial there are facts of all members in each batch.
    return f"{key}\t{name}\t" in seen.peers
