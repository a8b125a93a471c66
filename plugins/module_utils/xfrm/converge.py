# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Read, plan, apply, read back: states and policies become what is wanted.

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..reconcile import Operation, count
from . import kernel, key_uses, policies, states
from .algorithms import nonce_rfc
from .description import describe_policy, describe_state, diff, differing_fields
from .management import Flow
from .policies import WantedPolicies
from .states import RefusedStates, WantedStates
from .values import Policy, State


class NotConverged(RuntimeError):
    """After everything was written, the kernel holds something else than what was wanted."""

    def __init__(self, kind: str, differences: Iterable[str]) -> None:
        super().__init__(
            f"the kernel took every message, but does not hold what was wanted: {kind} "
            + "; ".join(differences)
            + ". It ignores what it does not know; leave that option out, or use a newer kernel"
        )


@dataclass(frozen=True)
class Outcome:
    """What was done, or in check mode would be: operations, messages sent, warnings."""

    operations: Sequence[Operation[Any]]
    counts: dict[str, int]
    diff: dict[str, dict[str, Any]]
    requests: int = 0
    warnings: tuple[str, ...] = field(default=())


def converge_states(
    wanted: WantedStates, *, check_mode: bool, boot_id: Callable[[], str], memory: str = key_uses.PATH
) -> Outcome:
    """Make the wanted states; see states.plan() for what is refused. Raises NotConverged, KernelRefused, OtherTaken."""
    with kernel.open_connection() as connection:
        hidden = kernel.keys_hidden()
        uses = key_uses.read(memory)
        operations = states.plan(kernel.read_states(connection), wanted, key_uses=uses, keys_hidden=hidden)
        requests = 0
        if operations and not check_mode:
            after = key_uses.with_uses(uses, states.made_states(operations), boot_id())
            # Before the keys are: a use that is not remembered could be repeated.
            if after != uses:
                key_uses.write(after, memory)
            requests = kernel.apply_states(connection, operations)
            try:
                left = states.plan(kernel.read_states(connection), _calmly(wanted), keys_hidden=hidden)
            except RefusedStates as exc:  # what was made is gone, and something else in its place
                raise NotConverged("state", exc.errors) from None
            if left:
                raise NotConverged("state", _named(left, states.label))
    return Outcome(
        operations,
        states.summary_counts(operations),
        diff(operations, states.label, describe_state),
        requests,
        tuple(_state_warnings(operations, wanted, hidden)),
    )


def _calmly(wanted: WantedStates) -> WantedStates:
    """The second plan is to tell what is left, whoever it belongs to."""
    return WantedStates(wanted.states, wanted.absent, wanted.purge, wanted.ours, True, True)


def converge_policies(wanted: WantedPolicies, *, check_mode: bool, management: Sequence[Flow] = ()) -> Outcome:
    """Make the wanted policies; see policies.plan() for what is refused. Raises as converge_states() does."""
    with kernel.open_connection() as connection:
        operations = policies.plan(kernel.read_policies(connection), wanted, management=management)
        requests = 0
        if operations and not check_mode:
            requests = kernel.apply_policies(connection, operations)
            left = policies.plan(
                kernel.read_policies(connection),
                WantedPolicies(wanted.policies, wanted.absent, wanted.purge, wanted.ours, True, True),
            )
            if left:
                raise NotConverged("policy", _named(left, policies.label))
    made, changed, removed = count(operations).values()
    counts = {"created": made, "updated": changed, "deleted": removed}
    return Outcome(operations, counts, diff(operations, policies.label, describe_policy), requests)


def _named(left: Iterable[Operation[Any]], label: Callable[[Any], str]) -> list[str]:
    return [f"{label(operation.key())} {differing_fields(operation)}" for operation in left]


def _state_warnings(operations: Iterable[Operation[State]], wanted: WantedStates, hidden: bool) -> list[str]:
    found = []
    for operation in operations:
        if states.is_replacement(operation):
            found.append(
                f"{states.label(operation.key())} {differing_fields(operation)}, for which the kernel has no message: "
                "it is made anew. Packets of these microseconds are lost, its sequence numbers begin anew, and a peer "
                "with a replay window drops what comes until its own state is replaced too. A new SPI beside the old "
                "one avoids all that"
            )
    if wanted.allow_nonce_reuse:
        for state in states.made_states(operations):
            for name in key_uses.nonce_keys(state):
                rfc = nonce_rfc(name, state.algorithms[name].name)
                found.append(f"{states.label(state.key())}: nonces may repeat ({rfc}), as allow_nonce_reuse allows")
    if hidden:
        found.append("this kernel hides keys (lockdown), so they could not be compared")
    return found


def read_all() -> tuple[list[State], list[Policy]]:
    """Return all states and policies of the kernel."""
    with kernel.open_connection() as connection:
        return kernel.read_states(connection), kernel.read_policies(connection)
