# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""xfrm_policy in twelve steps beside an unmanaged policy, which it does not change."""

from __future__ import annotations

from typing import Any

import pytest
from ipsec_host import Hosts, IpsecHost
from xfrm_steps import FOREIGN_POLICY, take_twelve_steps

BASE: dict[str, Any] = {"dir": "out", "src": "10.1.0.0/16", "dst": "10.2.0.0/16"}
TUNNEL = {"src": "192.0.2.1", "dst": "192.0.2.2"}
BACK = {"src": "192.0.2.2", "dst": "192.0.2.1"}

# The first and the second state of a policy.
CHANGES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "priority": ({"templates": [TUNNEL]}, {"templates": [TUNNEL], "priority": 10}),
    "action": ({"templates": [TUNNEL]}, {"templates": [TUNNEL], "action": "block"}),
    "level": (
        {"dir": "in", "templates": [{**BACK, "level": "use"}]},
        {"dir": "in", "templates": [{**BACK, "level": "required"}]},
    ),
    "spi": ({"templates": [TUNNEL]}, {"templates": [{**TUNNEL, "spi": "0x1001"}]}),
    "reqid within ours": ({"templates": [TUNNEL]}, {"templates": [{**TUNNEL, "reqid": 7199}]}),
    "mode": ({"templates": [TUNNEL]}, {"templates": [{"mode": "transport"}]}),
    "proto": ({"templates": [TUNNEL]}, {"templates": [{**TUNNEL, "proto": "ah"}]}),
    "end": ({"templates": [TUNNEL]}, {"templates": [{**TUNNEL, "dst": "192.0.2.3"}]}),
    "second template": (
        {"templates": [{**TUNNEL, "proto": "comp"}]},
        {"templates": [{**TUNNEL, "proto": "comp"}, {"mode": "transport"}]},
    ),
    "flags": ({"templates": [TUNNEL]}, {"templates": [TUNNEL], "flags": ["localok"]}),
    "limits": ({"templates": [TUNNEL], "limits": {"packet_hard": 9000}}, {"templates": [TUNNEL]}),
    "block": ({"action": "block", "priority": 9}, {"action": "block", "priority": 8}),
    "with mark and if_id": (
        {"mark": "0x3e00/0xff00", "if_id": "7", "templates": [TUNNEL]},
        {"mark": "0x3e00/0xff00", "if_id": "7", "templates": [TUNNEL], "priority": 1},
    ),
    "ipv6": (
        {"src": "fd01::/48", "dst": "fd02::/48", "dir": "fwd", "templates": [BACK]},
        {"src": "fd01::/48", "dst": "fd02::/48", "dir": "fwd", "templates": [{**BACK, "level": "use"}]},
    ),
}


@pytest.fixture
def host(hosts: Hosts) -> IpsecHost:
    hosts[0].xfrm(FOREIGN_POLICY)
    return hosts[0]


def policies(*entries: dict[str, Any], **options: Any) -> dict[str, Any]:
    return {"policies": [{**BASE, **entry} for entry in entries], **options}


@pytest.mark.sampled(2)
@pytest.mark.parametrize("change", CHANGES)
def test_policy_takes_twelve_steps(host: IpsecHost, change: str) -> None:
    first, then = CHANGES[change]
    identity = {name: first[name] for name in ("dir", "src", "dst", "mark", "if_id") if name in first}
    foreign = host.policies()
    gone = {**identity, "state": "absent"}
    take_twelve_steps(host, "xfrm_policy", policies(first), policies(then), policies(gone))
    assert host.policies() == foreign


def test_many_policies_take_twelve_steps(host: IpsecHost) -> None:
    foreign = host.policies()
    out = {"templates": [TUNNEL]}
    arrives = {"src": BASE["dst"], "dst": BASE["src"], "templates": [BACK]}
    take_twelve_steps(
        host,
        "xfrm_policy",
        policies(out, {"dir": "in", **arrives}),
        policies({**out, "priority": 3}, {"dir": "fwd", **arrives}, purge=True),
        {"policies": [], "purge": True},
    )
    assert host.policies() == foreign


def test_unmanaged_policy_is_refused(host: IpsecHost) -> None:
    foreign = host.policies()
    same = {"dir": "out", "src": "10.91.0.0/16", "dst": "10.92.0.0/16", "priority": 7}
    for entry in ({**same, "templates": [TUNNEL]}, {**same, "state": "absent"}, {**same, "action": "block"}):
        refused = host.module("xfrm_policy", policies=[entry])
        assert "reqid 5" in refused.failure and "takeover" in refused.failure
        assert host.policies() == foreign
    assert not host.module("xfrm_policy", policies=[], purge=True).changed
    assert not host.module("xfrm_policy", policies=[{**same, "templates": [{**TUNNEL, "reqid": 5}]}]).changed
    assert host.module("xfrm_policy", policies=[{**same, "templates": [TUNNEL]}], takeover=True).changed
    assert "reqid 7100" in host.policies()


def test_unmanaged_policy_is_removed_when_its_reqid_is_named(host: IpsecHost) -> None:
    same = {"dir": "out", "src": "10.91.0.0/16", "dst": "10.92.0.0/16", "state": "absent"}
    assert "reqid 5" in host.module("xfrm_policy", policies=[{**same, "reqid": 6}]).failure
    assert host.module("xfrm_policy", policies=[{**same, "reqid": 5}]).changed
    assert host.policies() == ""


