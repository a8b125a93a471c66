# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which addresses can be an endpoint, which one of a name's is used, and name resolution with a deadline."""

from __future__ import annotations

import ast
import socket
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._ip import answers as room
from ansible_collections.wirewright.overlay.plugins.module_utils._ip.answers import (
    Choice,
    choose,
    family_of,
    is_loopback,
    is_own,
    look_up,
    obstacle,
)
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.endpoint import canonical_host
from hypothesis import given
from hypothesis import strategies as st

NOT_USABLE = [
    ("0.0.0.0", "unspecified"),  # noqa: S104   nothing is bound
    ("0.1.2.3", "unspecified"),
    ("224.0.0.1", "multicast"),
    ("239.255.255.255", "multicast"),
    ("240.0.0.1", "reserved"),
    ("255.255.255.255", "broadcast"),
    ("::", "unspecified"),
    ("ff02::1", "multicast"),
    ("ff02::1%eth0", "multicast"),
    ("fe80::1", "link-local without an interface"),
    ("febf::1", "link-local without an interface"),
    ("::ffff:192.0.2.1", "IPv4-mapped"),
    ("no address", "no IP address"),
    ("", "no IP address"),
]


@pytest.mark.parametrize(("address", "why"), NOT_USABLE)
def test_an_address_that_reaches_no_peer_is_not_usable(address: str, why: str) -> None:
    assert obstacle(address) == why
    assert choose([address, "192.0.2.1"]) == Choice("192.0.2.1", (f"{address}: {why}",))


@pytest.mark.parametrize(
    "address", ["192.0.2.1", "1.0.0.0", "223.255.255.255", "2001:db8::1", "fe80::1%eth0", "fec0::1"]
)
def test_other_addresses_are_usable(address: str) -> None:
    assert obstacle(address) == "" and choose([address]) == Choice(address)


@given(st.ip_addresses())
def test_an_answer_is_refused_where_the_address_itself_is(address: Any) -> None:
    try:
        canonical_host(str(address))
        refused = False
    except ValueError:
        refused = True
    assert bool(obstacle(str(address))) == refused


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.1.1", "127.255.255.255", "::1"])
def test_a_name_with_the_loopback_has_no_usable_address(address: str) -> None:
    assert is_loopback(address) and not obstacle(address)
    assert choose([address]) == Choice("", (f"{address}: the loopback",))


@pytest.mark.parametrize(
    ("addresses", "family", "current", "chosen"),
    [
        ([], "", "", ""),
        (["2001:db8::1", "192.0.2.1"], "", "", "2001:db8::1"),
        (["2001:db8::1", "192.0.2.1"], "ipv4", "", "192.0.2.1"),
        (["192.0.2.1", "2001:db8::1"], "ipv6", "", "2001:db8::1"),
        (["2001:db8::1"], "ipv4", "", ""),
        (["192.0.2.1", "192.0.2.2"], "", "192.0.2.2", "192.0.2.2"),
        (["192.0.2.1", "192.0.2.2"], "", "192.0.2.9", "192.0.2.1"),
        (["2001:db8::1", "192.0.2.1"], "", "192.0.2.9", "192.0.2.1"),
        (["192.0.2.1", "2001:db8::1"], "", "2001:db8::9", "2001:db8::1"),
        (["192.0.2.1", "2001:db8::1"], "ipv4", "2001:db8::1", "192.0.2.1"),
        (["192.0.2.1"], "", "127.0.0.1", "192.0.2.1"),
        (["127.0.0.1"], "", "127.0.0.1", ""),
    ],
)
def test_the_choice_among_addresses(addresses: list[str], family: str, current: str, chosen: str) -> None:
    assert choose(addresses, family=family, current=current).address == chosen


names = st.lists(st.ip_addresses().map(str) | st.sampled_from([address for address, _why in NOT_USABLE]), max_size=5)


@given(names, st.sampled_from(["", "ipv4", "ipv6"]), st.data())
def test_a_choice_is_usable_and_stays_whatever_the_order(
    addresses: list[str], family: str, data: st.DataObject
) -> None:
    barred = set(data.draw(st.lists(st.sampled_from(addresses), max_size=2))) if addresses else set()

    def refusal(address: str) -> str:
        return "barred" if address in barred else ""

    choice = choose(addresses, family=family, refusal=refusal)
    refused = {entry.rpartition(": ")[0] for entry in choice.refused}
    usable = set(addresses) - refused
    assert (choice.address in usable) if usable else choice.address == ""
    assert not usable & barred and all(family in ("", family_of(one)) for one in usable)
    turned = data.draw(st.permutations(addresses))
    assert choose(turned, family=family, current=choice.address, refusal=refusal).address == choice.address


def test_an_address_of_this_host_is_recognised() -> None:
    assert is_own("127.0.0.1") and not is_own("198.51.100.199")
    assert not is_own("fe80::1%no-such-if0")


def answering(*found: tuple[object, ...]):  # type: ignore[no-untyped-def]
    def getaddrinfo(host: str, _port: object, **_kind: object) -> list[tuple[object, ...]]:
        return [(None, None, None, "", address) for address in found]

    return getaddrinfo


def test_all_addresses_of_a_name_are_returned_once(monkeypatch: pytest.MonkeyPatch) -> None:
    index = socket.if_nametoindex("lo")
    found = (("2001:db8::1", 0, 0, 0), ("192.0.2.1", 0), ("2001:db8::1", 0, 0, 0), ("fe80::1", 0, 0, index))
    monkeypatch.setattr(room.socket, "getaddrinfo", answering(*found))
    expected = ["2001:db8::1", "192.0.2.1", "fe80::1%lo"]
    assert look_up(["a.example.org", "b.example.org"], 5) == {"a.example.org": expected, "b.example.org": expected}


def test_names_are_resolved_together_within_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    together, never = threading.Barrier(3), threading.Event()

    def getaddrinfo(host: str, *_: Any, **__: Any) -> list[Any]:
        if host == "late.test":
            never.wait()
            return []
        together.wait(30)  # breaks if one waits for another
        if host == "none.test":
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return [(0, 0, 0, "", ("192.0.2.1", 0))]

    monkeypatch.setattr(room.socket, "getaddrinfo", getaddrinfo)
    found = look_up(["a.test", "late.test", "b.test", "none.test"], 3)
    never.set()
    assert found == {"a.test": ["192.0.2.1"], "b.test": ["192.0.2.1"], "none.test": [], "late.test": []}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("host", ["a" * 64, "a..b"])
def test_an_invalid_name_has_no_address(host: str) -> None:
    assert look_up([host], 5) == {host: []}


@pytest.mark.skipif(sys.version_info < (3, 10), reason="Python 3.9 has no list of the standard library's modules")
def test_the_file_needs_only_the_standard_library() -> None:
    tree = ast.parse(Path(room.__file__).read_text(), feature_version=(3, 9))
    imported = [node for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom))]
    assert all(isinstance(node, ast.Import) or not node.level for node in imported)
    modules = {
        name.partition(".")[0]
        for node in imported
        for name in ([node.module] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names])
        if name
    }
    assert modules <= set(sys.stdlib_module_names)
