# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Default routes of router advertisements: when the kernel drops them, and the warning."""

from __future__ import annotations

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.reconcile import Operation
from ansible_collections.wirewright.overlay.plugins.module_utils._fib import advertised_routes as room
from ansible_collections.wirewright.overlay.plugins.module_utils._host import sysctls
from ansible_collections.wirewright.overlay.plugins.module_utils._host.sysctls import Sysctl
from ansible_collections.wirewright.overlay.plugins.module_utils._ip.prefix import parse_prefix
from ansible_collections.wirewright.overlay.plugins.module_utils._netlink.table_route import Hop, TableRoute

FORWARDING = "net/ipv6/conf/all/forwarding"
NAMES = {2: "eth0", 3: "eth1.5"}


def route(destination: str = "::/0", protocol: int = 9, index: int = 2) -> TableRoute:
    return TableRoute(parse_prefix(destination), 254, hops=(Hop(b"\xfe\x80" + bytes(14), index),), protocol=protocol)


@pytest.mark.parametrize(
    ("path", "before", "after", "drops"),
    [
        (FORWARDING, "0", "1", True),
        (FORWARDING, "1", "0", False),
        ("net/ipv4/ip_forward", "0", "1", False),
    ],
)
def test_only_a_host_that_begins_to_forward_ipv6_drops_routes(path: str, before: str, after: str, drops: bool) -> None:
    assert room.drops_routes(Operation(Sysctl(path, before), Sysctl(path, after))) is drops


def test_only_the_default_route_of_an_advertisement_that_the_kernel_accepts_is_dropped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    values = {"net/ipv6/conf/eth0/accept_ra": "1"}
    monkeypatch.setattr(room.tables, "name_of", NAMES.__getitem__)
    monkeypatch.setattr(sysctls, "read", lambda path: Sysctl(path, values[path]) if path in values else None)
    assert room.is_dropped(route())
    assert not room.is_dropped(route("2001:db8::/64")) and not room.is_dropped(route(protocol=3))
    assert not room.is_dropped(route(index=3))
    for value in ("0", "2"):
        values["net/ipv6/conf/eth0/accept_ra"] = value
        assert not room.is_dropped(route())


def test_a_warning_names_each_interface_once_and_the_parameter() -> None:
    first, second = room.warnings([route(), route(), route(index=3)], NAMES.__getitem__)
    assert "through eth0 " in first and "set net.ipv6.conf.eth0.accept_ra=2 " in first
    assert "through eth1.5 " in second and "set net.ipv6.conf.eth1/5.accept_ra=2 " in second
    assert room.warnings([]) == []
