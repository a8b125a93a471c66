# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Kubernetes nodes with IPsec between them: planned once for all of them, and one node's part of it in phases.

This plugin util is private to the collection.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ansible_collections.wirewright.overlay.plugins.plugin_utils import (
    validation_node_encryption,
    validation_node_ipsec,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils.kubernetes.discovery import Discovery
from ansible_collections.wirewright.overlay.plugins.plugin_utils.kubernetes.node_address import NodeAddress
from ansible_collections.wirewright.overlay.plugins.plugin_utils.problems import Problem, host_list, one_line_each
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology import (
    node_ipsec_cilium,
    node_ipsec_document,
    node_ipsec_memory,
    node_ipsec_rotation,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.membership import unresolved_problems
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.model import (
    FleetPlan,
    HostInput,
    HostPlan,
    Outcome,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.node_discovery import discover_all
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.node_ipsec import (
    BOTH,
    CILIUM,
    EGRESS,
    INGRESS,
    OFF,
    IpsecNode,
    IpsecSettings,
    Phase,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.node_ipsec_fact import read_ipsec_fact
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.node_ipsec_model import (
    JOINING,
    KEPT_RECEIVING,
    KEPT_SENDING,
    LEAVING,
    OUT_OF_IT,
    RESUMING,
    SETTLED,
    IpsecPlan,
    PacketFilter,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.node_ipsec_rotation import Step
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.node_ipsec_settings import (
    read_index,
    read_ipsec_settings,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.node_model import (
    ALL,
    CLOSE,
    CLOSED_CHAINS,
    FLIP,
    IN,
    LEAVE,
    OUT,
    RECEIVE,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.node_profiles import OWNERS
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.node_settings import (
    LOCATION,
    NodeSettings,
    read_node_settings,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.settings import NONE
from ansible_collections.wirewright.overlay.plugins.plugin_utils.xfrm_keys import XfrmKeys

IPSEC = "ipsec"

# How far a node has come at the end of a phase, by what becomes of it. What two nodes do between them is what the one
# that is less far can do, so a node that joins or leaves takes no other pair with it.
_PHASES: Mapping[str, Mapping[str, Phase]] = {
    SETTLED: dict.fromkeys((RECEIVE, FLIP, LEAVE, CLOSE), Phase.STRICT),
    JOINING: {RECEIVE: Phase.RECEIVE, FLIP: Phase.SEND, LEAVE: Phase.SEND, CLOSE: Phase.STRICT},
    LEAVING: {RECEIVE: Phase.SEND, FLIP: Phase.SEND, LEAVE: Phase.RECEIVE, CLOSE: Phase.ABSENT},
    OUT_OF_IT: dict.fromkeys((RECEIVE, FLIP, LEAVE, CLOSE), Phase.ABSENT),
    RESUMING: {**dict.fromkeys((RECEIVE, FLIP, LEAVE), Phase.SEND), CLOSE: Phase.STRICT},
    KEPT_RECEIVING: dict.fromkeys((RECEIVE, FLIP, LEAVE, CLOSE), Phase.RECEIVE),
    KEPT_SENDING: dict.fromkeys((RECEIVE, FLIP, LEAVE, CLOSE), Phase.SEND),
}
# What follows from how far a node is that has been applied before, for one that this run speaks to and for another.
_REACHED = {Phase.ABSENT: JOINING, Phase.RECEIVE: JOINING, Phase.SEND: RESUMING, Phase.STRICT: SETTLED}
_KEPT = {Phase.ABSENT: OUT_OF_IT, Phase.RECEIVE: KEPT_RECEIVING, Phase.SEND: KEPT_SENDING, Phase.STRICT: SETTLED}
_STEPS = {RECEIVE: Step.RECEIVE_NEW, FLIP: Step.SEND_NEW, LEAVE: Step.SEND_NEW, CLOSE: Step.DROP_OLD}


def plan_node_ipsec(inputs: Mapping[str, HostInput], prefix: str, now: float | None = None) -> Outcome:
    """Return the plan for all nodes, whatever the order of hosts. Every problem is found before anything is said.

    now: seconds since 1970, from which a node that was never seen begins to count its epochs.
    """
    problems: list[Problem] = list(unresolved_problems(inputs.values(), prefix))
    extras = {name: read_node_settings(host, prefix, problems) for name, host in inputs.items()}
    problems.extend(validation_node_encryption.run_problems(extras, prefix))
    discoveries = discover_all(inputs, extras, prefix, problems)
    settings = _settings(inputs, extras, prefix, problems)
    facts = {name: read_ipsec_fact(host.fact) for name, host in inputs.items()}
    explicit = {name: index for name, host in inputs.items() if (index := read_index(host, prefix, problems))}
    indexes = node_ipsec_memory.indexes(inputs, facts, explicit, prefix + "ipsec_index")
    problems.extend(indexes.problems)
    epochs = node_ipsec_memory.epochs(inputs, facts, int(time.time() if now is None else now))
    nodes, parts = {}, {}
    furthest = node_ipsec_memory.furthest_phases(facts)
    for name in inputs:
        found = discoveries[name]
        if name in indexes.by_name and name in epochs and found.addresses:
            nodes[name] = _node(name, indexes.by_name[name], epochs[name], found, extras[name])
            parts[name] = _part(inputs[name], extras[name], facts, furthest)
    if settings is not None:
        problems.extend(validation_node_ipsec.settings_problems(settings))
        problems.extend(_owned(inputs, extras, settings, prefix))
        enabled = {name: replace(node, enabled=extras[name].enabled) for name, node in nodes.items()}
        problems.extend(validation_node_ipsec.node_problems(enabled, settings))
    held = node_ipsec_memory.held_slots(facts)
    if settings is not None:
        change = _change_of_keys(inputs, extras, parts, facts)
        settings = replace(settings, slot=node_ipsec_rotation.wanted_slot(settings.slot, held, bool(change)))
        problems.extend(_rotation_problems(inputs, parts, held, settings, prefix, change or "ipsec_slot"))
    warnings = [warning for found in discoveries.values() for warning in found.warnings]
    known = {name for name, phase in furthest.items() if phase > Phase.ABSENT}
    warnings.extend(validation_node_encryption.left_behind(inputs, extras, known, prefix))
    plan = None
    if not problems and settings is not None:
        due = node_ipsec_rotation.is_due(held, settings.slot)
        underlays = {
            name: (own.interface, own.mtu or settings.mtu) for name in nodes for own in _underlay(discoveries[name])
        }
        filters = {name: _packet_filter(inputs[name], extras[name], discoveries[name]) for name in nodes}
        gateways = {name: tuple(discoveries[name].pod_gateways.values()) for name in nodes}
        pairs = _pairs(inputs, parts, facts)
        ipsec = IpsecPlan(nodes, parts, settings, held if due else {}, underlays, filters, pairs, gateways)
        hosts = {name: HostPlan(None) for name in nodes}
        plan = FleetPlan("", hosts, topology="node_encryption", ipsec=ipsec)
    lines = [*one_line_each(warnings), *node_ipsec_memory.warnings(facts)]
    return Outcome(plan, tuple(one_line_each(problems)), tuple(lines))


def node_ipsec_sections(plan: IpsecPlan, name: str, master: str, phase: str) -> dict[str, Any]:
    """Return one node's arguments of `overlay_apply` in a phase. Raises ValueError for a master secret that is none."""
    settings = plan.settings_of(name)
    phases = {other: _PHASES[plan.part_for(name, other)][phase] for other in plan.nodes}
    nodes = {
        other: replace(node, phase=phases[other], enabled=phases[other] > Phase.ABSENT)
        for other, node in plan.nodes.items()
    }
    keys = XfrmKeys(master, settings.aead, settings.key_bits)
    if settings.profile == CILIUM:
        marks = node_ipsec_cilium.marks(nodes, name, settings)
        document = node_ipsec_cilium.host_document(nodes, name, settings, keys)
        return {**document, "nftables": {LABEL: _cilium_marks(marks, settings)}}
    slots = None
    if plan.held:
        slots = node_ipsec_rotation.slots_of(_STEPS[phase], plan.held, name, settings.slot)
    document = node_ipsec_document.host_document(nodes, name, settings, keys, slots)
    kept = {"boot_name": LABEL} if plan.filters[name].persistent else {}
    return {**document, "nftables": {LABEL: _closed(plan, name, phase)}, **kept}


_WAYS = {OFF: (), EGRESS: (OUT,), INGRESS: (IN,), BOTH: (IN, OUT)}

# Under what our sections of nftables stand; no interface has this name.
LABEL = "node_encryption"


def _closed(plan: IpsecPlan, name: str, phase: str) -> dict[str, Any]:
    """Return the section that drops plain text, whatever becomes of policies. Before the last phase it only opens."""
    settings, own = plan.settings, plan.filters[name]
    if _PHASES[plan.parts[name]][phase] == Phase.ABSENT or plan.parts[name] == LEAVING:
        return {}
    wanted = _WAYS[settings.strict]
    ways = [way for way in wanted if phase == CLOSE or way in own.closed]
    if not ways or not settings.cluster_cidrs:
        return {}
    others = {other: node for other, node in plan.nodes.items() if other != name}
    parts = {other: plan.part_for(name, other) for other in others}
    plain = {other for other, part in parts.items() if phase != CLOSE and part in (JOINING, RESUMING)}
    plain |= {other for other, part in parts.items() if part in (LEAVING, OUT_OF_IT, KEPT_RECEIVING, KEPT_SENDING)}
    hosts = [
        address
        for other, node in sorted(others.items())
        if other not in plain and other not in settings.exempt_hosts
        for address in node.addresses
    ]
    spared = [*settings.exempt_cidrs, *(cidr for other in sorted(plain) for cidr in plan.nodes[other].pod_cidrs)]
    closed: dict[str, Any] = {
        "ways": ways,
        "networks": list(settings.cluster_cidrs),
        "except": spared,
        "interfaces": list(own.pod_interfaces),
        "ipsec": True,
    }
    if settings.host_encryption and hosts:
        closed.update(hosts=hosts, tcp_ports=list(settings.exempt_ports))
    return {"closed": closed}


def _packet_filter(host: HostInput, extra: NodeSettings, found: Discovery) -> PacketFilter:
    fact: Mapping[str, Any] = host.fact or {}
    sections = fact.get("nftables")
    chains = sections.get(LABEL) if isinstance(sections, Mapping) else None
    closed = tuple(way for way, chain in CLOSED_CHAINS.items() if isinstance(chains, list) and chain in chains)
    return PacketFilter(extra.pod_interfaces or found.pod_interfaces, closed, fact.get("persistence", NONE) != NONE)


def _cilium_marks(marks: Mapping[str, Mapping[str, Any]], settings: IpsecSettings) -> dict[str, Any]:
    """Return the section that marks in place of Cilium's programs: from pods, ESP, and what came out of it."""
    encrypt, decrypt, decrypted = marks["encrypt"], marks["decrypt"], marks["decrypted"]
    entries = []
    if encrypt["destinations"]:
        entries.append({"mark": encrypt["mark"], "not_iif": [settings.interface], "daddr": encrypt["destinations"]})
    if decrypt["sources"]:
        iif = {"iif": settings.interface}
        entries.append({"mark": decrypt["mark"], **iif, "saddr": decrypt["sources"], "l4proto": "esp"})
        if decrypted["destinations"]:
            entries.append({"mark": f"{decrypted['mark']}/0xf00", **iif, "daddr": decrypted["destinations"]})
    return {"set_mark": entries}


def _settings(
    inputs: Mapping[str, HostInput],
    extras: Mapping[str, NodeSettings],
    prefix: str,
    problems: list[Problem],
) -> IpsecSettings | None:
    """Return what holds for all nodes; nodes that differ, or have another backend, are complained about."""
    said: dict[IpsecSettings, list[str]] = {}
    exempt = frozenset(name for extra in extras.values() for name in extra.exempt_hosts)
    any_enabled = any(extra.enabled for extra in extras.values())
    for name, host in inputs.items():
        if host.variables.get("backend") != IPSEC:
            text = "some nodes have the backend ipsec and this one has not; write one for all of them, in their group"
            problems.append(Problem(name, prefix + "backend", text))
        if extras[name].granularity == LOCATION:
            text = "IPsec has no leaders, it encrypts between all nodes; write full, or take the backend wireguard"
            problems.append(Problem(name, prefix + "granularity", text))
        read = read_ipsec_settings(host, extras[name], prefix, problems)
        if extras[name].enabled or not any_enabled:
            said.setdefault(replace(read, exempt_hosts=exempt), []).append(name)
    if len(said) > 1:
        groups = " and ".join(sorted(host_list(names) for names in said.values()))
        text = f"nodes differ in what has to be the same for all, {groups}; write it in their group"
        problems.extend(Problem(name, prefix + "backend", text) for name in inputs)
    return next(iter(said), None)


def _owned(
    inputs: Mapping[str, HostInput], extras: Mapping[str, NodeSettings], settings: IpsecSettings, prefix: str
) -> list[Problem]:
    """Return what keeps the profile cilium from nodes where Cilium runs."""
    if settings.profile != CILIUM:
        return []
    text = validation_node_encryption.owned_by_its_own(CILIUM)
    return [
        Problem(name, prefix + "ipsec_profile", text)
        for name, host in inputs.items()
        if extras[name].enabled and validation_node_encryption.runs_plugin(host, OWNERS[CILIUM])
    ]


def _underlay(found: Discovery) -> list[NodeAddress]:
    """Return the first address whose interface is known, if there is one."""
    return [own for own in found.addresses if own.interface][:1]


def _node(name: str, index: int, epoch: int, found: Discovery, extra: NodeSettings) -> IpsecNode:
    extras = tuple(str(prefix) for prefix in extra.extra_allowed_ips)
    addresses = tuple(own.address for own in found.addresses)
    return IpsecNode(name, index, addresses, (*found.pod_cidrs, *extras), epoch)


def _part(host: HostInput, extra: NodeSettings, facts: node_ipsec_memory.Facts, furthest: Mapping[str, Phase]) -> str:
    """Return what becomes of a node. One that this run does not speak to stays as far as the others know it to be."""
    fact = facts[host.name]
    if not (host.reached and fact is not None):
        return _KEPT[furthest.get(host.name, Phase.ABSENT)] if extra.enabled else OUT_OF_IT
    has_record = fact.get("record") is not None
    if not extra.enabled:
        return LEAVING if has_record else OUT_OF_IT
    return _REACHED[node_ipsec_memory.phases(fact).get(host.name, Phase.STRICT)] if has_record else JOINING


def _pairs(
    inputs: Mapping[str, HostInput], parts: Mapping[str, str], facts: node_ipsec_memory.Facts
) -> dict[str, dict[str, str]]:
    """Return by node the others that are less far with it than with the rest, and what becomes of them between the two.

    So it is where one joined while the other could not be asked, and has nothing by which to take what is sent to it.
    """
    known = {
        name: node_ipsec_memory.phases(facts[name])
        for name, part in parts.items()
        if inputs[name].reached and facts[name] is not None and part in (JOINING, RESUMING, SETTLED)
    }
    found: dict[str, dict[str, str]] = {}
    for name, own in known.items():
        for other, part in parts.items():
            if other == name or part in (JOINING, LEAVING, OUT_OF_IT) or (other in known and parts[name] == JOINING):
                continue
            reached = own.get(other, Phase.ABSENT)
            if other in known:
                between = _REACHED[min(reached, known[other].get(name, Phase.ABSENT))]
            else:
                between = _KEPT[max(reached, Phase.RECEIVE)]
            if between != part:
                found.setdefault(name, {})[other] = between
    return found


def _change_of_keys(
    inputs: Mapping[str, HostInput],
    extras: Mapping[str, NodeSettings],
    parts: Mapping[str, str],
    facts: Mapping[str, Mapping[str, Any] | None],
) -> str:
    """Return the variable for which keys shall be changed, empty where none says so.

    Asked for, they are; because they are worn, only in a run that speaks to all nodes, and goes through all phases.
    """
    if any(extra.rotate and extra.enabled for extra in extras.values()):
        return "rotate"
    sending = {name: facts[name] or {} for name, part in parts.items() if part in (SETTLED, RESUMING)}
    days = {name: extras[name].max_key_age_days for name in sending}
    whole = not _silent(inputs, parts) and all(extra.phase == ALL for extra in extras.values())
    worn = whole and node_ipsec_rotation.are_worn(sending, days)
    return "max_key_age_days" if worn else ""


def _silent(inputs: Mapping[str, HostInput], parts: Mapping[str, str]) -> list[str]:
    """Return the nodes that send encrypted packets, and that this run does not speak to."""
    return [
        name
        for name, part in parts.items()
        if part in (SETTLED, KEPT_SENDING) and not (inputs[name].reached and inputs[name].fact)
    ]


def _rotation_problems(
    inputs: Mapping[str, HostInput],
    parts: Mapping[str, str],
    held: Mapping[str, Any],
    settings: IpsecSettings,
    prefix: str,
    variable: str,
) -> list[Problem]:
    """Return why keys cannot be changed. variable: the one by which that is asked for."""
    if variable == "rotate" and settings.profile == CILIUM:
        text = f"with the profile {CILIUM} nodes do not tell which keys they have; raise {prefix}ipsec_slot instead"
        return [Problem(name, prefix + variable, text) for name in inputs]
    silent = _silent(inputs, parts)
    if not silent or not node_ipsec_rotation.is_due(held, settings.slot):
        return []
    text = f"keys are changed on all nodes at once, and this run does not speak to {host_list(silent)}"
    cure = f"run without --limit when they can be reached, or set {prefix}enabled to false for them"
    return [Problem(name, prefix + variable, f"{text}; {cure}") for name in inputs]
