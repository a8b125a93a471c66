# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option nftables: which rules it makes, and that all errors are reported at once."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.errors import InvalidOptions
from ansible_collections.wirewright.overlay.plugins.module_utils._nftables.options import forwarded, parse


def rules(**options: Any) -> dict[str, list[str]]:
    """Return the rules of wg0 by purpose, as nft writes them."""
    wanted = parse({"wg0": options})
    return {part.purpose: [str(rule) for rule in part.rules] for part in wanted.parts}


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


def test_isolation_drops_between_peers_except_for_listed_networks() -> None:
    between = 'iifname "wg0" oifname "wg0"'
    assert rules(isolate=True) == {"isolate": [f"{between} counter drop"]}
    assert rules(isolate=True, isolate_except=["10.42.0.9", "fd42::/64"])["isolate"] == [
        f"{between} ip saddr 10.42.0.9 accept",
        f"{between} ip daddr 10.42.0.9 accept",
        f"{between} ip6 saddr fd42::/64 accept",
        f"{between} ip6 daddr fd42::/64 accept",
        f"{between} counter drop",
    ]


def test_masquerading_exempts_the_overlay_and_the_host_itself() -> None:
    assert rules(masquerade=[{"source": "10.42.0.0/24"}]) == {
        "masquerade": [
            'ip saddr 10.42.0.0/24 ip daddr != 10.42.0.0/24 oifname != "wg0" oifname != "lo" masquerade',
        ]
    }
    assert rules(masquerade=[{"source": "fd42::/64", "oif": "eth0"}]) == {
        "masquerade": ['ip6 saddr fd42::/64 ip6 daddr != fd42::/64 oifname "eth0" masquerade']
    }


def test_clamping_applies_to_both_directions() -> None:
    clamp = "tcp flags syn tcp option maxseg size set rt mtu"
    assert rules(clamp_mss=True) == {"clamp_mss": [f'iifname "wg0" {clamp}', f'oifname "wg0" {clamp}']}


def test_the_order_of_a_list_does_not_matter() -> None:
    pairs = [{"iif": "wg0", "oif": "eth1"}, {"iif": "wg0", "oif": "eth0"}]
    sources = [{"source": "10.43.0.0/24"}, {"source": "10.42.0.0/24"}]
    networks = ["10.2.0.0/16", "10.1.0.0/16"]
    forth = rules(forward=pairs, masquerade=sources, isolate=True, isolate_except=networks)
    back = rules(forward=pairs[::-1], masquerade=sources[::-1], isolate=True, isolate_except=networks[::-1])
    assert forth == back


def test_options_that_are_off_make_no_chain() -> None:
    off = {"forward": [], "isolate": False, "isolate_except": None, "masquerade": None, "clamp_mss": False}
    wanted = parse({"wg0": off, "wg1": {}})
    assert wanted.parts == () and wanted.interfaces == {"wg0", "wg1"}


def test_an_interface_without_a_value_is_not_changed() -> None:
    assert parse({"wg0": None, "wg1": {}}).interfaces == {"wg1"}


def test_all_errors_are_reported_at_once() -> None:
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
    known = "forward, isolate, isolate_except, masquerade, clamp_mss, set_mark, mark_arp, drop_plaintext, keep"
    assert mistakes == [
        f"nftables.wg0: unknown snat; known are {known}",
        "nftables.wg0.forward[0]: 'eth0 to any' does not contain wg0; name it as iif or as oif",
        "nftables.wg0.forward[1]: 'wg0 to wg0' is what isolate: true drops; remove one of the two",
        "nftables.wg0.forward[2]: 'any to any' does not contain wg0; name it as iif or as oif",
        "nftables.wg0.forward[3]: expected a mapping with iif, oif, got a value of type str",
        "nftables.wg0.forward[4].iif: 'wg*' is no interface name; write 1 to 15 characters of A-Z a-z 0-9 _ = + . -",
        "nftables.wg0.forward[4]: 'wg* to any' does not contain wg0; name it as iif or as oif",
        "nftables.wg0.masquerade[0].source: '10.0.0.1/8' has host bits set; write '10.0.0.0/8'",
        "nftables.wg0.masquerade[0].oif: 'wg0' does not lead out of the overlay; name another interface or leave it out",
        "nftables.wg0.masquerade[1].source: is required",
        "nftables.wg0.masquerade[2].source: '::/0' is every address; write the networks of the overlay",
        "nftables.wg0.masquerade[2].oif: 'lo' does not lead out of the overlay; name another interface or leave it out",
        "nftables.wg0.clamp_mss: 'yes' is neither true nor false",
        "nftables: 'a b' is no interface name; write 1 to 15 characters of A-Z a-z 0-9 _ = + . -",
        "nftables.a b.isolate_except: expected a list, got a value of type str",
        "nftables.wg1.isolate_except: has no effect where nothing is isolated; set isolate: true",
        f"nftables.wg2: expected a mapping with {known}, got a value of type list",
    ]


