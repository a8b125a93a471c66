# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One host's document: the arguments of the module `overlay_apply`, expanded from the fleet plan.

Expanded where the host is applied, so that no plan ever holds a peer list per host, nor a secret.
This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.wirewright.overlay.plugins.module_utils.wireguard.keys import decode_key
from ansible_collections.wirewright.overlay.plugins.plugin_utils.problems import host_list
from ansible_collections.wirewright.overlay.plugins.plugin_utils.psk import PresharedKeys
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.full_tunnel import rules_and_routes
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.hub_spoke_document import (
    firewall,
    hub_spoke_interfaces,
    retired_interfaces,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.interface_document import InterfaceDocument
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.mesh_document import mesh_interfaces
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.model import (
    Device,
    FleetPlan,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.node_document import (
    node_interfaces,
    node_sections,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.node_ipsec_plan import node_ipsec_sections
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.node_model import CLOSE, PHASES

HUB_SPOKE, NODE_ENCRYPTION = "hub_spoke", "node_encryption"


class NotInPlan(Exception):
    """There is no document for a host; the text says why. revoked: because its owner wants it gone."""

    def __init__(self, text: str, revoked: bool = False) -> None:
        super().__init__(text)
        self.revoked = revoked


def host_document(
    plan: FleetPlan,
    name: str,
    psk_master: str = "",
    psk_epoch: int = 0,
    static_preshared_keys: Mapping[str, str] | None = None,
    phase: str = CLOSE,
    ipsec_master: str = "",
) -> dict[str, Any]:
    """Return the arguments of the module `overlay_apply` for one host: a pure function.

    Preshared keys of members are derived from the master secret, if there is one; those of unmanaged peers are
    given by public key. phase: of a topology that is applied in several, and then the document of a phase in which the
    host has nothing to do is empty. Raises NotInPlan for a host without a part in the plan, and ValueError (which never
    quotes a secret) for a master secret or preshared key that cannot be used.
    """
    if plan.ipsec is not None and name in plan.ipsec.nodes:
        return node_ipsec_sections(plan.ipsec, name, ipsec_master, phase)
    host = plan.hosts.get(name)
    if host is None or host.device is None:
        raise _absence(plan, name)
    hub_spoke = plan.topology == HUB_SPOKE
    if plan.topology == NODE_ENCRYPTION:
        interfaces = node_interfaces(plan, name, host, host.device, phase)
    else:
        expand = hub_spoke_interfaces if hub_spoke else mesh_interfaces
        interfaces = expand(plan, name, host, host.device)
    document: dict[str, Any] = {"interfaces": [interface.fields for interface in interfaces]} if interfaces else {}
    if plan.topology == NODE_ENCRYPTION:
        sections = node_sections(plan, name, host, host.device, phase)
        document["interfaces"] = [*document.get("interfaces", ()), *sections.pop("interfaces", ())]
        document.update(sections)
        if not document["interfaces"]:
            del document["interfaces"]
    if hub_spoke:
        document["interfaces"] += retired_interfaces(plan, name, host)
        sections = firewall(plan, host, host.device)
        document.update({"nftables": sections} if sections else {})
        tunnel = host.device.full_tunnel
        document.update(rules_and_routes(plan, host, tunnel) if tunnel else {})
    if host.device.open_firewall:
        document["open_firewall"] = True
    derive = PresharedKeys(psk_master, psk_epoch) if psk_master else None
    static = _static_preshared_keys(host.device, static_preshared_keys or {})
    secrets = {interface.name: {**_derived(interface, derive), **static} for interface in interfaces}
    if any(secrets.values()):
        document["preshared_keys"] = {interface: keys for interface, keys in secrets.items() if keys}
    return document


def document_so_far(
    plan: FleetPlan,
    name: str,
    psk_master: str = "",
    psk_epoch: int = 0,
    static_preshared_keys: Mapping[str, str] | None = None,
    phase: str = CLOSE,
    ipsec_master: str = "",
) -> dict[str, Any]:
    """Return what `host_document` returns, of a phase and of those before it in one: what a host has when it is done.

    No two phases say something else of the same, but for the last, which says it all; with IPsec each of them does.
    """
    document: dict[str, Any] = {}
    for each in PHASES[: PHASES.index(phase) + 1]:
        document.update(host_document(plan, name, psk_master, psk_epoch, static_preshared_keys, each, ipsec_master))
    return document


def lacks_key(plan: FleetPlan, name: str) -> bool:
    """Return whether the key of any device of a member is unknown, so that no preshared key can be derived for it."""
    host = plan.hosts[name]
    if plan.direct is not None and name in plan.direct.hosts and plan.direct.hosts[name].public_key is None:
        return True
    return None in (host.public_keys.values() if host.public_keys else [host.public_key])


def _absence(plan: FleetPlan, name: str) -> NotInPlan:
    named = host_list([name])
    if name in plan.excluded:
        return NotInPlan(f"{named} is revoked, so the other members drop it and nothing is set up on it", True)
    if name in plan.hosts:
        return NotInPlan(
            f"{named} was not heard from when the fleet was planned, and its variables depend on its facts; "
            "run again when it can be reached"
        )
    return NotInPlan(f"{named} is not a member of the fleet that was planned")


def _derived(interface: InterfaceDocument, derive: PresharedKeys | None) -> dict[str, str]:
    if derive is None or interface.own_key is None:
        return {}
    own = decode_key(interface.own_key)
    return {key: derive.between(own, decode_key(key)) for key in interface.members}


def _static_preshared_keys(device: Device, given: Mapping[str, str]) -> dict[str, str]:
    """Return the given keys of the unmanaged peers, checked."""
    found = {}
    wrong = []
    for peer in device.static_peers:
        secret = given.get(peer.public_key, "")
        if not secret:
            continue
        try:
            decode_key(secret)
        except ValueError as error:
            wrong.append(f"the preshared key of static peer {host_list([peer.name or peer.public_key])}: {error}")
        else:
            found[peer.public_key] = secret.strip()
    if wrong:
        raise ValueError("; ".join(wrong))
    return found
