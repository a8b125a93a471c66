# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""States and policies as stages: read from the kernel, planned, applied, and read again.

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from .._engine.errors import Refused
from .._engine.reconcile import Keyed, Operation, counts
from .._engine.stage import Stage, StageResult, run_stage, split_deletions
from .._host.ssh_connection import Flow
from .._netlink.connection import Connection
from . import kernel, key_uses
from . import policy_plan as policies
from . import state_plan as states
from .algorithms import nonce_rfc
from .describe import changes, describe_policy, describe_state, diff, differing_fields, node_of_policy, node_of_state
from .model import Policy, State
from .policy_plan import WantedPolicies
from .state_plan import WantedStates

if TYPE_CHECKING:
    from .._engine.rollback import Rollback

T = TypeVar("T", bound=Keyed)

NOBODY: Mapping[str, str] = MappingProxyType({})


def converge_states(
    wanted: WantedStates, *, check_mode: bool, boot_id: Callable[[], str], uses_path: str = ""
) -> StageResult:
    """Apply the wanted states; in check mode only return what would change.

    Raises Refused (nothing was changed), NotConverged, KernelRefused, OtherTaken.
    """
    with kernel.open_connection() as connection:
        stage = states_stage(connection, wanted, boot_id, uses_path)
        return run_stage(stage, check_mode=check_mode)


def converge_policies(wanted: WantedPolicies, *, check_mode: bool, management: Sequence[Flow] = ()) -> StageResult:
    """Apply the wanted policies; ``management`` must not be cut. Raises as converge_states() does."""
    with kernel.open_connection() as connection:
        stage = policies_stage(connection, wanted, management)
        return run_stage(stage, check_mode=check_mode)


def states_stage(
    connection: Connection,
    wanted: WantedStates,
    boot_id: Callable[[], str],
    uses_path: str = "",
    nodes: Mapping[str, str] = NOBODY,
) -> Stage:
    """Return the stage of states; states.plan() names what is refused.

    ``uses_path`` is the file of key uses, "" the default. ``nodes`` has the names of other nodes by address, for the diff.
    """
    path = uses_path or key_uses.PATH
    hidden = kernel.keys_hidden()
    uses = key_uses.read(path)
    operations = states.plan(kernel.read_states(connection), wanted, key_uses=uses, keys_hidden=hidden)
    made, removed = split_deletions(operations)

    def apply_all() -> int:
        counting = [state for state in states.made_states(operations) if state.key() not in wanted.receive_only]
        after = key_uses.with_uses(uses, counting, boot_id())
        # Before the kernel has the keys: a use that is not recorded could be repeated.
        if after != uses:
            key_uses.write(after, path)
        try:
            return kernel.apply_states(connection, made)
        except OSError:
            # A state that the kernel refused has sent nothing, so its key is not used.
            there = {state.key() for state in kernel.read_states(connection)}
            key_uses.write(
                key_uses.with_uses(uses, [state for state in counting if state.key() in there], boot_id()), path
            )
            raise

    def pending() -> list[str]:
        try:
            again = states.plan(kernel.read_states(connection), wanted.without_refusals(), keys_hidden=hidden)
        except Refused as exc:  # a created state is gone, and an unmanaged one is in its place
            return list(exc.errors)
        return _named("state", again, states.label)

    return Stage(
        operations,
        diff=lambda: diff(operations, states.label, describe_state, lambda state: node_of_state(state, nodes)),
        apply=apply_all,
        delete=lambda: kernel.apply_states(connection, removed),
        pending=pending,
        # A deleted or replaced state is not created again: it would count from one under a key that has counted (RFC 8221
        # section 3), and a peer with a replay window would drop its packets.
        rollback=partial(
            _rollback,
            "state",
            operations,
            kernel.read_states,
            kernel.apply_states,
            states.label,
            states.may_roll_back,
        ),
        irreversible=True,
        changes=lambda: changes("state", operations, lambda state: node_of_state(state, nodes)),
        counts=states.summary_counts(operations),
        warnings=tuple(_state_warnings(operations, wanted, hidden)),
    )


def policies_stage(
    connection: Connection,
    wanted: WantedPolicies,
    management: Sequence[Flow] = (),
    nodes: Mapping[str, str] = NOBODY,
) -> Stage:
    """Return the stage of policies; policies.plan() names what is refused. ``nodes`` is as in states_stage()."""
    operations = policies.plan(kernel.read_policies(connection), wanted, management=management)
    made, removed = split_deletions(operations)
    again = wanted.without_refusals()
    return Stage(
        operations,
        diff=lambda: diff(operations, policies.label, describe_policy, lambda policy: node_of_policy(policy, nodes)),
        apply=lambda: kernel.apply_policies(connection, made),
        delete=lambda: kernel.apply_policies(connection, removed),
        pending=lambda: _named("policy", policies.plan(kernel.read_policies(connection), again), policies.label),
        rollback=partial(_rollback, "policy", operations, kernel.read_policies, kernel.apply_policies, policies.label),
        changes=lambda: changes("policy", operations, lambda policy: node_of_policy(policy, nodes)),
        counts=counts(operations),
    )


def _rollback(
    kind: str,
    done: Sequence[Operation[T]],
    read: Callable[[Connection], list[T]],
    apply: Callable[[Connection, Iterable[Operation[T]]], int],
    label: Callable[[Any], str],
    may: Callable[[Operation[T]], bool] = lambda _operation: True,
) -> Rollback:
    """Return the rollback of one kind of object, which opens a connection of its own."""
    from .._engine.rollback import rollback_of

    def read_again() -> list[T]:
        with kernel.open_connection() as connection:
            return read(connection)

    def apply_again(operations: Sequence[Operation[T]]) -> int:
        with kernel.open_connection() as connection:
            return apply(connection, operations)

    return rollback_of(read_again, lambda: done, apply_again, lambda one: f"{kind} {label(one.key())}", may=may)


def _named(kind: str, left: Iterable[Operation[Any]], label: Callable[[Any], str]) -> list[str]:
    return [f"{kind} {label(operation.key())} {differing_fields(operation)}" for operation in left]


def _state_warnings(operations: Iterable[Operation[State]], wanted: WantedStates, hidden: bool) -> list[str]:
    found = []
    for operation in operations:
        if states.is_replacement(operation):
            found.append(
                f"{states.label(operation.key())} {differing_fields(operation)}, which the kernel cannot change in "
                "place: it is replaced. Packets of these microseconds are lost, its sequence numbers restart, and a peer "
                "with a replay window drops packets until its own state is replaced too. A new SPI beside the old one "
                "avoids that"
            )
    if wanted.allow_nonce_reuse:
        for state in states.made_states(operations):
            for name in key_uses.nonce_keys(state):
                rfc = nonce_rfc(name, state.algorithms[name].name)
                found.append(
                    f"{states.label(state.key())}: nonces may repeat ({rfc}), because allow_nonce_reuse is set"
                )
    if hidden:
        found.append("this kernel hides keys (lockdown), so they were not compared")
    return found


def read_all() -> tuple[list[State], list[Policy]]:
    """Return all states and policies of the kernel."""
    with kernel.open_connection() as connection:
        return kernel.read_states(connection), kernel.read_policies(connection)