def test_purge_of_another_range(host: IpsecHost) -> None:
    host.module("xfrm_policy", **policies({"templates": [{**TUNNEL, "reqid": 8000}]}))
    assert not host.module("xfrm_policy", policies=[], purge=True).changed
    assert host.module("xfrm_policy", policies=[], purge=True, owned_reqids="8000-8010").changed
    assert "reqid 8000" not in host.policies() and "reqid 5" in host.policies()


def test_one_changed_among_a_thousand_is_one_message(host: IpsecHost) -> None:
    def many(priority: int) -> dict[str, Any]:
        entries = [
            {"dir": "out", "dst": f"10.{100 + index // 250}.{index % 250}.0/24", "templates": [TUNNEL]}
            for index in range(1000)
        ]
        entries[500]["priority"] = priority
        return {"policies": entries}

    assert host.module("xfrm_policy", **many(0)).data["requests"] == 1000
    assert host.module("xfrm_policy", **many(0)).data["requests"] == 0
    changed = host.module("xfrm_policy", **many(5))
    assert changed.data["requests"] == 1 and changed.data["policies"] == {"created": 0, "updated": 1, "deleted": 0}
    assert host.policies().count("priority 5 ") == 1


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"dst": "10.2.0.1/16"}, ("dst", "10.2.0.0/16")),
        ({"src": "fd01::/48"}, ("one family",)),
        ({"mark": "0x3e00/0xf00"}, ("mark", "outside of its mask", "0xe00/0xf00")),
        ({"mark": "green"}, ("mark", "not a mark")),
        ({"if_id": "4294967296"}, ("if_id", "4294967295")),
        ({"sport": 22}, ("sport", "set proto")),
        ({"proto": "tpc"}, ("proto", "ipv6-icmp")),
        ({"proto": "tcp", "type": 8}, ("type", "icmp")),
        ({"dev": "none0"}, ("dev", "none0")),
        ({"priority": -1}, ("priority", "-1")),
        ({"limits": {"byte_soft": 9, "byte_hard": 8}}, ("byte_soft", "byte_hard")),
        ({"templates": [{**TUNNEL, "level": "use"}]}, ("templates[0].level", "required")),
        ({"templates": [{"src": "192.0.2.1"}]}, ("templates[0].dst", "other end")),
        ({"templates": [{"src": "192.0.2.1", "dst": "::1"}]}, ("templates[0]", "one family")),
        ({"templates": [{"dst": "2001:db8::1", "mode": "transport"}]}, ("templates[0].mode", "tunnel")),
        ({"templates": [TUNNEL] * 7}, ("templates", "6 at most")),
        ({"reqid": 7}, ("reqid", "templates")),
    ],
)
def test_bad_option_is_refused_before_anything_changes(
    host: IpsecHost, entry: dict[str, Any], words: tuple[str, ...]
) -> None:
    before = host.observe()
    good = {"src": "10.5.0.0/16", "templates": [TUNNEL]}
    message = host.module("xfrm_policy", **policies(good, entry)).failure
    assert "policies[1]" in message and all(word in message for word in words), message
    assert host.observe() == before


def test_all_errors_are_reported_at_once(host: IpsecHost) -> None:
    refused = host.module(
        "xfrm_policy",
        policies=[{"dir": "in"}, {**BASE, "mark": "x"}, BASE, BASE],
        owned_reqids="9-1",
        management_addresses=["nowhere"],
    )
    assert len(refused.data["errors"]) == 5, refused.data["errors"]


@pytest.mark.parametrize("direction", ["in", "out"])
def test_policy_that_cuts_the_management_connection_is_refused(host: IpsecHost, direction: str) -> None:
    before = host.observe()
    block = {"policies": [{"dir": direction, "src": "0.0.0.0/0", "action": "block"}]}
    refused = host.module("xfrm_policy", **block, management_addresses=["198.51.100.9"])
    assert "198.51.100.9" in refused.failure and "allow_management_change" in refused.failure
    encrypted = {"policies": [{"dir": direction, "src": "0.0.0.0/0", "templates": [{"mode": "transport"}]}]}
    assert "198.51.100.9" in host.module("xfrm_policy", **encrypted, management_addresses=["198.51.100.9"]).failure
    assert host.observe() == before
    assert host.module(
        "xfrm_policy", **block, management_addresses=["198.51.100.9"], allow_management_change=True
    ).changed


def test_bypass_keeps_the_management_connection(host: IpsecHost) -> None:
    bypass = [
        {"dir": "out", "dst": "198.51.100.9", "proto": "tcp", "priority": 1},
        {"dir": "in", "src": "198.51.100.9", "proto": "tcp", "priority": 1},
    ]
    block = [{"dir": way, "src": "0.0.0.0/0", "action": "block", "priority": 9} for way in ("in", "out")]
    options = {"management_addresses": ["198.51.100.9"]}
    assert host.module("xfrm_policy", policies=bypass + block, **options).changed
    gone = [{**entry, "state": "absent"} for entry in bypass]
    assert "allow_management_change" in host.module("xfrm_policy", policies=gone, **options).failure
    # Without a management connection nothing is refused.
    assert not host.module("xfrm_policy", policies=bypass + block, **options).changed


def test_info_returns_policies(host: IpsecHost) -> None:
    host.module("xfrm_policy", **policies({"templates": [TUNNEL], "mark": "0x10/0xff"}))
    info = host.module("xfrm_info").data
    assert [policy["templates"][0]["reqid"] for policy in info["policies"]] == [7100, 5] or len(info["policies"]) == 2
    (ours,) = host.module("xfrm_info", reqids="7100-7199").data["policies"]
    assert ours["mark"] == "0x10/0xff" and ours["src"] == "10.1.0.0/16" and ours["index"] > 0
    assert not info["changed"] and info["states"] == []
