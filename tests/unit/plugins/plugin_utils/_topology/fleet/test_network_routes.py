# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The routes in a fact: what is no route is left out, and their number is limited."""

from __future__ import annotations

import time
from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._ip.prefix import parse_prefix
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.fleet.network_routes import (
    NetworkRoute,
    network_routes,
)
from hypothesis import given
from hypothesis import strategies as st

LAN = "192.168.50.0/24\teth1\t100\tconnected"


def test_fields() -> None:
    fact = {"routes": f"{LAN}\nfd60::/56\t\t0\trouted"}
    assert network_routes(fact, ()) == (
        NetworkRoute(parse_prefix("192.168.50.0/24"), "eth1", 100, True),
        NetworkRoute(parse_prefix("fd60::/56"), "", 0, False),
    )
    assert network_routes(fact, {"eth1"})[0].label == "fd60::/56 (routed through several interfaces)"


@pytest.mark.parametrize(
    "line",
    [
        "",
        "192.168.50.0/24\teth1\t100",
        "192.168.50.1/24\teth1\t100\tconnected",
        "0.0.0.0/0\teth1\t100\tconnected",
        "192.168.50.0/24\teth1\t-1\tconnected",
        "192.168.50.0/24\teth1\t\u0663\tconnected",
        "192.168.50.0/24\tan-interface-of-no-kernel\t1\tconnected",
        "192.168.50.0/24\teth\x1b[31m\t1\tconnected",
        f"192.168.50.0/24\teth1\t{'9' * 5000}\tconnected",
    ],
)
def test_what_is_no_route(line: str) -> None:
    assert network_routes({"routes": f"{line}\n{LAN}"}, ()) == network_routes({"routes": LAN}, ())


@given(st.one_of(st.none(), st.integers(), st.text(), st.lists(st.text()), st.dictionaries(st.text(), st.text())))
def test_any_value(value: Any) -> None:
    assert isinstance(network_routes({"routes": value}, ()), tuple)


def test_the_number_of_routes_is_limited() -> None:
    many = "\n".join(f"10.{n >> 8 & 255}.{n & 255}.0/24\teth0\t{n}\tconnected" for n in range(1_000_000))
    before = time.process_time()
    assert len(network_routes({"routes": many}, ())) <= 1000
    assert time.process_time() - before < 1
