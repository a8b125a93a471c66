# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts of nodes as returned by `overlay_prepare`, and recorded lists of nodes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.wirewright.overlay.plugins.plugin_utils._kubernetes.nodes import Cluster, read_cluster

DOCUMENTS = Path(__file__).parent / "documents"
KERNEL, STATIC, BIRD, FELIX = 2, 4, 12, 80


def document(name: str) -> Any:
    """Return a recorded list of nodes."""
    return json.loads((DOCUMENTS / f"{name}.json").read_text())


def cluster(name: str) -> Cluster:
    return read_cluster(document(name))


def interface(name: str, index: int, *addresses: str, **other: Any) -> dict[str, Any]:
    return {
        "name": name,
        "index": index,
        "kind": "",
        "managed": False,
        "up": True,
        "mtu": 1500,
        "addresses": list(addresses),
        **other,
    }


def route(destination: str, interface: str = "", type: str = "unicast", protocol: int = KERNEL) -> dict[str, Any]:
    return {"destination": destination, "type": type, "interface": interface, "protocol": protocol}


def plugin(type: str, *subnets: str, bridge: str = "", ipam: str = "") -> dict[str, Any]:
    listed = [{"subnet": subnet, "range_start": "", "range_end": ""} for subnet in subnets]
    return {"type": type, "bridge": bridge, "ipam": ipam, "subnets": listed}


def node_fact(
    interfaces: Sequence[Mapping[str, Any]],
    routes: Sequence[Mapping[str, Any]] = (),
    plugins: Sequence[Mapping[str, Any]] = (),
    flannel: Sequence[str] = (),
    nodename: str = "",
    can_reach: Mapping[str, Mapping[str, str | None]] | None = None,
    notes: Sequence[str] = (),
) -> dict[str, Any]:
    """Return a host's fact with the part `node`."""
    return {
        "boot_id": "3f7ad1c0-1a0b-4c62-8d36-4a0f2d7e7a11",
        "node": {
            "nodename": nodename,
            "interfaces": [dict(entry) for entry in interfaces],
            "rp_filter": {"all": "0", **{entry["name"]: "1" for entry in interfaces}},
            "routes": [dict(entry) for entry in routes],
            "cni": {"file": "/etc/cni/net.d/10-x.conflist", "name": "x", "plugins": list(plugins)} if plugins else None,
            "flannel": {"networks": ["10.244.0.0/16"], "subnets": list(flannel)} if flannel else None,
            "can_reach": dict(can_reach or {}),
            "notes": list(notes),
        },
    }


ETH0 = interface("eth0", 2, "192.0.2.11/24", "2001:db8:1::11/64")
CNI0 = interface("cni0", 5, "10.244.1.1/24", "fd00:10:244:1::1/64", kind="bridge", mtu=1450)
FLANNEL1 = interface("flannel.1", 4, "10.244.1.0/32", kind="vxlan", mtu=1450)
FLANNEL_ROUTES = [
    route("192.0.2.0/24", "eth0"),
    route("10.244.1.0/24", "cni0"),
    route("fd00:10:244:1::/64", "cni0"),
]


def flannel_fact() -> dict[str, Any]:
    """Return the fact of node1 in the recorded cluster of kubeadm and flannel."""
    return node_fact(
        [ETH0, FLANNEL1, CNI0],
        FLANNEL_ROUTES,
        [plugin("flannel")],
        ["10.244.1.1/24", "fd00:10:244:1::1/64"],
        nodename="node1",
    )
