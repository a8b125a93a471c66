# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host's routes to networks: which the kernel is asked for, what is left out, and limits."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._host import network_routes
from ansible_collections.wirewright.overlay.plugins.module_utils._ip.prefix import parse_prefix
from ansible_collections.wirewright.overlay.plugins.module_utils._netlink import messages as nl
from ansible_collections.wirewright.overlay.plugins.module_utils._netlink import route as codec
from ansible_collections.wirewright.overlay.plugins.module_utils._netlink.messages import NetlinkError

NAMES = {2: "eth0", 3: "eth1", 7: "wg0", 8: "wg1"}
GATEWAY = nl.attribute(5, bytes(4))
KERNEL, BOOT, STATIC, RA, DHCP, BIRD, MANAGED = 2, 3, 4, 9, 16, 12, 87


@pytest.fixture(autouse=True)
def names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "if_indextoname", NAMES.__getitem__)


def held(text: str, protocol: int, index: int = 3, metric: int = 0, table: int = 254) -> bytes:
    return codec.encode_route(parse_prefix(text), table, protocol, metric, index)


def kernel(*routes: bytes, filters: bool = True) -> Callable[[bytes, int], list[bytes]]:
    """Return a kernel with these routes; before 4.20 it ignores filters."""

    def dump(request: bytes, limit: int) -> list[bytes]:
        family, protocol = request[0], request[5]
        found = [one for one in routes if not filters or (one[0], one[5]) == (family, protocol)]
        return found[:limit]

    return dump


@pytest.mark.parametrize("filters", [True, False])
def test_networks_and_paths(filters: bool) -> None:
    dump = kernel(
        held("10.9.0.0/16", STATIC, 2, 50) + GATEWAY,
        held("192.168.50.0/24", KERNEL, 3, 100),
        held("192.168.60.0/24", DHCP, 3, 600),
        held("fd50::/64", RA, 3, 100),
        held("10.8.0.0/16", BOOT, 3),
        held("10.42.0.0/24", KERNEL, 8),
        held("10.77.0.0/16", MANAGED, 8),
        filters=filters,
    )
    assert [str(one) for one in network_routes.read(dump=dump)] == [
        "10.42.0.0/24\twg1\t0\tconnected",
        "192.168.50.0/24\teth1\t100\tconnected",
        "192.168.60.0/24\teth1\t600\tconnected",
        "fd50::/64\teth1\t100\tconnected",
        "10.8.0.0/16\teth1\t0\trouted",
        "10.9.0.0/16\teth0\t50\trouted",
        "10.77.0.0/16\twg1\t0\trouted",
    ]


@pytest.mark.parametrize(
    "route",
    [
        held("0.0.0.0/0", KERNEL),
        held("192.168.50.7/32", KERNEL),
        held("fd50::7/128", KERNEL),
        held("127.0.0.0/8", KERNEL),
        held("169.254.0.0/16", BOOT),
        held("fe80::/64", KERNEL),
        held("ff00::/8", KERNEL),
        held("10.9.0.0/16", BIRD),
        held("10.9.0.0/16", KERNEL, table=100),
        held("10.77.0.0/16", MANAGED, 7),  # through a requested interface
    ],
)
@pytest.mark.parametrize("filters", [True, False])
def test_what_is_left_out(route: bytes, filters: bool) -> None:
    assert network_routes.read({"wg0"}, kernel(route, filters=filters)) == []


def test_a_connected_network_of_a_requested_interface_is_returned() -> None:
    (found,) = network_routes.read({"wg0"}, kernel(held("10.42.0.0/24", KERNEL, 7)))
    assert found.interface == "wg0"


def test_an_interface_that_is_removed_meanwhile_has_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(_index: int) -> str:
        raise OSError

    monkeypatch.setattr(socket, "if_indextoname", gone)
    (found,) = network_routes.read(dump=kernel(held("10.42.0.0/24", KERNEL, 7)))
    assert found.interface == ""


def test_routes_of_routing_daemons_are_not_asked_for() -> None:
    asked = []

    def dump(request: bytes, _limit: int) -> list[bytes]:
        asked.append((request[5], request[7]))
        return []

    network_routes.read(dump=dump)
    assert {protocol for protocol, _type in asked} == {KERNEL, BOOT, STATIC, RA, DHCP, MANAGED}
    assert {kind for _protocol, kind in asked} == {codec.RTN_UNICAST}


@pytest.mark.parametrize("filters", [True, False])
def test_what_is_read_and_returned_is_limited(filters: bool) -> None:
    many = [held(f"10.{n >> 8}.{n & 255}.0/24", STATIC, 2) + GATEWAY for n in range(20_000)]
    reads: list[int] = []

    def dump(request: bytes, limit: int) -> list[bytes]:
        reads.append(limit)
        return kernel(held("192.168.50.0/24", KERNEL), *many, filters=filters)(request, limit)

    found = network_routes.read(dump=dump)
    assert len(found) == 512 and max(reads) <= 2048
    assert found[0].is_connected, "connected networks come first"


@pytest.mark.parametrize("number", [errno.ENOENT, errno.EAFNOSUPPORT, errno.EOPNOTSUPP])
def test_a_host_without_ipv6(number: int) -> None:
    def dump(request: bytes, limit: int) -> list[bytes]:
        if request[0] == socket.AF_INET6:
            raise NetlinkError(number)
        return kernel(held("192.168.50.0/24", KERNEL))(request, limit)

    assert len(network_routes.read(dump=dump)) == 1


def test_another_failure_is_reported() -> None:
    def dump(_request: bytes, _limit: int) -> list[bytes]:
        raise NetlinkError(errno.EPERM)

    with pytest.raises(NetlinkError):
        network_routes.read(dump=dump)
