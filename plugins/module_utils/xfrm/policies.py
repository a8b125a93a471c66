# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What has to be done so that the wanted policies are there, and what must not be done. Pure.

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..reconcile import Operation, reconcile, replay
from ..refusal import Refused
from .management import Flow, cut_by
from .ownership import OURS, Reqids
from .values import DIRECTIONS, NO_MARK, Policy, PolicyKey, name_of


@dataclass(frozen=True)
class AbsentPolicy:
    """A policy that must not exist; without a reqid only one of ours, or one without templates, is meant."""

    key: PolicyKey
    reqid: int | None = None


@dataclass(frozen=True)
class WantedPolicies:
    """Policies as asked for. ``takeover`` and ``allow_management_change`` lift the refusals of that meaning."""

    policies: tuple[Policy, ...] = ()
    absent: tuple[AbsentPolicy, ...] = ()
    purge: bool = False
    ours: Reqids = OURS
    takeover: bool = False
    allow_management_change: bool = False


def label(key: PolicyKey) -> str:
    """Return the text by which messages and diffs name a policy, in the words of `ip xfrm policy`."""
    direction, if_id, mark, selector = key
    words = [f"dir {name_of(DIRECTIONS, direction)}"]
    words += [f"{name} {value}" for name, value in selector.describe().items()]
    if mark != NO_MARK:
        words.append(f"mark {mark}")
    if if_id:
        words.append(f"if_id {if_id:#x}")
    return " ".join(words)


def reqids(policy: Policy) -> set[int]:
    """Return the reqids of the policy's templates: whose it is."""
    return {template.reqid for template in policy.templates}


def is_ours(policy: Policy, ours: Reqids) -> bool:
    """Return whether purge may remove a policy: it has templates, and all their reqids are ours."""
    return bool(policy.templates) and all(reqid in ours for reqid in reqids(policy))


def plan(
    current: Iterable[Policy], wanted: WantedPolicies, *, management: Sequence[Flow] = ()
) -> list[Operation[Policy]]:
    """Return the operations after which the wanted policies are there.

    ``management`` names the packets of the connection that must not be cut. Raises Refused with everything
    that stands against it, DuplicateKey.
    """
    # Those with security contexts may share a key; they are nothing that can be asked for.
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
            f"{flow}: this connection would be {_fate(winner)}; let a policy of a lower priority number allow it, "
            "without templates, or set allow_management_change: true"
            for flow, winner in cut_by(have, after, management)
        ]
    if errors:
        raise Refused(*errors)
    return operations


def _fate(winner: Policy | None) -> str:
    if winner is None:
        return "left without the policy that carries it"
    return f"taken by the policy {label(winner.key())}"


def _foreign(operations: Iterable[Operation[Policy]], wanted: WantedPolicies) -> list[str]:
    """Name the policies of others that would be changed or removed."""
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
                f"{label(before.key())}: there is such a policy with {whose}, which is not one of ours "
                f"({wanted.ours}); {remedy}, or set takeover: true"
            )
    return errors
