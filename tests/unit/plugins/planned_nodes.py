# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Short constructors for Kubernetes nodes to plan: n1 has 192.0.2.1 and fd00::1, and the pods 10.244.1.0/24 and
fd44:0:0:1::/64.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.document import host_document
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.node_encryption.plan import (
    plan_node_encryption,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.fleet import FleetPlan, HostInput
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.nodes import DROP_CHAINS
from planned_fleet import fact_of, key_of, remembered

CLOSED: dict[str, Any] = {"strict": True, "cluster_cidrs": ["10.244.0.0/16", "fd44::/32"]}
HOSTS: dict[str, Any] = {"host_encryption": True, "exempt_ports": [22]}
DUAL: dict[str, Any] = {"node_ip_families": [4, 6]}

# When plans are made: seconds since 1970.
NOW = 1_800_000_000


def addresses(number: int) -> tuple[str, str]:
    """Return a node's own addresses."""
    return f"192.0.{2 + number // 250}.{number % 250}", f"fd00::{number}"


def pods(number: int) -> tuple[str, str]:
    """Return the networks of a node's pods."""
    return f"10.244.{number}.0/24", f"fd44:0:0:{number:x}::/64"


def node(number: int, variables: Mapping[str, Any] | None = None, *, reached: bool = True, **more: Any) -> HostInput:
    """Return a node of the inventory before the first run. more: other variables."""
    own = {"node_ip": list(addresses(number)), "pod_cidrs": list(pods(number)), **(variables or {}), **more}
    families = own.get("node_ip_families", [4])
    if 6 not in families:
        own["pod_cidrs"] = [cidr for cidr in own["pod_cidrs"] if ":" not in cidr]
    name = f"n{number}"
    fact = fact_of(name, *addresses(number))
    fact["interfaces"] = {"kwg0": {**fact["interfaces"].pop("wg0"), "public_key": key_of(name)}}
    fact["node"] = {
        "nodename": name,
        "interfaces": [
            {
                "name": "eth0",
                "index": 2,
                "kind": "",
                "managed": False,
                "up": True,
                "mtu": 1500,
                "addresses": [f"{addresses(number)[0]}/16", f"{addresses(number)[1]}/64"],
            }
        ],
        "rp_filter": {"all": "0", "eth0": "1"},
        "routes": [],
        "cni": None,
        "flannel": None,
        "can_reach": {},
        "notes": [],
    }
    fact["tables"], fact["nftables"] = {"7100": "", "7101": ""}, {}
    return HostInput(name, own, "", fact, reached=reached)


def settled(fleet: Iterable[HostInput]) -> list[HostInput]:
    """Return nodes with the facts that they report after a run."""
    fleet = list(fleet)
    plan = planned(fleet)
    return [_applied(host, host_document(plan, host.name)) if host.fact else host for host in fleet]


def _applied(host: HostInput, document: Mapping[str, Any]) -> HostInput:
    tables = {
        entry["table"]: "\n".join(
            "\t".join([route["destination"], route.get("dev") or route["type"], *filter(None, [route.get("via")])])
            for route in entry["routes"]
        )
        for entry in document["ip_routes"]
    }
    device = next((one for one in document.get("interfaces", ()) if one["name"] == "kwg0"), {})
    known = {
        "addresses": device.get("addresses", []),
        "peers": "\n".join(remembered(peer["name"]) for peer in device.get("peers", ())),
    }
    fact = dict(host.fact or {})
    fact["interfaces"] = {"kwg0": {**fact["interfaces"]["kwg0"], **known}}
    closed = document["nftables"]["kwg0"].get("drop_plaintext")
    chains = {"kwg0": [DROP_CHAINS[way] for way in closed["directions"]] if closed else []}
    return host._replace(fact={**fact, "tables": tables, "nftables": chains})


def silent(host: HostInput) -> HostInput:
    """Return an unreachable node without cached facts."""
    return host._replace(fact=None, reached=False)


def planned(fleet: Iterable[HostInput]) -> FleetPlan:
    """Return the plan of nodes without problems."""
    outcome = plan_node_encryption(fleet, now=NOW)
    assert outcome.plan is not None, outcome.problems
    return outcome.plan


def problems(*fleet: HostInput) -> tuple[str, ...]:
    """Return the problems of nodes."""
    outcome = plan_node_encryption(fleet, now=NOW)
    assert (outcome.plan is None) == bool(outcome.problems)
    return outcome.problems


def routes(document: Mapping[str, Any], table: int = 7100) -> dict[str, str]:
    """Return the routes of a table by destination: a device or a type; of several the first."""
    found: dict[str, str] = {}
    for entry in document.get("ip_routes", ()):
        if entry["table"] == str(table):
            for route in entry["routes"]:
                found.setdefault(route["destination"], route.get("dev") or route["type"])
    return found
