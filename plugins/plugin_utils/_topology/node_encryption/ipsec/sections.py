# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The IPsec sections of one node's document in a phase.

This plugin util is private to the collection.
"""

from __future__ import annotations

from dataclasses import replace

from ...._xfrm_keys import XfrmKeys
from ...plan_model.host_document import DropEntry, FilterSection, HostDocument, MarkEntry
from ...plan_model.ipsec import BOTH, CILIUM, EGRESS, INGRESS, OFF, IpsecSettings, Phase
from ...plan_model.ipsec_plan import IpsecPlan, NodeRole
from ...plan_model.nodes import ENFORCE, IN, OUT
from ..prefixes import without_networks_inside
from . import cilium, key_rotation
from .document import host_document
from .phases import KEY_STEPS, PHASE_OF_ROLE

# The name of our nftables sections. No interface has this name.
LABEL = "node_encryption"

_DIRECTIONS = {OFF: (), EGRESS: (OUT,), INGRESS: (IN,), BOTH: (IN, OUT)}
# The roles of nodes that exchange plaintext with others: in the last phase, and in those before.
_PLAIN = (NodeRole.LEAVING, NodeRole.ABSENT, NodeRole.KEPT_RECEIVING, NodeRole.KEPT_SENDING)
_PLAIN_BEFORE = (*_PLAIN, NodeRole.JOINING, NodeRole.RESUMING)


def node_ipsec_sections(plan: IpsecPlan, name: str, master: str, phase: str) -> HostDocument:
    """Return one node's arguments of `overlay_apply` in a phase. Raises ValueError for a master secret that is too short."""
    settings = plan.settings_of(name)
    phases = {other: PHASE_OF_ROLE[plan.role_for(name, other)][phase] for other in plan.nodes}
    nodes = {
        other: replace(node, phase=phases[other], enabled=phases[other] > Phase.ABSENT)
        for other, node in plan.nodes.items()
    }
    keys = XfrmKeys(master, settings.aead, settings.key_bits)
    named: HostDocument = {
        "node_names": {
            address.bare: other for other, node in plan.nodes.items() if other != name for address in node.addresses
        }
    }
    if settings.profile == CILIUM:
        marks = cilium.marks(nodes, name, settings)
        document = cilium.host_document(nodes, name, settings, keys)
        return {**document, **named, "nftables": {LABEL: _cilium_marks(marks, settings)}}
    slots = None
    if plan.held:
        slots = key_rotation.slots_of(KEY_STEPS[phase], plan.held, name, settings.slot)
    document = host_document(nodes, name, settings, keys, slots)
    if plan.outside and "nodes" in document["xfrm_boot"]:
        outside = {address.bare: other for other in sorted(plan.outside) for address in plan.nodes[other].addresses}
        document["xfrm_boot"]["outside"] = outside
    kept: HostDocument = {"boot_name": LABEL} if plan.filters[name].persistent else {}
    return {**document, **named, "nftables": {LABEL: _drop_plaintext(plan, name, phase)}, **kept}


def _drop_plaintext(plan: IpsecPlan, name: str, phase: str) -> FilterSection:
    """Return the section that drops plaintext, whatever the policies say. Only the last phase may add to it."""
    settings, own = plan.settings, plan.filters[name]
    if PHASE_OF_ROLE[plan.roles[name]][phase] is Phase.ABSENT or plan.roles[name] is NodeRole.LEAVING:
        return {}
    directions = [one for one in _DIRECTIONS[settings.strict] if phase == ENFORCE or one in own.closed]
    if not directions or not settings.cluster_cidrs:
        return {}
    roles = {other: plan.role_for(name, other) for other in plan.nodes if other != name}
    plain = {other for other, role in roles.items() if role in (_PLAIN if phase == ENFORCE else _PLAIN_BEFORE)}
    hosts = [
        address.bare
        for other in sorted(roles.keys() - plain - settings.exempt_hosts)
        for address in (*plan.nodes[other].addresses, *plan.nodes[other].further)
    ]
    exempt = [
        *settings.exempt_cidrs,
        *without_networks_inside(own.behind, (cidr for other in roles for cidr in plan.nodes[other].pod_cidrs)),
        *(cidr for other in sorted(plain) for cidr in plan.nodes[other].pod_cidrs),
    ]
    dropped: DropEntry = {
        "directions": directions,
        "networks": list(map(str, settings.cluster_cidrs)),
        "except": list(map(str, dict.fromkeys(exempt))),
        "interfaces": list(own.pod_interfaces),
        "ipsec": True,
    }
    if own.virtual_ips:
        dropped = {**dropped, "own": [address.bare for address in own.virtual_ips]}
    if settings.host_encryption and hosts:
        dropped = {**dropped, "hosts": hosts, "tcp_ports": list(settings.exempt_ports)}
    return {"drop_plaintext": dropped}


def _cilium_marks(marks: cilium.Marks, settings: IpsecSettings) -> FilterSection:
    """Return the section that sets the marks of Cilium's programs: on packets of pods, on ESP, on decrypted packets."""
    encrypt, decrypt, decrypted = marks["encrypt"], marks["decrypt"], marks["decrypted"]
    entries: list[MarkEntry] = []
    if encrypt["destinations"]:
        entries.append({"mark": encrypt["mark"], "not_iif": [settings.interface], "daddr": encrypt["destinations"]})
    if decrypt["sources"]:
        iif: MarkEntry = {"iif": settings.interface}
        entries.append({"mark": decrypt["mark"], **iif, "saddr": decrypt["sources"], "l4proto": "esp"})
        if decrypted["destinations"]:
            entries.append({"mark": f"{decrypted['mark']}/0xf00", **iif, "daddr": decrypted["destinations"]})
    return {"set_mark": entries}
