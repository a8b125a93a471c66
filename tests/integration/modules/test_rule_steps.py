# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ip_rule_fwmark in twelve steps, foreign rules, and refusals."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from managed_host import ManagedHost

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "fib"))

from fib_host import PREPARE, clear, ip, rule_module, rules
from fib_steps import take_twelve_steps

BASE = {"priority": 150, "table": "7100"}
OURS = {"priorities": "100-199", "tables": ["7100", "7101"]}
SSH = "198.51.100.9 50000 198.51.100.1 22"


@pytest.fixture
def router(host: ManagedHost) -> Iterator[ManagedHost]:
    clear(host)
    host.shell(PREPARE)
    yield host
    clear(host)


# The first and the second state of the rule.
CHANGES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "table": ({}, {"table": "7101"}),
    "mark": ({"fwmark": 1}, {"fwmark": 2}),
    "mask": ({"fwmark": "0x200/0xf00"}, {"fwmark": "0x200/0xfff"}),
    "mark taken off": ({"fwmark": 1}, {}),
    "turned around": ({"fwmark": 1}, {"fwmark": 1, "invert": True}),
    "turned back": ({"fwmark": 1, "invert": True}, {"fwmark": 1}),
    "priority": ({"priority": 150}, {"priority": 151}),
    "suppressed length": ({"suppress_prefixlength": 0}, {"suppress_prefixlength": 8}),
    "nothing suppressed any more": ({"suppress_prefixlength": 0}, {}),
    "main, suppressed length": (
        {"table": "main", "suppress_prefixlength": 0},
        {"table": "main", "suppress_prefixlength": 1},
    ),
    "source": ({"from": "10.1.0.0/16"}, {"from": "10.2.0.0/16"}),
    "source taken off": ({"from": "10.1.0.0/16"}, {}),
    "source put on": ({}, {"from": "10.1.0.0/16"}),
    "destination": ({"to": "10.1.0.0/16"}, {"to": "10.1.0.0/17"}),
    "another family": ({"to": "10.1.0.0/16"}, {"to": "fd01::/48"}),
    "one family more": ({"family": "ipv4"}, {"family": "both"}),
    "one family less": ({"family": "both"}, {"family": "ipv6"}),
    "incoming interface": ({"iif": "va"}, {"iif": "vc"}),
    "outgoing interface": ({"oif": "va"}, {"oif": "later0"}),
    "protocol and ports": ({"ipproto": "tcp", "dport": 80}, {"ipproto": "udp", "dport": "80-90"}),
    "source port": ({"sport": 80}, {"sport": "80-81"}),
    "users": ({"uidrange": "1-2"}, {"uidrange": "1-3"}),
    "from lookup to prohibit": ({}, {"table": None, "action": "prohibit"}),
    "from blackhole to unreachable": (
        {"table": None, "action": "blackhole"},
        {"table": None, "action": "unreachable"},
    ),
    "from goto to lookup": ({"table": None, "action": "goto", "goto": 180}, {}),
    "another target": (
        {"table": None, "action": "goto", "goto": 180},
        {"table": None, "action": "goto", "goto": 32766},
    ),
}


def call(*entries: dict[str, Any], **options: Any) -> dict[str, Any]:
    return {"rules": list(entries), **OURS, **options}


@pytest.mark.sampled(6)
@pytest.mark.parametrize("change", CHANGES)
def test_rule_takes_twelve_steps(router: ManagedHost, change: str) -> None:
    first, then = ({**BASE, **options} for options in CHANGES[change])
    gone = {**then, "state": "absent"}
    take_twelve_steps(router, "ip_rule_fwmark", call(first), call(then, purge=True), call(gone))


def test_rules_take_twelve_steps(router: ManagedHost) -> None:
    first = [{**BASE, "fwmark": mark, "priority": 100 + mark, "family": "both"} for mark in range(1, 20)]
    then = [*first[5:], {**BASE, "fwmark": 99}, {**first[0], "state": "absent"}]
    take_twelve_steps(router, "ip_rule_fwmark", call(*first), call(*then), call(purge=True))


