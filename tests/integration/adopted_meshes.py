# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Meshes of wg-quick files, as people and other roles write them, that run in a lab."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.document import host_document
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.mesh.plan import plan_mesh
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.fleet import HostInput, PlanResult
from lab_hosts import Lab
from managed_host import ManagedHost, ModuleResult, key
from mesh_lab import ping

NAMES = ("h1", "h2", "h3")
Write = Callable[[str, Mapping[str, str]], str]


def underlay(name: str) -> str:
    return f"192.0.2.1{name[1:]}"


def private(name: str) -> str:
    return key(f"private of {name}")


def by_hand(name: str, public: Mapping[str, str]) -> str:
    """Written by hand: two families, networks behind a host, a phone, keepalive, CRLF in one file."""
    peers = [
        f"# {other}\n[Peer]\nPublicKey = {public[other]}\n"
        f"AllowedIPs = 10.8.0.{other[1:]}/32, fd08::{other[1:]}/128{', 10.77.0.0/24' if other == 'h2' else ''}\n"
        f"Endpoint = {underlay(other)}:51999\nPersistentKeepalive = 25\n"
        for other in NAMES
        if other != name
    ]
    if name == "h1":
        peers.append(f"[Peer]\n# Name = phone\nPublicKey={key('phone')}\nAllowedIPs=10.8.0.99\n")
    own = f"[Interface]\nAddress = 10.8.0.{name[1:]}/24\nAddress = fd08::{name[1:]}/64\nListenPort = 51999\n"
    text = f"{own}PrivateKey = {private(name)}\n\n" + "\n".join(peers)
    return text.replace("\n", "\r\n") if name == "h3" else text


def per_host_role(name: str, public: Mapping[str, str]) -> str:
    """As the role githubixx.ansible_role_wireguard leaves it: the own name and those of peers in comments."""
    peers = [
        f"\n[Peer]\n# Name = {other}\nPublicKey = {public[other]}\nAllowedIPs = 10.8.0.{other[1:]}/32\n"
        f"Endpoint = {underlay(other)}:51820\n"
        for other in NAMES
        if other != name
    ]
    own = f"# Ansible managed\n\n[Interface]\n# {name}\nAddress = 10.8.0.{name[1:]}/24\nPrivateKey = {private(name)}\n"
    return f"{own}ListenPort = 51820\n" + "".join(peers)


def whole_play_role(name: str, public: Mapping[str, str]) -> str:
    """As the role wireguard-private-networking leaves it: addresses without a network, and each host its own peer too."""
    peers = [
        f"[Peer]\nPublicKey = {public[other]}\nAllowedIPs = 10.8.0.{other[1:]}\nEndpoint = {underlay(other)}:5888\n\n"
        for other in NAMES
    ]
    own = f"[Interface]\nAddress = 10.8.0.{name[1:]}\nPrivateKey = {private(name)}\nListenPort = 5888\n\n"
    return own + "".join(peers)


@dataclass(frozen=True)
class Style:
    """How files are written, the interface, and the variables that a user writes to adopt it."""

    write: Write
    interface: str
    per_host: Mapping[str, Mapping[str, Any]]
    variables: Mapping[str, Any]
    mode: str = "600"


PHONE = {"name": "phone", "public_key": key("phone"), "allowed_ips": ["10.8.0.99/32"]}
STYLES = {
    "by hand": Style(
        by_hand,
        "wg0",
        {"h1": {"mesh_static_peers": [PHONE]}, "h2": {"mesh_networks": ["10.77.0.0/24"], "mesh_forward": False}},
        {"mesh_persistent_keepalive": 25},
    ),
    "a role for each host": Style(per_host_role, "wg0", {}, {"mesh_network": "10.8.0.0/24"}),
    "a role for the whole play": Style(whole_play_role, "private", {}, {}, mode="640"),
}


def start(lab: Lab, style: Style) -> None:
    """Write the files to the hosts of a lab, and set their interfaces up with wg-quick."""
    hosts = {name: ManagedHost(lab, name) for name in NAMES}
    public = {name: host.run("wg", "pubkey", input=private(name)).strip() for name, host in hosts.items()}
    for name, host in hosts.items():
        host.write(f"/etc/wireguard/{style.interface}.conf", style.write(name, public), mode=style.mode)
        host.shell(f"wg-quick up {style.interface} </dev/null >/run/wg-quick.log 2>&1")
    for name in NAMES[1:]:
        assert ping(lab, "h1", f"10.8.0.{name[1:]}")


def inventory(lab: Lab, style: Style, **variables: Any) -> None:
    """Write the inventory with which the interfaces are adopted."""
    common = {"mesh_interface": style.interface, "overlay_persistence": "wg_quick", "mesh_adopt": True}
    lab.inventory(style.per_host, **{**common, **style.variables, **variables})


def plan(lab: Lab, style: Style, *, adopt: bool) -> PlanResult:
    """Gather facts with the module and plan the mesh, as the role does, without a playbook."""
    inputs = []
    for name in NAMES:
        options = {"interface": style.interface, "userspace": True, "adopt": adopt}
        result = ManagedHost(lab, name).module("overlay_prepare", **options)
        assert not result.changed or not adopt, result.output
        given = {**style.variables, **style.per_host.get(name, {})}
        variables = {variable.removeprefix("mesh_"): value for variable, value in given.items()}
        common = {"interface": style.interface, "persistence": "wg_quick", "userspace": True, "adopt": adopt}
        fact = result.data["ansible_facts"]["wirewright_overlay"]
        inputs.append(HostInput(name, {**common, **variables}, underlay(name), fact))
    return plan_mesh(inputs, overlay="mesh")


def apply(lab: Lab, planned: PlanResult, name: str, *, check_mode: bool = False) -> ModuleResult:
    """Apply a host's part of a plan."""
    assert planned.plan is not None, planned.problems
    return ManagedHost(lab, name).module("overlay_apply", check_mode=check_mode, **host_document(planned.plan, name))
