# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans of policies, and the lockout check of the management connection."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.errors import Refused
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.reconcile import replay
from ansible_collections.wirewright.overlay.plugins.module_utils._host.ssh_connection import Flow
from ansible_collections.wirewright.overlay.plugins.module_utils._host.ssh_connection import parse as parse_ssh
from ansible_collections.wirewright.overlay.plugins.module_utils._ip.prefix import host_prefix, parse_prefix
from ansible_collections.wirewright.overlay.plugins.module_utils._xfrm import lockout as management
from ansible_collections.wirewright.overlay.plugins.module_utils._xfrm import model as v
from ansible_collections.wirewright.overlay.plugins.module_utils._xfrm.policy_plan import (
    AbsentPolicy,
    WantedPolicies,
    plan,
)
from hypothesis import given
from hypothesis import strategies as st

from . import xfrm_values as strategies

ANY = v.Selector(2, v.any_prefix(2), v.any_prefix(2))
TUNNEL = v.Template(v.Address(2, b"\xc0\0\2\1"), v.Address(2, b"\xc0\0\2\2"), reqid=7100)
SSH = management.flows(parse_ssh("198.51.100.9 40000 192.0.2.1 22"))

worlds = st.lists(
    st.builds(
        v.Policy,
        st.sampled_from([v.DIR_IN, v.DIR_OUT]),
        st.sampled_from([ANY, ANY._replace(destination=parse_prefix("10.0.0.0/8"))]),
        st.sampled_from([v.NO_MARK, v.Mark(1, 1)]),
        priority=st.integers(0, 2),
        action=st.integers(0, 1),
        templates=st.sampled_from([(), (TUNNEL,), (TUNNEL._replace(reqid=5),), (TUNNEL, TUNNEL._replace(reqid=5))]),
    ),
    max_size=6,
    unique_by=v.Policy.key,
)


@given(worlds, worlds, st.booleans())
def test_plan_reaches_the_wanted_objects(have: list[v.Policy], want: list[v.Policy], purge: bool) -> None:
    wanted = WantedPolicies(tuple(want), purge=purge, takeover=True)
    after = replay(have, plan(have, wanted))
    assert all(after[policy.key()] == policy for policy in want)
    for policy in have:
        named = policy.key() in {wish.key() for wish in want}
        ours = bool(policy.templates) and {template.reqid for template in policy.templates} == {7100}
        assert named or (policy.key() in after) is not (purge and ours)
    assert plan(list(after.values()), wanted) == []


@given(worlds, worlds, st.booleans())
def test_foreign_policies_are_never_touched(have: list[v.Policy], want: list[v.Policy], purge: bool) -> None:
    try:
        operations = plan(have, WantedPolicies(tuple(want), purge=purge))
    except Refused:
        return
    for operation in operations:
        before, after = operation.before, operation.after
        if before is not None and any(template.reqid == 5 for template in before.templates):
            assert after is not None
            assert {t.reqid for t in after.templates} == {t.reqid for t in before.templates}


@given(strategies.policies())
def test_equal_policy_needs_no_operation(policy: v.Policy) -> None:
    assert plan([policy], WantedPolicies((policy,))) == []


def test_absent_matches_by_reqid() -> None:
    foreign = v.Policy(v.DIR_OUT, ANY, templates=(TUNNEL._replace(reqid=5),))
    with pytest.raises(Refused, match="name its reqid"):
        plan([foreign], WantedPolicies(absent=(AbsentPolicy(foreign.key()),)))
    assert plan([foreign], WantedPolicies(absent=(AbsentPolicy(foreign.key(), 5),)))
    bare = replace(foreign, templates=())
    assert plan([bare], WantedPolicies(absent=(AbsentPolicy(bare.key()),)))


BLOCK = v.Policy(v.DIR_OUT, ANY, action=v.BLOCK, priority=9)
REQUIRED = v.Policy(v.DIR_OUT, ANY, priority=9, templates=(TUNNEL,))


def narrowed(policy: v.Policy, **changes: object) -> v.Policy:
    return replace(policy, selector=policy.selector._replace(**changes))


