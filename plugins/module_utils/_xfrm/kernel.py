# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The kernel's states and policies: dumped, and changed by one message per object.

This module is private to the collection.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable

from .._engine.reconcile import CREATE, Operation
from .._netlink import messages as nl
from .._netlink.connection import Connection
from . import codec as xfrm
from . import policy_codec as xfrm_policy
from . import policy_plan as policies
from . import state_codec as xfrm_state
from . import state_plan as states
from .model import Policy, State

_LOCKDOWN = "/sys/kernel/security/lockdown"
_EXCLUSIVE = nl.NLM_F_CREATE | nl.NLM_F_EXCL
# Number of messages in a datagram, so that the acks fit into a socket's default receive queue.
_BATCH = 64


class KernelRefused(OSError):
    """The kernel refused a change; the message names the object and its state."""

    def __init__(self, subject: str, action: str, refused: nl.NetlinkError, rest: str = "") -> None:
        super().__init__(refused.errno, f"{subject} was not {action}: {refused.strerror}{rest}")


class OtherTaken(OSError):
    """The kernel would change another object than the named one, so nothing was sent."""

    def __init__(self, subject: str, found: str) -> None:
        super().__init__(errno.EEXIST, f"{subject} was not changed: the kernel finds {found}")


def open_connection() -> Connection:
    """Return a connection to XFRM. Raises OSError where the kernel has none."""
    try:
        return Connection(xfrm.NETLINK_XFRM)
    except OSError as exc:
        if exc.errno == errno.EPROTONOSUPPORT:
            raise OSError(exc.errno, "this kernel has no XFRM (CONFIG_XFRM_USER)") from None
        raise


def read_states(connection: Connection) -> list[State]:
    """Return all states, except those that wait for a key daemon."""
    # Without a header: the kernel parses attributes directly after the netlink header.
    found = (xfrm_state.decode_state(payload) for payload in connection.dump(xfrm.XFRM_MSG_GETSA, b""))
    return [state for state in found if state is not None]


def read_policies(connection: Connection) -> list[Policy]:
    """Return all policies of the main database, except those of single sockets."""
    found = (xfrm_policy.decode_policy(payload) for payload in connection.dump(xfrm.XFRM_MSG_GETPOLICY, b""))
    return [policy for policy in found if policy is not None]


def keys_hidden() -> bool:
    """Return whether the kernel shows zeros instead of keys (kernel_lockdown(7), confidentiality)."""
    try:
        with open(_LOCKDOWN, encoding="ascii", errors="replace") as file:
            return "[confidentiality]" in file.read()
    except OSError:
        return False


def apply_states(connection: Connection, operations: Iterable[Operation[State]]) -> int:
    """Apply a plan of states in its order; return the number of messages that changed something.

    Raises KernelRefused and OtherTaken; the operations before in the plan are then applied.
    """
    sent = 0
    waiting: list[State] = []
    deferred: list[State] = []
    for operation in operations:
        before, after = operation.before, operation.after
        if operation.action == CREATE and after is not None:
            waiting.append(after)
            if len(waiting) == _BATCH:
                sent += _create(connection, waiting)
                waiting = []
            continue
        sent += _create(connection, waiting)
        waiting = []
        if before is None:
            continue
        if after is None:
            # If the kernel finds another state by its mark, that one may be deleted later in the plan.
            if _finds(connection, before):
                sent += _delete(connection, before)
            else:
                deferred.append(before)
        elif states.changes_in_place(before, after):
            _look_up(connection, before)
            _request(connection, after, "updated", xfrm.XFRM_MSG_UPDSA, xfrm_state.encode_state(after))
            sent += 1
        else:
            _look_up(connection, before)
            sent += _replace(connection, before, after)
    sent += _create(connection, waiting)
    for state in deferred:
        _look_up(connection, state)
        sent += _delete(connection, state)
    return sent


def _create(connection: Connection, made: list[State]) -> int:
    if not made:
        return 0
    requests = [(xfrm.XFRM_MSG_NEWSA, xfrm_state.encode_state(state), _EXCLUSIVE) for state in made]
    answers = connection.one_datagram(requests)
    for state, refused in zip(made, answers):
        if refused is not None:
            raise KernelRefused(f"state {states.label(state.key())}", "created", refused, _hint(state, refused))
    return len(made)


def _hint(state: State, refused: nl.NetlinkError) -> str:
    if refused.errno in (errno.ENOSYS, errno.EPROTONOSUPPORT, errno.ENOENT):
        names = ", ".join(algorithm.name for algorithm in state.algorithms.values())
        return f"; this kernel may lack its protocol or one of {names}"
    return ""


