# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The operations that create the wanted security associations, and what is refused. Pure.

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .._engine.errors import Refused
from .._engine.reconcile import CREATE, DELETE, Operation, reconcile
from .algorithms import nonce_rfc
from .key_uses import nonce_keys, use_of
from .model import NO_MARK, PROTOCOLS, Address, State, StateKey, name_of
from .ownership import OURS, Reqids


@dataclass(frozen=True)
class AbsentState:
    """A state that must not exist; without a reqid only a managed one is removed."""

    key: StateKey
    reqid: int | None = None


@dataclass(frozen=True)
class WantedStates:
    """The wanted states. ``takeover`` and ``allow_nonce_reuse`` lift one refusal each.

    ``receive_only`` states send nothing: the sender counts the nonces, so they may be created again.
    """

    states: tuple[State, ...] = ()
    absent: tuple[AbsentState, ...] = ()
    purge: bool = False
    ours: Reqids = OURS
    takeover: bool = False
    allow_nonce_reuse: bool = False
    receive_only: frozenset[StateKey] = frozenset()

    def without_refusals(self) -> WantedStates:
        """Return the same with both refusals lifted, for the plan after the run that names pending changes."""
        return replace(self, takeover=True, allow_nonce_reuse=True)


def label(key: StateKey) -> str:
    """Return the name of a state for messages and diffs, in the words of `ip xfrm state`."""
    family, packed, protocol, spi, mark = key
    text = f"dst {Address(family, packed)} proto {name_of(PROTOCOLS, protocol)} spi {spi:#010x}"
    return text + (f" mark {mark}" if mark != NO_MARK else "")


def settle(before: State | None, wanted: State) -> State:
    """Return the state to compare: where the kernel hides keys (lockdown), a key of the right length counts as equal."""
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
    """Return the operations that create the wanted states, in an order that the kernel accepts.

    ``key_uses`` are the counter-mode keys that the host has used, ``keys_hidden``: the kernel shows zeros for keys.
    Raises Refused with all reasons, DuplicateKey.
    """
    # States without an SPI, or with marks that never match, may share a key; no option can name them.
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
    """Name the unmanaged states that would be changed or removed."""
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
                f"{label(before.key())}: a state with reqid {before.reqid} exists, which is not managed ({wanted.ours}); "
                f"{remedy}, or set O(takeover=true)"
            )
    return errors


def _repeated_nonces(operations: Iterable[Operation[State]], key_uses: Mapping[str, str]) -> list[str]:
    """Name the states that would count from one again under a counter-mode key that has counted before."""
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
                    f"{label(after.key())}: its {option} key was used on this host before, and a new state with it "
                    f"repeats nonces ({rfc}, RFC 8221 section 3); give it a new key, or set O(allow_nonce_reuse=true)"
                )
    return errors


def _ordered(have: Iterable[State], operations: Sequence[Operation[State]]) -> tuple[list[Operation[State]], list[str]]:
    """Return the operations in an order that the kernel accepts, and what no order makes possible.

    The kernel refuses a state beside another one with the same destination, protocol and SPI that matches its mark:
    "(mark & other's mask) == other's value". So states with more mask bits are created first, and a state in conflict
    that is to be removed is removed before.
    """
    existing: dict[object, dict[StateKey, State]] = {}
    for state in have:
        existing.setdefault(state.key()[:4], {})[state.key()] = state
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
        beside = existing.setdefault(after.key()[:4], {})
        for other in conflicting(after.key(), beside):
            if other in removals:
                ordered.append(removals.pop(other))
                del beside[other]
            else:
                errors.append(
                    f"{label(after.key())}: the kernel refuses it beside the state {label(other)} "
                    f"(reqid {beside[other].reqid}), which matches this mark too; choose another SPI, or give that "
                    "state a mark of its own"
                )
        beside[after.key()] = after
        ordered.append(operation)
    return ordered + [operation for operation in operations if operation.key() in removals], errors


def conflicting(key: StateKey, beside: Collection[StateKey]) -> list[StateKey]:
    """Return those of the states with the same destination, protocol and SPI that match this one's mark."""
    mark = key[4]
    return sorted(other for other in beside if other != key and other[4].takes(mark.value & mark.mask))


def changes_in_place(before: State, after: State) -> bool:
    """Return whether the kernel changes the state in place by XFRM_MSG_UPDSA (xfrm_state_update).

    That changes limits, the ports of an encapsulation, an output mark and an if_id, but removes none of them. It accepts
    and ignores any other change, which needs a new state.
    """
    same_encap = (before.encap is None) == (after.encap is None)
    if before.encap is not None and after.encap is not None:
        same_encap = before.encap.kind == after.encap.kind
    keeps_mark = any(after.output_mark) or not any(before.output_mark)
    keeps_if_id = bool(after.if_id) or not before.if_id
    moved = replace(before, limits=after.limits, encap=after.encap, output_mark=after.output_mark, if_id=after.if_id)
    return same_encap and keeps_mark and keeps_if_id and moved == after


def may_roll_back(operation: Operation[State]) -> bool:
    """Return whether a rollback operation creates no state, which would count from one under a used key."""
    before, after = operation.before, operation.after
    return after is None or (before is not None and changes_in_place(before, after))


def is_replacement(operation: Operation[State]) -> bool:
    """Return whether a state is deleted and created again for a change."""
    before, after = operation.before, operation.after
    return before is not None and after is not None and not changes_in_place(before, after)


def made_states(operations: Iterable[Operation[State]]) -> list[State]:
    """Return the states that count from one after the plan."""
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
