# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The tables `inet wirewright_overlay` and, for ARP alone, `arp wirewright_overlay`: what stands in them, what has to
change, and the nft(8) text that does it. Pure.

A section is one base chain that serves one purpose for one interface, so that several interfaces share a table and
each is changed without a look at the others. Its policy is accept. As netfilter has it, a packet has to be accepted by
every base chain of its hook: an accept of ours opens nothing that another table drops, and only a drop is final.

This module is private to the collection.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Union

from ..reconcile import Operation, reconcile, replay

INET, ARP = "inet", "arp"
FAMILIES = (INET, ARP)
NAME = "wirewright_overlay"

FORWARD, ISOLATE, MASQUERADE, CLAMP_MSS = "forward", "isolate", "masquerade", "clamp_mss"
SET_MARK, MARK_ARP, CLOSED_IN, CLOSED_OUT = "set_mark", "mark_arp", "closed_in", "closed_out"


class Hook(NamedTuple):
    """Where a base chain hangs: type, hook, priority (linux/netfilter_ipv4.h, NF_IP_PRI_*), policy, family of the table."""

    type: str
    hook: str
    priority: int
    policy: str = "accept"
    family: str = INET

    def __str__(self) -> str:
        return f"type {self.type} hook {self.hook} priority {self.priority}; policy {self.policy};"


# Another purpose is another line here; what it drops or accepts is told by its rules.
HOOKS = {
    CLAMP_MSS: Hook("filter", "forward", -150),
    FORWARD: Hook("filter", "forward", 0),
    ISOLATE: Hook("filter", "forward", 0),
    MASQUERADE: Hook("nat", "postrouting", 100),
    # Behind destination NAT (-100), so that what a service stands for is marked, and before routes are looked up.
    SET_MARK: Hook("filter", "prerouting", -90),
    # No other family sees ARP, and what looks up a way for it comes after this hook (net/ipv4/arp.c, arp_process).
    MARK_ARP: Hook("filter", "input", 0, family=ARP),
    # Before everything else that looks at packets; and behind source NAT, the last that sees them.
    CLOSED_IN: Hook("filter", "prerouting", -290),
    CLOSED_OUT: Hook("filter", "postrouting", 300),
}

# Letters that an interface may have in its name and nft none in that of a chain; a slash is never in an interface name.
_ESCAPED = re.compile(r"[^A-Za-z0-9_.-]")
_COMMENT = "wirewright.overlay"


class Rule(NamedTuple):
    """A rule: its expressions as nft(8) writes them, one text each, and its comment."""

    expressions: tuple[str, ...]
    comment: str = ""

    def __str__(self) -> str:
        return " ".join(self.expressions)


@dataclass(frozen=True)
class Section:
    """One base chain: what it is for, of which interface, where it hangs, and its rules in their order."""

    interface: str
    purpose: str
    hook: Hook
    rules: tuple[Rule, ...]

    def key(self) -> tuple[str, str]:
        """The interface and the purpose."""
        return self.interface, self.purpose

    @property
    def family(self) -> str:
        """The family of the table that it stands in."""
        return self.hook.family

    @property
    def chain(self) -> str:
        """The name of the chain."""
        return chain_name(self.interface, self.purpose)

    def mentions(self, name: str) -> bool:
        """Whether a rule leads to a chain or set of this name. None of ours does: what does is kept as JSON."""
        texts = (f'"{name}"', f'"@{name}"')
        return any(
            expression.startswith("{") and any(text in expression for text in texts)
            for rule in self.rules
            for expression in rule.expressions
        )


@dataclass(frozen=True)
class Stray:
    """What stands in a table of ours and is no section: `kind` and name as nft's delete takes them."""

    kind: str
    name: str
    family: str = INET

    def key(self) -> tuple[str, str]:
        """No interface, so that it sorts before all sections."""
        return "", f"{self.family} {self.kind} {self.name}"


Part = Union[Section, Stray]
DORMANT = ("flags", "dormant")


class WantedSections(NamedTuple):
    """What is asked for: the interfaces that are spoken of, and all sections that these shall have.

    kept: (interface, purpose) of sections that nothing is said of, so that they stay as they are.
    """

    interfaces: frozenset[str]
    sections: tuple[Section, ...]
    kept: frozenset[tuple[str, str]] = frozenset()


def table_name(family: str) -> str:
    """Return a table of ours as nft(8) takes it."""
    return f"{family} {NAME}"


def chain_name(interface: str, purpose: str) -> str:
    """Return the name of a section's chain, one that nft takes without quotes."""
    return f"{purpose}_" + _ESCAPED.sub(lambda found: f"/{ord(found[0]):02x}", interface)


def parse_chain_name(name: str) -> tuple[str, str] | None:
    """Return (interface, purpose) of a chain, None where it is no section's."""
    for purpose in HOOKS:
        if name.startswith(f"{purpose}_"):
            interface = re.sub(r"/([0-9a-f]{2})", lambda found: chr(int(found[1], 16)), name[len(purpose) + 1 :])
            return (interface, purpose) if interface and chain_name(interface, purpose) == name else None
    return None


