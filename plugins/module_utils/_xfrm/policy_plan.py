# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The operations that create the wanted policies, and what is refused. Pure.

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from .._engine.errors import Refused
from .._engine.reconcile import Operation, reconcile, replay
from .._host.ssh_connection import Flow
from .lockout import cut_by
from .model import DIRECTIONS, NO_MARK, Policy, PolicyKey, name_of
from .ownership import OURS, Reqids


@dataclass(frozen=True)
class AbsentPolicy:
    """A policy that must not exist; without a reqid only a managed one, or one without templates, is removed."""

    key: PolicyKey
    reqid: int | None = None


@dataclass(frozen=True)
class WantedPolicies:
    """The wanted policies. ``takeover`` and ``allow_management_change`` lift one refusal each."""

    policies: tuple[Policy, ...] = ()
    absent: tuple[AbsentPolicy, ...] = ()
    purge: bool = False
    ours: Reqids = OURS
    takeover: bool = False
    allow_management_change: bool = False

    def without_refusals(self) -> WantedPolicies:
        """Return the same with both refusals lifted, for the plan after the run that names pending changes."""
        return replace(self, takeover=True, allow_management_change=True)


def label(key: PolicyKey) -> str:
    """Return the name of a policy for messages and diffs, in the words of `ip xfrm policy`."""
    direction, if_id, mark, selector = key
    words = [f"dir {name_of(DIRECTIONS, direction)}"]
    words += [f"{name} {value}" for name, value in selector.describe().items()]
    if mark != NO_MARK:
        words.append(f"mark {mark}")
    if if_id:
        words.append(f"if_id {if_id:#x}")
    return " ".join(words)


def reqids(policy: Policy) -> set[int]:
    """Return the reqids of the policy's templates, which mark it as managed."""
    return {template.reqid for template in policy.templates}


def is_ours(policy: Policy, ours: Reqids) -> bool:
    """Return whether purge may remove a policy: it has templates, and all their reqids are managed."""
    return bool(policy.templates) and all(reqid in ours for reqid in reqids(policy))


def plan(
    current: Iterable[Policy], wanted: WantedPolicies, *, management: Sequence[Flow] = ()
) -> list[Operation[Policy]]:
    """Return the operations that create the wanted policies.

    ``management`` are the flows that must not be cut. Raises Refused with all reasons, DuplicateKey.
    """
    # Policies with security contexts may share a key; no option can name them.
    have = list({policy.key(): policy for policy in current}.values())
    operations = reconcile(
        have,
        wanted.policies,
        absent={absent.key for absent in wanted.absent},
        purge=(lambda policy: is_ours(policy, wanted.ours)) if wanted.purge else None,
    )
    errors = [] if wanted.takeover else _foreign(operations, wanted)
    if not wanted.allow_management_change:
        after = list(replay(have, operations).values())
        errors += [
            f"{packets}: this connection would be {_fate(winner)}; let a policy of a lower priority number allow it, "
            "without templates, or set O(allow_management_change=true)"
            for packets, winner in cut_by(have, after, management)
        ]
    if errors:
        raise Refused(*errors)
    return operations


def _fate(winner: Policy | None) -> str:
    if winner is None:
        return "left without the policy that carries it"
    return f"taken by the policy {label(winner.key())}"


def _foreign(operations: Iterable[Operation[Policy]], wanted: WantedPolicies) -> list[str]:
    """Name the unmanaged policies that would be changed or removed."""
    named = {absent.key: absent.reqid for absent in wanted.absent}
    errors = []
    for operation in operations:
        before, after = operation.before, operation.after
        if before is None or is_ours(before, wanted.ours):
            continue
        if after is not None:
            same = reqids(after) == reqids(before)
        else:
            asked = named.get(before.key())
            same = reqids(before) == (set() if asked is None else {asked})
        if not same:
            whose = ", ".join(f"reqid {reqid}" for reqid in sorted(reqids(before))) or "no template"
            remedy = "name its reqid to remove it" if after is None else "choose another selector, or that reqid"
            errors.append(
                f"{label(before.key())}: a policy with {whose} exists, which is not managed ({wanted.ours}); "
                f"{remedy}, or set O(takeover=true)"
            )
    return errors
