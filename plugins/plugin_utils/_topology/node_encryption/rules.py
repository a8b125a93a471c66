# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules on nodes that hold for each backend.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping

from ..._kubernetes.host_fact import read_fact
from ..._problems import Problem, host_list
from ..plan_model.fleet import HostInput
from ..plan_model.nodes import ALL
from .inputs import is_reached
from .settings import NodeSettings


def run_problems(node_settings: Mapping[str, NodeSettings], prefix: str) -> Iterator[Problem]:
    """Yield the problems of the variables that control a run."""
    yield from differing(node_settings, _SAME_IN_A_RUN, prefix)
    for name, settings in node_settings.items():
        if settings.rotate and settings.phase != ALL:
            text = f"a key rotation cannot end with {settings.phase}; unset this variable, or {prefix}rotate"
            yield Problem(name, prefix + "phase", text)


def left_behind(
    inputs: Mapping[str, HostInput], node_settings: Mapping[str, NodeSettings], remembered: Collection[str], prefix: str
) -> Iterator[Problem]:
    """Yield the nodes that are to stop encrypting and are not changed by this run.

    remembered: names of nodes that are recorded as encrypting. A previous run may have removed that record of an absent node,
    so absent nodes are always named.
    """
    away = [name for name, host in inputs.items() if not is_reached(host)]
    if len(away) == len(inputs):
        return
    for name in away:
        if node_settings[name].absent or (name in remembered and not node_settings[name].enabled):
            absence = inputs[name].absence
            text = (
                f"the host {absence.words}, so it continues to send encrypted packets if it did before, which the nodes of "
                f"this run no longer accept; {absence.remedy()}"
            )
            yield Problem(name, prefix + ("state" if node_settings[name].absent else "enabled"), text)


def runs_plugin(host: HostInput, plugin_type: str) -> bool:
    """Return whether a host has a CNI plugin of this type."""
    found = read_fact(host.fact)
    return found is not None and any(plugin.type == plugin_type for plugin in found.plugins)


def owned_by_its_own(profile: str) -> str:
    """Return why the profile of a CNI plugin is refused where the plugin itself runs."""
    return (
        f"{profile} itself runs on this host, and its agent removes foreign objects under its names; unset the profile"
    )


_SAME_IN_A_RUN: dict[str, Callable[[NodeSettings], object]] = {
    "send_serial": lambda settings: settings.send_serial,
    "phase": lambda settings: settings.phase,
}


def differing(
    node_settings: Mapping[str, NodeSettings], same: Mapping[str, Callable[[NodeSettings], object]], prefix: str
) -> Iterator[Problem]:
    """Yield the variables that all nodes must agree on and do not. same: by variable, how it is read from settings."""
    for variable, value in same.items():
        by_value: dict[object, list[str]] = {}
        for name, settings in node_settings.items():
            by_value.setdefault(value(settings), []).append(name)
        if len(by_value) > 1:
            groups = " and ".join(sorted(host_list(names) for names in by_value.values()))
            for name in node_settings:
                text = f"nodes differ, {groups}; set one value for all of them, in their group"
                yield Problem(name, prefix + variable, text)
