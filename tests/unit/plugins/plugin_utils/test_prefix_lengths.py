# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks without a length: refused with the length that was probably meant, unless they are clearly one address."""

from __future__ import annotations

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._ip.prefix import parse_prefix
from ansible_collections.wirewright.overlay.plugins.plugin_utils._prefix_lengths import (
    parse_with_length,
    require_network,
)
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("192.168.1.0", "write 192.168.1.0/24, or 192.168.1.0/32 for this one address"),
        ("10.0.0.0", "write 10.0.0.0/8, or 10.0.0.0/32 for this one address"),
        ("fd00::", "write fd00::/64, or fd00::/128 for this one address"),
        ("2001:db8:1:2::", "write 2001:db8:1:2::/64, or 2001:db8:1:2::/128 for this one address"),
        ("2001:db8:1:2:3::", "write 2001:db8:1:2:3::/80, or 2001:db8:1:2:3::/128 for this one address"),
        ("0.0.0.0", "write 0.0.0.0/0"),  # noqa: S104
        ("::", "write ::/0"),
    ],
)
def test_a_forgotten_length_is_named(text: str, remedy: str) -> None:
    with pytest.raises(ValueError, match="has no prefix length; ") as refused:
        parse_with_length(text)
    assert str(refused.value) == f"{text!r} has no prefix length; {remedy}"
    for word in remedy.removeprefix("write ").removesuffix(" for this one address").split(", or "):
        assert str(parse_with_length(word)) == word


@pytest.mark.parametrize("text", ["10.77.0.5", "fd77::5", "10.77.0.0/24", "fd77::/64", "0.0.0.0/0", "10.0.0.0/32"])
def test_what_is_clear_is_taken(text: str) -> None:
    assert str(parse_with_length(text)).startswith(text)


@pytest.mark.parametrize(
    ("text", "network"),
    [("10.42.0.1", "10.42.0.0/24"), ("fd42::1", "fd42::/64"), ("10.42.0.0", "10.42.0.0/16"), ("fd42::", "fd42::/64")],
)
def test_the_network_of_an_overlay_is_never_a_single_address(text: str, network: str) -> None:
    with pytest.raises(ValueError, match=f"has no prefix length; write {network}"):
        require_network(text, parse_prefix(text))
    require_network(network, parse_prefix(network))


@given(st.ip_addresses())
def test_every_remedy_is_accepted(address: object) -> None:
    text = str(address)
    for refuse in (lambda: parse_with_length(text), lambda: require_network(text, parse_prefix(text))):
        try:
            refuse()
        except ValueError as error:
            assert parse_with_length(str(error).partition("; write ")[2].partition(",")[0])