@pytest.mark.sampled(6)
@pytest.mark.parametrize(
    "foreign",
    [
        "priority 150 fwmark 1 lookup 7100",
        "priority 150 fwmark 1 lookup 7100 protocol static",
        "priority 150 lookup 999 protocol kernel",
        "priority 150 fwmark 1 iif va lookup 999 protocol kernel",
        "priority 99 fwmark 1 lookup 7100 protocol kernel",
        "priority 200 fwmark 1 lookup 7100 protocol kernel",
        "priority 160 lookup local protocol kernel",
        "priority 160 lookup default protocol kernel",
        "priority 160 prohibit protocol boot",
        "priority 160 lookup 7100 suppress_ifgroup 3 protocol kernel",
        "priority 160 lookup 7100 tos 0x10 protocol kernel",
    ],
)
def test_foreign_rules_are_kept(router: ManagedHost, foreign: str) -> None:
    ip(router, f"rule add {foreign}")
    before = rules(router)
    take_twelve_steps(
        router,
        "ip_rule_fwmark",
        call({**BASE, "fwmark": 1}),
        call({**BASE, "fwmark": 1, "table": "7101"}),
        call(purge=True),
    )
    assert rules(router) == before
    assert not router.module("ip_rule_fwmark", **call({**BASE, "fwmark": 1, "state": "absent"})).changed
    assert rules(router) == before


def test_conflict_with_another_rule_is_refused_and_named(router: ManagedHost) -> None:
    ip(router, "rule add priority 150 fwmark 1 lookup 999 protocol kernel")
    before = rules(router)
    for check_mode in (True, False):
        refused = rule_module(router, {**BASE, "priority": 140}, {**BASE, "fwmark": 1}, check_mode=check_mode)
        assert "lookup 999" in refused.failure and "not known to be ours" in refused.failure
        assert rules(router) == before
    assert rule_module(router, {**BASE, "fwmark": 1}, tables=["999"]).changed
    assert [rule["table"] for rule in rules(router)] == ["7100"]


RESERVED: dict[object, str] = {
    0: "the table local",
    32766: "the table main",
    32767: "the table default",
    None: "missing",
}


@pytest.mark.parametrize("state", ["present", "absent"])
@pytest.mark.parametrize("module", ["ip_rule_fwmark", "overlay_apply"])
def test_rules_need_a_priority_that_is_not_the_kernels(router: ManagedHost, module: str, state: str) -> None:
    """Without one, each run would add a rule; the deletion of the kernel's own ones would stop all delivery."""
    kernels = router.run("ip", "rule", "show")
    for priority, said in RESERVED.items():
        entry = {"priority": priority, "table": "local", "state": state, "fwmark": 1}
        if priority is None:
            del entry["priority"]
        for table in ("local", "7100"):
            listed = [{**entry, "table": table}]
            options = {"rules": listed} if module == "ip_rule_fwmark" else {"ip_rules": {"rules": listed}}
            message = router.module(module, **options).failure
            assert "priority" in message and said in message, (priority, message)
            assert router.run("ip", "rule", "show") == kernels


def test_rules_of_others_at_the_same_priority_are_named(router: ManagedHost) -> None:
    """The kernel evaluates them in the order in which they were added."""
    ip(router, "rule add priority 150 fwmark 7 lookup 999")
    ip(router, "rule add priority 150 fwmark 8 lookup 998 protocol kernel")  # may be of another call
    router.shell("ip rule add priority 151 fwmark 7 lookup 997")
    for check_mode, changed in ((True, True), (False, True), (False, False)):
        done = rule_module(router, {**BASE, "fwmark": 1}, check_mode=check_mode)
        assert done.changed is changed
        (warning,) = done.data["warnings"]
        assert "ipv4 150: from all fwmark 0x7 lookup 999; take priorities" in str(warning)
    applied = router.module("overlay_apply", ip_rules={"rules": [{**BASE, "fwmark": 1}]})
    assert not applied.changed and "fwmark 0x7 lookup 999" in str(applied.data["warnings"])
    assert "warnings" not in rule_module(router, {**BASE, "priority": 152}).data
    assert len(rules(router)) == 5, "all of them are there"


def test_deletion_that_would_match_another_rule_is_refused(router: ManagedHost) -> None:
    ip(router, "rule add priority 150 from 10.0.0.0/8 lookup 7100 protocol kernel iif va")
    router.shell("ip rule add priority 150 lookup 7100 protocol kernel")
    before = rules(router)
    assert "would delete ipv4 150: from 10.0.0.0/8 " in rule_module(router, {**BASE, "state": "absent"}).failure
    assert rules(router) == before