@pytest.mark.parametrize(
    ("before", "after", "cut"),
    [
        ([], [BLOCK], True),
        ([], [REQUIRED], True),
        ([], [replace(REQUIRED, templates=(TUNNEL._replace(optional=1),))], False),
        ([], [replace(BLOCK, direction=v.DIR_FWD)], False),
        ([], [replace(BLOCK, direction=v.DIR_IN)], True),
        ([], [replace(BLOCK, mark=v.Mark(1, 1))], False),
        ([], [replace(BLOCK, mark=v.Mark(0, 1))], True),
        ([], [replace(BLOCK, if_id=7)], False),
        ([], [narrowed(BLOCK, protocol=17)], False),
        ([], [narrowed(BLOCK, protocol=6, destination_port=v.Port(40000, 0xFFFF))], True),
        ([], [narrowed(BLOCK, protocol=6, destination_port=v.Port(22, 0xFFFF))], False),
        ([], [narrowed(BLOCK, destination=parse_prefix("198.51.100.0/24"))], True),
        ([], [narrowed(BLOCK, destination=parse_prefix("198.51.101.0/24"))], False),
        ([], [narrowed(BLOCK, source=parse_prefix("192.0.2.2"))], False),
        ([], [replace(BLOCK, selector=v.Selector(10, v.any_prefix(10), v.any_prefix(10)))], False),
        # A bypass of lower number helps, one of higher number does not; of equal ones nobody knows.
        ([], [BLOCK, replace(narrowed(BLOCK, protocol=6), action=v.ALLOW, priority=8)], False),
        ([], [BLOCK, replace(narrowed(BLOCK, protocol=6), action=v.ALLOW, priority=10)], True),
        ([], [BLOCK, replace(narrowed(BLOCK, protocol=6), action=v.ALLOW)], True),
        # What was so before, the connection lives with.
        ([BLOCK], [replace(BLOCK, priority=3)], False),
        ([REQUIRED], [REQUIRED, narrowed(BLOCK, protocol=17)], False),
        ([BLOCK], [], False),
        # It came over IPsec, and would be left without.
        ([REQUIRED], [], True),
        ([REQUIRED], [replace(REQUIRED, templates=(TUNNEL._replace(reqid=7101),))], True),
    ],
)
def test_lockout_of_the_management_connection(before: list[v.Policy], after: list[v.Policy], cut: bool) -> None:
    assert bool(management.cut_by(before, after, SSH)) is cut


def test_management_addresses_are_protected_for_all_ports() -> None:
    flows = management.flows(None, ["2001:db8::9"])
    six = v.Selector(10, v.any_prefix(10), v.any_prefix(10), 6, v.Port(22, 0xFFFF))
    assert management.cut_by([], [v.Policy(v.DIR_OUT, six, action=v.BLOCK)], flows)
    assert not management.cut_by([], [v.Policy(v.DIR_OUT, six._replace(protocol=17), action=v.BLOCK)], flows)


def test_a_part_of_a_management_network_is_protected() -> None:
    flows = management.flows(None, ["198.51.100.0/24"])
    assert management.cut_by([], [narrowed(BLOCK, destination=parse_prefix("198.51.100.9"))], flows)


def test_no_session_is_no_flow() -> None:
    assert management.flows(None) == []


def test_cut_packets_are_named_by_direction_without_the_scope_of_a_link_local_address() -> None:
    flows = management.flows(parse_ssh("fe80::9%eth0 40000 fe80::1%eth0 22"))
    six = v.Selector(10, v.any_prefix(10), v.any_prefix(10))
    blocks = [v.Policy(direction, six, action=v.BLOCK) for direction in (v.DIR_OUT, v.DIR_IN)]
    named = [packets for packets, _policy in management.cut_by([], blocks, flows)]
    assert named == ["management to fe80::9 (out)", "management from fe80::9 (in)"]


def test_packets_of_a_tunnel_that_carries_the_connection_are_protected() -> None:
    outer = Flow(host_prefix(bytes(4)), host_prefix(bytes([192, 0, 2, 50])), 51820, 51999, protocol=17)
    flows = management.flows(parse_ssh("10.42.0.2 40000 10.42.0.1 22"), (), [outer])
    between = narrowed(BLOCK, source=parse_prefix("192.0.2.1"), destination=parse_prefix("192.0.2.50"))
    assert management.cut_by([], [between], flows) and not management.cut_by([], [between], flows[:1])
    assert not management.cut_by([], [narrowed(BLOCK, destination=parse_prefix("192.0.2.51"))], flows)
