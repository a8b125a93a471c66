# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the option to sections: what rules come out, and that all mistakes are told at once."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils.nftables.options import forwarded, parse
from ansible_collections.wirewright.overlay.plugins.module_utils.refusal import InvalidOptions


def rules(**options: Any) -> dict[str, list[str]]:
    """Return the rules of wg0 by purpose, as nft writes them."""
    wanted = parse({"wg0": options})
    return {part.purpose: [str(rule) for rule in part.rules] for part in wanted.sections}


def errors(document: dict[str, Any]) -> list[str]:
    with pytest.raises(InvalidOptions) as refused:
        parse(document)
    return list(refused.value.errors)


def test_pairs_are_accepted() -> None:
    assert rules(forward=[{"iif": "wg0", "oif": "wg0"}, {"iif": "wg0", "oif": None}, {"oif": "wg0"}]) == {
        "forward": [
            'iifname "wg0" counter accept',
            'iifname "wg0" oifname "wg0" counter accept',
            'oifname "wg0" counter accept',
        ]
    }


def test_isolation_drops_between_peers_and_spares_what_is_excepted() -> None:
    between = 'iifname "wg0" oifname "wg0"'
    assert rules(isolate=True) == {"isolate": [f"{between} counter drop"]}
    assert rules(isolate=True, isolate_except=["10.42.0.9", "fd42::/64"])["isolate"] == [
        f"{between} ip saddr 10.42.0.9 accept",
        f"{between} ip daddr 10.42.0.9 accept",
        f"{between} ip6 saddr fd42::/64 accept",
        f"{between} ip6 daddr fd42::/64 accept",
        f"{between} counter drop",
    ]


def test_masquerading_spares_the_overlay_and_the_host_itself() -> None:
    assert rules(masquerade=[{"source": "10.42.0.0/24"}]) == {
        "masquerade": [
            'ip saddr 10.42.0.0/24 ip daddr != 10.42.0.0/24 oifname != "wg0" oifname != "lo" masquerade',
        ]
    }
    assert rules(masquerade=[{"source": "fd42::/64", "oif": "eth0"}]) == {
        "masquerade": ['ip6 saddr fd42::/64 ip6 daddr != fd42::/64 oifname "eth0" masquerade']
    }


def test_clamping_goes_both_ways() -> None:
    clamp = "tcp flags syn tcp option maxseg size set rt mtu"
    assert rules(clamp_mss=True) == {"clamp_mss": [f'iifname "wg0" {clamp}', f'oifname "wg0" {clamp}']}


def test_the_order_of_a_list_means_nothing() -> None:
    pairs = [{"iif": "wg0", "oif": "eth1"}, {"iif": "wg0", "oif": "eth0"}]
    sources = [{"source": "10.43.0.0/24"}, {"source": "10.42.0.0/24"}]
    networks = ["10.2.0.0/16", "10.1.0.0/16"]
    forth = rules(forward=pairs, masquerade=sources, isolate=True, isolate_except=networks)
    back = rules(forward=pairs[::-1], masquerade=sources[::-1], isolate=True, isolate_except=networks[::-1])
    assert forth == back


def test_what_is_off_makes_no_section() -> None:
    off = {"forward": [], "isolate": False, "isolate_except": None, "masquerade": None, "clamp_mss": False}
    wanted = parse({"wg0": off, "wg1": {}})
    assert wanted.sections == () and wanted.interfaces == {"wg0", "wg1"}


def test_an_interface_without_a_value_is_left_alone() -> None:
    assert parse({"wg0": None, "wg1": {}}).interfaces == {"wg1"}


