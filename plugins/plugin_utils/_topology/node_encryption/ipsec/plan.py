# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plan IPsec between Kubernetes nodes, once for all of them.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ...._kubernetes.discovery import Discovery
from ...._kubernetes.node_address import NodeAddress
from ...._problems import Problem, agree, format_problems, host_list
from ...fleet.absence import why_absent
from ...fleet.member import unresolved_problems
from ...fleet.option_variables import option_variables
from ...fleet.settings import NONE
from ...plan_model.fleet import FleetPlan, HostInput, HostPlan, PlanResult
from ...plan_model.ipsec import CILIUM, IpsecNode, IpsecSettings, Phase
from ...plan_model.ipsec_plan import IpsecPlan, NodeRole, PacketFilter
from ...plan_model.nodes import ALL
from .. import further_addresses
from ..claims import check_claims
from ..coverage import coverage, unlisted_nodes
from ..discovery import discover_all, without_opted_out
from ..node_fact import dropped_directions
from ..profiles import OWNERS
from ..rules import left_behind, one_sided_ends, owned_by_its_own, run_problems, runs_plugin
from ..settings import IPSEC, LOCATION, NodeSettings, read_node_settings
from . import key_rotation, records, rules
from .fact import read_ipsec_fact
from .one_sided_changes import one_sided
from .phases import outside_nodes, pair_roles, role_of, unreached_senders
from .sections import LABEL
from .settings import read_index, read_ipsec_settings


def plan_node_ipsec(inputs: Mapping[str, HostInput], prefix: str, now: int) -> PlanResult:
    """Return the plan for all nodes, or every problem of every node.

    now: seconds since 1970, the first epoch of a new node.
    """
    problems: list[Problem] = list(unresolved_problems(inputs.values(), prefix))
    node_settings = {name: read_node_settings(host, prefix, problems) for name, host in inputs.items()}
    problems.extend(run_problems(node_settings, prefix))
    discovered = discover_all(inputs, node_settings, prefix, problems)
    node_settings = without_opted_out(node_settings, discovered.labels)
    # IPsec has no device, so other nodes have stored neither addresses nor endpoints.
    ansible_hosts = {name: host.ansible_host for name, host in inputs.items()}
    claims = check_claims(discovered.by_name, node_settings, ansible_hosts, {}, prefix)
    discoveries = claims.discoveries
    further = further_addresses.place(discoveries, node_settings, prefix, ansible_hosts, discovered.unlisted)
    missing, unlisted = unlisted_nodes(discovered, node_settings, prefix)
    problems.extend((*claims.problems, *missing, *further.problems))
    settings = _settings(inputs, node_settings, prefix, problems)
    facts = {name: read_ipsec_fact(host.fact) for name, host in inputs.items()}
    explicit = {name: index for name, host in inputs.items() if (index := read_index(host, prefix, problems))}
    indexes = records.indexes(inputs, facts, explicit, prefix + "ipsec_index")
    problems.extend(indexes.problems)
    epochs = records.epochs(inputs, facts, now)
    nodes, roles = {}, {}
    furthest = records.furthest_phases(facts)
    for name in inputs:
        found = discoveries[name]
        if name in indexes.by_name and name in epochs and found.addresses:
            node = _node(name, indexes.by_name[name], epochs[name], found, node_settings[name])
            nodes[name] = replace(node, further=further.by_name.get(name, ()))
            roles[name] = role_of(inputs[name], node_settings[name], facts, furthest)
    if settings is not None:
        problems.extend(_owned(inputs, node_settings, settings, prefix))
        enabled = {name: replace(node, enabled=node_settings[name].enabled) for name, node in nodes.items()}
        names = [name for name in inputs if node_settings[name].enabled]
        behind = {name: own.extra_allowed_ips for name, own in node_settings.items() if own.extra_allowed_ips}
        problems.extend(rules.violations(enabled, settings, prefix, names=names or list(inputs), behind=behind))
        problems.extend(one_sided(inputs, nodes, settings, facts, outside_nodes(inputs, roles), prefix))
    held, ahead = records.credible_slots(records.held_slots(facts), settings.slot if settings is not None else 0)
    if settings is not None:
        change = _change_of_keys(inputs, node_settings, roles, facts)
        settings = replace(settings, slot=key_rotation.wanted_slot(settings.slot, held, bool(change)))
        problems.extend(_rotation_problems(inputs, roles, held, settings, prefix, change or "ipsec_slot"))
    text = "the SA slots that this node reports are ahead of those of all others, so they are ignored"
    warnings = [
        *unlisted,
        *further.warnings,
        *claims.warnings,
        *(warning for found in discoveries.values() for warning in found.warnings),
        *(Problem(name, prefix + "ipsec_slot", text) for name in ahead),
    ]
    known = {name for name, phase in furthest.items() if phase > Phase.ABSENT}
    problems.extend(one_sided_ends(inputs, node_settings, lambda name: _peers_of(name, facts[name]), prefix))
    warnings.extend(left_behind(inputs, node_settings, known, prefix))
    plan = None
    if not problems and settings is not None:
        due = key_rotation.rotation_due(held, settings.slot)
        underlays = {
            name: (own.interface, own.mtu or settings.mtu) for name in nodes for own in _underlay(discoveries[name])
        }
        filters = {name: _packet_filter(inputs[name], node_settings[name], discoveries[name]) for name in nodes}
        gateways = {name: tuple(discoveries[name].pod_gateways.values()) for name in nodes}
        between = pair_roles(inputs, roles, facts)
        held_now = held if due else {}
        outside = outside_nodes(inputs, roles)
        ipsec = IpsecPlan(nodes, roles, settings, held_now, underlays, filters, between, gateways, outside)
        hosts = {name: HostPlan(None) for name in (*nodes, *claims.refused)}
        variables = option_variables(prefix, **{"except": "exclude_cidrs"})
        covered = coverage(discovered, node_settings, prefix, exempt=settings.exempt_hosts)
        plan = FleetPlan("", hosts, topology="node_encryption", ipsec=ipsec, variables=variables, coverage=covered)
        plan = replace(plan, refused=claims.refused)
    warnings.extend(records.warnings(facts, prefix + "ipsec_epochs_ahead"))
    return PlanResult(plan, tuple(format_problems(problems)), tuple(format_problems(warnings)))


