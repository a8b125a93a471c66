# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every kind of rule, created by the module and by `ip rule`: listed alike, and recognised by the module."""

from __future__ import annotations

from typing import Any

import pytest
from fib_host import TABLE, ip, rule_module, rules
from managed_host import ManagedHost

# On the kernel tier's older kernel too.
ON_BOTH_KERNELS = ("ipv6", "everything")

LOOKUP = {"table": str(TABLE)}
T = f"lookup {TABLE}"

# By family, or for both: the module's options, and the arguments of `ip rule add priority 150 protocol kernel ...`.
EACH: dict[str, tuple[dict[str, Any], str]] = {
    "all": ({**LOOKUP}, T),
    "mark": ({"fwmark": "512", **LOOKUP}, f"fwmark 512 {T}"),
    "mark in hexadecimal": ({"fwmark": "0xffffffff", **LOOKUP}, f"fwmark 0xffffffff {T}"),
    "mark as a number": ({"fwmark": 51820, **LOOKUP}, f"fwmark 51820 {T}"),
    "mark and mask": ({"fwmark": "0x200/0xf00", **LOOKUP}, f"fwmark 0x200/0xf00 {T}"),
    "mark and separate mask": ({"fwmark": 0x200, "fwmask": 0xF00, **LOOKUP}, f"fwmark 0x200/0xf00 {T}"),
    "mark 0 and mask": ({"fwmark": "0/0xf00", **LOOKUP}, f"fwmark 0/0xf00 {T}"),
    "not mark": ({"fwmark": 51820, "invert": True, **LOOKUP}, f"not fwmark 51820 {T}"),
    "not mark and mask": (
        {"fwmark": "0x100000/0x100000", "invert": True, **LOOKUP},
        f"not fwmark 0x100000/0x100000 {T}",
    ),
    "all of main but its default routes": (
        {"table": "main", "suppress_prefixlength": 0},
        "lookup main suppress_prefixlength 0",
    ),
    "suppress longer": ({"suppress_prefixlength": 31, **LOOKUP}, f"{T} suppress_prefixlength 31"),
    "mark and suppress": (
        {"fwmark": 7, "suppress_prefixlength": 8, **LOOKUP},
        f"fwmark 7 {T} suppress_prefixlength 8",
    ),
    "lookup main": ({"table": "main", "fwmark": 9}, "fwmark 9 lookup main"),
    "iif": ({"iif": "va", **LOOKUP}, f"iif va {T}"),
    "iif of the host itself": ({"iif": "lo", **LOOKUP}, f"iif lo {T}"),
    "iif that is not there": ({"iif": "later0", **LOOKUP}, f"iif later0 {T}"),
    "iif of 15 characters": ({"iif": "fifteen-letters", **LOOKUP}, f"iif fifteen-letters {T}"),
    "oif": ({"oif": "vc", **LOOKUP}, f"oif vc {T}"),
    "oif that is not there": ({"oif": "later1", **LOOKUP}, f"oif later1 {T}"),
    "iif and oif": ({"iif": "va", "oif": "vc", **LOOKUP}, f"iif va oif vc {T}"),
    "tcp": ({"ipproto": "tcp", **LOOKUP}, f"ipproto tcp {T}"),
    "udp": ({"ipproto": "udp", **LOOKUP}, f"ipproto udp {T}"),
    "esp by number": ({"ipproto": 50, **LOOKUP}, f"ipproto 50 {T}"),
    "destination port": ({"ipproto": "udp", "dport": 53, **LOOKUP}, f"ipproto udp dport 53 {T}"),
    "destination ports": ({"ipproto": "tcp", "dport": "1-1023", **LOOKUP}, f"ipproto tcp dport 1-1023 {T}"),
    "source port": ({"ipproto": "udp", "sport": "51820", **LOOKUP}, f"ipproto udp sport 51820 {T}"),
    "source ports": ({"sport": "1024-65534", **LOOKUP}, f"sport 1024-65534 {T}"),
    "both ports": (
        {"ipproto": "sctp", "sport": "1-2", "dport": "3-4", **LOOKUP},
        f"ipproto sctp sport 1-2 dport 3-4 {T}",
    ),
    "user": ({"uidrange": "1000", **LOOKUP}, f"uidrange 1000-1000 {T}"),
    "users": ({"uidrange": "0-4294967294", **LOOKUP}, f"uidrange 0-4294967294 {T}"),
    "blackhole": ({"action": "blackhole", "fwmark": 3}, "fwmark 3 blackhole"),
    "unreachable": ({"action": "unreachable", "fwmark": 3}, "fwmark 3 unreachable"),
    "prohibit": ({"action": "prohibit", "fwmark": 3}, "fwmark 3 prohibit"),
    "prohibit not": ({"action": "prohibit", "fwmark": "1/1", "invert": True}, "not fwmark 1/1 prohibit"),
    "goto a rule that is there": ({"action": "goto", "goto": 32766, "fwmark": 5}, "fwmark 5 goto 32766"),
    "goto a rule that is not there": ({"action": "goto", "goto": 151}, "goto 151"),
    "table of one byte": ({"table": "1"}, "lookup 1"),
    "table that the header stands in for": ({"table": "252"}, "lookup 252"),
    "table past one byte": ({"table": "256"}, "lookup 256"),
    "greatest table": ({"table": "4294967295"}, "lookup 4294967295"),
    "table in hexadecimal": ({"table": "0x200"}, "lookup 512"),
    "everything": (
        {
            "fwmark": "0x200/0xf00",
            "invert": True,
            "iif": "va",
            "oif": "vc",
            "ipproto": "tcp",
            "sport": "1-9",
            "dport": 22,
            "uidrange": "5-6",
            "suppress_prefixlength": 1,
            **LOOKUP,
        },
        f"not fwmark 0x200/0xf00 iif va oif vc ipproto tcp sport 1-9 dport 22 uidrange 5-6 {T} suppress_prefixlength 1",
    ),
}
IPV4: dict[str, tuple[dict[str, Any], str]] = {
    "from": ({"from": "10.1.0.0/16", **LOOKUP}, f"from 10.1.0.0/16 {T}"),
    "from a host": ({"from": "10.1.2.3", **LOOKUP}, f"from 10.1.2.3 {T}"),
    "from all": ({"from": "0.0.0.0/0", **LOOKUP}, f"from 0.0.0.0/0 {T}"),
    "to": ({"to": "10.2.0.0/17", **LOOKUP}, f"to 10.2.0.0/17 {T}"),
    "from and to": ({"from": "10.1.0.0/16", "to": "10.2.3.4/32", **LOOKUP}, f"from 10.1.0.0/16 to 10.2.3.4 {T}"),
    "not to": ({"to": "10.0.0.0/8", "invert": True, **LOOKUP}, f"not to 10.0.0.0/8 {T}"),
    "to, blackhole": ({"to": "10.0.0.0/8", "action": "blackhole"}, "to 10.0.0.0/8 blackhole"),
    "icmp": ({"ipproto": "icmp", **LOOKUP}, f"ipproto icmp {T}"),
    "suppress host routes": ({"suppress_prefixlength": 32, **LOOKUP}, f"{T} suppress_prefixlength 32"),
}
IPV6: dict[str, tuple[dict[str, Any], str]] = {
    "from": ({"from": "fd01::/48", **LOOKUP}, f"from fd01::/48 {T}"),
    "from a host": ({"from": "fd01::1", **LOOKUP}, f"from fd01::1 {T}"),
    "from all": ({"from": "::/0", **LOOKUP}, f"from ::/0 {T}"),
    "to": ({"to": "fd02::/31", **LOOKUP}, f"to fd02::/31 {T}"),
    "from and to": ({"from": "fd01::/48", "to": "fd02::1/128", **LOOKUP}, f"from fd01::/48 to fd02::1 {T}"),
    "not to": ({"to": "fd00::/8", "invert": True, **LOOKUP}, f"not to fd00::/8 {T}"),
    "to, prohibit": ({"to": "fd00::/8", "action": "prohibit"}, "to fd00::/8 prohibit"),
    "icmp": ({"ipproto": "ipv6-icmp", **LOOKUP}, f"ipproto 58 {T}"),
    "suppress host routes": ({"suppress_prefixlength": 128, **LOOKUP}, f"{T} suppress_prefixlength 128"),
}
CASES = [
    pytest.param(
        family,
        options,
        words,
        id=f"{family}: {name}",
        marks=(pytest.mark.both, pytest.mark.long) if (family, name) == ON_BOTH_KERNELS else (),
    )
    for family, table in (("ipv4", {**EACH, **IPV4}), ("ipv6", {**EACH, **IPV6}))
    for name, (options, words) in table.items()
]


