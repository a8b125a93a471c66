# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where rules and routes are kept for the next boot, and in which words."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._fib import argument_spec as arguments
from ansible_collections.wirewright.overlay.plugins.module_utils._fib import boot_files, boot_paths, rule_options
from ansible_collections.wirewright.overlay.plugins.module_utils._fib.route_options import parse
from ansible_collections.wirewright.overlay.plugins.module_utils._host.files import HEADER
from ansible_collections.wirewright.overlay.plugins.module_utils._netlink.table_route import TableRoute

INDEXES = {"lo": 1, "eth0": 2, "wg0": 3, "wg1": 4}
UNIT, LINK, ONLINE, ONLINE_LINK, NETWORKD_CONF = boot_paths.SHARED_PATHS


def names(index: int) -> str:
    return next(name for name, number in INDEXES.items() if number == index)


def routes(*listed: dict[str, Any]) -> tuple[TableRoute, ...]:
    return parse({"table": "71", "routes": list(listed)}, INDEXES.__getitem__).present


def contents(methods: dict[str, str], *listed: dict[str, Any]) -> dict[str, list[str]]:
    """Return the lines behind our first one of the files of a document `doc`, by path."""
    placed = boot_files.place(routes(*listed), names, methods, next(iter(methods), ""))
    files = boot_files.route_files("doc", placed, names, methods)
    assert all(file.content.startswith(HEADER + "\n") and file.mode == 0o644 for file in files)
    return {file.path: file.content.splitlines()[1:] for file in files}


THROWN = {"destination": "10.9.0.0/16", "type": "throw"}
REFUSED = {"destination": "::/0", "type": "prohibit"}
LOCAL = {"destination": "10.8.0.0/16", "type": "local", "dev": "lo"}
DEFAULT = {"destination": "default", "dev": "wg0", "metric": 7, "mtu": 1300, "src": "10.42.0.1"}
BEHIND = {"destination": "10.5.0.0/16", "via": "10.42.0.9", "dev": "wg0", "onlink": True}
WIDE = {"destination": "10.6.0.0/16", "dev": "wg0", "scope": "global"}
SPREAD = {"destination": "10.7.0.0/16", "nexthops": [{"via": "10.42.0.9", "dev": "wg0", "weight": 3}, {"dev": "wg1"}]}
ELSEWHERE = {"destination": "10.4.0.0/16", "via": "192.0.2.1", "dev": "eth0"}

ROUTES_FILE = f"{boot_paths.DIRECTORY}/doc.routes"


def test_what_needs_no_device_is_loaded_before_the_network() -> None:
    assert contents({}, THROWN, REFUSED, LOCAL) == {
        ROUTES_FILE: [
            "route replace local 10.8.0.0/16 dev lo table 71 scope host proto 87",
            "route replace throw 10.9.0.0/16 table 71 scope 0 proto 87",
            "route replace prohibit ::/0 table 71 proto 87 metric 1024",
        ]
    }


def test_routes_through_a_device_of_wg_quick_come_with_it() -> None:
    found = contents({"wg0": "wg_quick", "wg1": "networkd"}, DEFAULT, BEHIND, WIDE, SPREAD, THROWN)
    assert found == {
        ROUTES_FILE: ["route replace throw 10.9.0.0/16 table 71 scope 0 proto 87"],
        f"{boot_paths.DIRECTORY}/wg0.up": [
            "route replace 10.6.0.0/16 dev wg0 table 71 scope 0 proto 87",
            "route replace 0.0.0.0/0 dev wg0 table 71 scope link proto 87 src 10.42.0.1 metric 7 mtu 1300",
            "route replace 10.5.0.0/16 via 10.42.0.9 dev wg0 onlink table 71 scope 0 proto 87",
            "route replace 10.7.0.0/16 table 71 scope 0 proto 87 "
            "nexthop via 10.42.0.9 dev wg0 weight 3 nexthop dev wg1 weight 1",
        ],
    }


def test_a_route_of_two_devices_of_wg_quick_is_made_by_whichever_comes_last() -> None:
    found = contents({"wg0": "wg_quick", "wg1": "wg_quick"}, SPREAD)
    assert sorted(found) == [f"{boot_paths.DIRECTORY}/wg0.up", f"{boot_paths.DIRECTORY}/wg1.up"]
    assert len({tuple(lines) for lines in found.values()}) == 1