@pytest.mark.parametrize(
    ("options", "mistake"),
    [
        (
            {"forward": [{"iif": "wg0", "oif": "eth0"}] * 2},
            "forward[1]: 'wg0 to eth0' is in the list twice; remove one entry",
        ),
        (
            {"masquerade": [{"source": "10.0.0.0/8"}, {"source": "10.0.0.0/8", "oif": None}]},
            "masquerade[1].source: '10.0.0.0/8' is in the list twice; remove one entry",
        ),
    ],
)
def test_repeated_entries_are_refused(options: dict[str, Any], mistake: str) -> None:
    assert errors({"wg0": options}) == [f"nftables.wg0.{mistake}"]


def test_masqueraded_packets_count_as_forwarded() -> None:
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


PLAINTEXT = {
    "directions": ["in", "out"],
    "networks": ["10.244.0.0/16", "fd44::/48"],
    "except": ["10.244.9.0/24"],
    "interfaces": ["cni0", "veth*"],
}


def test_plaintext_drop_accepts_the_tunnel_and_own_pods() -> None:
    passing = ['iifname "wg0" accept', 'iifname "lo" accept', 'iifname "cni0" accept', 'iifname "veth*" accept']
    incoming = [
        *passing,
        "ip saddr 10.244.9.0/24 accept",
        "ip saddr 10.244.0.0/16 counter drop",
        "ip6 saddr fd44::/48 counter drop",
    ]
    outgoing = [line.replace("iifname", "oifname").replace("saddr", "daddr") for line in incoming]
    assert rules(drop_plaintext=PLAINTEXT) == {"drop_ingress": incoming, "drop_egress": outgoing}
    assert rules(drop_plaintext={**PLAINTEXT, "directions": ["out"]}) == {"drop_egress": outgoing}


def test_plaintext_drop_of_hosts_accepts_the_tunnel_s_own_packets() -> None:
    hosts = {
        "hosts": ["192.0.2.2", "192.0.2.3"],
        "ports": [51820],
        "mark": "0x100000/0x100000",
        "tcp_ports": [22, 6443],
    }
    found = rules(drop_plaintext={**PLAINTEXT, **hosts})
    ports = ["tcp sport { 22, 6443 } accept", "tcp dport { 22, 6443 } accept"]
    assert found["drop_ingress"][7:] == ["udp dport 51820 accept", *ports, "ip saddr 192.0.2.2/31 counter drop"]
    assert found["drop_egress"][7] == "meta mark & 0x100000 == 0x100000 accept"
    with_ipsec = rules(drop_plaintext={**PLAINTEXT, "ipsec": True, "hosts": ["fd00::2"]})
    assert (
        "meta ipsec exists accept" in with_ipsec["drop_ingress"]
        and "rt ipsec exists accept" in with_ipsec["drop_egress"]
    )
    assert with_ipsec["drop_egress"][-3] == "meta l4proto esp accept"
    assert with_ipsec["drop_egress"][-2].startswith("icmpv6 type { mld") and "nd-neighbor-solicit" in str(with_ipsec)


def test_arp_of_neighbours_is_one_set() -> None:
    entry = {"mark": "0x100000/0x100000", "saddr": ["192.0.2.3", "192.0.2.2", "192.0.2.9"]}
    assert rules(mark_arp=entry) == {
        "mark_arp": ["arp saddr ip { 192.0.2.2/31, 192.0.2.9 } meta mark set meta mark | 0x100000"]
    }