def _peers_of(name: str, fact: Mapping[str, Any] | None) -> list[str]:
    """Return the nodes with which a node has recorded states."""
    return [other for other, phase in records.phases(fact).items() if other != name and phase > Phase.ABSENT]


def _packet_filter(host: HostInput, settings: NodeSettings, found: Discovery) -> PacketFilter:
    fact: Mapping[str, Any] = host.fact or {}
    closed = dropped_directions(fact, [LABEL])
    return PacketFilter(
        settings.pod_interfaces or found.pod_interfaces,
        closed,
        fact.get("persistence", NONE) != NONE,
        settings.extra_allowed_ips,
        tuple(address.host for address in settings.virtual_ips),
    )


def _settings(
    inputs: Mapping[str, HostInput],
    node_settings: Mapping[str, NodeSettings],
    prefix: str,
    problems: list[Problem],
) -> IpsecSettings | None:
    """Return the settings that all nodes share, and append problems of nodes that differ or have another backend."""
    by_settings: dict[IpsecSettings, list[str]] = {}
    exempt = frozenset(name for own in node_settings.values() for name in own.exempt_hosts)
    any_enabled = any(own.enabled for own in node_settings.values())
    for name, host in inputs.items():
        if host.variables.get("backend") != IPSEC:
            text = (
                "this node has another backend than others, which have ipsec; set one for all of them, in their group"
            )
            problems.append(Problem(name, prefix + "backend", text))
        if node_settings[name].granularity == LOCATION:
            text = "IPsec does not support locations; use full, or the backend wireguard"
            problems.append(Problem(name, prefix + "granularity", text))
        read = read_ipsec_settings(host, node_settings[name], prefix, problems)
        if node_settings[name].enabled or not any_enabled:
            by_settings.setdefault(replace(read, exempt_hosts=exempt), []).append(name)
    if len(by_settings) > 1:
        groups = " and ".join(sorted(host_list(names) for names in by_settings.values()))
        text = f"nodes differ in settings that must be the same for all, {groups}; set them in their group"
        problems.extend(Problem(name, prefix + "backend", text) for name in inputs)
    return next(iter(by_settings), None)


def _owned(
    inputs: Mapping[str, HostInput], node_settings: Mapping[str, NodeSettings], settings: IpsecSettings, prefix: str
) -> list[Problem]:
    """Return the problems of the profile cilium on nodes that run Cilium."""
    if settings.profile != CILIUM:
        return []
    text = owned_by_its_own(CILIUM)
    return [
        Problem(name, prefix + "ipsec_profile", text)
        for name, host in inputs.items()
        if node_settings[name].enabled and runs_plugin(host, OWNERS[CILIUM])
    ]


def _underlay(found: Discovery) -> list[NodeAddress]:
    """Return the first address with a known interface, if there is one."""
    return [own for own in found.addresses if own.interface][:1]


def _node(name: str, index: int, epoch: int, found: Discovery, settings: NodeSettings) -> IpsecNode:
    networks = (*found.pod_cidrs, *settings.extra_allowed_ips)
    addresses = tuple(own.address for own in found.addresses)
    return IpsecNode(name, index, addresses, networks, epoch)


def _change_of_keys(
    inputs: Mapping[str, HostInput],
    node_settings: Mapping[str, NodeSettings],
    roles: Mapping[str, NodeRole],
    facts: Mapping[str, Mapping[str, Any] | None],
) -> str:
    """Return the variable that starts a key rotation, empty if none does.

    A requested rotation always starts; one because of the age or use of keys only in a run on all nodes, through all phases.
    """
    if any(own.rotate and own.enabled for own in node_settings.values()):
        return "rotate"
    sending = {name: facts[name] or {} for name, role in roles.items() if role in (NodeRole.SETTLED, NodeRole.RESUMING)}
    days = {name: node_settings[name].max_key_age_days for name in sending}
    whole = not unreached_senders(inputs, roles) and all(own.phase == ALL for own in node_settings.values())
    return "max_key_age_days" if whole and key_rotation.keys_exhausted(sending, days) else ""


def _rotation_problems(
    inputs: Mapping[str, HostInput],
    roles: Mapping[str, NodeRole],
    held: Mapping[str, Any],
    settings: IpsecSettings,
    prefix: str,
    variable: str,
) -> list[Problem]:
    """Return why keys cannot be rotated. variable: the one that starts the rotation."""
    if variable == "rotate" and settings.profile == CILIUM:
        text = (
            f"with the profile {CILIUM} nodes do not report the keys that they have; raise {prefix}ipsec_slot instead"
        )
        return [Problem(name, prefix + variable, text) for name in inputs]
    silent = unreached_senders(inputs, roles)
    if not silent or not key_rotation.rotation_due(held, settings.slot):
        return []
    text = f"keys are rotated on all nodes at once, and {why_absent(silent, inputs)}"
    them = agree(silent, "it", "them")
    remedy = f"run all of them together, or set {prefix}enabled to false for {them}"
    return [Problem(name, prefix + variable, f"{text}; {remedy}") for name in inputs]
