# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks with which no tunnel works are refused, with the reason."""

from __future__ import annotations

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._ip.prefix import parse_prefix
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.fleet.networks import (
    parse_allowed_ip,
    parse_network,
    parse_overlay_network,
)

SPECIAL = {
    "127.0.0.0/8": "is the loopback",
    "127.1.2.0/24": "is the loopback",
    "224.0.0.0/4": "is multicast",
    "239.1.1.1": "is multicast",
    "240.0.0.0/24": "is reserved",
    "255.255.255.255": "is reserved",
    "0.0.0.0/8": "has no addresses of hosts",
    "0.1.0.0/16": "has no addresses of hosts",
    "fe80::/64": "is link-local",
    "fe80::/10": "is link-local",
    "ff02::/16": "is multicast",
    "::1": "is the loopback",
    "::": "has no addresses of hosts",
    "::ffff:10.0.0.0/104": "stands for IPv4 addresses",
}


@pytest.mark.parametrize("text", SPECIAL)
def test_special_networks_are_refused(text: str) -> None:
    of_a_link = "multicast" in SPECIAL[text] or "link-local" in SPECIAL[text]
    for parse in (parse_network, parse_overlay_network) if of_a_link else (parse_allowed_ip, parse_network):
        with pytest.raises(ValueError, match=f"^'{text}' {SPECIAL[text]}"):
            parse(text)


@pytest.mark.parametrize("text", ["224.0.0.5", "224.0.0.0/24", "ff02::/16", "fe80::/64"])
def test_peers_may_send_from_networks_of_a_link(text: str) -> None:
    """As routing daemons do, for example OSPF (RFC 2328, RFC 5340)."""
    assert parse_allowed_ip(text) == parse_prefix(text)


@pytest.mark.parametrize("text", ["0.0.0.0/0", "::/0", "0.0.0.0/1", "128.0.0.0/1", "8000::/1", "126.0.0.0/7"])
def test_routes_may_contain_special_networks(text: str) -> None:
    assert parse_allowed_ip(text) == parse_network(text) == parse_prefix(text)
    if not text.endswith("/0"):
        with pytest.raises(ValueError, match=r"contains .*; choose a smaller network"):
            parse_overlay_network(text)


@pytest.mark.parametrize("text", ["10.42.0.0/24", "100.64.0.0/10", "169.254.9.0/24", "fd42::/64", "2001:db8::/48"])
def test_networks_of_hosts_are_accepted(text: str) -> None:
    assert parse_overlay_network(text) == parse_prefix(text)


def test_a_network_without_a_length_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'192\.168\.1\.0' has no prefix length; write 192\.168\.1\.0/24"):
        parse_network("192.168.1.0")
