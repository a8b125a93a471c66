# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role of each node in a run, and the IPsec phase that a node with this role reaches in each phase of the run.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Mapping

from ...plan_model.fleet import HostInput
from ...plan_model.ipsec import Phase
from ...plan_model.ipsec_plan import NodeRole
from ...plan_model.nodes import ENFORCE, PHASES, RECEIVE, SEND, STOP
from ..inputs import is_reached
from ..settings import NodeSettings
from . import records
from .key_rotation import Step

# Two nodes do what the one in the earlier phase can do. So a node that joins or leaves does not affect other pairs.
PHASE_OF_ROLE: Mapping[NodeRole, Mapping[str, Phase]] = {
    NodeRole.SETTLED: dict.fromkeys(PHASES, Phase.STRICT),
    NodeRole.JOINING: {RECEIVE: Phase.RECEIVE, SEND: Phase.SEND, STOP: Phase.SEND, ENFORCE: Phase.STRICT},
    NodeRole.LEAVING: {RECEIVE: Phase.SEND, SEND: Phase.SEND, STOP: Phase.RECEIVE, ENFORCE: Phase.ABSENT},
    NodeRole.ABSENT: dict.fromkeys(PHASES, Phase.ABSENT),
    NodeRole.RESUMING: {**dict.fromkeys(PHASES, Phase.SEND), ENFORCE: Phase.STRICT},
    NodeRole.KEPT_RECEIVING: dict.fromkeys(PHASES, Phase.RECEIVE),
    NodeRole.KEPT_SENDING: dict.fromkeys(PHASES, Phase.SEND),
}
KEY_STEPS = {RECEIVE: Step.RECEIVE_NEW, SEND: Step.SEND_NEW, STOP: Step.SEND_NEW, ENFORCE: Step.DROP_OLD}

# The role of an enabled node by the phase that it has reached: of one in this run, and of one that is not.
_ROLE_IN_RUN = {
    Phase.ABSENT: NodeRole.JOINING,
    Phase.RECEIVE: NodeRole.JOINING,
    Phase.SEND: NodeRole.RESUMING,
    Phase.STRICT: NodeRole.SETTLED,
}
_ROLE_OUTSIDE = {
    Phase.ABSENT: NodeRole.ABSENT,
    Phase.RECEIVE: NodeRole.KEPT_RECEIVING,
    Phase.SEND: NodeRole.KEPT_SENDING,
    Phase.STRICT: NodeRole.SETTLED,
}
_ENCRYPTING = (NodeRole.JOINING, NodeRole.RESUMING, NodeRole.SETTLED)


def role_of(host: HostInput, settings: NodeSettings, facts: records.Facts, furthest: Mapping[str, Phase]) -> NodeRole:
    """Return the role of a node. One outside this run keeps the furthest phase that other nodes have recorded for it."""
    fact = facts[host.name]
    if not host.reached or fact is None:
        return _ROLE_OUTSIDE[furthest.get(host.name, Phase.ABSENT)] if settings.enabled else NodeRole.ABSENT
    has_record = fact.get("record") is not None
    if not settings.enabled:
        return NodeRole.LEAVING if has_record else NodeRole.ABSENT
    return _ROLE_IN_RUN[records.phases(fact).get(host.name, Phase.STRICT)] if has_record else NodeRole.JOINING


def pair_roles(
    inputs: Mapping[str, HostInput], roles: Mapping[str, NodeRole], facts: records.Facts
) -> dict[str, dict[str, NodeRole]]:
    """Return by node the roles that other nodes have towards it, where these differ from their roles in the run.

    They do where one node joined while the other was unreachable, so that it has no states for packets of the first.
    """
    known = {
        name: records.phases(facts[name])
        for name, role in roles.items()
        if inputs[name].reached and facts[name] is not None and role in _ENCRYPTING
    }
    standing = {
        name: role for name, role in roles.items() if role not in (NodeRole.JOINING, NodeRole.LEAVING, NodeRole.ABSENT)
    }
    # Most pairs are complete on both sides, and then the role is that in the run.
    incomplete = {
        name: {other for other in standing if own.get(other) is not Phase.STRICT} for name, own in known.items()
    }
    unsettled = {name for name, role in standing.items() if role is not NodeRole.SETTLED}
    reported_by: dict[str, set[str]] = {}
    for name, others in incomplete.items():
        for other in others:
            reported_by.setdefault(other, set()).add(name)
    found: dict[str, dict[str, NodeRole]] = {}
    for name, own in known.items():
        for other in sorted(unsettled | incomplete[name] | (reported_by.get(name, set()) & standing.keys())):
            role = standing[other]
            if other == name or (other in known and roles[name] is NodeRole.JOINING):
                continue
            reached = own.get(other, Phase.ABSENT)
            if other in known:
                between = _ROLE_IN_RUN[min(reached, known[other].get(name, Phase.ABSENT))]
            else:
                between = _ROLE_OUTSIDE[max(reached, Phase.RECEIVE)]
            if between != role:
                found.setdefault(name, {})[other] = between
    return found


def outside_nodes(inputs: Mapping[str, HostInput], roles: Mapping[str, NodeRole]) -> frozenset[str]:
    """Return the nodes that have states and are not changed by this run."""
    return frozenset(
        name for name, role in roles.items() if role is not NodeRole.ABSENT and not is_reached(inputs[name])
    )


def unreached_senders(inputs: Mapping[str, HostInput], roles: Mapping[str, NodeRole]) -> list[str]:
    """Return the nodes that send encrypted packets and are not in this run."""
    sending = (NodeRole.SETTLED, NodeRole.KEPT_SENDING)
    return [name for name, role in roles.items() if role in sending and not is_reached(inputs[name])]
