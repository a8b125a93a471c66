# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Policy routing rules: which are ours, what has to change, and in which order the kernel can be asked for it.

This module is private to the collection.
"""

from __future__ import annotations

import socket
from collections.abc import Collection, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace

from ..netlink import messages as nl
from ..netlink import route as route_codec
from ..netlink import rule as codec
from ..netlink.connection import Connection
from ..netlink.rule import Rule
from ..reconcile import DELETE, Operation, reconcile
from ..refusal import Refused
from .rule_text import describe

FAMILIES = (int(socket.AF_INET), int(socket.AF_INET6))
_FOREIGN_TABLES = (0, 253, 255)


@dataclass(frozen=True)
class Ownership:
    """What makes a rule ours: its protocol, a priority in our range, and where it leads.

    Without a range only rules that look up a table of ours count; within a range that is declared ours, those that
    look up the main table or none at all do too. A rule that looks up another's table never is ours.
    """

    protocol: int = codec.RTPROT_KERNEL
    tables: frozenset[int] = frozenset()
    priorities: tuple[int, int] | None = None

    def owns(self, rule: Rule) -> bool:
        """Return whether the rule is ours."""
        if rule.protocol != self.protocol or rule.rest:
            return False
        if self.priorities is not None and not self.priorities[0] <= rule.priority <= self.priorities[1]:
            return False
        if rule.action == codec.FR_ACT_TO_TBL and rule.table != route_codec.RT_TABLE_MAIN:
            return rule.table in self.tables and rule.table not in _FOREIGN_TABLES
        return self.priorities is not None and rule.action != codec.FR_ACT_NOP


def read(connection: Connection, families: Iterable[int] = FAMILIES) -> list[Rule]:
    """Return all rules of these families, in the order in which the kernel asks them."""
    found = []
    for family in families:
        for payload in connection.dump(codec.RTM_GETRULE, codec.encode_dump(family)):
            rule = codec.decode(payload)
            # A kernel without IPv6 answers with the rules of every family it has.
            if rule is not None and rule.family == family:
                found.append(rule)
    return found


def slot(rule: Rule) -> Rule:
    """Return the rule without where it leads: of two in the same slot the second is hardly ever asked."""
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

    A rule of ours in the slot of a wanted one goes, because it leads elsewhere. Raises Refused where that rule is not
    ours, and where the kernel would delete another rule than the one that is to go.
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
                f"{describe(instead)}: this place holds a rule that is not known to be ours, {describe(rule)}; "
                "declare its table and priority as yours (tables, priorities), delete it, or take another priority"
            )
    # A rule that is wanted is kept although it is in a range that is purged; the engine sees to that.
    operations = reconcile(have, wanted, absent=going, purge=own.owns if purge else None)
    return _ordered(current, operations)


def _ordered(current: Sequence[Rule], operations: Iterable[Operation[Rule]]) -> list[Operation[Rule]]:
    """Put deletions behind creations, in the kernel's order, in which each is the first that its request finds.

    A rule that is there twice is deleted twice.
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
    """Take a rule out of the kernel's list. Raises Refused where the kernel would take another one out."""
    found = next((other for other in state if deletes(rule, other)), rule)
    if found != rule:
        raise Refused(
            f"{describe(rule)} cannot be deleted: the kernel would take {describe(found)} for it, which stands "
            "before it and stays; delete that one first, or keep rules of one table at priorities of their own"
        )
    state.remove(rule)


def refuse_mistaken(current: Sequence[Rule], operations: Iterable[Operation[Rule]]) -> None:
    """Raise Refused where the kernel would delete another rule than the one that is to go."""
    state = list(current)
    for operation in operations:
        if operation.before in state and operation.after is None:
            _delete_from(state, operation.before)


def deletes(request: Rule, rule: Rule) -> bool:
    """Return whether the kernel takes the rule for the one a deletion asks for (fib_rules.c, rule_find).

    What a request leaves out, it does not look at; whether a rule is inverted and where it jumps to it never does.
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
        # 0 is a prefix length to suppress, and no number of anything else.
        if (asked is None if name == "suppress_prefixlength" else asked in unset) or asked == getattr(rule, name):
            continue
        return False
    return True


def is_taken_for(rule: Rule, other: Rule) -> bool:
    """Return whether the kernel says "exists" of a rule because of another one (fib_rules.c, rule_exists).

    It compares all but whether they are inverted, where they jump to, and networks that the new rule leaves out.
    """
    same = replace(other, invert=rule.invert, goto=rule.goto)
    if rule.source is None:
        same = replace(same, source=None)
    if rule.destination is None:
        same = replace(same, destination=None)
    return same == rule


def apply(connection: Connection, current: Sequence[Rule], operations: Iterable[Operation[Rule]]) -> int:
    """Carry a plan out and return how many requests that took. Raises NetlinkError, which names the rule."""
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
                # Only where the kernel would mistake another rule for this one may it take a second of the same.
                connection.request(
                    codec.RTM_NEWRULE, codec.encode(rule), nl.NLM_F_CREATE | (0 if confused else nl.NLM_F_EXCL)
                )
                state.append(rule)
        except nl.NetlinkError as exc:
            said = exc.explanation or "no more is said"
            raise nl.NetlinkError(exc.errno or 0, f"{said}: {describe(rule)}") from None
        requests += 1
    return requests