def _replace(connection: Connection, before: State, after: State) -> int:
    """Replace a state. The kernel has no message for that, but holds one lock over a datagram.

    So one datagram deletes the old state, creates the new one, and creates the old one again with its sequence numbers.
    The last is refused if the new one exists, and restores the old one if the kernel refused the new one. Only packets
    of these microseconds are lost.
    """
    deleted, created, restored = connection.one_datagram(
        [
            (xfrm.XFRM_MSG_DELSA, xfrm_state.encode_id(before.key()), 0),
            (xfrm.XFRM_MSG_NEWSA, xfrm_state.encode_state(after), _EXCLUSIVE),
            (xfrm.XFRM_MSG_NEWSA, xfrm_state.encode_again(before), _EXCLUSIVE),
        ]
    )
    subject = f"state {states.label(after.key())}"
    if deleted is not None and created is not None:
        raise KernelRefused(subject, "replaced", deleted)
    if created is not None:
        rest = "; the old one is in place" if restored is None else f", and the old one is gone: {restored.strerror}"
        raise KernelRefused(subject, "replaced", created, rest)
    return 3


def _delete(connection: Connection, state: State) -> int:
    try:
        _request(connection, state, "deleted", xfrm.XFRM_MSG_DELSA, xfrm_state.encode_id(state.key()))
    except KernelRefused as exc:
        # It expired, or was deleted by another program.
        if exc.errno != errno.ESRCH:
            raise
        return 0
    return 1


def _request(connection: Connection, state: State, action: str, kind: int, payload: bytes) -> None:
    try:
        connection.request(kind, payload)
    except nl.NetlinkError as exc:
        raise KernelRefused(f"state {states.label(state.key())}", action, exc) from None


def _pick(connection: Connection, state: State) -> State | None:
    """Return the state that the kernel finds for the key of this one, or None."""
    try:
        replies = connection.request(xfrm.XFRM_MSG_GETSA, xfrm_state.encode_id(state.key()))
    except nl.NetlinkError as exc:
        if exc.errno == errno.ESRCH:
            return None
        raise
    return xfrm_state.decode_state(replies[0]) if replies else None


def _finds(connection: Connection, state: State) -> bool:
    """Return whether the kernel finds this very state, or none."""
    found = _pick(connection, state)
    return found is None or found == state


def _look_up(connection: Connection, state: State) -> None:
    """Raise OtherTaken if the kernel would change another state, or this one has changed since it was read."""
    found = _pick(connection, state)
    if found == state:
        return
    subject = f"state {states.label(state.key())}"
    if found is None:
        raise OtherTaken(subject, "none; it was deleted meanwhile")
    if found.key() == state.key():
        raise OtherTaken(subject, "a changed one")
    raise OtherTaken(subject, f"{states.label(found.key())} (reqid {found.reqid}), which matches its mark too")


def apply_policies(connection: Connection, operations: Iterable[Operation[Policy]]) -> int:
    """Apply a plan of policies in its order; return the number of messages that changed something.

    The kernel replaces a policy atomically. Raises KernelRefused and OtherTaken.
    """
    sent = 0
    waiting: list[tuple[str, str, tuple[int, bytes, int]]] = []
    for operation in operations:
        subject = f"policy {policies.label(operation.key())}"
        before, after = operation.before, operation.after
        if after is None:
            if before is None or not _still_there(connection, before, subject):
                continue
            request = (xfrm.XFRM_MSG_DELPOLICY, xfrm_policy.encode_id(before.key()), 0)
            waiting.append((subject, "deleted", request))
        elif before is None:
            request = (xfrm.XFRM_MSG_NEWPOLICY, xfrm_policy.encode_policy(after), _EXCLUSIVE)
            waiting.append((subject, "created", request))
        else:
            if not _still_there(connection, before, subject):
                raise OtherTaken(subject, "none; it was deleted meanwhile")
            waiting.append((subject, "updated", (xfrm.XFRM_MSG_UPDPOLICY, xfrm_policy.encode_policy(after), 0)))
        if len(waiting) == _BATCH:
            sent += _send(connection.one_datagram, waiting)
            waiting = []
    return sent + _send(connection.one_datagram, waiting)


def _send(
    datagram: Callable[[list[tuple[int, bytes, int]]], list[nl.NetlinkError | None]],
    waiting: list[tuple[str, str, tuple[int, bytes, int]]],
) -> int:
    if not waiting:
        return 0
    answers = datagram([request for _subject, _action, request in waiting])
    for (subject, action, _sent), refused in zip(waiting, answers):
        if refused is not None and not (action == "deleted" and refused.errno == errno.ENOENT):
            raise KernelRefused(subject, action, refused)
    return len(waiting)


def _still_there(connection: Connection, policy: Policy, subject: str) -> bool:
    """Return whether the policy still exists; raise OtherTaken if the kernel finds another or a changed one."""
    try:
        replies = connection.request(xfrm.XFRM_MSG_GETPOLICY, xfrm_policy.encode_id(policy.key()))
    except nl.NetlinkError as exc:
        if exc.errno == errno.ENOENT:
            return False
        raise
    found = xfrm_policy.decode_policy(replies[0]) if replies else None
    if found != policy:
        raise OtherTaken(subject, "a changed one")
    return True