def section(interface: str, purpose: str, rules: Iterable[Sequence[str]]) -> Section:
    """Return a wanted section, its rules given by their expressions; each gets a comment that says whose it is."""
    chain = chain_name(interface, purpose)
    marked = tuple(Rule(tuple(expressions), mark(chain, expressions)) for expressions in rules)
    return Section(interface, purpose, HOOKS[purpose], marked)


def mark(chain: str, expressions: Sequence[str]) -> str:
    """Return the comment of a rule of ours: it holds a digest of what was asked for, and where."""
    digest = hashlib.sha256("\n".join((chain, *expressions)).encode()).hexdigest()
    return f"{_COMMENT} {digest[:16]}"


def plan(current: Collection[Part], wanted: WantedSections) -> list[Operation[Part]]:
    """Return the operations after which the interfaces spoken of have exactly these sections.

    Sections of other interfaces are not looked at. What is no section is removed, unless one of those leads to it.
    """
    others = [
        part
        for part in current
        if isinstance(part, Section) and (part.interface not in wanted.interfaces or part.key() in wanted.kept)
    ]

    def ours_to_remove(part: Part) -> bool:
        if isinstance(part, Section):
            return part.interface in wanted.interfaces and part.key() not in wanted.kept
        return not any(other.mentions(part.name) for other in others)

    return reconcile(current, wanted.sections, purge=ours_to_remove)


def after(current: Collection[Part], wanted: WantedSections, interface: str) -> list[Section]:
    """Return the sections that an interface has once the plan is carried out."""
    parts = replay(current, plan(current, wanted))
    return [part for part in parts if isinstance(part, Section) and part.interface == interface]


def script(current: Collection[Part], operations: Sequence[Operation[Part]]) -> str:
    """Return one transaction for `nft -f -` that carries the operations out."""
    left = replay(current, operations).values()
    gone = [operation.before for operation in operations if operation.after is None and operation.before is not None]
    made = [operation.after for operation in operations if isinstance(operation.after, Section)]
    lines: list[str] = []
    for family in FAMILIES:
        going = [part for part in gone if part.family == family]
        coming = [part for part in made if part.family == family]
        if going or coming:
            lines += _family_script(family, going, coming, empty=not any(part.family == family for part in left))
    return "\n".join([*lines, ""])


def _family_script(family: str, gone: Sequence[Part], made: Sequence[Section], *, empty: bool) -> list[str]:
    lines = [f"add table {table_name(family)}"]  # wakes a dormant one, too
    if empty:
        return [*lines, f"delete table {table_name(family)}"]
    strays = [part for part in gone if isinstance(part, Stray) and (part.kind, part.name) != DORMANT]
    chains = [part.chain for part in (*gone, *made) if isinstance(part, Section)]
    lines += _clear(family, chains + [stray.name for stray in strays if stray.kind == "chain"])
    lines += [f"delete {stray.kind} {table_name(family)} {stray.name}" for stray in strays if stray.kind != "chain"]
    return [*lines, *_block(family, made)]


def load_script(sections: Sequence[Section]) -> str:
    """Return a transaction after which the sections are there, whatever there was of them before."""
    lines: list[str] = []
    for family in FAMILIES:
        own = [part for part in sections if part.family == family]
        if own:
            cleared = _clear(family, [part.chain for part in own])
            lines += [f"add table {table_name(family)}", *cleared, *_block(family, own)]
    return "\n".join([*lines, ""])


def _clear(family: str, chains: Sequence[str]) -> list[str]:
    # Added first, so that deleting succeeds; all are flushed before one is deleted, since rules may lead from one to
    # another; deleted rather than flushed, since a chain by hand may hang elsewhere.
    verbs = ("add", "flush", "delete")
    return [f"{verb} chain {table_name(family)} {chain}" for verb in verbs for chain in chains]


def _block(family: str, sections: Sequence[Section]) -> list[str]:
    if not sections:
        return []
    lines = [f"table {table_name(family)} {{"]
    for part in sections:
        lines += [f"    chain {part.chain} {{", f"        {part.hook}"]
        lines += [f'        {rule} comment "{rule.comment}"' for rule in part.rules]
        lines += ["    }"]
    return [*lines, "}"]


def label(part: Part) -> str:
    """Return the name of a part for people."""
    if isinstance(part, Stray):
        return f"{part.kind} {part.name}, which somebody else put into table {table_name(part.family)}"
    return f"{part.interface} {part.purpose}"


def describe(part: Part) -> list[str]:
    """Return a part as a diff shows it, a line for each rule."""
    if isinstance(part, Stray):
        return [label(part)]
    lines = [f"{label(part)}: {part.hook}"]
    for rule in part.rules:
        foreign = rule.comment != mark(part.chain, rule.expressions)
        lines.append(f"{label(part)}: {rule}" + (f' comment "{rule.comment}"' if foreign else ""))
    return lines
