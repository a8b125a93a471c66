# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fleets for tests of the planner."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.facts import peer_lines
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.state_file import KnownPeer
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.document import host_document
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.mesh.plan import plan_mesh
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.fleet import (
    FleetPlan,
    HostInput,
    PlanResult,
)

NETWORK = {"network": "10.42.0.0/24"}


def key_of(name: str) -> str:
    """Return a public key for a name."""
    return base64.b64encode(hashlib.sha256(name.encode()).digest()).decode()


def remembered(name: str, address: str = "", endpoint: str = "", key: str = "") -> str:
    """Return an entry of a fact's peers."""
    return peer_lines({key or key_of(name): KnownPeer(name, (address,) if address else (), endpoint)})


def fact_of(
    name: str, ipv4: str = "", ipv6: str = "", mtu: int = 1500, persistence: str = "wg_quick", **device: Any
) -> dict[str, Any]:
    """Return the fact that `overlay_prepare` returns on a host."""

    def link(address: str) -> dict[str, Any] | None:
        return {"address": address, "interface": "eth0", "mtu": mtu} if address else None

    state = {"public_key": key_of(name), "addresses": [], "peers": "", "revoked": {}, **device}
    return {
        "boot_id": "b",
        "underlay": {"ipv4": link(ipv4), "ipv6": link(ipv6)},
        "persistence": persistence,
        "interfaces": {"wg0": state},
    }


def address_of(name: str) -> str:
    """Return an underlay address of the documentation networks (RFC 5737) for names like h1."""
    return f"198.51.100.{int(name[1:])}"


def host(name: str, variables: Mapping[str, object] | None = None, **fact: Any) -> HostInput:
    """Return a reachable host."""
    fact.setdefault("ipv4", address_of(name) if name[1:].isdigit() else "")
    return HostInput(name, {**NETWORK, **(variables or {})}, "", fact_of(name, **fact))


def silent(name: str, variables: Mapping[str, object] | None = None, ansible_host: str = "") -> HostInput:
    """Return an unreachable host."""
    return HostInput(name, {**NETWORK, **(variables or {})}, ansible_host)


def planned(*hosts: HostInput) -> FleetPlan:
    """Return the plan of a fleet without problems."""
    outcome = plan_mesh(hosts)
    assert outcome.plan is not None, outcome.problems
    return outcome.plan


def problems(*hosts: HostInput) -> tuple[str, ...]:
    """Return the problems of a fleet."""
    outcome: PlanResult = plan_mesh(hosts)
    assert (outcome.plan is None) == bool(outcome.problems)
    return outcome.problems


def warnings(*hosts: HostInput) -> tuple[str, ...]:
    """Return the warnings about a fleet without problems."""
    outcome = plan_mesh(hosts)
    assert outcome.plan is not None, outcome.problems
    return outcome.warnings


def peers(plan: FleetPlan, name: str) -> dict[str, dict[str, Any]]:
    """Return the peers in a host's document, by name."""
    return {peer["name"]: peer for peer in interface(plan, name)["peers"]}


def interface(plan: FleetPlan, name: str) -> dict[str, Any]:
    """Return the one interface in a host's document."""
    found: dict[str, Any] = host_document(plan, name)["interfaces"][0]
    return found


def first_addresses(plan: FleetPlan, names: Iterable[str]) -> dict[str, str]:
    """Return hosts' first overlay addresses."""
    return {name: str(plan.hosts[name].addresses[0]) for name in names}
