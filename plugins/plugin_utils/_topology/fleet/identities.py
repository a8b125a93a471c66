# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who the members of a fleet with one device for each host are: revocations, the credible sources, stored ports, and keys.

This is the part of a plan before members are put together. Hubs and spokes have several devices, see `hub_spoke/inputs.py`.
This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ..._problems import Problem
from ..plan_model.fleet import HostInput
from .identity import credible, identify, key_problems, key_warnings
from .observation import CachedPeer, Observation
from .put_off import absent_hosts, keys_in_use, replaced_keys, revoked_elsewhere, with_stored_ports
from .revocation import Revocation, revoke
from .settings import Settings

Cached = Mapping[str, tuple[CachedPeer, ...]]
# Returns what members have cached of those of which a topology lacks something.
CachedOf = Callable[[Sequence[str], Mapping[str, Observation]], Cached]


@dataclass(frozen=True)
class Identities:
    """The members, with what is known of them by name. names: of those that are not revoked.

    settings: of all hosts, with ports of others' stored endpoints. observations: what members report, absent ones with the
    key that they use. cached: what members have cached of each other and may be true. keys: None if unknown, or if a variable
    cannot be evaluated (unresolved). absent: the members that this run does not change together with the others, which are
    in_run. disputed: the members whose key is not certain, with the reason.
    """

    names: tuple[str, ...]
    settings: Mapping[str, Settings]
    observations: Mapping[str, Observation]
    revocation: Revocation
    absent: frozenset[str]
    unresolved: frozenset[str]
    cached: Cached
    disputed: Mapping[str, str]
    keys: Mapping[str, str | None]
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]

    @property
    def in_run(self) -> frozenset[str]:
        """The members that this run changes together."""
        return frozenset(self.names) - self.absent


def identities(
    inputs: Mapping[str, HostInput],
    settings: Mapping[str, Settings],
    observations: Mapping[str, Observation],
    prefix: str,
    cached_of: CachedOf,
) -> Identities:
    """Return who the members are. settings: as in the inventory. observations: what hosts report, revoked ones included."""
    revocation = revoke(settings, [observations], prefix)
    names = tuple(name for name in inputs if name not in revocation.names)
    absent = absent_hosts(inputs, revocation.names)
    unresolved = frozenset(name for name, host in inputs.items() if host.unresolved)
    # Facts reported by a revoked host are ignored.
    seen = {name: one for name, one in observations.items() if name not in revocation.names}
    replaced = replaced_keys(inputs, seen, absent, revocation.keys, prefix)
    seen = keys_in_use(seen, absent, revocation.keys)
    cached, disputed, false = credible(cached_of(names, seen), settings, seen, prefix)
    with_ports, put_off = with_stored_ports(inputs, settings, seen, cached, absent, unresolved, prefix)
    problems, warnings = list(replaced.problems), [*revocation.warnings, *replaced.warnings, *false, *put_off]
    warnings.extend(revoked_elsewhere(revocation.names, seen, absent, inputs, prefix))
    keys = {}
    for name in names:
        about = (with_ports[name], seen.get(name), cached.get(name, ()), revocation.keys.keys())
        keys[name] = None if name in unresolved else identify(name, *about)
        problems.extend(key_problems(name, *about[:2], prefix))
        warnings.extend(key_warnings(inputs[name], with_ports[name], *about[2:], frozenset(names) - absent, prefix))
    return Identities(
        names,
        with_ports,
        seen,
        revocation,
        absent,
        unresolved,
        cached,
        disputed,
        keys,
        tuple(problems),
        tuple(warnings),
    )
