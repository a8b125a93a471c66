# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One interface is for one overlay: a second one would replace the peers of the first. One that an overlay has left
behind stays, with its routes, until somebody removes it.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from ansible_collections.wirewright.overlay.plugins.plugin_utils.problems import Problem
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.observation import Observation, observe
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.settings import Settings


def taken_interfaces(
    observations: Mapping[str, Observation],
    settings: Mapping[str, Settings],
    interface: str,
    overlay: str,
    prefix: str,
) -> Iterator[Problem]:
    """Yield the hosts whose interface was made for another overlay than this one, unless they want it taken over.

    An overlay is known by its topology and, for hubs and spokes, the groups. Of hosts that were not heard from, and of
    interfaces that nobody has made yet, nothing is known.
    """
    for name, seen in observations.items():
        if overlay and seen.overlay and seen.overlay != overlay and not settings[name].adopt:
            text = (
                f"{interface!r} on this host belongs to another overlay ({seen.overlay}), whose peers this one "
                f"({overlay}) would replace; use another interface for one of them, or set {prefix}adopt to true where "
                "this is the same overlay under another name"
            )
            yield Problem(name, prefix + "interface", text)


def left_behind(
    facts: Mapping[str, Mapping[str, Any] | None],
    interfaces: Mapping[str, Collection[str]],
    overlay: str,
    prefix: str,
) -> Iterator[Problem]:
    """Yield what hosts remember to have made for this overlay, and what it has no use for any more.

    facts: by host, what it told, None where it was not heard from. interfaces: by host, those that the plan speaks of.
    """
    for name, known in interfaces.items():
        told = (facts.get(name) or {}).get("interfaces")
        for interface in sorted(map(str, told)) if overlay and isinstance(told, Mapping) else ():
            if interface not in known and observe({"interfaces": told}, interface).overlay == overlay:
                text = (
                    f"{interface!r} on this host was made for this overlay and is in it no more, perhaps because a hub left "
                    "its group; it stays, with its routes, until a task of overlay_apply gives it the state absent"
                )
                yield Problem(name, prefix + "interface", text)
