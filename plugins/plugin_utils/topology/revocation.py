# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which keys must go, and stay away: what the inventory revokes, and what hosts remember as revoked.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ansible_collections.wirewright.overlay.plugins.plugin_utils.problems import Problem
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.observation import (
    Observation,
    is_public_key,
    recollect,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.settings import Settings


@dataclass
class Revocation:
    """names: revoked inventory names; keys: revoked public keys, each with the name it had ("" if unknown).

    said_by: for each key, what revoked it, for messages.
    """

    names: frozenset[str] = frozenset()
    keys: dict[str, str] = field(default_factory=dict)
    said_by: dict[str, str] = field(default_factory=dict)
    warnings: list[Problem] = field(default_factory=list)


def revoke(settings: Mapping[str, Settings], observations: Mapping[str, Observation], prefix: str) -> Revocation:
    """Return what is revoked, by the inventory of any member or in the memory of any member not revoked itself."""
    listed = {entry: name for name in sorted(settings) for entry in settings[name].revoked}
    keys = {entry for entry in listed if is_public_key(entry)}
    names = frozenset(listed) - keys
    found = Revocation(names)
    trusted = {name: seen for name, seen in observations.items() if name not in names}
    for name in sorted(trusted):
        for key, owner in sorted(trusted[name].revoked.items()):
            _add(found, key, owner, f"remembered as revoked by {name!r}")
    for key in sorted(keys):
        _add(found, key, "", f"listed in {prefix}revoked")
    memories = recollect(trusted, names)
    for name in sorted(names):
        own = {memory.public_key for memory in memories[name]}
        if name in settings:
            own.add(settings[name].public_key)
        if name in observations and is_public_key(observations[name].public_key):
            own.add(observations[name].public_key)
        for key in sorted(own - {""}):
            _add(found, key, name, f"{name!r} is listed in {prefix}revoked")
        if name not in found.keys.values():
            text = f"no key of {name!r} is known, so none is revoked; list the key itself if you have it"
            found.warnings.append(Problem(listed[name], prefix + "revoked", text))
    return found


def _add(found: Revocation, key: str, name: str, reason: str) -> None:
    found.keys[key] = name or found.keys.get(key, "")
    found.said_by[key] = reason
