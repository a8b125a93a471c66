# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules on nodes that hold for each backend.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping

from ..._kubernetes.host_fact import read_fact
from ..._problems import Problem, agree, host_list
from ..fleet.absence import by_absence, why_absent
from ..plan_model.fleet import Absence, HostInput
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


def one_sided_ends(
    inputs: Mapping[str, HostInput],
    node_settings: Mapping[str, NodeSettings],
    peers_of: Callable[[str], Collection[str]],
    prefix: str,
) -> Iterator[Problem]:
    """Yield the nodes whose encryption would end at one end only, because the other end is left out of the run.

    The other end would continue to send encrypted packets. An unreachable node does not prevent the end of the encryption:
    `left_behind` names it. peers_of: by name of a node, those with which it has stored keys.
    """
    left_out = {name for name, host in inputs.items() if host.absence in _LEFT_OUT and not is_reached(host)}
    ending = {name for name in inputs if not node_settings[name].enabled}
    kept: dict[str, list[str]] = {}
    for name in inputs if left_out else ():
        if not is_reached(inputs[name]) or (name not in ending and left_out.isdisjoint(ending)):
            continue
        others = sorted(left_out.intersection(peers_of(name)))
        if name in ending and others:
            text = (
                f"its encryption ends, and {why_absent(others, inputs)}, so {agree(others, 'it continues', 'they continue')} "
                f"to send it encrypted packets, which are lost; {_whole_run(others, inputs)}"
            )
            if node_settings[name].absent:
                text += f"; to end the encryption of this host alone, set {prefix}enabled to false for it and run on all hosts"
            yield Problem(name, prefix + ("state" if node_settings[name].absent else "enabled"), text)
        for other in others if name not in ending else ():
            if other in ending:
                kept.setdefault(other, []).append(name)
    for name, others in kept.items():
        text = (
            f"the host {inputs[name].absence.words}, so it continues to send encrypted packets to {host_list(others)}, which "
            f"would be lost; {_whole_run([name], inputs)}, or remove the host from the group if it no longer runs"
        )
        yield Problem(name, prefix + ("state" if node_settings[name].absent else "enabled"), text)


_LEFT_OUT = (Absence.OUTSIDE, Absence.LATER)


def _whole_run(names: Collection[str], inputs: Mapping[str, HostInput]) -> str:
    return " and ".join(why.remedy(some) for why, some in by_absence(names, inputs).items())


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
