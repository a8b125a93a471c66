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
    "127.0.0.0/8": "is loopback, so no other host can reach it",
    "127.1.2.0/24": "is loopback, so no other host can reach it",
    "224.0.0.0/4": "is multicast, so no host has an address in it",
    "239.1.1.1": "is multicast, so no host has an address in it",
    "240.0.0.0/24": "is reserved, so no host has an address in it",
    "255.255.255.255": "is reserved, so no host has an address in it",
    "0.0.0.0/8": "is in 0.0.0.0/8, where no host has an address",
    "0.1.0.0/16": "is in 0.0.0.0/8, where no host has an address",
    "fe80::/64": "is link-local, so it is reached on its own link only and never through a tunnel",
    "fe80::/10": "is link-local, so it is reached on its own link only and never through a tunnel",
    "ff02::/16": "is multicast, so no host has an address in it",
    "::1": "is loopback, so no other host can reach it",
    "::": "is the unspecified address, which no host has",
    "::ffff:10.0.0.0/104": "is an IPv4 network in the notation of IPv6; write 10.0.0.0/8",
}
REMEDIES = {
    parse_network: "list the networks behind a host, such as 192.168.10.0/24",
    parse_allowed_ip: "list the addresses and networks of the peer, such as 10.42.0.7/32",
    parse_overlay_network: "write a private network that nothing else uses, such as 10.42.0.0/24 or fd42::/64",
}


@pytest.mark.parametrize("text", SPECIAL)
def test_special_networks_are_refused(text: str) -> None:
    of_a_link = "multicast" in SPECIAL[text] or "link-local" in SPECIAL[text]
    for parse, remedy in REMEDIES.items():
        if of_a_link and parse is parse_allowed_ip:
            continue
        with pytest.raises(ValueError) as refused:
            parse(text)
        assert str(refused.value).startswith(f"{text!r} {SPECIAL[text]}")
        assert "; write" in SPECIAL[text] or f"; {remedy}" in str(refused.value)


@pytest.mark.parametrize(("text", "every"), [("0.0.0.0", "0.0.0.0/0"), ("::", "::/0")])  # noqa: S104
def test_an_unspecified_address_may_have_meant_every_address(text: str, every: str) -> None:
    with pytest.raises(ValueError, match=f", or write {every} for every address$"):
        parse_allowed_ip(text)
    with pytest.raises(ValueError, match=r"or fd42::/64$"):
        parse_overlay_network(text)


@pytest.mark.parametrize("text", ["224.0.0.5", "224.0.0.0/24", "ff02::/16", "fe80::/64"])
def test_peers_may_send_from_networks_of_a_link(text: str) -> None:
    """As routing daemons do, for example OSPF (RFC 2328, RFC 5340)."""
    assert parse_allowed_ip(text) == parse_prefix(text)


@pytest.mark.parametrize("text", ["0.0.0.0/0", "::/0", "0.0.0.0/1", "128.0.0.0/1", "8000::/1", "126.0.0.0/7"])
def test_routes_may_contain_special_networks(text: str) -> None:
    assert parse_allowed_ip(text) == parse_network(text) == parse_prefix(text)
    reason = "is every IPv[46] address" if text.endswith("/0") else "is too large: it contains .*, where no host has"
    with pytest.raises(ValueError, match=f"{reason}.*; {REMEDIES[parse_overlay_network]}"):
        parse_overlay_network(text)


@pytest.mark.parametrize("text", ["10.42.0.0/24", "100.64.0.0/10", "169.254.9.0/24", "fd42::/64", "2001:db8::/48"])
def test_networks_of_hosts_are_accepted(text: str) -> None:
    assert parse_overlay_network(text) == parse_prefix(text)


def test_a_network_without_a_length_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'192\.168\.1\.0' has no prefix length; write 192\.168\.1\.0/24"):
        parse_network("192.168.1.0")
