# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Other overlays that roles of the same run have planned for the same hosts: they need other networks and ports.

The facts of a host show what an earlier role has made, but not in check mode; and an interface of this topology with an
address in the network would be taken for the former one of an interface that was renamed, and removed.
This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ...module_utils._ip.prefix import Prefix, parse_address
from .._problems import Problem
from .members import planned_interfaces
from .plan_model.fleet import FleetPlan, HostPlan

# Where the roles register their plans, by topology.
PLANS = {topology: f"__{topology}_plan" for topology in ("mesh", "hub_spoke", "node_encryption")}
# Nodes have no addresses of an overlay.
WITH_NETWORKS = ("mesh", "hub_spoke")
# In a result of overlay_plan: the plans of other overlays, which the variable of the role had before.
EARLIER = "earlier"


def plans_in(registered: object) -> list[Mapping[str, Any]]:
    """Return the plans in a registered result of overlay_plan, in plain form: its own last, those of other overlays before."""
    if not isinstance(registered, Mapping):
        return []
    earlier = registered.get(EARLIER)
    plans = [*(earlier if isinstance(earlier, list) else ()), registered.get("plan")]
    return [plan for plan in plans if isinstance(plan, Mapping)]


def registered_plans(variables: Mapping[str, Any], topologies: Iterable[str]) -> list[Mapping[str, Any]]:
    """Return the plans of this run, in plain form, out of the variables of a task."""
    return [plan for topology in topologies for plan in plans_in(variables.get(PLANS[topology]))]


def replaced_plans(plan: FleetPlan, variables: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the plans of other overlays in the variable in which the role of a plan registers its result.

    A play may have a role several times. The lookup `members` and later plans need the plan of each.
    """
    return others(plan, plans_in(variables.get(PLANS[plan.topology])))


def others(plan: FleetPlan, earlier: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the plans of other overlays: one of the same interfaces is of this overlay."""
    own = {plan.interface, *(hub.interface for _name, hub in plan.hubs)}
    return [one for one in earlier if own.isdisjoint(planned_interfaces(one))]


def conflicts(plan: FleetPlan, earlier: Iterable[Mapping[str, Any]], prefix: str) -> list[Problem]:
    """Return what a plan has in common with other overlays of this run on the same host: networks and ports.

    earlier: plans in plain form. prefix: that of the role's variables.
    """
    return [
        problem
        for other in others(plan, earlier)
        for name, host in plan.hosts.items()
        if (theirs := other["hosts"].get(name)) is not None
        for problem in _of_host(name, host, theirs, ", ".join(planned_interfaces(other)), prefix)
    ]


def _of_host(name: str, host: HostPlan, other: Mapping[str, Any], interface: str, prefix: str) -> Iterator[Problem]:
    taken = [parse_address(text).network for text in other["addresses"]]
    for network in dict.fromkeys(address.network for address in host.addresses):
        for one in taken:
            if _overlap(network, one):
                text = f"{network} overlaps {one}, the network that this run has planned for {interface}; write another one"
                yield Problem(name, f"{prefix}network", text)
    ports = set(_ports(other["device"])) if other["device"] else set()
    used = {host.device.listen_port, *host.device.listen_ports.values()} if host.device else set()
    for port in sorted(ports & used - {0}):
        text = f"{port} is the port that this run has planned for {interface} on this host; set another one"
        yield Problem(name, f"{prefix}port", text)


def _ports(device: Mapping[str, Any]) -> Iterator[int]:
    yield int(device["listen_port"])
    yield from map(int, device["listen_ports"].values())


def _overlap(one: Prefix, other: Prefix) -> bool:
    return one == other or one.contains(other) or other.contains(one)
