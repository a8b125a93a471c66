# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""States and policies as stages: read, planned, carried out and read again, where plans meet the kernel.

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ..netlink.connection import Connection
from ..reconcile import Operation, counts
from ..refusal import Refused
from ..stage import Outcome, Stage, carry_out, halves
from . import kernel, key_uses, policies, states
from .algorithms import nonce_rfc
from .description import describe_policy, describe_state, diff, differing_fields
from .management import Flow
from .policies import WantedPolicies
from .states import WantedStates
from .values import Policy, State

if TYPE_CHECKING:
    from ..take_back import Back


def converge_states(wanted: WantedStates, *, check_mode: bool, boot_id: Callable[[], str], memory: str = "") -> Outcome:
    """Make the states what they shall be, or in check mode say what that would take.

    Raises Refused (nothing was touched), NotConverged, KernelRefused, OtherTaken.
    """
    with kernel.open_connection() as connection:
        stage = states_stage(connection, wanted, boot_id, memory)
        return carry_out(stage, check_mode=check_mode)


def converge_policies(wanted: WantedPolicies, *, check_mode: bool, management: Sequence[Flow] = ()) -> Outcome:
    """Make the policies what they shall be; ``management`` must not be cut. Raises as converge_states() does."""
    with kernel.open_connection() as connection:
        stage = policies_stage(connection, wanted, management)
        return carry_out(stage, check_mode=check_mode)


def states_stage(connection: Connection, wanted: WantedStates, boot_id: Callable[[], str], memory: str = "") -> Stage:
    """Return the plan for states; see states.plan() for what is refused. ``memory`` is for key_uses, "" its own."""
    memory = memory or key_uses.PATH
    hidden = kernel.keys_hidden()
    uses = key_uses.read(memory)
    operations = states.plan(kernel.read_states(connection), wanted, key_uses=uses, keys_hidden=hidden)
    made, removed = halves(operations)

    def make() -> int:
        counting = [state for state in states.made_states(operations) if state.key() not in wanted.receive_only]
        after = key_uses.with_uses(uses, counting, boot_id())
        # Before the keys are: a use that is not remembered could be repeated.
        if after != uses:
            key_uses.write(after, memory)
        return kernel.apply_states(connection, made)

    def left() -> list[str]:
        try:
            again = states.plan(kernel.read_states(connection), _calmly(wanted), keys_hidden=hidden)
        except Refused as exc:  # what was made is gone, and something else in its place
            return list(exc.errors)
        return _named("state", again, states.label)

    return Stage(
        operations,
        diff=lambda: diff(operations, states.label, describe_state),
        make=make,
        remove=lambda: kernel.apply_states(connection, removed),
        left=left,
        back=lambda: _states_back(operations),
        final=True,
        counts=states.summary_counts(operations),
        warnings=tuple(_state_warnings(operations, wanted, hidden)),
    )


def _calmly(wanted: WantedStates) -> WantedStates:
    """The second plan is to tell what is left, whoever it belongs to."""
    return WantedStates(wanted.states, wanted.absent, wanted.purge, wanted.ours, True, True)


def policies_stage(connection: Connection, wanted: WantedPolicies, management: Sequence[Flow] = ()) -> Stage:
    """Return the plan for policies; see policies.plan() for what is refused."""
    operations = policies.plan(kernel.read_policies(connection), wanted, management=management)
    made, removed = halves(operations)
    calmly = WantedPolicies(wanted.policies, wanted.absent, wanted.purge, wanted.ours, True, True)
    return Stage(
        operations,
        diff=lambda: diff(operations, policies.label, describe_policy),
        make=lambda: kernel.apply_policies(connection, made),
        remove=lambda: kernel.apply_policies(connection, removed),
        left=lambda: _named("policy", policies.plan(kernel.read_policies(connection), calmly), policies.label),
        back=lambda: _policies_back(operations),
        counts=counts(operations),
    )


def _states_back(done: Sequence[Operation[State]]) -> Back:
    """Return the way back: what was made is removed, what the kernel changes in place is changed back.

    A state that has gone, or that another was made for, is not made again: it would count from one again under a key that
    has counted (RFC 8221, section 3), and a peer with a replay window would drop what it sends.
    """
    from ..take_back import back_of

    def read() -> list[State]:
        with kernel.open_connection() as connection:
            return kernel.read_states(connection)

    def apply(operations: Sequence[Operation[State]]) -> int:
        with kernel.open_connection() as connection:
            return kernel.apply_states(connection, operations)

    return back_of(read, lambda: done, apply, lambda one: f"state {states.label(one.key())}", may=states.may_go_back)


def _policies_back(done: Sequence[Operation[Policy]]) -> Back:
    from ..take_back import back_of

    def read() -> list[Policy]:
        with kernel.open_connection() as connection:
            return kernel.read_policies(connection)

    def apply(operations: Sequence[Operation[Policy]]) -> int:
        with kernel.open_connection() as connection:
            return kernel.apply_policies(connection, operations)

    return back_of(read, lambda: done, apply, lambda one: f"policy {policies.label(one.key())}")


def _named(kind: str, left: Iterable[Operation[Any]], label: Callable[[Any], str]) -> list[str]:
    return [f"{kind} {label(operation.key())} {differing_fields(operation)}" for operation in left]


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
