# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The current state of a node, read from its fact; values of an unexpected type are ignored."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._ip.prefix import parse_prefix
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.node_encryption.node_fact import (
    accepted,
    dropped_directions,
    gateways_in_use,
    is_loosened,
    routes_through,
    strict_interfaces,
)

FACT: dict[str, Any] = {
    "tables": {"7100": "10.244.2.0/24\tkwg0\n10.244.3.0/24\tkwg1\n10.244.4.0/24\tthrow\n10.244.5.0/24\teth0\t10.1.0.1"},
    "nftables": {"kwg0": ["drop_ingress", "set_mark"], "kwg1": ["drop_egress"], "wg0": ["isolate"]},
    "node": {"rp_filter": {"all": "0", "eth0": "1", "eth1": "2", "eth2": "0"}},
}


def test_a_node_is_read() -> None:
    assert tuple(map(str, routes_through(FACT, 7100, ["kwg0"]))) == ("10.244.2.0/24", "10.244.5.0/24")
    both = routes_through(FACT, 7100, ["kwg1", "kwg0"])
    assert tuple(map(str, both)) == ("10.244.2.0/24", "10.244.3.0/24", "10.244.5.0/24")
    assert routes_through(FACT, 7101, ["kwg0"]) == ()
    assert gateways_in_use(FACT, 7100) == {parse_prefix("10.1.0.1"): "eth0"}
    assert dropped_directions(FACT, ["kwg0"]) == ("in",)
    assert set(dropped_directions(FACT, ["kwg0", "kwg1"])) == {"in", "out"}
    assert dropped_directions(FACT, ["wg0", "wg7"]) == ()


def test_what_an_interrupted_run_left() -> None:
    fact = {"accepted": "10.244.2.0/24\n10.0.0.2/32\nkwg0", "node": {"loosened": ["eth0", 7]}}
    assert tuple(map(str, accepted(fact))) == ("10.244.2.0/24", "10.0.0.2/32")
    assert is_loosened(fact, ["eth1", "eth0"]) and not is_loosened(fact, ["eth1"])
    for odd in ({}, {"accepted": ["10.244.2.0/24"], "node": {"loosened": "eth0"}}, {"accepted": 7, "node": 7}):
        assert accepted(odd) == () and not is_loosened(odd, ["eth0"])


def test_the_larger_value_is_the_source_check() -> None:
    names = ["eth0", "eth1", "eth2", "eth7"]
    assert strict_interfaces(FACT, names) == ("eth0",)
    everywhere = {"node": {"rp_filter": {**FACT["node"]["rp_filter"], "all": "1"}}}
    assert strict_interfaces(everywhere, names) == ("eth0", "eth2", "eth7")
    assert strict_interfaces({"node": {"rp_filter": {"all": "2", "eth0": "1"}}}, names) == ()


@pytest.mark.parametrize("gateway", ["10.1.0.0/24", "nowhere", "10.1.0.300", ""])
def test_gateway_that_is_not_an_address_is_ignored(gateway: str) -> None:
    fact = {"tables": {"7100": f"{FACT['tables']['7100']}\n10.244.6.0/24\teth0\t{gateway}"}}
    assert gateways_in_use(fact, 7100) == {parse_prefix("10.1.0.1"): "eth0"}


@pytest.mark.parametrize("said", [None, 7, "kwg0", ["kwg0"], {"7100": 7, "kwg0": "drop_ingress", "rp_filter": ["1"]}])
def test_values_of_an_unexpected_type_are_ignored(said: object) -> None:
    fact = {"tables": said, "nftables": said, "node": said}
    assert (
        routes_through(fact, 7100, ["kwg0"])
        == dropped_directions(fact, ["kwg0"])
        == strict_interfaces(fact, ["eth0"])
        == ()
    )
    assert gateways_in_use(fact, 7100) == {}
