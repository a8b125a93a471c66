# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The roles that nodes have towards each other, from the phases that they have recorded."""

from __future__ import annotations

import itertools
import sys
from typing import Any

from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.node_encryption.ipsec.phases import (
    pair_roles,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.fleet import HostInput
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.ipsec import Phase
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.ipsec_plan import NodeRole
from hypothesis import given
from hypothesis import strategies as st

NAMES = ("n1", "n2", "n3", "n4")
IN_RUN = {
    Phase.ABSENT: NodeRole.JOINING,
    Phase.RECEIVE: NodeRole.JOINING,
    Phase.SEND: NodeRole.RESUMING,
    Phase.STRICT: NodeRole.SETTLED,
}
OUTSIDE = {Phase.RECEIVE: NodeRole.KEPT_RECEIVING, Phase.SEND: NodeRole.KEPT_SENDING, Phase.STRICT: NodeRole.SETTLED}
CHANGING = (NodeRole.JOINING, NodeRole.LEAVING, NodeRole.ABSENT)
ENCRYPTING = (NodeRole.JOINING, NodeRole.RESUMING, NodeRole.SETTLED)

recorded = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(list(Phase)))


def fact_of(phases: dict[str, Phase]) -> dict[str, Any]:
    return {"nodes": {name: {"phase": int(phase)} for name, phase in phases.items()}}


@given(
    st.lists(recorded | st.none(), min_size=4, max_size=4),
    st.lists(st.sampled_from(list(NodeRole)), min_size=4, max_size=4),
    st.lists(st.booleans(), min_size=4, max_size=4),
)
def test_roles_between_each_two_nodes(phases: Any, listed: list[NodeRole], reached: list[bool]) -> None:
    inputs = {name: HostInput(name, {}, reached=there) for name, there in zip(NAMES, reached)}
    facts = {name: None if own is None else fact_of(own) for name, own in zip(NAMES, phases)}
    roles = dict(zip(NAMES, listed))
    known = {
        name: own
        for name, own in zip(NAMES, phases)
        if own is not None and inputs[name].reached and roles[name] in ENCRYPTING
    }
    expected: dict[str, dict[str, NodeRole]] = {}
    for name, other in itertools.permutations(NAMES, 2):
        if name not in known or roles[other] in CHANGING or (other in known and roles[name] is NodeRole.JOINING):
            continue
        own = known[name].get(other, Phase.ABSENT)
        role = (
            IN_RUN[min(own, known[other].get(name, Phase.ABSENT))]
            if other in known
            else OUTSIDE[max(own, Phase.RECEIVE)]
        )
        if role != roles[other]:
            expected.setdefault(name, {})[other] = role
    assert pair_roles(inputs, roles, facts) == expected


def test_new_nodes_are_not_compared_with_each_other() -> None:
    def calls(count: int) -> int:
        inputs = {f"n{number}": HostInput(f"n{number}", {}) for number in range(count)}
        facts, made = {name: fact_of({}) for name in inputs}, itertools.count()
        before = sys.getprofile()
        sys.setprofile(lambda _frame, event, _argument: next(made) if event in ("call", "c_call") else None)
        try:
            assert pair_roles(inputs, dict.fromkeys(inputs, NodeRole.JOINING), facts) == {}
        finally:
            sys.setprofile(before)
        return next(made)

    assert calls(400) < 5 * calls(100)
