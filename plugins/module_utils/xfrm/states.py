# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What has to be done so that the wanted security associations are there, and what must not be done. Pure.

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..reconcile import CREATE, DELETE, Operation, reconcile
from ..refusal import Refused
from .algorithms import nonce_rfc
from .key_uses import nonce_keys, use_of
from .ownership import OURS, Reqids
from .values import NO_MARK, PROTOCOLS, Address, State, StateKey, name_of


@dataclass(frozen=True)
class AbsentState:
    """A state that must not exist; without a reqid only one of ours is meant."""

    key: StateKey
    reqid: int | None = None


@dataclass(frozen=True)
class WantedStates:
    """States as asked for. ``takeover`` and ``allow_nonce_reuse`` lift the two refusals of the same meaning.

    ``receive_only`` are those by which nothing is sent: who sends counts the nonces, so they may be made again.
    """

    states: tuple[State, ...] = ()
    absent: tuple[AbsentState, ...] = ()
    purge: bool = False
    ours: Reqids = OURS
    takeover: bool = False
    allow_nonce_reuse: bool = False
    receive_only: frozenset[StateKey] = frozenset()


def label(key: StateKey) -> str:
    """Return the text by which messages and diffs name a state, in the words of `ip xfrm state`."""
    family, packed, protocol, spi, mark = key
    text = f"dst {Address(family, packed)} proto {name_of(PROTOCOLS, protocol)} spi {spi:#010x}"
    return text + (f" mark {mark}" if mark != NO_MARK else "")


def settle(before: State | None, wanted: State) -> State:
    """Return the state that results: where the kernel hides keys (lockdown), one of the right length is believed."""
    if before is None:
        return wanted
    hidden: dict[str, Any] = {}
    for option, algorithm in before.algorithms.items():
        asked = wanted.algorithms.get(option)
        if asked is not None and algorithm.key and not any(algorithm.key) and len(algorithm.key) == len(asked.key):
            hidden[option] = replace(asked, key=algorithm.key)
    return replace(wanted, **hidden) if hidden else wanted


def plan(
    current: Iterable[State],
    wanted: WantedStates,
    *,
    key_uses: Mapping[str, str] | None = None,
    keys_hidden: bool = False,
) -> list[Operation[State]]:
    """Return the operations after which the wanted states are there, in an order in which the kernel takes them.

    ``key_uses`` is the host's memory of counter-mode keys, ``keys_hidden`` says that the kernel shows zeros for keys.
    Raises Refused with everything that stands against it, DuplicateKey.
    """
    # What has no SPI, or marks that can never match, may share a key; neither is anything that can be asked for.
    have = list({state.key(): state for state in current if state.protocol in PROTOCOLS.values()}.values())
    operations = reconcile(
        have,
        wanted.states,
        absent={absent.key for absent in wanted.absent},
        purge=(lambda state: state.reqid in wanted.ours) if wanted.purge else None,
        settle=settle if keys_hidden else None,
    )
    errors = _foreign(operations, wanted)
    if not wanted.allow_nonce_reuse:
        sending = [operation for operation in operations if operation.key() not in wanted.receive_only]
        errors += _repeated_nonces(sending, key_uses or {})
    ordered, blocked = _ordered(have, operations)
    errors += blocked
    if errors:
        raise Refused(*errors)
    return ordered


def _foreign(operations: Iterable[Operation[State]], wanted: WantedStates) -> list[str]:
    """Name the states of others that would be changed or removed."""
    if wanted.takeover:
        return []
    named = {absent.key: absent.reqid for absent in wanted.absent}
    errors = []
    for operation in operations:
        before, after = operation.before, operation.after
        if before is None or before.reqid in wanted.ours:
            continue
        asked = after.reqid if after is not None else named.get(before.key())
        if asked != before.reqid:
            remedy = "name its reqid to remove it" if after is None else "choose another SPI, or that reqid"
            errors.append(
                f"{label(before.key())}: there is such a state with reqid {before.reqid}, which is not one of ours "
                f"({wanted.ours}); {remedy}, or set takeover: true"
            )
    return errors


