# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hosts of a run that other members do not have as a peer yet, and are not changed together with them.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping

from ..plan_model.fleet import Absence, HostInput, Newcomers
from .observation import Observation, peer_fields

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
    state itself gets all peers at once, and does not count. A host that others have under another name is not new.
    """
    new: dict[str, None] = {}
    lacking: dict[str, None] = {}
    here = {key: name for name, key in keys.items() if key is not None and name in observations and name not in absent}
    fresh = {key for key, name in here.items() if not _has_state(observations[name])}
    for other in sorted(name for name in absent if keys.get(name) is not None):
        theirs = observations.get(other)
        for key in fresh if theirs is None else here.keys() - _peers(theirs) if _has_state(theirs) else ():
            if related(here[key], other):
                new[here[key]] = lacking[other] = None
    if not new:
        return None
    later = tuple(name for name in lacking if inputs[name].absence is Absence.LATER)
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


def _peers(seen: Observation) -> set[str]:
    return {fields[0] for fields in peer_fields(seen)}
