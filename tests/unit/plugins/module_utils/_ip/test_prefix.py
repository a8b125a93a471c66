# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prefixes and addresses: parsing, printing, containment; Python's ipaddress is the second opinion."""

from __future__ import annotations

import ipaddress

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._ip.prefix import (
    Prefix,
    masked,
    parse_address,
    parse_prefix,
)
from hypothesis import given
from hypothesis import strategies as st

from ..samples import prefixes


@given(prefixes)
def test_prefixes_survive_text(prefix: Prefix) -> None:
    assert parse_prefix(str(prefix)) == prefix


@given(prefixes)
def test_text_is_what_ipaddress_prints(prefix: Prefix) -> None:
    theirs = ipaddress.ip_network((prefix.packed, prefix.length))
    # Compared as values: inet_ntop writes the tail of some IPv6 addresses in dots, ipaddress does not.
    assert ipaddress.ip_network(str(prefix)) == theirs


@given(prefixes, prefixes)
def test_containment_is_that_of_ipaddress(one: Prefix, other: Prefix) -> None:
    a, b = ipaddress.ip_network((one.packed, one.length)), ipaddress.ip_network((other.packed, other.length))
    assert one.contains(other) == (a.version == b.version and b.subnet_of(a))  # type: ignore[arg-type]


@given(prefixes, st.integers(0, 128))
def test_a_prefix_contains_itself_and_its_parts(prefix: Prefix, more: int) -> None:
    length = min(prefix.length + more, len(prefix.packed) * 8)
    part = Prefix(prefix.family, prefix.packed, length)
    assert prefix.contains(part)
    assert part.contains(prefix) == (part == prefix)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("10.0.0.1", "10.0.0.1/32"),
        ("fd00::1", "fd00::1/128"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("::/0", "::/0"),
        ("FD00:0:0::/48", "fd00::/48"),
        ("::ffff:10.0.0.0/104", "::ffff:10.0.0.0/104"),
    ],
)
def test_networks_have_one_form(text: str, shown: str) -> None:
    assert str(parse_prefix(text)) == shown


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("10.9.5.7/24", "10.9.5.0/24"),
        ("10.2.3.4/8", "10.0.0.0/8"),
        ("fd00::1/64", "fd00::/64"),
        ("255.255.255.255/31", "255.255.255.254/31"),
    ],
)
def test_host_bits_are_refused_with_the_network_to_write(text: str, remedy: str) -> None:
    with pytest.raises(ValueError, match=f"host bits set; write '{remedy}'"):
        parse_prefix(text)


NO_NETWORKS = [
    "", "/", "/24", "10.0.0.0/", "10.0.0.0/33", "::/129", "10.0.0.0/-1", "10.0.0.0/+8", "10.0.0.0/ 8", "10.0.0.0/8/8",
    "10.0.0.0/255.0.0.0", "10.0.0", "10.0.0.0.0", "010.0.0.1", "256.0.0.1", "0x0a000001", "10.0.0.1 ", " 10.0.0.1",
    "10.0.0.1\n", "10.0.0.0/8\n", "10.0.0.0/\u0668", "\uff11.0.0.1", "fd00::1%eth0", "fd00:::1", "fd00::1::", "host",
    "a\0b", "10.0.0.1\0",
]  # fmt: skip


@pytest.mark.parametrize("text", NO_NETWORKS)
def test_invalid_networks_are_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_prefix(text)
    with pytest.raises(ValueError):
        parse_address(text)


@given(st.text())
def test_any_text_is_a_prefix_or_a_value_error(text: str) -> None:
    try:
        prefix = parse_prefix(text)
    except ValueError:
        return
    assert parse_prefix(str(prefix)) == prefix


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("224.0.0.1/24", "multicast or reserved"),
        ("255.255.255.255", "multicast or reserved"),
        ("ff02::1/64", "multicast"),
        ("0.0.0.0/24", "unspecified"),
        ("::/64", "unspecified"),
        ("::1/128", "a loopback address, which no other host can reach; write a private address"),
        ("::ffff:10.0.0.1/120", "IPv4-mapped"),
    ],
)
def test_invalid_addresses_are_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_address(text)


@pytest.mark.parametrize(
    ("text", "host", "network"),
    [
        ("10.42.0.7/24", "10.42.0.7/32", "10.42.0.0/24"),
        ("10.42.0.7", "10.42.0.7/32", "10.42.0.7/32"),
        ("fd42::7/64", "fd42::7/128", "fd42::/64"),
    ],
)
def test_an_address_keeps_its_host_bits_and_knows_its_network(text: str, host: str, network: str) -> None:
    address = parse_address(text)
    assert (str(address.host), str(address.network)) == (host, network)
    assert str(address).startswith(text)


@given(st.binary(min_size=4, max_size=4), st.integers(0, 32))
def test_masking_clears_host_bits_only(packed: bytes, length: int) -> None:
    theirs = ipaddress.ip_network((packed, length), strict=False).network_address.packed
    assert masked(packed, length) == theirs


def test_networks_sort_by_family_then_number() -> None:
    texts = ["fd00::/64", "10.10.0.0/16", "10.9.0.0/16", "10.9.0.0/24"]
    assert [str(prefix) for prefix in sorted(map(parse_prefix, texts))] == [
        "10.9.0.0/16", "10.9.0.0/24", "10.10.0.0/16", "fd00::/64",
    ]  # fmt: skip