def _repeated_nonces(operations: Iterable[Operation[State]], key_uses: Mapping[str, str]) -> list[str]:
    """Name the states that would start counting from one again under a counter-mode key that has counted before."""
    errors = []
    for operation in operations:
        before, after = operation.before, operation.after
        if after is None or (before is not None and changes_in_place(before, after)):
            continue
        kept = set(nonce_keys(before).values()) if before is not None else set()
        for option, key in nonce_keys(after).items():
            if key in kept or use_of(key) in key_uses:
                rfc = nonce_rfc(option, after.algorithms[option].name)
                errors.append(
                    f"{label(after.key())}: its {option} key was used on this host before, and a state made anew with "
                    f"it repeats nonces ({rfc}, RFC 8221 section 3); give it a new key, or set allow_nonce_reuse: true"
                )
    return errors


def _ordered(have: Iterable[State], operations: Sequence[Operation[State]]) -> tuple[list[Operation[State]], list[str]]:
    """Return the operations in an order the kernel takes, and what no order makes possible.

    A state is not made where another one with the same destination, protocol and SPI takes its mark: the kernel asks
    "(mark & other's mask) == other's value". So those with more mask bits are made first, and what is in the way and
    goes anyway, goes before.
    """
    standing: dict[object, dict[StateKey, State]] = {}
    for state in have:
        standing.setdefault(state.key()[:4], {})[state.key()] = state
    removals = {operation.key(): operation for operation in operations if operation.after is None}
    made = [operation for operation in operations if operation.after is not None]
    made.sort(key=lambda operation: -bin(operation.key()[4].mask).count("1"))
    ordered: list[Operation[State]] = []
    errors = []
    for operation in made:
        before, after = operation.before, operation.after
        if after is None or (before is not None and changes_in_place(before, after)):
            ordered.append(operation)
            continue
        beside = standing.setdefault(after.key()[:4], {})
        for other in in_the_way(after.key(), beside):
            if other in removals:
                ordered.append(removals.pop(other))
                del beside[other]
            else:
                errors.append(
                    f"{label(after.key())}: the kernel refuses it beside the state {label(other)} "
                    f"(reqid {beside[other].reqid}), which takes this mark too; choose another SPI, or give that "
                    "one a mark of its own"
                )
        beside[after.key()] = after
        ordered.append(operation)
    return ordered + [operation for operation in operations if operation.key() in removals], errors


def in_the_way(key: StateKey, beside: Collection[StateKey]) -> list[StateKey]:
    """Return those of the states with the same destination, protocol and SPI that take this one's mark."""
    mark = key[4]
    return sorted(other for other in beside if other != key and other[4].takes(mark.value & mark.mask))


def changes_in_place(before: State, after: State) -> bool:
    """Return whether the kernel makes the one of the other by XFRM_MSG_UPDSA (xfrm_state_update).

    That takes limits, the ports of an encapsulation, an output mark and an if_id unless they are taken away. All else
    it ignores and says yes, so it has to be made anew.
    """
    same_encap = (before.encap is None) == (after.encap is None)
    if before.encap is not None and after.encap is not None:
        same_encap = before.encap.kind == after.encap.kind
    keeps_mark = any(after.output_mark) or not any(before.output_mark)
    keeps_if_id = bool(after.if_id) or not before.if_id
    moved = replace(before, limits=after.limits, encap=after.encap, output_mark=after.output_mark, if_id=after.if_id)
    return same_encap and keeps_mark and keeps_if_id and moved == after


def may_go_back(operation: Operation[State]) -> bool:
    """Return whether an operation of a way back makes no state anew, which would begin to count under a used key."""
    before, after = operation.before, operation.after
    return after is None or (before is not None and changes_in_place(before, after))


def is_replacement(operation: Operation[State]) -> bool:
    """Return whether a state has to go for a moment so that it can be made anew."""
    before, after = operation.before, operation.after
    return before is not None and after is not None and not changes_in_place(before, after)


def made_states(operations: Iterable[Operation[State]]) -> list[State]:
    """Return the states that start counting from one."""
    return [
        operation.after
        for operation in operations
        if operation.after is not None and (operation.action == CREATE or is_replacement(operation))
    ]


def summary_counts(operations: Iterable[Operation[State]]) -> dict[str, int]:
    """Return how many states are created, updated in place, replaced and deleted."""
    counts = {"created": 0, "updated": 0, "replaced": 0, "deleted": 0}
    for operation in operations:
        if is_replacement(operation):
            counts["replaced"] += 1
        else:
            counts[{CREATE: "created", DELETE: "deleted"}.get(operation.action, "updated")] += 1
    return counts
