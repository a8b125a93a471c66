# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Endpoints: one canonical form for each, and refusals with a remedy."""

from __future__ import annotations

import re
import socket

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.endpoint import (
    canonical_host,
    parse_endpoint,
)
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("text", "shown", "is_address"),
    [
        ("192.0.2.1:51820", "192.0.2.1:51820", True),
        ("[2001:db8::1]:1", "[2001:db8::1]:1", True),
        ("[2001:DB8:0:0::1]:65535", "[2001:db8::1]:65535", True),
        ("[fe80::1%eth0]:51820", "[fe80::1%eth0]:51820", True),
        ("[FE80::1%br-lan.7]:51820", "[fe80::1%br-lan.7]:51820", True),
        ("vpn.example.org:51820", "vpn.example.org:51820", False),
        ("VPN.Example.ORG:51820", "vpn.example.org:51820", False),
        ("vpn.example.org.:51820", "vpn.example.org.:51820", False),
        ("host:1", "host:1", False),
        ("my_host-1.lan:1", "my_host-1.lan:1", False),
        ("3com:1", "3com:1", False),
        ("127.0.0.1:1", "127.0.0.1:1", True),
    ],
)
def test_endpoints_have_one_form(text: str, shown: str, is_address: bool) -> None:
    endpoint = parse_endpoint(text)
    assert (str(endpoint), endpoint.is_address) == (shown, is_address)
    assert parse_endpoint(shown) == endpoint


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("", "has no port"),
        ("192.0.2.1", "write it as 'host:port'"),
        ("vpn.example.org", "write it as 'host:port'"),
        ("[2001:db8::1]", "only an IPv6 address has brackets"),
        ("2001:db8::1:51820", "with brackets"),
        ("2001:db8::1", "with brackets"),
        ("fe80::1%eth0:51820", "with brackets"),
        ("[192.0.2.1]:51820", "only an IPv6 address has brackets"),
        ("[vpn.example.org]:51820", "only an IPv6 address has brackets"),
        ("[2001:db8::1:51820", "only an IPv6 address has brackets"),
        ("https://example.com", "is a URL; write host or host:port without the scheme, as in example.com:51820"),
        ("http://me@example.com:8443/a:b?c", "without the scheme, as in example.com:8443"),
        ("udp://[2001:db8::1]", "without the scheme, as in [2001:db8::1]:51820"),
        ("wg://", "without the scheme, as in vpn.example.org:51820"),
        ("192.0.2.1/24:51820", "has a slash; write the address or name alone: '192.0.2.1'"),
        ("192.0.2.1:0", "1 to 65535"),
        ("192.0.2.1:65536", "1 to 65535"),
        ("192.0.2.1:", "1 to 65535"),
        ("192.0.2.1:-1", "1 to 65535"),
        ("192.0.2.1:+1", "1 to 65535"),
        ("192.0.2.1: 1", "1 to 65535"),
        ("192.0.2.1:1\n", "1 to 65535"),
        ("192.0.2.1:\u0661", "1 to 65535"),
        ("0.0.0.0:1", "unspecified"),
        ("0.0.0.7:1", "unspecified"),
        ("[::]:1", "unspecified"),
        ("[::ffff:192.0.2.1]:1", "write the IPv4 address"),
        ("240.0.0.1:1", "reserved"),
        ("224.0.0.1:1", "multicast"),
        ("255.255.255.255:1", "broadcast"),
        ("[ff02::1]:1", "multicast"),
        ("[fe80::1]:1", "append the interface"),
        ("[fe80::1%]:1", "takes a scope"),
        ("[fe80::1%a b]:1", "takes a scope"),
        ("[fe80::1%a/b]:1", "takes a scope"),
        ("[fe80::1%eth0\n]:1", "takes a scope"),
        ("[fe80::1%sixteen-letters-]:1", "takes a scope"),
        ("[2001:db8::1%eth0]:1", "takes a scope"),
        ("192.0.2.1%eth0:1", "neither an IP address nor a host name"),
        ("192.0.2:1", "neither an IP address nor a host name"),
        ("0x7f000001:1", "neither an IP address nor a host name"),
        ("0x7F.1:1", "neither an IP address nor a host name"),
        ("0177.0.0.1:1", "neither an IP address nor a host name"),
        ("1.2.3.0x4.:1", "neither an IP address nor a host name"),
        ("2130706433:1", "neither an IP address nor a host name"),
        ("[fe80::1%$(id)]:1", "takes a scope"),
        ("[fe80::1%a;b]:1", "takes a scope"),
        ("[fe80::1%`id`]:1", "takes a scope"),
        ("192.0.2.256:1", "neither an IP address nor a host name"),
        (":51820", "neither an IP address nor a host name"),
        ("a b:1", "neither an IP address nor a host name"),
        ("-host:1", "neither an IP address nor a host name"),
        ("ho;st:1", "neither an IP address nor a host name"),
        ("$(reboot):1", "neither an IP address nor a host name"),
        ("h\u00f6st:1", "neither an IP address nor a host name"),
        ("host\n:1", "neither an IP address nor a host name"),
        ("host\n[Peer]:1", "neither an IP address nor a host name"),
        ("a" * 64 + "." + "b" * 200 + ":1", "neither an IP address nor a host name"),
        ("host\0:1", "neither an IP address nor a host name"),
    ],
)
def test_invalid_endpoints_are_refused_with_the_remedy(text: str, remedy: str) -> None:
    with pytest.raises(ValueError, match=re.escape(remedy)):
        parse_endpoint(text)


@given(st.text() | st.builds("{}:{}".format, st.text(), st.integers(1, 65535)))
def test_any_text_is_an_endpoint_on_one_line_or_a_value_error(text: str) -> None:
    try:
        endpoint = parse_endpoint(text)
    except ValueError:
        return
    assert not any(character.isspace() or ord(character) < 32 for character in str(endpoint))
    assert parse_endpoint(str(endpoint)) == endpoint


@given(st.binary(min_size=16, max_size=16))
def test_the_form_of_an_ipv6_host_is_that_of_inet_ntop(packed: bytes) -> None:
    text = socket.inet_ntop(socket.AF_INET6, packed)
    try:
        assert canonical_host(text) == text
    except ValueError as error:
        assert packed[0] in (0, 0xFE, 0xFF), error