def test_senders_of_plaintext_are_exempt_on_input_only() -> None:
    dropped = {"directions": ["in", "out"], "networks": ["10.244.0.0/16"], "except": [], "interfaces": []}
    found = rules(drop_plaintext={**dropped, "except_in": ["10.244.2.0/24", "10.0.0.2/32"]})
    assert found["drop_ingress"][-2:] == [
        "ip saddr { 10.0.0.2, 10.244.2.0/24 } accept",
        "ip saddr 10.244.0.0/16 counter drop",
    ]
    assert not any("10.244.2.0" in rule for rule in found["drop_egress"])


def test_own_addresses_are_exempt_in_both_directions() -> None:
    found, without = rules(drop_plaintext={**PLAINTEXT, "own": ["192.0.2.50"]}), rules(drop_plaintext=PLAINTEXT)
    for purpose, side in (("drop_ingress", "daddr"), ("drop_egress", "saddr")):
        accepted = f"ip {side} 192.0.2.50 accept"
        assert [rule for rule in found[purpose] if rule != accepted] == without[purpose]
        first_drop = next(at for at, rule in enumerate(found[purpose]) if rule.endswith("drop"))
        assert found[purpose].index(accepted) < first_drop


def test_plaintext_drop_between_pods_and_hosts_only() -> None:
    found = rules(drop_plaintext={**PLAINTEXT, "pod_hosts": ["192.0.2.2", "fd00::2"], "pods": ["10.244.1.0/24"]})
    assert found["drop_ingress"] == rules(drop_plaintext=PLAINTEXT)["drop_ingress"]
    assert found["drop_egress"] == [
        *rules(drop_plaintext=PLAINTEXT)["drop_egress"],
        "ip saddr 10.244.1.0/24 ip daddr 192.0.2.2 counter drop",
        "ct original ip saddr 10.244.1.0/24 ip daddr 192.0.2.2 counter drop",
    ]


def test_a_kept_purpose_is_not_changed() -> None:
    wanted = parse({"wg0": {"clamp_mss": True, "keep": ["drop_ingress", "drop_egress"]}})
    assert wanted.kept == {("wg0", "drop_ingress"), ("wg0", "drop_egress")}


def test_all_errors_in_marks_and_plaintext_drops_are_reported() -> None:
    mistakes = errors(
        {
            "wg0": {
                "set_mark": [
                    {"mark": "0x200000/0x100000", "iif": "eth0"},
                    {"mark": "1"},
                    {"mark": "1", "l4proto": "ah"},
                ],
                "mark_arp": {"mark": "1", "saddr": ["192.0.2.2", "fd00::2"], "iif": "eth0"},
                "drop_plaintext": {
                    "directions": ["up"],
                    "networks": [],
                    "hosts": ["192.0.2.2"],
                    "ports": [0],
                    "mark": "x",
                },
                "keep": ["drop_plaintext"],
            },
            "wg1": {"clamp_mss": True, "keep": ["clamp_mss"], "mark_arp": {"mark": "1/2"}},
        }
    )
    assert mistakes == [
        "nftables.wg0.set_mark[0].mark: '0x200000/0x100000' has bits outside of its mask; write '0x0/0x100000'",
        "nftables.wg0.set_mark[1]: would mark every packet; name an interface, address, protocol, port or ct_mark",
        "nftables.wg0.set_mark[2].l4proto: 'ah' is none of esp, udp, tcp",
        "nftables.wg0.mark_arp: unknown iif; known are mark, saddr",
        "nftables.wg0.mark_arp.saddr: 'fd00::2' is IPv6, which has no ARP; leave it out",
        "nftables.wg0.drop_plaintext.directions: 'up' is neither in nor out",
        "nftables.wg0.drop_plaintext.networks: lists nothing to drop; list the networks of the pods",
        "nftables.wg0.drop_plaintext.ports[0]: 0 is no port; write a number from 1 to 65535",
        "nftables.wg0.drop_plaintext.mark: 'x' is not a mark; write numbers of 32 bits, up to 4294967295, as in 512, 0x200 or "
        "0x200/0xf00",
        "nftables.wg0.keep: 'drop_plaintext' is none of clamp_mss, forward, isolate, masquerade, set_mark, mark_arp, "
        "drop_ingress, drop_egress",
        "nftables.wg1.mark_arp.mark: '1/2' has bits outside of its mask; write '0x0/0x2'",
        "nftables.wg1.mark_arp: would mark every packet; name the senders in saddr",
        "nftables.wg1.keep: 'clamp_mss' is both kept and given; remove one of the two",
    ]
