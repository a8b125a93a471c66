# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The document of one host: the arguments of the module `overlay_apply`, expanded from the fleet plan.

It is expanded for one host at a time, so that a plan holds neither a peer list per host nor a secret.
This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ...module_utils._wireguard.keys import decode_predicted_key, decode_secret
from .._preshared_keys import PresharedKeys
from .._problems import host_list
from .fleet.device import forwards
from .fleet.interface_document import InterfaceDocument
from .hub_spoke.document import hub_spoke_interfaces, hub_spoke_sections
from .mesh.document import mesh_interfaces, mesh_sections
from .node_encryption.ipsec.sections import node_ipsec_sections
from .node_encryption.wireguard.document import node_interfaces, node_sections
from .plan_model.fleet import Absence, Device, FleetPlan
from .plan_model.host_document import HostDocument
from .plan_model.nodes import ENFORCE, PHASES

HUB_SPOKE, NODE_ENCRYPTION = "hub_spoke", "node_encryption"


class NotInPlan(Exception):
    """There is no document for a host; the text is the reason.

    skipped: whether the task is skipped, because the host is revoked, or because its failure would stop the other nodes.
    """

    def __init__(self, text: str, skipped: bool = False) -> None:
        super().__init__(text)
        self.skipped = skipped


@dataclass(frozen=True)
class Secrets:
    """Secrets of a fleet; "" is none. Preshared keys of unmanaged peers are by public key, others are derived."""

    psk_master: str = field(default="", repr=False)
    psk_epoch: int = 0
    static_preshared_keys: Mapping[str, str] = field(default_factory=dict, repr=False)
    ipsec_master: str = field(default="", repr=False)


NO_SECRETS = Secrets()


def host_document(plan: FleetPlan, name: str, secrets: Secrets = NO_SECRETS, *, phase: str = ENFORCE) -> HostDocument:
    """Return the arguments of the module `overlay_apply` for one host: a pure function.

    phase: of a topology that is applied in several, and then the document of a phase in which the host has nothing to do
    is empty. Raises NotInPlan for a host without a part in the plan, and ValueError (which never quotes a secret) for a
    master secret or preshared key that cannot be used.
    """
    if plan.ipsec is not None and name in plan.ipsec.nodes:
        return node_ipsec_sections(plan.ipsec, name, secrets.ipsec_master, phase)
    host = plan.hosts.get(name)
    if host is None or host.device is None:
        raise _absence(plan, name)
    sections: HostDocument = {}
    if plan.topology == NODE_ENCRYPTION:
        interfaces = node_interfaces(plan, name, host, host.device, phase)
        sections = node_sections(plan, name, host, host.device, phase)
    elif plan.topology == HUB_SPOKE:
        interfaces = hub_spoke_interfaces(plan, name, host, host.device)
        sections = hub_spoke_sections(plan, name, host, host.device)
    else:
        interfaces = mesh_interfaces(plan, name, host, host.device)
        sections = mesh_sections(host.device)
    entries = [*(interface.fields for interface in interfaces), *sections.get("interfaces", ())]
    listed: HostDocument = {"interfaces": entries} if entries else {}
    # A hub's packet filter names what it forwards, and the network plugin of a node opens what its pods need.
    through = plan.topology != NODE_ENCRYPTION and host.hub is None and forwards(host.device)
    sites = list(map(str, host.networks))
    forwarding: HostDocument = {"forwards": {one.name: sites for one in interfaces}} if through else {}
    opened: HostDocument = {"open_firewall": True} if host.device.open_firewall else {}
    derive = PresharedKeys(secrets.psk_master, secrets.psk_epoch) if secrets.psk_master else None
    static = _static_preshared_keys(host.device, secrets.static_preshared_keys)
    keys = {interface.name: {**_derived(interface, derive), **static} for interface in interfaces}
    keys = {interface: by_peer for interface, by_peer in keys.items() if by_peer}
    shared: HostDocument = {"preshared_keys": keys} if keys else {}
    return {**sections, **listed, **forwarding, **opened, **shared}


def cumulative_document(
    plan: FleetPlan, name: str, secrets: Secrets = NO_SECRETS, *, phase: str = ENFORCE
) -> HostDocument:
    """Return the documents of a phase and of all phases before it as one: the configuration of the host after the phase.

    Takes the arguments of `host_document`. No section is in two phases, except in the last, which has all sections;
    with IPsec each phase has all sections.
    """
    document: HostDocument = {}
    for each in PHASES[: PHASES.index(phase) + 1]:
        document.update(host_document(plan, name, secrets, phase=each))
    return document


def key_missing(plan: FleetPlan, name: str) -> bool:
    """Return whether the key of any device of a member is unknown, so that it has no derived preshared keys."""
    host = plan.hosts[name]
    if plan.direct is not None and name in plan.direct.hosts and plan.direct.hosts[name].public_key is None:
        return True
    return None in (host.public_keys.values() if host.public_keys else [host.public_key])


def _absence(plan: FleetPlan, name: str) -> NotInPlan:
    named = host_list([name])
    if name in plan.excluded:
        return NotInPlan(f"{named} is revoked, so other members remove it and nothing is configured on it", True)
    if name in plan.refused:
        text = f"{named} is refused, so its overlay is not changed: {plan.refused[name]}"
        return NotInPlan(text, skipped=plan.topology == NODE_ENCRYPTION)
    if name in plan.hosts:
        why = plan.silent.get(name, f"{Absence.OUTSIDE.words}; {Absence.OUTSIDE.remedy()}")
        return NotInPlan(f"the plan has no facts of {named}: this host {why}")
    return NotInPlan(f"{named} is not a member of the planned fleet")


def _derived(interface: InterfaceDocument, derive: PresharedKeys | None) -> dict[str, str]:
    if derive is None or interface.own_key is None:
        return {}
    # The preshared key of a pair with a placeholder is one, too.
    own = decode_predicted_key(interface.own_key)
    return {key: derive.between(own, decode_predicted_key(key)) for key in interface.members}


def _static_preshared_keys(device: Device, given: Mapping[str, str]) -> dict[str, str]:
    """Return the preshared keys of unmanaged peers, checked."""
    found = {}
    wrong = []
    for peer in device.static_peers:
        secret = given.get(peer.public_key, "")
        if not secret:
            continue
        try:
            decode_secret(secret)
        except ValueError as error:
            wrong.append(f"the preshared key of static peer {host_list([peer.name or peer.public_key])}: {error}")
        else:
            found[peer.public_key] = secret.strip()
    if wrong:
        raise ValueError("; ".join(wrong))
    return found
