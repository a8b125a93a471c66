# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From options to routes; refusals are tested with the module, on hosts."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._fib import route_options
from ansible_collections.wirewright.overlay.plugins.module_utils._ip.prefix import parse_prefix
from ansible_collections.wirewright.overlay.plugins.module_utils._netlink import route as codec
from ansible_collections.wirewright.overlay.plugins.module_utils._netlink.table_route import Hop, TableRoute

INTERFACES = {"eth0": 2, "wg0": 7}


def one_route(**entry: Any) -> TableRoute:
    options = {"table": "71", "routes": [{"destination": "10.5.0.0/16", **entry}]}
    (route,) = route_options.parse(options, INTERFACES.__getitem__).present
    return route


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"dev": "wg0"}, {"scope": 253, "hops": (Hop(b"", 7),)}),
        ({"type": "throw"}, {"type": codec.RTN_THROW}),
        ({"type": "local", "dev": "wg0"}, {"type": codec.RTN_LOCAL, "scope": 254, "hops": (Hop(b"", 7),)}),
        ({"via": "192.0.2.1"}, {"hops": (Hop(bytes((192, 0, 2, 1))),)}),
        ({"nexthops": [{"dev": "wg0", "weight": 3}]}, {"hops": (Hop(b"", 7),)}),
    ],
)
def test_routes_get_the_defaults_of_ip(entry: dict[str, Any], expected: dict[str, Any]) -> None:
    assert one_route(**entry) == TableRoute(parse_prefix("10.5.0.0/16"), 71, protocol=87, **expected)


@pytest.mark.parametrize(
    ("entry", "family", "metric"),
    [
        ({"dev": "wg0"}, socket.AF_INET, 0),
        ({"dev": "wg0", "family": "ipv6"}, socket.AF_INET6, 1024),
        ({"via": "fd00::1"}, socket.AF_INET6, 1024),
        ({"dev": "wg0", "src": "fd00::1", "metric": 5}, socket.AF_INET6, 5),
        ({"nexthops": [{"via": "fd00::1"}, {"via": "fd00::2"}]}, socket.AF_INET6, 1024),
        ({"via": "fd00::1", "dev": "wg0", "family": "ipv4"}, socket.AF_INET, 0),
    ],
)
def test_family_of_the_default_route(entry: dict[str, Any], family: int, metric: int) -> None:
    route = one_route(destination="default", **entry)
    assert (route.destination.family, route.destination.length, route.metric) == (family, 0, metric)


def test_families_to_read_are_those_named_and_both_to_purge() -> None:
    options = {"table": "71", "routes": [{"destination": "fd05::/48", "type": "throw"}]}
    assert route_options.parse(options).families == (socket.AF_INET6,)
    assert len(route_options.parse({**options, "purge": True}).families) == 2
