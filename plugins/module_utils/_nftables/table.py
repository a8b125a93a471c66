# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The tables `inet wirewright_overlay` and, for ARP only, `arp wirewright_overlay`: their chains, the plan of changes,
and the nft(8) text that applies it. Pure.

Each part of the ruleset is one base chain for one purpose of one interface, so that interfaces share a table and are
changed independently. Its policy is accept. In netfilter every base chain of a hook must accept a packet: our accept
opens nothing that another table drops, and only a drop is final.

This module is private to the collection.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Union

from .._engine.reconcile import Operation, reconcile, replay

INET, ARP = "inet", "arp"
FAMILIES = (INET, ARP)
NAME = "wirewright_overlay"

FORWARD, ISOLATE, MASQUERADE, CLAMP_MSS = "forward", "isolate", "masquerade", "clamp_mss"
SET_MARK, MARK_ARP, DROP_INGRESS, DROP_EGRESS = "set_mark", "mark_arp", "drop_ingress", "drop_egress"


class Hook(NamedTuple):
    """The hook of a base chain: type, hook, priority (linux/netfilter_ipv4.h, NF_IP_PRI_*), policy, family of the table."""

    type: str
    hook: str
    priority: int
    policy: str = "accept"
    family: str = INET

    def __str__(self) -> str:
        return f"type {self.type} hook {self.hook} priority {self.priority}; policy {self.policy};"


# The hook of each purpose; the rules of a chain accept and drop, not its policy.
HOOKS = {
    CLAMP_MSS: Hook("filter", "forward", -150),
    FORWARD: Hook("filter", "forward", 0),
    ISOLATE: Hook("filter", "forward", 0),
    MASQUERADE: Hook("nat", "postrouting", 100),
    # After destination NAT (-100), so that the address behind a service is matched, and before the route lookup.
    SET_MARK: Hook("filter", "prerouting", -90),
    # No other family sees ARP, and its route lookup comes after this hook (net/ipv4/arp.c, arp_process).
    MARK_ARP: Hook("filter", "input", 0, family=ARP),
    # Before all other chains; and after source NAT, the last hook.
    DROP_INGRESS: Hook("filter", "prerouting", -290),
    DROP_EGRESS: Hook("filter", "postrouting", 300),
}

# Characters that interface names may have and chain names of nft may not. No interface name has a slash.
_ESCAPED = re.compile(r"[^A-Za-z0-9_.-]")
_COMMENT = "wirewright.overlay"


class Rule(NamedTuple):
    """A rule: its expressions, each in the words of nft(8), and its comment."""

    expressions: tuple[str, ...]
    comment: str = ""

    def __str__(self) -> str:
        return " ".join(self.expressions)


@dataclass(frozen=True)
class RulesetPart:
    """One base chain: its interface, purpose, hook, and rules in their order."""

    interface: str
    purpose: str
    hook: Hook
    rules: tuple[Rule, ...]

    def key(self) -> tuple[str, str]:
        """The interface and the purpose."""
        return self.interface, self.purpose

    @property
    def family(self) -> str:
        """The family of its table."""
        return self.hook.family

    @property
    def chain(self) -> str:
        """The name of the chain."""
        return chain_name(self.interface, self.purpose)

    def mentions(self, name: str) -> bool:
        """Whether a rule refers to a chain or set of this name. No rule of ours does; foreign rules are kept as JSON."""
        texts = (f'"{name}"', f'"@{name}"')
        return any(
            expression.startswith("{") and any(text in expression for text in texts)
            for rule in self.rules
            for expression in rule.expressions
        )


@dataclass(frozen=True)
class Stray:
    """A foreign object in a table of ours: `kind` and name as nft's delete takes them."""

    kind: str
    name: str
    family: str = INET

    def key(self) -> tuple[str, str]:
        """No interface, so that it sorts before all chains of ours."""
        return "", f"{self.family} {self.kind} {self.name}"


TableEntry = Union[RulesetPart, Stray]
DORMANT = ("flags", "dormant")


class WantedRuleset(NamedTuple):
    """The wanted ruleset: the interfaces it names, and all parts of these.

    kept: (interface, purpose) of parts that are not changed.
    """

    interfaces: frozenset[str]
    parts: tuple[RulesetPart, ...]
    kept: frozenset[tuple[str, str]] = frozenset()


def table_name(family: str) -> str:
    """Return a table of ours as nft(8) takes it."""
    return f"{family} {NAME}"


def chain_name(interface: str, purpose: str) -> str:
    """Return the name of a chain, which nft takes without quotes."""
    return f"{purpose}_" + _ESCAPED.sub(lambda found: f"/{ord(found[0]):02x}", interface)


def parse_chain_name(name: str) -> tuple[str, str] | None:
    """Return (interface, purpose) of a chain, None for a foreign one."""
    for purpose in HOOKS:
        if name.startswith(f"{purpose}_"):
            interface = re.sub(r"/([0-9a-f]{2})", lambda found: chr(int(found[1], 16)), name[len(purpose) + 1 :])
            return (interface, purpose) if interface and chain_name(interface, purpose) == name else None
    return None


