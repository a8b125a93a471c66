# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether this host can send packets to an address: a route, and an address of its own to send from."""

from __future__ import annotations

import errno
import socket
from collections.abc import Sequence
from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._ip.prefix import host_prefix
from ansible_collections.wirewright.overlay.plugins.module_utils._netlink.messages import NetlinkError
from ansible_collections.wirewright.overlay.plugins.module_utils._netlink.route import RouteMessage
from ansible_collections.wirewright.overlay.plugins.module_utils._netlink.route_obstacle import (
    NO_ROUTE,
    route_obstacle,
    source_obstacle,
)

FOUR, SIX = int(socket.AF_INET), int(socket.AF_INET6)


def packed(text: str) -> bytes:
    return socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)


@pytest.mark.parametrize(
    ("source", "gateway", "family", "why"),
    [
        ("192.0.2.7", True, FOUR, ""),
        ("", True, FOUR, "this host has no IPv4 address"),
        ("0.0.0.0", False, FOUR, "this host has no IPv4 address"),  # noqa: S104   nothing is bound
        ("2001:db8::7", True, SIX, ""),
        ("fd00::7", True, SIX, ""),
        ("fe80::7", False, SIX, ""),
        ("fe80::7", True, SIX, "this host has no global IPv6 address"),
        ("febf::7", True, SIX, "this host has no global IPv6 address"),
        ("::1", True, SIX, "this host has no global IPv6 address"),
        ("", True, SIX, "this host has no global IPv6 address"),
    ],
)
def test_packets_need_a_source_address_that_gets_replies(source: str, gateway: bool, family: int, why: str) -> None:
    destination = host_prefix(packed("2001:db8:9::1" if family == SIX else "198.51.100.1"))
    found = RouteMessage(destination, 254, 9, 1, 0, 2, gateway, packed(source) if source else None)
    assert source_obstacle(family, found) == why


@pytest.mark.parametrize(
    ("code", "why"),
    [
        (errno.ENETUNREACH, NO_ROUTE),
        (errno.EHOSTUNREACH, NO_ROUTE),
        (errno.EACCES, NO_ROUTE),
        (errno.EINVAL, NO_ROUTE),
        (errno.EOPNOTSUPP, NO_ROUTE),
        (errno.EAFNOSUPPORT, NO_ROUTE),
        (errno.ENOBUFS, ""),
        (errno.EPERM, ""),
    ],
)
def test_only_errors_that_mean_no_route_are_an_obstacle(code: int, why: str) -> None:
    class Refusing:
        def request(self, _kind: int, _payload: bytes) -> Sequence[bytes]:
            raise NetlinkError(code)

    connection: Any = Refusing()
    assert route_obstacle(connection, SIX, packed("2001:db8::1")) == why