def test_rule_is_created_beside_one_that_the_kernel_matches_with_it(router: ManagedHost) -> None:
    ip(router, "rule add priority 150 not fwmark 1 lookup 7100 protocol kernel")
    assert rule_module(router, {**BASE, "fwmark": 1}).changed
    assert len(rules(router)) == 2
    assert not rule_module(router, {**BASE, "fwmark": 1}).changed


@pytest.mark.sampled(6)
@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"fwmark": 0}, ("fwmark", "'0'", "0/MASK")),
        ({"fwmark": "0x0"}, ("fwmark", "0/MASK")),
        ({"fwmark": "0/0"}, ("fwmark", "every packet")),
        ({"fwmark": "0x300/0x100"}, ("fwmark", "0x100/0x100")),
        ({"fwmark": "4294967296"}, ("fwmark", "32 bits")),
        ({"fwmark": "-1"}, ("fwmark", "32 bits")),
        ({"fwmark": "mark"}, ("fwmark", "0x200/0xf00")),
        ({"fwmark": "1/2/3"}, ("fwmark", "'1/2/3'", "32 bits")),
        ({"fwmark": "1/1", "fwmask": 1}, ("fwmask", "second mask")),
        ({"fwmask": 1}, ("fwmask", "set fwmark")),
        ({"priority": 0}, ("priority", "kernel's rule for the table local")),
        ({"priority": 32766}, ("priority", "table main")),
        ({"priority": 32767}, ("priority", "table default")),
        ({"priority": -1}, ("priority", "4294967295")),
        ({"priority": 1 << 32}, ("priority", "4294967295")),
        ({"table": "0"}, ("table", "not a table of yours")),
        ({"table": "253"}, ("table", "default")),
        ({"table": "254"}, ("table", "write main")),
        ({"table": "255"}, ("table", "local")),
        ({"table": "local"}, ("table", "not one of yours")),
        ({"table": "4294967296"}, ("table", "4294967295")),
        ({"table": "nowhere"}, ("table", "rt_tables")),
        ({"table": None}, ("action", "set table")),
        ({"action": "prohibit"}, ("table", "action: lookup")),
        ({"table": None, "action": "goto"}, ("action", "set goto")),
        ({"table": None, "action": "goto", "goto": 150}, ("goto", "forwards")),
        ({"goto": 160}, ("goto", "action: goto")),
        ({"from": "10.0.0.1/8"}, ("from", "10.0.0.0/8")),
        ({"to": "here"}, ("to", "not an IPv4")),
        ({"from": "10.0.0.0/8", "to": "fd00::/8"}, ("from", "two families")),
        ({"from": "10.0.0.0/8", "family": "both"}, ("family", "follows from them")),
        ({"suppress_prefixlength": 33}, ("suppress_prefixlength", "0 to 32")),
        ({"suppress_prefixlength": -1}, ("suppress_prefixlength", "0 to 32")),
        ({"table": None, "action": "prohibit", "suppress_prefixlength": 0}, ("suppress_prefixlength", "lookup")),
        ({"iif": "sixteen-letters!"}, ("iif", "15 characters")),
        ({"oif": "a/b"}, ("oif", "slash")),
        ({"ipproto": "morse"}, ("ipproto", "tcp")),
        ({"sport": 0}, ("sport", "1 to 65534")),
        ({"dport": "9-1"}, ("dport", "1 to 65534")),
        ({"dport": "65535"}, ("dport", "1 to 65534")),
        ({"uidrange": "root"}, ("uidrange", "1000-1999")),
        ({"invert": True}, ("invert", "matches none")),
    ],
)
def test_bad_input_is_refused_before_anything_changes(
    router: ManagedHost, entry: dict[str, Any], words: tuple[str, ...]
) -> None:
    message = rule_module(router, {**BASE, "priority": 140}, {**BASE, **entry}).failure
    assert all(word in message for word in ("rules[1]", *words)), message
    assert rules(router) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"protocol": "0"}, ("protocol", "1 to 255")),
        ({"protocol": "nobody"}, ("protocol", "rt_protos")),
        ({"purge": True}, ("purge", "set priorities")),
        ({"priorities": "0-200"}, ("priorities", "1 to")),
        ({"priorities": "100-40000"}, ("priorities", "32766")),
        ({"priorities": "151-199"}, ("rules[0].priority", "outside")),
        ({"tables": ["main"]}, ("tables[0]", "not one of yours")),
        ({"tables": ["0", "255"]}, ("tables[0]", "tables[1]")),
    ],
)
def test_bad_options_are_refused(router: ManagedHost, options: dict[str, Any], words: tuple[str, ...]) -> None:
    message = rule_module(router, BASE, **options).failure
    assert all(word in message for word in words), message
    assert rules(router) == []


