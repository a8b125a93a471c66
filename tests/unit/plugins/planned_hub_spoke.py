# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Short constructors for hubs, spokes and their plans."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.facts import peer_lines
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.state_file import KnownPeer
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.document import host_document
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.hub_spoke.plan import plan_hub_spoke
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.fleet import (
    HUB,
    SPOKE,
    FleetPlan,
    HostInput,
)
from planned_fleet import address_of, fact_of, key_of

NETWORK = {"network": "10.43.0.0/24"}
SECOND = {"interface": "wg1", "priority": 200}

Devices = Mapping[str, Mapping[str, Any]]


def hub(name: str, variables: Mapping[str, object] | None = None, **fact: Any) -> HostInput:
    """Return a reachable hub."""
    wanted = {**NETWORK, **(variables or {})}
    own = {str(wanted.get("interface", "wg0")): {}}
    return HostInput(name, wanted, "", _fact(name, own, fact), {}, (HUB,))


def spoke(
    name: str, variables: Mapping[str, object] | None = None, devices: Devices | None = None, **fact: Any
) -> HostInput:
    """Return a reachable spoke, by default with keys for the devices wg0 and wg1."""
    wanted = {**NETWORK, **(variables or {})}
    return HostInput(name, wanted, "", _fact(name, devices or {"wg0": {}, "wg1": {}}, fact), {}, (SPOKE,))


def silent(host: HostInput) -> HostInput:
    """Return the host as unreachable, without facts."""
    return host._replace(fact=None)


def device_key(name: str, interface: str) -> str:
    """Return the public key of a host's device; that of wg0 is the host's in planned_fleet."""
    return key_of(name if interface == "wg0" else f"{name} {interface}")


def _fact(name: str, devices: Devices, options: dict[str, Any]) -> dict[str, Any]:
    options.setdefault("ipv4", address_of(name) if name[1:].isdigit() else "")
    own = {
        option: options.pop(option)
        for option in ("addresses", "peers", "revoked", "new_key", "notes")
        if option in options
    }
    fact = fact_of(name, **options)
    fact["interfaces"] = {
        interface: {
            "public_key": device_key(name, interface),
            "addresses": [],
            "peers": "",
            "revoked": {},
            **own,
            **state,
        }
        for interface, state in devices.items()
    }
    return fact


def planned(*hosts: HostInput) -> FleetPlan:
    """Return the plan of a fleet without problems."""
    outcome = plan_hub_spoke(hosts)
    assert outcome.plan is not None, outcome.problems
    return outcome.plan


def problems(*hosts: HostInput) -> tuple[str, ...]:
    """Return the problems of a fleet."""
    outcome = plan_hub_spoke(hosts)
    assert (outcome.plan is None) == bool(outcome.problems)
    return outcome.problems


def warnings(*hosts: HostInput) -> tuple[str, ...]:
    """Return the warnings about a fleet without problems."""
    outcome = plan_hub_spoke(hosts)
    assert outcome.plan is not None, outcome.problems
    return outcome.warnings


def interfaces(plan: FleetPlan, name: str) -> dict[str, dict[str, Any]]:
    """Return the interfaces in a host's document, by name."""
    return {entry["name"]: entry for entry in host_document(plan, name)["interfaces"]}


def peers(plan: FleetPlan, name: str, interface: str = "wg0") -> dict[str, dict[str, Any]]:
    """Return the peers of a device in a host's document, by name."""
    return {peer["name"]: peer for peer in interfaces(plan, name)[interface]["peers"]}


def address(plan: FleetPlan, name: str) -> str:
    """Return a host's first overlay address, without its length."""
    return plan.hosts[name].addresses[0].bare


def devices_after(plan: FleetPlan, name: str) -> dict[str, dict[str, Any]]:
    """Return the devices in a host's fact after the plan was applied to it."""
    return {
        interface: {
            "addresses": entry["addresses"],
            "peers": peer_lines(
                {
                    peer["public_key"]: KnownPeer(peer["name"], tuple(peer["addresses"]), peer["endpoint"] or "")
                    for peer in entry["peers"]
                }
            ),
        }
        for interface, entry in interfaces(plan, name).items()
        if entry.get("state") != "absent"
    }


def applied(host: HostInput, plan: FleetPlan) -> HostInput:
    """Return a host with the facts it reports after the plan was applied to it."""
    assert host.fact is not None
    devices = devices_after(plan, host.name)
    fact = {**host.fact, "interfaces": {**host.fact["interfaces"]}}
    for interface, state in devices.items():
        fact["interfaces"][interface] = {**fact["interfaces"].get(interface, {}), **state}
    return host._replace(fact=fact)
