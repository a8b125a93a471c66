# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whose key is which: a host's own word, then the inventory's, then what its neighbours remember.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set

from ansible_collections.wirewright.overlay.plugins.plugin_utils.problems import Problem, host_list
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.observation import (
    Observation,
    Recollection,
    is_public_key,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.settings import Settings


def identify(
    settings: Settings,
    observation: Observation | None,
    memories: Iterable[Recollection],
    revoked: Set[str],
) -> str | None:
    """Return the public key of a host, None where nobody knows it or those who do disagree."""
    own = observation.public_key if observation else ""
    if own:
        return own if is_public_key(own) else None
    if settings.public_key:
        return settings.public_key
    remembered = {memory.public_key for memory in memories} - revoked
    return remembered.pop() if len(remembered) == 1 else None


def key_problems(
    name: str,
    settings: Settings,
    observation: Observation | None,
    memories: Sequence[Recollection],
    revoked: Set[str],
    prefix: str,
) -> Iterator[Problem]:
    """Yield why a host's key cannot be told: its own word, the inventory and its neighbours contradict each other."""
    own = observation.public_key if observation else ""
    variable = prefix + "public_key"
    if own and not is_public_key(own):
        text = f"the key the host reports is none; remove {settings.private_key_file} there and run again"
        yield Problem(name, prefix + "private_key_file", text)
    elif own and settings.public_key and own != settings.public_key:
        text = f"the inventory says {settings.public_key}, but the host's own key is {own}"
        yield Problem(name, variable, f"{text}; correct or remove the variable")
    elif not own and not settings.public_key:
        said: dict[str, list[str]] = {}
        for memory in memories:
            if memory.public_key not in revoked:
                said.setdefault(memory.public_key, []).append(memory.neighbour)
        if len(said) > 1:
            yield Problem(name, variable, _contradiction(said, variable))


def _contradiction(said: Mapping[str, list[str]], variable: str) -> str:
    words = "; ".join(f"{key} by {host_list(said[key])}" for key in sorted(said))
    return (
        f"the host does not say its key, and is remembered with different ones: {words}; "
        f"bring it up, or set {variable} for it"
    )