def ruleset_part(interface: str, purpose: str, rules: Iterable[Sequence[str]]) -> RulesetPart:
    """Return a wanted part, its rules given by their expressions; each rule gets a comment that marks it as ours."""
    chain = chain_name(interface, purpose)
    marked = tuple(Rule(tuple(expressions), mark(chain, expressions)) for expressions in rules)
    return RulesetPart(interface, purpose, HOOKS[purpose], marked)


def mark(chain: str, expressions: Sequence[str]) -> str:
    """Return the comment of a rule of ours: a digest of its chain and expressions."""
    digest = hashlib.sha256("\n".join((chain, *expressions)).encode()).hexdigest()
    return f"{_COMMENT} {digest[:16]}"


def plan(current: Collection[TableEntry], wanted: WantedRuleset) -> list[Operation[TableEntry]]:
    """Return the operations after which the named interfaces have exactly the wanted parts.

    Parts of other interfaces are not changed. Foreign objects are removed, unless such a part refers to them.
    """
    others = [
        part
        for part in current
        if isinstance(part, RulesetPart) and (part.interface not in wanted.interfaces or part.key() in wanted.kept)
    ]

    def ours_to_remove(part: TableEntry) -> bool:
        if isinstance(part, RulesetPart):
            return part.interface in wanted.interfaces and part.key() not in wanted.kept
        return not any(other.mentions(part.name) for other in others)

    return reconcile(current, wanted.parts, purge=ours_to_remove)


def after(current: Collection[TableEntry], wanted: WantedRuleset, interface: str) -> list[RulesetPart]:
    """Return the parts that an interface has after the plan."""
    parts = replay(current, plan(current, wanted))
    return [part for part in parts if isinstance(part, RulesetPart) and part.interface == interface]


def script(current: Collection[TableEntry], operations: Sequence[Operation[TableEntry]]) -> str:
    """Return one transaction for `nft -f -` that applies the operations."""
    left = replay(current, operations).values()
    gone = [operation.before for operation in operations if operation.after is None and operation.before is not None]
    made = [operation.after for operation in operations if isinstance(operation.after, RulesetPart)]
    lines: list[str] = []
    for family in FAMILIES:
        going = [part for part in gone if part.family == family]
        coming = [part for part in made if part.family == family]
        if going or coming:
            lines += _family_script(family, going, coming, empty=not any(part.family == family for part in left))
    return "\n".join([*lines, ""])


def _family_script(family: str, gone: Sequence[TableEntry], made: Sequence[RulesetPart], *, empty: bool) -> list[str]:
    lines = [f"add table {table_name(family)}"]  # also clears the flag dormant
    if empty:
        return [*lines, f"delete table {table_name(family)}"]
    strays = [part for part in gone if isinstance(part, Stray) and (part.kind, part.name) != DORMANT]
    chains = [part.chain for part in (*gone, *made) if isinstance(part, RulesetPart)]
    lines += _clear(family, chains + [stray.name for stray in strays if stray.kind == "chain"])
    lines += [f"delete {stray.kind} {table_name(family)} {stray.name}" for stray in strays if stray.kind != "chain"]
    return [*lines, *_block(family, made)]


def load_script(parts: Sequence[RulesetPart]) -> str:
    """Return a transaction that creates the parts, whatever their chains are before."""
    lines: list[str] = []
    for family in FAMILIES:
        own = [part for part in parts if part.family == family]
        if own:
            cleared = _clear(family, [part.chain for part in own])
            lines += [f"add table {table_name(family)}", *cleared, *_block(family, own)]
    return "\n".join([*lines, ""])


def _clear(family: str, chains: Sequence[str]) -> list[str]:
    # Added first, so that deleting succeeds. All are flushed before one is deleted, since rules may jump between them.
    # Deleted, not only flushed, since a chain that was changed by hand may have another hook.
    verbs = ("add", "flush", "delete")
    return [f"{verb} chain {table_name(family)} {chain}" for verb in verbs for chain in chains]


def _block(family: str, parts: Sequence[RulesetPart]) -> list[str]:
    if not parts:
        return []
    lines = [f"table {table_name(family)} {{"]
    for part in parts:
        lines += [f"    chain {part.chain} {{", f"        {part.hook}"]
        lines += [f'        {rule} comment "{rule.comment}"' for rule in part.rules]
        lines += ["    }"]
    return [*lines, "}"]


def label(part: TableEntry) -> str:
    """Return the display name of an object."""
    if isinstance(part, Stray):
        return f"foreign {part.kind} {part.name} in table {table_name(part.family)}"
    return f"{part.interface} {part.purpose}"


def describe(part: TableEntry) -> list[str]:
    """Return an object as lines of a diff, one for each rule."""
    if isinstance(part, Stray):
        return [label(part)]
    lines = [f"{label(part)}: {part.hook}"]
    for rule in part.rules:
        foreign = rule.comment != mark(part.chain, rule.expressions)
        lines.append(f"{label(part)}: {rule}" + (f' comment "{rule.comment}"' if foreign else ""))
    return lines