@pytest.mark.sampled(6)
@pytest.mark.parametrize(("family", "options", "words"), CASES)
def test_rule_equals_that_of_iproute2(router: ManagedHost, family: str, options: dict[str, Any], words: str) -> None:
    entry = {"priority": 150, **options}
    if "from" not in options and "to" not in options:
        entry["family"] = family
    assert rule_module(router, entry).changed
    made = rules(router)
    assert len(made) == 1
    assert not rule_module(router, entry).changed
    assert rule_module(router, {**entry, "state": "absent"}).changed
    assert rules(router) == []

    ip(router, f"{'-6' if family == 'ipv6' else '-4'} rule add priority 150 protocol kernel {words}")
    assert rules(router) == made
    assert not rule_module(router, entry).changed
    assert rule_module(router, {**entry, "state": "absent"}).changed
    assert rules(router) == []


@pytest.mark.parametrize(("protocol", "number"), [("static", 4), ("87", 87), ("0xff", 255), ("boot", 3)])
def test_protocol_of_rules_can_be_another(router: ManagedHost, protocol: str, number: int) -> None:
    assert rule_module(router, {"priority": 150, **LOOKUP}, protocol=protocol).changed
    ip(router, f"-4 rule del priority 150 {T} protocol {number}")
    assert rules(router) == []


def test_both_families_get_a_rule_each(router: ManagedHost) -> None:
    entry = {"priority": 150, "family": "both", "fwmark": 1, **LOOKUP}
    done = rule_module(router, entry)
    assert done.data["rules"] == {"created": 2, "updated": 0, "deleted": 0} and done.data["requests"] == 2
    assert [rule["family"] for rule in rules(router)] == ["-4", "-6"]
    ip(router, "-6 rule del priority 150")
    assert rule_module(router, entry).data["rules"]["created"] == 1


def test_table_can_be_named(router: ManagedHost) -> None:
    router.shell("mkdir -p /etc/iproute2; echo '7100 encrypted' >>/etc/iproute2/rt_tables")
    try:
        assert rule_module(router, {"priority": 150, "table": "encrypted"}).changed
        assert not rule_module(router, {"priority": 150, **LOOKUP}).changed
    finally:
        router.shell("sed -i /encrypted/d /etc/iproute2/rt_tables")
