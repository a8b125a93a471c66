# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Policy routing rules: ownership, planned operations, and their order in the kernel.

This module is private to the collection.
"""

from __future__ import annotations

import socket
from collections.abc import Collection, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace

from .._engine.errors import Refused
from .._engine.reconcile import DELETE, Operation, reconcile
from .._netlink import messages as nl
from .._netlink import route as route_codec
from .._netlink import rule as codec
from .._netlink.connection import Connection
from .._netlink.rule import Rule
from .describe_rule import describe

FAMILIES = (int(socket.AF_INET), int(socket.AF_INET6))
_FOREIGN_TABLES = (0, 253, 255)
_ANY_PORT = (0, 0)
_NAMED = 5


@dataclass(frozen=True)
class Ownership:
    """The rules that are managed: by protocol, by a priority in our range, and by table.

    Without a range, only rules that look up a managed table are managed. Within a declared range, so are rules that look
    up the main table or none; where exceptions are given, only those that equal one of them in `exception_form`. A rule
    that looks up a foreign table never is.
    """

    protocol: int = codec.RTPROT_KERNEL
    tables: frozenset[int] = frozenset()
    priorities: tuple[int, int] | None = None
    exceptions: frozenset[Rule] | None = None

    def owns(self, rule: Rule) -> bool:
        """Return whether the rule is managed."""
        if rule.protocol != self.protocol or rule.rest:
            return False
        if self.priorities is not None and not self.priorities[0] <= rule.priority <= self.priorities[1]:
            return False
        if rule.action == codec.FR_ACT_TO_TBL and rule.table != route_codec.RT_TABLE_MAIN:
            return rule.table in self.tables and rule.table not in _FOREIGN_TABLES
        if self.exceptions is not None and exception_form(rule) not in self.exceptions:
            return False
        return self.priorities is not None and rule.action != codec.FR_ACT_NOP


def exception_form(rule: Rule) -> Rule:
    """Return the rule as exceptions are compared: with any port and any single source address where it selects by these."""
    source, destination = (_ANY_PORT if ports else None for ports in (rule.source_ports, rule.destination_ports))
    form = replace(rule, source_ports=source, destination_ports=destination)
    if rule.source is not None and rule.source.length == len(rule.source.packed) * 8:
        form = replace(form, source=rule.source._replace(packed=bytes(len(rule.source.packed))))
    return form


def read(connection: Connection, families: Iterable[int] = FAMILIES) -> list[Rule]:
    """Return all rules of these families, in the order in which the kernel evaluates them."""
    found = []
    for family in families:
        for payload in connection.dump(codec.RTM_GETRULE, codec.encode_dump(family)):
            rule = codec.decode(payload)
            # A kernel without IPv6 answers with the rules of all its families.
            if rule is not None and rule.family == family:
                found.append(rule)
    return found


def slot(rule: Rule) -> Rule:
    """Return the rule without its action: of two rules in one slot the kernel rarely reaches the second."""
    return replace(rule, action=0, table=0, goto=0, suppress_prefixlength=None)


def plan(
    current: Sequence[Rule],
    wanted: Sequence[Rule],
    absent: Collection[Rule] = (),
    *,
    own: Ownership,
    purge: bool = False,
) -> list[Operation[Rule]]:
    """Return the operations, in the order in which the kernel can carry them out.

    A managed rule in the slot of a wanted one is deleted, because its action differs. Raises Refused where that rule is
    foreign, and where the kernel would delete another rule instead.
    """
    have = list(dict.fromkeys(current))
    slots = {slot(rule): rule for rule in wanted}
    there, asked_for = set(have), set(wanted)
    going: set[Hashable] = {rule.key() for rule in absent}
    for rule in have:
        instead = slots.get(slot(rule))
        if instead is None or rule in asked_for:
            continue
        if own.owns(rule):
            going.add(rule.key())
        elif instead not in there:
            raise Refused(
                f"{describe(instead)}: this priority and selector have a rule that is not known to be ours, "
                f"{describe(rule)}; "
                "declare its table and priority as yours (tables, priorities), delete it, or take another priority"
            )
    # reconcile() keeps wanted rules in a purged range.
    operations = reconcile(have, wanted, absent=going, purge=own.owns if purge else None)
    return _ordered(current, operations)


def shared_priorities(current: Iterable[Rule], wanted: Collection[Rule], own: Ownership) -> list[str]:
    """Return a warning about rules of other programs that have the priority of a wanted one.

    A rule with the protocol of ours may be that of another call, whose tables this one does not name.
    """
    priorities = {(rule.family, rule.priority) for rule in wanted}
    foreign = [
        describe(rule)
        for rule in current
        if (rule.family, rule.priority) in priorities and rule not in wanted and rule.protocol != own.protocol
    ]
    if not foreign:
        return []
    more = f" and {len(foreign) - _NAMED} more" if len(foreign) > _NAMED else ""
    text = (
        "rules of other programs have the priority of one of these rules, and the kernel evaluates those of one priority in "
        f"the order in which they were added: {'; '.join(foreign[:_NAMED])}{more}; take priorities that nobody else uses"
    )
    return [text]


def _ordered(current: Sequence[Rule], operations: Iterable[Operation[Rule]]) -> list[Operation[Rule]]:
    """Sort deletions after creations, in the kernel's order, so that each request finds its own rule first.

    A rule that exists twice is deleted twice.
    """
    operations = list(operations)
    made = [operation for operation in operations if operation.action != DELETE]
    doomed = {operation.before for operation in operations if operation.action == DELETE}
    state = list(current)
    removed: list[Operation[Rule]] = []
    for rule in current:
        if rule not in doomed:
            continue
        _delete_from(state, rule)
        removed.append(Operation(rule, None))
    return made + removed


def _delete_from(state: list[Rule], rule: Rule) -> None:
    """Remove a rule from the kernel's list. Raises Refused where the kernel would remove another one."""
    found = next((other for other in state if deletes(rule, other)), rule)
    if found != rule:
        raise Refused(
            f"{describe(rule)} cannot be deleted: the kernel would delete {describe(found)} instead, which is "
            "before it and stays; delete that one first, or use different priorities for rules of one table"
        )
    state.remove(rule)


