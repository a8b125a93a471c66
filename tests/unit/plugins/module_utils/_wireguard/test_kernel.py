# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Devices of the kernel over a scripted connection: the meaning of each refusal, and closed sockets."""

from __future__ import annotations

import errno
from collections.abc import Sequence

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._netlink.connection import DumpInterrupted
from ansible_collections.wirewright.overlay.plugins.module_utils._netlink.generic import FamilyMissing
from ansible_collections.wirewright.overlay.plugins.module_utils._netlink.messages import MalformedMessage, NetlinkError
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard import codec, kernel_module
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard import kernel as room
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.kernel import Kernel, NotWireGuard
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.model import PeerChange, Settings

from ..samples import key


class _Connection:
    """Answers dumps by name, records requests, and fails the one with a given number."""

    def __init__(self, devices: dict[str, object], fail_at: int = -1) -> None:
        self.devices, self.fail_at = devices, fail_at
        self.sent: list[tuple[int, bytes]] = []
        self.open = 0

    def __enter__(self) -> _Connection:
        self.open += 1
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.open -= 1

    def dump(self, kind: int, payload: bytes) -> Sequence[bytes]:
        assert kind == 31
        answer = next((a for name, a in self.devices.items() if payload == codec.encode_get(name)), None)
        if answer is None:
            raise NetlinkError(errno.ENODEV)
        if isinstance(answer, Exception):
            raise answer
        return answer  # type: ignore[return-value]

    def request(self, kind: int, payload: bytes) -> list[bytes]:
        if len(self.sent) == self.fail_at:
            raise NetlinkError(errno.EINVAL)
        self.sent.append((kind, payload))
        return []


@pytest.fixture
def connection(monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    made = _Connection({})
    monkeypatch.setattr(room, "Connection", lambda _family: made)
    monkeypatch.setattr(kernel_module, "Connection", lambda _family: made)
    monkeypatch.setattr(room.generic, "family_id", lambda _connection, _name: 31)
    yield made
    assert made.open == 0


DUMP = next(iter(codec.encode_set("wg0", Settings(key(1), 7, 0), [PeerChange(key(2))])))


def test_a_device_is_read(connection: _Connection) -> None:
    connection.devices["wg0"] = [DUMP]
    device = Kernel().read("wg0")
    assert device is not None
    assert [peer.public_key for peer in device.peers] == [key(2)]


def test_a_missing_interface_is_no_device(connection: _Connection) -> None:
    assert Kernel().read("wg0") is None


def test_another_kind_of_interface_is_reported(connection: _Connection) -> None:
    connection.devices["eth0"] = NetlinkError(errno.EOPNOTSUPP)
    with pytest.raises(NotWireGuard, match="eth0 is not a WireGuard interface"):
        Kernel().read("eth0")


@pytest.mark.parametrize("failure", [NetlinkError(errno.EPERM), DumpInterrupted(10), MalformedMessage("cut")])
def test_other_failures_are_errors(connection: _Connection, failure: Exception) -> None:
    connection.devices["wg0"] = failure
    with pytest.raises(type(failure)):
        Kernel().read("wg0")


def test_a_truncated_device_is_an_error(connection: _Connection) -> None:
    connection.devices["wg0"] = [DUMP[:-3]]
    with pytest.raises(MalformedMessage):
        Kernel().read("wg0")


def test_writing_returns_the_number_of_requests(connection: _Connection) -> None:
    assert Kernel().write("wg0", Settings(listen_port=1), [PeerChange(key(1))]) == 1
    changes = [PeerChange(key(number), preshared_key=key(1)) for number in range(1000)]
    payloads = list(codec.encode_set("wg0", Settings(), changes))
    assert Kernel().write("wg0", Settings(), changes) == len(payloads) > 1
    assert connection.sent[1:] == [(31, payload) for payload in payloads]


def test_writing_stops_at_the_first_refusal(connection: _Connection) -> None:
    connection.fail_at = 1
    with pytest.raises(NetlinkError):
        Kernel().write("wg0", Settings(), [PeerChange(key(number), preshared_key=key(1)) for number in range(1000)])
    assert len(connection.sent) == 1


def test_writing_nothing_sends_nothing(connection: _Connection) -> None:
    assert Kernel().write("wg0", Settings(), []) == 0


def test_wireguard_among_interfaces(connection: _Connection) -> None:
    connection.devices.update({"wg0": [DUMP], "eth0": NetlinkError(errno.EOPNOTSUPP), "wg1": [DUMP]})
    assert room.among(["eth0", "gone", "wg0", "wg1"]) == ["wg0", "wg1"]
    assert kernel_module.available()


def test_a_failure_is_not_reported_as_another_kind(connection: _Connection) -> None:
    connection.devices["wg0"] = NetlinkError(errno.EPERM)
    with pytest.raises(NetlinkError):
        room.among(["wg0"])


def test_a_kernel_without_wireguard(connection: _Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_connection: object, name: str) -> int:
        raise FamilyMissing(name)

    monkeypatch.setattr(room.generic, "family_id", missing)
    assert room.among(["wg0"]) == []
    assert not kernel_module.available()
    with pytest.raises(FamilyMissing):
        Kernel().read("wg0")