def test_routes_through_a_device_of_networkd_are_sections_of_its_file() -> None:
    both = {**SPREAD, "nexthops": [{"via": "10.42.0.9", "dev": "wg0", "weight": 3}, {"via": "10.42.0.8"}]}
    (lines,) = contents({"wg0": "networkd"}, DEFAULT, BEHIND, both, {"destination": "::/0", "dev": "wg0"}).values()
    common = ["Table=71", "Protocol=87"]
    assert lines == [
        *["[Route]", "Destination=0.0.0.0/0", *common, "Scope=link"],
        *["PreferredSource=10.42.0.1", "Metric=7", "MTUBytes=1300", ""],
        *["[Route]", "Destination=::/0", *common, "Metric=1024", ""],
        *["[Route]", "Destination=10.5.0.0/16", *common, "Gateway=10.42.0.9", "GatewayOnLink=yes", "Scope=global", ""],
        *["[Route]", "Destination=10.7.0.0/16", *common, "MultiPathRoute=10.42.0.9@wg0 3"],
        *["MultiPathRoute=10.42.0.8 1", "Scope=global"],
    ]


@pytest.mark.parametrize(
    "methods, listed, lost",
    [
        ({"wg0": "networkd"}, (ELSEWHERE, DEFAULT), (ELSEWHERE,)),
        ({"wg0": "networkd", "wg1": "networkd"}, (SPREAD,), (SPREAD,)),
        ({}, (DEFAULT, THROWN), (DEFAULT,)),
        ({"wg0": "wg_quick"}, (ELSEWHERE, DEFAULT), ()),
    ],
)
def test_interfaces_without_a_boot_method_are_reported(methods: dict[str, str], listed: Any, lost: Any) -> None:
    placed = boot_files.place(routes(*listed), names, methods, next(iter(methods), ""))
    assert tuple(placed.lost) == routes(*lost)


def test_what_a_named_document_sends_through_others_comes_when_the_network_is_there() -> None:
    placed = boot_files.place(routes(ELSEWHERE, THROWN), names, {}, "", "doc")
    kept = {file.path: file.content.splitlines()[1:] for file in boot_files.route_files("doc", placed, names, {})}
    assert kept == {
        ROUTES_FILE: ["route replace throw 10.9.0.0/16 table 71 scope 0 proto 87"],
        f"{boot_paths.DIRECTORY}/doc.online": [
            "route replace 10.4.0.0/16 via 192.0.2.1 dev eth0 table 71 scope 0 proto 87"
        ],
    }
    assert (placed.lost, set(kept) - set(boot_paths.route_paths("doc"))) == ([], set())
    with_device = boot_files.place(routes(ELSEWHERE), names, {"wg0": "networkd"}, "wg0", "doc")
    assert (tuple(with_device.lost), with_device.online) == (routes(ELSEWHERE), [])


def test_rules_are_kept_by_family() -> None:
    options: dict[str, Any] = {name: spec.get("default") for name, spec in arguments.RULES["rules"]["options"].items()}
    listed = [
        {"priority": 90, "fwmark": "0x100/0xf00", "invert": True, "table": "71", "family": "both"},
        {"priority": 91, "table": "main", "suppress_prefixlength": 0},
        {"priority": 92, "action": "goto", "goto": 99, "iif": "wg0", "oif": "eth0", "uidrange": "5"},
        {"priority": 93, "action": "prohibit", "from": "fd42::/64", "to": "fd43::1", "ipproto": "tcp", "dport": "22"},
    ]
    wanted = rule_options.parse({"rules": [{**options, **one} for one in listed], "protocol": "kernel"}).present
    ipv4, ipv6 = boot_files.rule_files("doc", wanted)
    assert (ipv4.path, ipv6.path) == boot_paths.rule_paths("doc")
    assert ipv4.content.splitlines() == [
        HEADER,
        "rule add priority 90 not from all fwmark 0x100/0xf00 lookup 71 protocol 2",
        "rule add priority 91 from all lookup 254 suppress_prefixlength 0 protocol 2",
        "rule add priority 92 from all iif wg0 oif eth0 uidrange 5-5 goto 99 protocol 2",
    ]
    assert ipv6.content.splitlines() == [
        HEADER,
        "rule add priority 90 not from all fwmark 0x100/0xf00 lookup 71 protocol 2",
        "rule add priority 93 from fd42::/64 to fd43::1/128 ipproto 6 dport 22 prohibit protocol 2",
    ]


def test_the_unit_stays_as_long_as_it_has_something_to_load() -> None:
    def paths(*names: str) -> list[str]:
        return [file.path for file in boot_files.shared_files(f"{boot_paths.DIRECTORY}/{name}" for name in names)]

    assert paths() == paths("wg0.up", "wg0.ipv4.rules.1234.new") == []
    assert paths("wg0.ipv6.rules") == [UNIT, LINK]
    assert paths("wg0.ipv4.rules", "wg1.routes") == [UNIT, LINK, NETWORKD_CONF]
    assert paths("doc.online") == [ONLINE, ONLINE_LINK, NETWORKD_CONF]
