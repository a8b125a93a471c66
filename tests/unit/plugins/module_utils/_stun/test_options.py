# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options of stun_info: forms of a server, all errors at once, slow name resolution."""

from __future__ import annotations

import socket
import threading
from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.errors import InvalidOptions
from ansible_collections.wirewright.overlay.plugins.module_utils._stun import options as room
from ansible_collections.wirewright.overlay.plugins.module_utils._stun.options import (
    Options,
    Target,
    parse,
    parse_server,
    resolve,
)
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.endpoint import Endpoint
from hypothesis import given
from hypothesis import strategies as st

GIVEN: dict[str, Any] = {"servers": ["192.0.2.1"], "family": "both", "timeout": 3}


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("192.0.2.1", "192.0.2.1:3478"),
        ("192.0.2.1:3479", "192.0.2.1:3479"),
        ("stun.example.org", "stun.example.org:3478"),
        ("STUN.example.org:1", "stun.example.org:1"),
        ("2001:db8::1", "[2001:db8::1]:3478"),
        ("[2001:DB8::1]", "[2001:db8::1]:3478"),
        ("[2001:db8::1]:3479", "[2001:db8::1]:3479"),
        ("fe80::1%eth0", "[fe80::1%eth0]:3478"),
    ],
)
def test_servers(text: str, server: str) -> None:
    assert str(parse_server(text)) == server


@given(st.text(max_size=30))
def test_arbitrary_text_is_a_server_or_refused(text: str) -> None:
    try:
        server = parse_server(text)
    except ValueError:
        return
    assert parse_server(str(server)) == server


def test_options() -> None:
    servers = (Endpoint("192.0.2.1", 3478),)
    assert parse(GIVEN) == Options("", 0, servers, ("ipv4", "ipv6"), 3.0)
    assert parse({**GIVEN, "interface": "wg0", "family": "ipv6"}) == Options("wg0", 0, servers, ("ipv6",), 3.0)
    assert parse({**GIVEN, "port": 51820}).port == 51820


def test_all_errors_are_reported_at_once() -> None:
    servers = ["192.0.2.1", "192.0.2.1:3478", "224.0.0.1", "2001:db8::1:x", "a b", ""]
    with pytest.raises(InvalidOptions) as caught:
        parse({"servers": servers, "family": "both", "timeout": 0, "interface": "../x", "port": 65536})
    options = [error.partition(":")[0] for error in caught.value.errors]
    assert options == ["interface", "port", "timeout", *(f"servers[{number}]" for number in range(1, 6))]
    assert "'192.0.2.1:3478' is in the list twice" in caught.value.errors[3]


def test_empty_list_of_servers_is_refused() -> None:
    with pytest.raises(InvalidOptions, match="the list is empty"):
        parse({**GIVEN, "servers": []})


def test_first_address_of_each_family_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    four, six = (socket.AF_INET, 2, 17, ""), (socket.AF_INET6, 2, 17, "")
    entries = [
        (*six, ("2001:db8::1", 1, 0, 0)),
        (*six, ("2001:db8::2", 1, 0, 0)),
        (*four, ("192.0.2.1", 1)),
        (*four, ("192.0.2.2", 1)),
    ]
    monkeypatch.setattr(room.socket, "getaddrinfo", lambda *_words, **_more: entries)
    v4 = Target(0, socket.AF_INET, Endpoint("192.0.2.1", 1))
    v6 = Target(0, socket.AF_INET6, Endpoint("2001:db8::1", 1))
    named = [Endpoint("two.example.org", 1)]
    assert resolve(named, ["ipv4", "ipv6"]) == [v4, v6]
    assert resolve(named, ["ipv6"]) == [v6]
    assert resolve([*named, *named], ["ipv4"]) == [v4, v4._replace(server=1)]


def test_link_local_server_has_its_scope() -> None:
    (target,) = resolve([Endpoint("fe80::1%lo", 3478)], ["ipv4", "ipv6"])
    assert target == Target(0, socket.AF_INET6, Endpoint("fe80::1", 3478), socket.if_nametoindex("lo"))


def test_name_that_resolves_slowly_does_not_delay_others(monkeypatch: pytest.MonkeyPatch) -> None:
    answered = threading.Event()
    entry = (socket.AF_INET, 2, 17, "", ("192.0.2.1", 1))

    def look_up(host: str, *_words: object, **_more: object) -> list[Any]:
        if host == "slow.example.org":
            answered.wait(60)
        return [entry]

    monkeypatch.setattr(room.socket, "getaddrinfo", look_up)
    try:
        found = resolve([Endpoint("slow.example.org", 1), Endpoint("quick.example.org", 1)], ["ipv4"], timeout=0.2)
    finally:
        answered.set()
    assert [target.server for target in found] == [1]


def test_names_that_do_not_resolve(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_words: object, **_more: object) -> list[Any]:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(room.socket, "getaddrinfo", fail)
    assert resolve([Endpoint("nowhere.invalid", 1)], ["ipv4"]) == []
