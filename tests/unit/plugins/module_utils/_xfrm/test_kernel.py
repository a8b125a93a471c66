# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests to the kernel, against a scripted connection: lookups before changes, and messages sent."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.reconcile import Operation
from ansible_collections.wirewright.overlay.plugins.module_utils._netlink.connection import Connection
from ansible_collections.wirewright.overlay.plugins.module_utils._netlink.messages import NetlinkError
from ansible_collections.wirewright.overlay.plugins.module_utils._xfrm import codec as xfrm
from ansible_collections.wirewright.overlay.plugins.module_utils._xfrm import kernel
from ansible_collections.wirewright.overlay.plugins.module_utils._xfrm import model as v
from ansible_collections.wirewright.overlay.plugins.module_utils._xfrm import policy_codec as xfrm_policy
from ansible_collections.wirewright.overlay.plugins.module_utils._xfrm import state_codec as xfrm_state

KEY = b"secret key of 32 bytes, for AES "
STATE = v.State(
    v.Address(2, b"\xc0\0\2\1"),
    v.ESP,
    0x1001,
    reqid=7100,
    enc=v.Algorithm("cbc(aes)", KEY),
    auth=v.Algorithm("hmac(sha256)", KEY, 128),
)
HELD = xfrm_state.decode_state(xfrm_state.encode_state(STATE))
POLICY = v.Policy(v.DIR_OUT, v.Selector(2, v.any_prefix(2), v.any_prefix(2)))


class Scripted:
    """Answers lookups with one object, and refuses what a test says."""

    def __init__(self, found: bytes | None, refusals: dict[int, int] | None = None) -> None:
        self.found, self.refusals = found, refusals or {}
        self.sent: list[int] = []

    def request(self, kind: int, payload: bytes, flags: int = 0) -> list[bytes]:
        if kind in (xfrm.XFRM_MSG_GETSA, xfrm.XFRM_MSG_GETPOLICY):
            if self.found is None:
                raise NetlinkError(errno.ESRCH if kind == xfrm.XFRM_MSG_GETSA else errno.ENOENT)
            return [self.found]
        self._take(kind)
        return []

    def _take(self, kind: int) -> bytes:
        self.sent.append(kind)
        if len(self.sent) - 1 in self.refusals:
            raise NetlinkError(self.refusals[len(self.sent) - 1], "as the test says")
        return b""

    def one_datagram(self, requests: Sequence[tuple[int, bytes, int]]) -> list[NetlinkError | None]:
        answers: list[NetlinkError | None] = []
        for kind, _payload, _flags in requests:
            try:
                self._take(kind)
                answers.append(None)
            except NetlinkError as refused:
                answers.append(refused)
        return answers


def states(connection: Scripted, *operations: Operation[v.State]) -> int:
    return kernel.apply_states(cast(Connection, connection), operations)


def test_many_states_need_few_datagrams() -> None:
    made = [Operation(None, replace(STATE, spi=spi)) for spi in range(1, 151)]
    connection = Scripted(None)
    assert states(connection, *made) == 150 and connection.sent == [xfrm.XFRM_MSG_NEWSA] * 150


def test_refused_state_is_named_without_its_key() -> None:
    connection = Scripted(None, {1: errno.ENOSYS})
    with pytest.raises(kernel.KernelRefused) as raised:
        states(connection, *[Operation(None, replace(STATE, spi=spi)) for spi in (1, 2, 3)])
    said = str(raised.value)
    assert "spi 0x00000002" in said and "as the test says" in said and "cbc(aes)" in said
    assert "secret" not in said and KEY.hex() not in said


def test_state_is_looked_up_before_it_is_deleted() -> None:
    connection = Scripted(xfrm_state.encode_state(STATE))
    assert states(connection, Operation(HELD, None)) == 1 and connection.sent == [xfrm.XFRM_MSG_DELSA]


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (replace(STATE, mark=v.Mark(1, 1)), "mark 0x1/0x1 (reqid 7100), which matches its mark too"),
        (replace(STATE, reqid=5), "a changed one"),
    ],
)
def test_another_state_is_not_deleted_in_its_place(found: v.State, why: str) -> None:
    connection = Scripted(xfrm_state.encode_state(found))
    for operation in (Operation(HELD, None), Operation(HELD, replace(STATE, if_id=2))):
        with pytest.raises(kernel.OtherTaken) as raised:
            states(connection, operation)
        assert why in str(raised.value)
    assert connection.sent == []


def test_expired_state_is_no_error() -> None:
    connection = Scripted(None, {0: errno.ESRCH})
    assert states(connection, Operation(HELD, None)) == 0


def test_update_is_one_message() -> None:
    connection = Scripted(xfrm_state.encode_state(STATE))
    assert states(connection, Operation(HELD, replace(STATE, if_id=2))) == 1
    assert connection.sent == [xfrm.XFRM_MSG_UPDSA]


@pytest.mark.parametrize(
    ("refusals", "words"),
    [
        ({2: errno.EEXIST}, None),
        ({0: errno.ESRCH, 2: errno.EEXIST}, None),
        ({1: errno.ENOSYS}, "the old one is in place"),
        ({1: errno.ENOSYS, 2: errno.ENOMEM}, "the old one is gone"),
        ({0: errno.EPERM, 1: errno.EPERM, 2: errno.EPERM}, "was not replaced"),
    ],
)
def test_replacement_always_ends_with_one_state(refusals: dict[int, int], words: str | None) -> None:
    connection = Scripted(xfrm_state.encode_state(STATE), refusals)
    operation = Operation(HELD, replace(STATE, reqid=7101))
    if words is None:
        assert states(connection, operation) == 3
    else:
        with pytest.raises(kernel.KernelRefused, match=words):
            states(connection, operation)
    assert connection.sent == [xfrm.XFRM_MSG_DELSA, xfrm.XFRM_MSG_NEWSA, xfrm.XFRM_MSG_NEWSA]


def policies(connection: Scripted, *operations: Operation[v.Policy]) -> int:
    return kernel.apply_policies(cast(Connection, connection), operations)


def test_policies() -> None:
    held = xfrm_policy.encode_policy(POLICY)
    connection = Scripted(held)
    changed = replace(POLICY, priority=3)
    assert policies(connection, Operation(None, POLICY), Operation(POLICY, changed), Operation(POLICY, None)) == 3
    assert connection.sent == [xfrm.XFRM_MSG_NEWPOLICY, xfrm.XFRM_MSG_UPDPOLICY, xfrm.XFRM_MSG_DELPOLICY]
    with pytest.raises(kernel.OtherTaken):
        policies(Scripted(xfrm_policy.encode_policy(changed)), Operation(POLICY, None))
    assert policies(Scripted(None), Operation(POLICY, None)) == 0
    with pytest.raises(kernel.OtherTaken, match="was deleted meanwhile"):
        policies(Scripted(None), Operation(POLICY, changed))
    with pytest.raises(kernel.KernelRefused, match=r"policy dir out .* was not created"):
        policies(Scripted(None, {0: errno.EINVAL}), Operation(None, POLICY))
