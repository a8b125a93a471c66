# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Foreign firewalls: the output of their programs, the traffic that they drop, and the commands that open them.

tests/integration/nftables tests real ones with packets.
"""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._host.firewall_openings import (
    Finding,
    Needs,
    close_commands,
    findings,
    open_commands,
    plan_openings,
    warnings,
)
from ansible_collections.wirewright.overlay.plugins.module_utils._host.firewalls import (
    DropChain,
    Firewalld,
    Firewalls,
    Ufw,
    Zone,
    base_chains,
    dropping_tables,
    ends_with_drop,
    parse_added,
    parse_assignments,
    parse_legacy,
    parse_nft,
    parse_zones,
)

HUB = Needs("wg0", 51820, (("wg0", "wg0"), ("wg0", "eth0")), "eth0")
# Shortened, from firewalld 1.3.3 and, in the last head, 2.1.
ZONES = """\
block
  target: %%REJECT%%
  interfaces:
  services:
  ports:
  rich rules:

internal (active)
  target: default
  interfaces: eth1 eth2
  services: ssh wireguard
  ports: 51820/udp 6000-6010/udp
  rich rules:
\trule family="ipv4" source address="10.0.0.0/8" accept

public (default, active)
  target: default
  interfaces: eth0
  services: dhcpv6-client ssh
  ports:
"""
LEGACY = """\
-P INPUT DROP
-P FORWARD DROP
-P OUTPUT DROP
-N DOCKER-USER
-A INPUT -p udp -m udp --dport 51820 -j ACCEPT
-A INPUT -s 10.0.0.0/8 -p udp -m udp --dport 51821 -j ACCEPT
-A FORWARD -i wg0 -o wg0 -j ACCEPT
-A FORWARD -o wg1 -j ACCEPT
-A FORWARD -i wg2 -j ACCEPT
-A FORWARD -s 10.0.0.0/8 -i wg3 -j ACCEPT
-A FORWARD -j DROP
"""


def commands(seen: Firewalls, needs: Needs = HUB) -> list[str]:
    return [" ".join(command) for finding in findings(seen, needs) for command in finding.commands]


def drop_chain(**given: Any) -> DropChain:
    return DropChain(**{"tool": "nft", "family": "inet", "table": "t", "chain": "c", "hook": "forward", **given})


def test_zones_are_read() -> None:
    zones = parse_zones(ZONES)
    assert sorted(zones) == ["block", "internal", "public"]
    assert zones["block"].target == "%%REJECT%%" and zones["block"].interfaces == frozenset()
    assert zones["internal"] == Zone(
        "internal",
        interfaces=frozenset({"eth1", "eth2"}),
        ports=frozenset({"51820/udp", "6000-6010/udp"}),
        services=frozenset({"ssh", "wireguard"}),
    )
    assert parse_zones("") == {}


@pytest.mark.parametrize(
    ("underlay", "port", "opened"),
    [
        ("eth0", 51820, ["--zone=public --add-port=51820/udp"]),
        ("eth9", 51820, ["--zone=public --add-port=51820/udp"]),
        ("eth1", 51820, []),
        ("eth2", 6005, []),
        ("eth1", 6011, ["--zone=internal --add-port=6011/udp"]),
        ("eth1", 0, []),
    ],
)
def test_firewalld_is_checked_for_the_zone_of_incoming_peers(underlay: str, port: int, opened: list[str]) -> None:
    seen = Firewalls(Firewalld("public", parse_zones(ZONES), {}))
    needs = Needs("eth1", port, underlay=underlay)  # eth1 is in a zone already
    assert commands(seen, needs) == [f"firewall-cmd {words}" for words in opened]


def test_firewalld_accepts_by_service_or_target() -> None:
    service = {"public": Zone("public", interfaces=frozenset({"wg0"}), services=frozenset({"wireguard"}))}
    target = {"public": Zone("public", "ACCEPT")}
    assert commands(Firewalls(Firewalld("public", service, service))) == []
    assert commands(Firewalls(Firewalld("public", service, {})), Needs("wg0", 5)) == [
        "firewall-cmd --zone=public --add-port=5/udp"
    ]
    assert commands(Firewalls(Firewalld("public", target, target))) == []


def test_firewalld_is_opened_now_and_for_its_next_start() -> None:
    zones = {"public": Zone("public")}
    assert commands(Firewalls(Firewalld("public", zones, zones))) == [
        "firewall-cmd --zone=public --add-port=51820/udp",
        "firewall-cmd --permanent --zone=public --add-port=51820/udp",
        "firewall-cmd --zone=trusted --add-interface=wg0",
        "firewall-cmd --permanent --zone=trusted --add-interface=wg0",
    ]


def test_firewalld_keeps_zones_that_an_administrator_assigned() -> None:
    """NetworkManager assigns interfaces in the runtime configuration only."""
    public = {"public": Zone("public"), "work": Zone("work"), "trusted": Zone("trusted", "ACCEPT")}
    elsewhere = {**public, "work": Zone("work", interfaces=frozenset({"wg0", "eth0"}))}
    assert commands(Firewalls(Firewalld("public", elsewhere, public))) == [
        "firewall-cmd --zone=work --add-port=51820/udp",
        "firewall-cmd --permanent --zone=work --add-port=51820/udp",
    ]
    trusted = {**public, "trusted": Zone("trusted", "ACCEPT", interfaces=frozenset({"wg0"}))}
    assert commands(Firewalls(Firewalld("public", trusted, public)), Needs("wg0")) == [
        "firewall-cmd --permanent --zone=trusted --add-interface=wg0"
    ]


def test_rules_and_policies_of_ufw_are_read() -> None:
    assert parse_assignments('# X=1\nENABLED=yes\n DEFAULT_FORWARD_POLICY="DROP"\nLOGLEVEL=\nIPV6=$(no)x y\n') == {
        "ENABLED": "yes",
        "DEFAULT_FORWARD_POLICY": "DROP",
        "LOGLEVEL": "",
        "IPV6": "$(no)x y",
    }
    added = parse_added("Added user rules (see 'ufw status'):\nufw allow 51820/udp comment 'vpn'\nufw limit 22\n")
    assert added == {"allow 51820/udp", "limit 22"}


@pytest.mark.parametrize(
    ("ufw", "expected"),
    [
        (
            Ufw("DROP", "DROP", frozenset()),
            ["ufw allow 51820/udp", "ufw route allow in on wg0 out on eth0", "ufw route allow in on wg0 out on wg0"],
        ),
        (
            Ufw("REJECT", "DROP", frozenset({"allow 51820", "route allow in on wg0 out on wg0"})),
            ["ufw route allow in on wg0 out on eth0"],
        ),
        (Ufw("DROP", "ACCEPT", frozenset({"allow 51820/udp"})), []),
        (Ufw("ACCEPT", "ACCEPT", frozenset()), []),
    ],
)
def test_ufw_gets_the_rules_that_it_lacks(ufw: Ufw, expected: list[str]) -> None:
    assert commands(Firewalls(ufw=ufw)) == expected


def test_chains_of_ufw_are_reported_once() -> None:
    own = drop_chain(tool="iptables", family="ip", table="filter", chains=frozenset({"ufw-user-input"}))
    assert commands(Firewalls(ufw=Ufw("ACCEPT", "ACCEPT", frozenset()), drops=(own,))) == []
    assert commands(Firewalls(drops=(own,))) != []


def test_legacy_chains_are_read_with_their_accept_rules() -> None:
    forward_pairs = {("wg0", "wg0"), (None, "wg1"), ("wg2", None)}
    assert [(c.chain, c.hook, c.ports, c.pairs) for c in parse_legacy("ip", LEGACY)] == [
        ("INPUT", "input", {51820}, forward_pairs),
        ("FORWARD", "forward", {51820}, forward_pairs),
    ]
    assert parse_legacy("ip", LEGACY.replace("DROP", "ACCEPT")) == []


def test_nft_chains_are_read_with_their_accept_rules() -> None:
    def rule(*expressions: Any) -> dict[str, Any]:
        return {"rule": {"chain": "input", "expr": list(expressions)}}

    def match(left: dict[str, Any], right: object, operator: str = "==") -> dict[str, Any]:
        return {"match": {"op": operator, "left": left, "right": right}}

    port = {"payload": {"protocol": "udp", "field": "dport"}}
    iif, oif = {"meta": {"key": "iifname"}}, {"meta": {"key": "oif"}}
    base = {"family": "inet", "table": "t", "hook": "input", "policy": "drop"}
    entries = [
        {"chain": {**base, "name": "input"}},
        {"chain": {**base, "name": "output", "hook": "output"}},
        {"chain": {**base, "name": "calm", "policy": "accept"}},
        {"chain": {**base, "name": "bridged", "family": "bridge"}},
        {"chain": {**base, "table": "wirewright_overlay", "name": "ours"}},
        rule(match(port, 51820), {"counter": {"packets": 1}}, {"accept": None}),
        rule(match(port, 51821), match(iif, "eth0"), {"accept": None}),
        rule(match(port, 51822), {"drop": None}),
        rule(match(port, {"set": [1, {"range": [5, 7]}, {"elem": {"val": 9}}]}), {"accept": None}),
        rule(match(port, {"range": ["a", "c"]}), {"accept": None}),
        rule(match(iif, {"set": ["lo", "eth1"]}), {"accept": None}),
        rule(match(iif, "wg0"), match(oif, "eth0"), {"accept": None}),
        rule(match(iif, "wg1", "!="), {"accept": None}),
        rule({"xt": None}, match(iif, "wg2"), {"accept": None}),
        rule({"accept": None}),
        rule(),
    ]
    assert dropping_tables(entries) == [("inet", "t")]
    (chain,) = parse_nft(entries)
    assert (chain.tool, chain.chain, chain.ports) == ("nft", "input", {51820, 1, 5, 6, 7})
    assert chain.pairs == {("wg0", "eth0"), ("lo", None), ("eth1", None)}


@pytest.mark.parametrize(
    ("statements", "drops"),
    [
        ([{"drop": None}], True),
        ([{"counter": {"packets": 0}}, {"reject": {"type": "icmpx"}}], True),
        ([{"counter": {"packets": 0}}, {"xt": {"type": "target", "name": "REJECT"}}], True),
        ([{"xt": {"type": "target", "name": "DROP"}}], True),
        ([{"xt": {"type": "target", "name": "MASQUERADE"}}], False),
        ([{"xt": None}], False),
        ([{"match": {"op": "==", "left": {"meta": {"key": "iifname"}}, "right": "eth9"}}, {"drop": None}], False),
        ([{"counter": {"packets": 0}}], False),
        ([{"accept": None}], False),
        ([], False),
    ],
)
def test_the_last_rule_of_a_chain_can_drop_the_rest(statements: list[dict[str, Any]], drops: bool) -> None:
    chain = {"family": "ip", "table": "filter", "name": "FORWARD", "hook": "forward", "policy": "accept"}
    other = {"rule": {"chain": "USER", "expr": [{"drop": None}]}}
    entries = [{"chain": chain}, {"rule": {"chain": "FORWARD", "expr": statements}}, other]
    assert ends_with_drop(entries, "FORWARD") == drops
    assert [one.chain for one in parse_nft(entries)] == (["FORWARD"] if drops else [])
    assert not ends_with_drop([*entries[:2], {"rule": {"chain": "FORWARD", "expr": [{"accept": None}]}}], "FORWARD")


@pytest.mark.parametrize(("words", "drops"), [("DROP", True), ("REJECT --reject-with icmp", True), ("USER", False)])
def test_the_last_legacy_rule_of_a_chain_can_drop_the_rest(words: str, drops: bool) -> None:
    text = f"-P FORWARD ACCEPT\n-A FORWARD -i wg0 -j ACCEPT\n-A FORWARD -j {words}\n-A USER -j DROP"
    found = parse_legacy("ip", text, "iptables")
    assert [(one.tool, one.chain) for one in found] == ([("iptables", "FORWARD")] if drops else [])
    assert parse_legacy("ip", text + "\n-A FORWARD -i wg1 -j DROP") == []


def test_tables_of_firewalld_are_queried_with_its_own_command() -> None:
    chain = {"family": "inet", "table": "firewalld", "name": "filter_FORWARD", "hook": "forward", "policy": "accept"}
    entries = [{"chain": chain}, {"rule": {"chain": "filter_FORWARD", "expr": [{"reject": {"type": "icmpx"}}]}}]
    assert parse_nft(entries) == [] and list(base_chains(entries)) == []


def test_answers_need_no_rule_where_both_directions_are_accepted() -> None:
    needs = Needs("wg0", 0, (("wg0", "eth1"), ("eth1", "wg0")))
    assert commands(Firewalls(drops=(drop_chain(),)), needs) == [
        "nft insert rule inet t c iifname eth1 oifname wg0 accept",
        "nft insert rule inet t c iifname wg0 oifname eth1 accept",
    ]


@pytest.mark.parametrize(
    ("chain", "expected"),
    [
        (
            drop_chain(),
            [
                "nft insert rule inet t c iifname wg0 oifname eth0 accept",
                "nft insert rule inet t c iifname eth0 oifname wg0 ct state established,related accept",
                "nft insert rule inet t c iifname wg0 oifname wg0 accept",
            ],
        ),
        (drop_chain(hook="input"), ["nft insert rule inet t c udp dport 51820 accept"]),
        (drop_chain(hook="input", ports=frozenset({51820})), []),
        (drop_chain(pairs=frozenset({("wg0", None)})), []),
        (drop_chain(pairs=frozenset({("wg0", "eth0"), (None, "wg0")})), []),
        (
            drop_chain(
                tool="iptables", family="ip6", table="filter", chain="FORWARD", pairs=frozenset({(None, "eth0")})
            ),
            ["ip6tables -I FORWARD -i wg0 -o wg0 -j ACCEPT"],
        ),
        (
            drop_chain(tool="iptables-legacy", family="ip6", chain="FORWARD", chains=frozenset({"DOCKER-USER"})),
            [
                "ip6tables-legacy -I DOCKER-USER -i wg0 -o eth0 -j ACCEPT",
                "ip6tables-legacy -I DOCKER-USER -i eth0 -o wg0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
                "ip6tables-legacy -I DOCKER-USER -i wg0 -o wg0 -j ACCEPT",
            ],
        ),
        (
            drop_chain(tool="iptables", family="ip", chain="INPUT", hook="input"),
            ["iptables -I INPUT -p udp --dport 51820 -j ACCEPT"],
        ),
    ],
)
def test_a_chain_with_policy_drop_gets_the_rules_that_it_lacks(chain: DropChain, expected: list[str]) -> None:
    assert commands(Firewalls(drops=(chain,))) == expected


def test_both_families_are_one_finding() -> None:
    chains = tuple(drop_chain(tool="iptables", family=family, chain="INPUT", hook="input") for family in ("ip", "ip6"))
    (finding,) = findings(Firewalls(drops=chains), HUB)
    assert str(finding) == (
        "iptables drops UDP port 51820 coming in; to open it: iptables -I INPUT -p udp --dport 51820 -j ACCEPT; "
        "ip6tables -I INPUT -p udp --dport 51820 -j ACCEPT"
    )


def test_only_ufw_and_firewalld_are_opened_and_others_reported() -> None:
    seen = Firewalls(ufw=Ufw("DROP", "ACCEPT", frozenset()), drops=(drop_chain(hook="input"),))
    found = findings(seen, HUB)
    operations = plan_openings(found)
    assert open_commands(operations) == [("ufw", "allow", "51820/udp")]
    assert [text.partition(" drops ")[0] for text in warnings(found, opened=True)] == [
        "chain c of nftables table inet t"
    ]
    assert len(warnings(found, opened=False)) == 2


def test_no_requirements_give_no_findings() -> None:
    everything = Firewalls(ufw=Ufw("DROP", "DROP", frozenset()), drops=(drop_chain(), drop_chain(hook="input")))
    assert findings(everything, Needs("wg0")) == []


def test_opened_firewalls_are_closed_in_reverse_order() -> None:
    firewalld = Finding(
        "firewalld",
        "UDP port 1 coming in",
        (
            ("firewall-cmd", "--zone=public", "--add-port=1/udp"),
            ("firewall-cmd", "--permanent", "--zone=trusted", "--add-interface=wg0"),
        ),
    )
    assert close_commands(firewalld) == [
        ("firewall-cmd", "--permanent", "--zone=trusted", "--remove-interface=wg0"),
        ("firewall-cmd", "--zone=public", "--remove-port=1/udp"),
    ]
    ufw = Finding("ufw", "forwarding", (("ufw", "route", "allow", "in", "on", "wg0"),))
    assert close_commands(ufw) == [("ufw", "--force", "delete", "route", "allow", "in", "on", "wg0")]