def refuse_mistaken(current: Sequence[Rule], operations: Iterable[Operation[Rule]]) -> None:
    """Raise Refused where the kernel would delete another rule than the planned one."""
    state = list(current)
    for operation in operations:
        if operation.before in state and operation.after is None:
            _delete_from(state, operation.before)


def deletes(request: Rule, rule: Rule) -> bool:
    """Return whether a deletion request matches the rule in the kernel (fib_rules.c, rule_find).

    A request matches any value of attributes that it leaves out, and of inversion and goto target in any case.
    """
    if (request.family, request.priority, request.action) != (rule.family, rule.priority, rule.action):
        return False
    unset = (0, None)
    fields = (
        "table",
        "source",
        "destination",
        "input_interface",
        "output_interface",
        "fwmark",
        "fwmask",
        "suppress_prefixlength",
        "uid_range",
        "ip_protocol",
        "source_ports",
        "destination_ports",
        "protocol",
    )
    for name in fields:
        asked = getattr(request, name)
        # 0 is a valid prefix length to suppress; for all other numbers it means none.
        if (asked is None if name == "suppress_prefixlength" else asked in unset) or asked == getattr(rule, name):
            continue
        return False
    return True


def is_taken_for(rule: Rule, other: Rule) -> bool:
    """Return whether the kernel answers EEXIST for a rule because of another one (fib_rules.c, rule_exists).

    It ignores inversion, goto target, and networks that the new rule leaves out.
    """
    same = replace(other, invert=rule.invert, goto=rule.goto)
    if rule.source is None:
        same = replace(same, source=None)
    if rule.destination is None:
        same = replace(same, destination=None)
    return same == rule


def apply(connection: Connection, current: Sequence[Rule], operations: Iterable[Operation[Rule]]) -> int:
    """Apply a plan and return the number of requests. Raises NetlinkError, which names the rule."""
    state = list(current)
    requests = 0
    for operation in operations:
        rule = operation.after if operation.after is not None else operation.before
        if rule is None:
            continue
        try:
            if operation.after is None:
                connection.request(codec.RTM_DELRULE, codec.encode(rule))
                state.remove(rule)
            else:
                confused = any(is_taken_for(rule, other) for other in state)
                # Without NLM_F_EXCL only where the kernel would answer EEXIST because of another rule.
                connection.request(
                    codec.RTM_NEWRULE, codec.encode(rule), nl.NLM_F_CREATE | (0 if confused else nl.NLM_F_EXCL)
                )
                state.append(rule)
        except nl.NetlinkError as exc:
            said = exc.explanation or "without explanation"
            raise nl.NetlinkError(exc.errno or 0, f"{said}: {describe(rule)}") from None
        requests += 1
    return requests