def test_all_mistakes_are_told_at_once() -> None:
    mistakes = errors(
        {
            "wg0": {
                "forward": [{"iif": "eth0"}, {"iif": "wg0", "oif": "wg0"}, {}, "wg0", {"iif": "wg*"}],
                "isolate": True,
                "masquerade": [{"source": "10.0.0.1/8", "oif": "wg0"}, {}, {"source": "::/0", "oif": "lo"}],
                "clamp_mss": "yes",
                "snat": 1,
            },
            "a b": {"isolate_except": "10.0.0.0/8"},
            "wg1": {"isolate_except": ["10.0.0.0/8"]},
            "wg2": [],
        }
    )
    known = "forward, isolate, isolate_except, masquerade, clamp_mss, set_mark, mark_arp, closed, keep"
    assert mistakes == [
        f"nftables.wg0: 'snat' is no option; write one of {known}",
        "nftables.wg0.forward[0]: 'eth0 to any' does not speak of wg0; name it as iif or as oif",
        "nftables.wg0.forward[1]: 'wg0 to wg0' is what isolate: true drops; remove one of the two",
        "nftables.wg0.forward[2]: 'any to any' does not speak of wg0; name it as iif or as oif",
        "nftables.wg0.forward[3]: a mapping is wanted here, with iif, oif",
        "nftables.wg0.forward[4].iif: 'wg*' names no interface; write 1 to 15 characters of A-Z a-z 0-9 _ = + . -",
        "nftables.wg0.forward[4]: 'wg* to any' does not speak of wg0; name it as iif or as oif",
        "nftables.wg0.masquerade[0].source: '10.0.0.1/8' has host bits set; write '10.0.0.0/8'",
        "nftables.wg0.masquerade[0].oif: 'wg0' is not a way out of the overlay; name another interface or leave it out",
        "nftables.wg0.masquerade[1].source: '' is not an IPv4 or IPv6 address or network",
        "nftables.wg0.masquerade[2].source: '::/0' is every address; write the networks of the overlay",
        "nftables.wg0.masquerade[2].oif: 'lo' is not a way out of the overlay; name another interface or leave it out",
        "nftables.wg0.clamp_mss: 'yes' is neither true nor false",
        "nftables: 'a b' names no interface; write 1 to 15 characters of A-Z a-z 0-9 _ = + . -",
        "nftables.a b.isolate_except: a list is wanted here, not a value of type str",
        "nftables.wg1.isolate_except: 1 networks are spared from nothing; set isolate: true",
        f"nftables.wg2: a mapping is wanted here, with {known}",
    ]


@pytest.mark.parametrize(
    ("options", "mistake"),
    [
        (
            {"forward": [{"iif": "wg0", "oif": "eth0"}] * 2},
            "forward[1]: 'wg0 to eth0' stands in the list twice; remove one entry",
        ),
        (
            {"masquerade": [{"source": "10.0.0.0/8"}, {"source": "10.0.0.0/8", "oif": None}]},
            "masquerade[1].source: '10.0.0.0/8' stands in the list twice; remove one entry",
        ),
    ],
)
def test_a_list_says_a_thing_once(options: dict[str, Any], mistake: str) -> None:
    assert errors({"wg0": options}) == [f"nftables.wg0.{mistake}"]


def test_what_is_masqueraded_is_forwarded_too() -> None:
    wg0 = {
        "forward": [{"iif": "wg0", "oif": "wg0"}, {"oif": "wg0"}],
        "masquerade": [{"source": "10.42.0.0/24", "oif": "eth0"}, {"source": "fd42::/64", "oif": "eth0"}],
    }
    assert forwarded({"wg0": wg0}, "wg0") == [("wg0", "wg0"), (None, "wg0"), ("wg0", "eth0")]
    assert forwarded({"wg0": wg0, "wg1": None}, "wg1") == forwarded({}, "wg1") == []


def test_marks_are_set_by_family_and_by_bits() -> None:
    entries = [
        {
            "mark": "0x100000/0x100000",
            "not_iif": ["wg0", "veth*"],
            "saddr": ["192.0.2.2", "fd00::2"],
            "udp_dport": 51820,
        },
        {"mark": "0x3e00", "iif": "cni0", "daddr": ["10.244.1.0/24", "10.244.0.0/24"]},
        {"mark": "0xd00/0xf00", "l4proto": "esp"},
    ]
    outside = 'iifname != "wg0" iifname != "veth*"'
    assert rules(set_mark=entries) == {
        "set_mark": [
            f"{outside} ip saddr 192.0.2.2 udp dport 51820 meta mark set meta mark | 0x100000",
            f"{outside} ip6 saddr fd00::2 udp dport 51820 meta mark set meta mark | 0x100000",
            'iifname "cni0" ip daddr 10.244.0.0/23 meta mark set 0x3e00',
            "meta l4proto esp meta mark set meta mark & 0xfffffdff | 0xd00",
        ]
    }


CLOSED = {
    "ways": ["in", "out"],
    "networks": ["10.244.0.0/16", "fd44::/48"],
    "except": ["10.244.9.0/24"],
    "interfaces": ["cni0", "veth*"],
}


def test_what_is_closed_lets_the_tunnel_and_own_pods_pass() -> None:
    passing = ['iifname "wg0" accept', 'iifname "lo" accept', 'iifname "cni0" accept', 'iifname "veth*" accept']
    incoming = [
        *passing,
        "ip saddr 10.244.9.0/24 accept",
        "ip saddr 10.244.0.0/16 counter drop",
        "ip6 saddr fd44::/48 counter drop",
    ]
    outgoing = [line.replace("iifname", "oifname").replace("saddr", "daddr") for line in incoming]
    assert rules(closed=CLOSED) == {"closed_in": incoming, "closed_out": outgoing}
    assert rules(closed={**CLOSED, "ways": ["out"]}) == {"closed_out": outgoing}


