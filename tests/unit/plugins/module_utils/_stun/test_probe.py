# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Requests beyond the first round, and the meaning of a missing answer."""

from __future__ import annotations

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._stun.exchange import (
    ANSWERED,
    BAD_ANSWER,
    ERROR,
    REFUSED,
    TIMEOUT,
    UNREACHABLE,
    Reply,
)
from ansible_collections.wirewright.overlay.plugins.module_utils._stun.options import parse_server
from ansible_collections.wirewright.overlay.plugins.module_utils._stun.probe import (
    Finding,
    describe_family,
    describe_servers,
    is_usable,
    was_received,
)
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.endpoint import Endpoint


@pytest.mark.parametrize(
    ("asked", "other", "usable"),
    [
        ("198.51.100.1:3478", "198.51.100.2:3479", True),
        ("10.0.0.1:3478", "10.0.0.2:3479", True),
        ("10.0.0.1:3478", "1.2.3.5:3479", True),
        ("1.2.3.4:3478", "1.2.3.5:3479", True),
        ("1.2.3.4:3478", "10.0.0.2:3479", False),
        ("127.0.0.1:3478", "127.0.0.2:3479", True),
        ("[2001:db8::1]:3478", "[2001:db8::2]:3479", True),
        ("198.51.100.1:3478", "198.51.100.1:3479", False),
        ("198.51.100.1:3478", "198.51.100.2:3478", False),
        ("198.51.100.1:3478", "127.0.0.1:3479", False),
        ("198.51.100.1:3478", "[2001:db8::2]:3479", False),
        ("[2001:db8::1]:3478", "[::1]:3479", False),
    ],
)
def test_usable_other_address(asked: str, other: str, usable: bool) -> None:
    assert is_usable(parse_server(asked), parse_server(other)) is usable


@pytest.mark.parametrize("host", ["224.0.0.1", "255.255.255.255", "240.0.0.1", "169.254.169.254"])
def test_special_purpose_other_address_is_unusable(host: str) -> None:
    assert not is_usable(Endpoint("198.51.100.1", 3478), Endpoint(host, 3479))


@pytest.mark.parametrize("host", ["ff02::1", "::", "fe80::1"])
def test_special_purpose_other_ipv6_address_is_unusable(host: str) -> None:
    assert not is_usable(Endpoint("2001:db8::1", 3478), Endpoint(host, 3479))


def test_missing_answer_counts_only_if_the_server_is_alive() -> None:
    assert was_received(Reply(ANSWERED), False) is True
    assert was_received(Reply(TIMEOUT), True) is False
    assert was_received(Reply(TIMEOUT), False) is None
    for outcome in (ERROR, BAD_ANSWER, REFUSED, UNREACHABLE):
        assert was_received(Reply(outcome), True) is None


def test_result_without_answers() -> None:
    described = describe_family(Finding())
    assert described["nat"] == described["filtering"] == "unknown"
    assert described["mapped"] is described["behind_nat"] is described["port_open"] is None
    (server,) = describe_servers([Endpoint("nowhere.invalid", 3478)], {})
    assert (server["server"], server["outcome"]) == ("nowhere.invalid:3478", "unresolved")
