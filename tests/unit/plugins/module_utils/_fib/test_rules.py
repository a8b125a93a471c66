# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules: whose they are, and plans that a model of the kernel carries out."""

from __future__ import annotations

import socket
from dataclasses import replace

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.errors import Refused
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.reconcile import Operation
from ansible_collections.wirewright.overlay.plugins.module_utils._fib.rules import (
    Ownership,
    deletes,
    exception_form,
    is_taken_for,
    plan,
    refuse_mistaken,
    slot,
)
from ansible_collections.wirewright.overlay.plugins.module_utils._ip.prefix import parse_prefix
from ansible_collections.wirewright.overlay.plugins.module_utils._netlink.rule import Rule
from hypothesis import given
from hypothesis import strategies as st

IPV4 = int(socket.AF_INET)
OWN = Ownership(2, frozenset({71, 72}), (100, 199))
TEN = parse_prefix("10.0.0.0/8")


def rule(priority: int = 150, table: int = 71, **options: object) -> Rule:
    return Rule(IPV4, priority, **{"table": table, **options})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("found", "ours"),
    [
        (rule(), True),
        (rule(table=72), True),
        (rule(table=73), False),
        (rule(table=253), False),
        (rule(table=255), False),
        (rule(table=254), True),
        (rule(table=254, suppress_prefixlength=0), True),
        (rule(99), False),
        (rule(100), True),
        (rule(199), True),
        (rule(200), False),
        (rule(protocol=0), False),
        (rule(protocol=4), False),
        (rule(table=0, action=6), True),
        (rule(table=0, action=2, goto=160), True),
        (rule(table=0, action=3), False),
        (rule(rest=((12, b"\0" * 8),)), False),
    ],
)
def test_whose_a_rule_is(found: Rule, ours: bool) -> None:
    assert OWN.owns(found) == ours


def test_exceptions_name_the_rules_without_a_table_of_ours() -> None:
    ssh = rule(table=254, source=TEN, ip_protocol=6, source_ports=(22, 22))
    own = replace(OWN, exceptions=frozenset({exception_form(ssh)}))
    assert own.owns(ssh) and own.owns(replace(ssh, source_ports=(1000, 2000))), "whatever ports"
    host = replace(ssh, source=parse_prefix("10.9.9.9/32"))
    assert not own.owns(host), "not a network"
    assert replace(own, exceptions=frozenset({exception_form(replace(host, source=parse_prefix("0.0.0.0/32")))})).owns(
        host
    )
    for other in (
        replace(ssh, source_ports=None),
        replace(ssh, source_ports=None, destination_ports=(22, 22)),
        replace(ssh, priority=151),
        rule(table=254, fwmark=0x2000, fwmask=0x2000),
        rule(table=0, action=6),
    ):
        assert OWN.owns(other) and not own.owns(other)
    assert own.owns(rule()) and not own.owns(rule(table=73))
    assert plan([rule(table=254, fwmark=7, fwmask=7), ssh], [], own=own, purge=True) == [Operation(ssh, None)]


def test_without_a_range_only_tables_tell() -> None:
    own = Ownership(2, frozenset({71}))
    assert own.owns(rule(5))
    assert not own.owns(rule(table=254))
    assert not own.owns(rule(table=0, action=6))


# Few values, so that rules collide.
RULES = st.builds(
    Rule,
    family=st.just(IPV4),
    priority=st.sampled_from([99, 150, 151]),
    table=st.sampled_from([71, 72, 73]),
    invert=st.booleans(),
    source=st.sampled_from([None, TEN]),
    fwmark=st.sampled_from([0, 1]),
    protocol=st.sampled_from([2, 4]),
    suppress_prefixlength=st.sampled_from([None, 0]),
)
MINE = RULES.filter(lambda item: item.protocol == 2 and item.table != 73 and item.priority != 99)
WANTED = st.lists(MINE, max_size=4, unique_by=slot)


def carry_out(current: list[Rule], operations: list[Operation[Rule]]) -> list[Rule]:
    """Do what the kernel does: an addition goes behind all of its priority, a deletion takes the first that matches."""
    state = list(current)
    for operation in operations:
        if operation.after is not None:
            state.append(operation.after)
            state.sort(key=lambda item: item.priority)
        elif operation.before is not None:
            state.remove(next(item for item in state if deletes(operation.before, item)))
    return state


@given(st.lists(RULES, max_size=8), WANTED, st.booleans())
def test_a_plan_results_in_the_wanted_objects_and_keeps_foreign_ones(
    current: list[Rule], wanted: list[Rule], purge: bool
) -> None:
    current.sort(key=lambda item: item.priority)
    try:
        operations = plan(current, wanted, own=OWN, purge=purge)
    except Refused:
        return
    after = carry_out(current, operations)
    assert set(wanted) <= set(after)
    assert [item for item in after if not OWN.owns(item)] == [item for item in current if not OWN.owns(item)]
    if purge:
        assert {item for item in after if OWN.owns(item)} == set(wanted)
    assert plan(after, wanted, own=OWN, purge=purge) == []


@given(st.lists(RULES, max_size=8), st.lists(MINE, max_size=3))
def test_only_absent_rules_are_deleted(current: list[Rule], absent: list[Rule]) -> None:
    current.sort(key=lambda item: item.priority)
    try:
        operations = plan(current, [], absent, own=OWN)
    except Refused:
        return
    assert carry_out(current, operations) == [item for item in current if item not in absent]


@given(RULES, RULES)
def test_a_rule_matches_its_own_deletion_and_duplicate(one: Rule, other: Rule) -> None:
    assert deletes(one, one)
    assert is_taken_for(one, one)
    if one.protocol != other.protocol:
        assert not deletes(one, other)
        assert not is_taken_for(one, other)


def test_what_the_kernel_confuses() -> None:
    """As seen on Linux 6.18; the numbers of the tests in namespaces prove it again."""
    assert is_taken_for(rule(fwmark=1), rule(fwmark=1, invert=True))
    assert is_taken_for(rule(), rule(source=TEN))
    assert not is_taken_for(rule(source=TEN), rule())
    assert deletes(rule(), rule(source=TEN, fwmark=3, invert=True))
    assert not deletes(rule(source=TEN), rule())


def test_a_foreign_object_is_named_with_the_remedy() -> None:
    with pytest.raises(Refused, match=r"lookup 73.*tables, priorities"):
        plan([rule(table=73)], [rule()], own=OWN)


def test_a_deletion_that_would_hit_another_rule_is_refused() -> None:
    with pytest.raises(Refused, match="cannot be deleted"):
        plan([rule(source=TEN), rule()], [rule(source=TEN)], [rule()], own=OWN)


def test_a_deletion_that_hits_what_has_gone_before_it_is_none() -> None:
    both = [rule(source=TEN), rule()]
    gone = [Operation(one, None) for one in both]
    assert plan(both, [], both, own=OWN) == gone
    refuse_mistaken(both, gone)
    with pytest.raises(Refused, match="cannot be deleted"):
        refuse_mistaken(both, gone[1:])


def test_rules_that_are_there_twice_go_twice() -> None:
    assert len(plan([rule(), rule()], [], own=OWN, purge=True)) == 2
    assert plan([rule(), rule()], [rule()], own=OWN, purge=True) == []