def test_closed_hosts_let_the_tunnel_s_own_packets_pass() -> None:
    hosts = {
        "hosts": ["192.0.2.2", "192.0.2.3"],
        "ports": [51820],
        "mark": "0x100000/0x100000",
        "tcp_ports": [22, 6443],
    }
    found = rules(closed={**CLOSED, **hosts})
    ports = ["tcp sport { 22, 6443 } accept", "tcp dport { 22, 6443 } accept"]
    assert found["closed_in"][7:] == ["udp dport 51820 accept", *ports, "ip saddr 192.0.2.2/31 counter drop"]
    assert found["closed_out"][7] == "meta mark & 0x100000 == 0x100000 accept"
    with_ipsec = rules(closed={**CLOSED, "ipsec": True, "hosts": ["fd00::2"]})
    assert (
        "meta ipsec exists accept" in with_ipsec["closed_in"] and "rt ipsec exists accept" in with_ipsec["closed_out"]
    )
    assert with_ipsec["closed_out"][-3] == "meta l4proto esp accept"
    assert with_ipsec["closed_out"][-2].startswith("icmpv6 type { mld") and "nd-neighbor-solicit" in str(with_ipsec)


def test_arp_of_neighbours_is_one_set() -> None:
    entry = {"mark": "0x100000/0x100000", "saddr": ["192.0.2.3", "192.0.2.2", "192.0.2.9"]}
    assert rules(mark_arp=entry) == {
        "mark_arp": ["arp saddr ip { 192.0.2.2/31, 192.0.2.9 } meta mark set meta mark | 0x100000"]
    }


def test_hosts_closed_to_pods_only() -> None:
    found = rules(closed={**CLOSED, "hosts": ["192.0.2.2", "fd00::2"], "pods": ["10.244.1.0/24"]})
    assert found["closed_in"] == rules(closed=CLOSED)["closed_in"]
    assert found["closed_out"] == [
        *rules(closed=CLOSED)["closed_out"],
        "ip saddr 10.244.1.0/24 ip daddr 192.0.2.2 counter drop",
        "ct original ip saddr 10.244.1.0/24 ip daddr 192.0.2.2 counter drop",
    ]


def test_a_kept_purpose_is_not_spoken_of() -> None:
    wanted = parse({"wg0": {"clamp_mss": True, "keep": ["closed_in", "closed_out"]}})
    assert wanted.kept == {("wg0", "closed_in"), ("wg0", "closed_out")}


def test_all_mistakes_in_marks_and_closures_are_told() -> None:
    mistakes = errors(
        {
            "wg0": {
                "set_mark": [
                    {"mark": "0x200000/0x100000", "iif": "eth0"},
                    {"mark": "1"},
                    {"mark": "1", "l4proto": "ah"},
                ],
                "mark_arp": {"mark": "1", "saddr": ["192.0.2.2", "fd00::2"], "iif": "eth0"},
                "closed": {"ways": ["up"], "networks": [], "hosts": ["192.0.2.2"], "ports": [0], "mark": "x"},
                "keep": ["closed"],
            },
            "wg1": {"clamp_mss": True, "keep": ["clamp_mss"], "mark_arp": {"mark": "1/2"}},
        }
    )
    assert mistakes == [
        "nftables.wg0.set_mark[0].mark: '0x200000/0x100000' is no mark; write one such as 0x100000/0x100000, within its mask",
        "nftables.wg0.set_mark[1]: '' would mark every packet; say which",
        "nftables.wg0.set_mark[2].l4proto: 'ah' is none of esp, udp, tcp",
        "nftables.wg0.mark_arp: 'iif' is no option; write one of mark, saddr",
        "nftables.wg0.mark_arp.saddr: 'fd00::2' is of IPv6, which has no ARP; leave it out",
        "nftables.wg0.closed.ways: 'up' is neither in nor out",
        "nftables.wg0.closed.networks: '' closes nothing; list the networks of the pods",
        "nftables.wg0.closed.ports: '0' is no port; write a number from 1 to 65535",
        "nftables.wg0.closed.mark: 'x' is no mark; write one such as 0x100000/0x100000, within its mask",
        "nftables.wg0.keep: 'closed' is none of clamp_mss, forward, isolate, masquerade, set_mark, mark_arp, "
        "closed_in, closed_out",
        "nftables.wg1.mark_arp.mark: '1/2' is no mark; write one such as 0x100000/0x100000, within its mask",
        "nftables.wg1.mark_arp: '' would mark every packet; say whose, by saddr",
        "nftables.wg1.keep: 'clamp_mss' is asked for as well; say one of the two",
    ]