def test_all_errors_are_reported_at_once(router: ManagedHost) -> None:
    message = rule_module(router, {**BASE, "fwmark": 0}, {"priority": 0}, BASE, BASE, protocol="x").failure
    assert all(word in message for word in ("rules[0].fwmark", "rules[1].priority", "rules[1].action", "protocol"))
    assert "two rules" in rule_module(router, BASE, {**BASE, "table": "7101"}).failure


# The host's configuration, the rule, and whether it would redirect packets to the controller.
MANAGEMENT = {
    "all of it": ("", {}, True),
    "all of it, to where nothing is": ("ip route flush table 7100", {}, False),
    "by mark": ("", {"fwmark": 1}, False),
    "by not mark": ("", {"fwmark": 1, "invert": True}, True),
    "by the controller's network": ("", {"to": "198.51.100.0/24"}, True),
    "by another network": ("", {"to": "198.51.101.0/24"}, False),
    "by the host's address": ("", {"from": "198.51.100.1/32"}, True),
    "by port": ("", {"ipproto": "tcp", "sport": 22}, True),
    "by another port": ("", {"ipproto": "tcp", "sport": 23}, False),
    "by the protocol": ("", {"ipproto": "udp"}, False),
    "by user": ("", {"uidrange": "0"}, True),
    "by another user": ("", {"uidrange": "1-2"}, False),
    "of packets that come in": ("", {"iif": "va"}, False),
    "of packets of the host": ("", {"iif": "lo"}, True),
    "refused": ("", {"table": None, "action": "prohibit"}, True),
    "default routes alone": ("ip route replace default dev vc table 7100", {"suppress_prefixlength": 0}, False),
    "thrown back": ("ip route replace throw default table 7100", {}, False),
    "the same route": ("ip route replace 198.51.100.0/24 dev va table 7100", {}, False),
    "exempt before": ("ip rule add priority 10 to 198.51.100.9 lookup main", {}, False),
    "jumped over": ("ip rule add priority 10 goto 32766", {}, False),
    "a jump gets its target": ("ip rule add priority 10 goto 150; ip rule add priority 20 lookup main", {}, True),
    "the other family": ("", {"family": "ipv6"}, False),
}


@pytest.mark.sampled(2)
@pytest.mark.parametrize("case", MANAGEMENT)
def test_rule_never_cuts_the_management_connection(
    router: ManagedHost, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSH_CONNECTION", SSH)
    prepare, options, elsewhere = MANAGEMENT[case]
    router.shell("ip route add default dev vc table 7100; " + prepare)
    before, route = rules(router), kernel_route(router)
    for check_mode in (True, False):
        result = rule_module(router, {**BASE, **options}, check_mode=check_mode)
        assert (result.rc != 0) == elsewhere, result.output
        if elsewhere:
            assert "allow_management_change" in result.failure and "198.51.100.9" in result.failure
            assert rules(router) == before
    assert rule_module(router, {**BASE, **options}, allow_management_change=True).changed == elsewhere
    assert (route != kernel_route(router)) == elsewhere


def kernel_route(host: ManagedHost) -> str:
    """Return the kernel's route lookup for root's packets to the controller, without the table."""
    words = ip(host, "route get 198.51.100.9 from 198.51.100.1 ipproto tcp sport 22 uid 0", check=False)
    return re.sub(r" table \d+", "", words)


def test_rules_are_not_checked_without_a_connection(router: ManagedHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_CONNECTION", "192.0.2.200 50000 192.0.2.250 22")  # of another namespace
    router.shell("ip route add default dev vc table 7100")
    assert rule_module(router, BASE).changed


def test_connection_is_found_under_sudo(router: ManagedHost) -> None:
    router.shell("ip route add default dev vc table 7100")
    program = (
        "import sys; sys.path[:0] = sys.argv[1:]; from managed_host import run_module; "
        "print(run_module('ip_rule_fwmark', {'rules': [{'priority': 150, 'table': '7100'}]}, True).output)"
    )
    words = ["env", f"SSH_CONNECTION={SSH}", "sh", "-c", 'env -u SSH_CONNECTION "$@"; :', "sh", sys.executable, "-c"]
    assert "allow_management_change" in router.run(*words, program, *sys.path)
