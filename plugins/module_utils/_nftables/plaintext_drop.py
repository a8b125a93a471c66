# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Rules that drop what should be encrypted and is not, whatever routes, rules and policies there are. Pure.

Two chains: drop_ingress sees packets before any other chain, drop_egress those that leave, after source NAT. Both accept
what goes through the tunnel or belongs to this host's own pods.

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from .._engine.options import OptionReader
from . import syntax as words
from .option_values import interfaces, mark, networks, port

_FIELDS = (
    "directions",
    "networks",
    "except",
    "except_in",
    "interfaces",
    "hosts",
    "ports",
    "mark",
    "tcp_ports",
    "ipsec",
    "pods",
    "pod_hosts",
    "own",
)
IN, OUT = "in", "out"
# Neighbour discovery (RFC 4861) and multicast listener discovery (RFC 2710, RFC 3810), which IPv6 needs unencrypted.
_ICMPV6 = "icmpv6 type " + words.of_names(
    [
        *(
            f"nd-{name}"
            for name in ("router-solicit", "router-advert", "neighbor-solicit", "neighbor-advert", "redirect")
        ),
        *("mld-listener-query", "mld-listener-report", "mld-listener-done", "mld2-listener-report"),
    ]
)


class PlaintextDrop(NamedTuple):
    """The rules of drop_ingress and drop_egress; none for a direction that is not dropped."""

    ingress: list[list[str]]
    egress: list[list[str]]


class _Direction(NamedTuple):
    """The words of nft for a direction: the interface, the address of the other end and of this one, the test for IPsec."""

    interface: str
    address: str
    own: str
    ipsec: str


_DIRECTIONS = {
    IN: _Direction("iifname", "saddr", "daddr", "meta ipsec exists"),
    OUT: _Direction("oifname", "daddr", "saddr", "rt ipsec exists"),
}


def drop_plaintext(options: OptionReader, interface: str) -> PlaintextDrop:
    """Return the rules of the option drop_plaintext.

    networks: dropped from or to any interface but the tunnel, interfaces (those of pods) and lo; except is exempt, and so
    are packets to and from own, addresses of this host. except_in: networks and hosts from which packets are accepted.
    hosts: addresses, dropped likewise but for the tunnel's own packets (UDP to ports, or marked with mark; ESP with
    ipsec) and TCP from or to tcp_ports. pod_hosts: addresses to which only packets of pods (networks) are dropped, also
    when they leave under the address of this host.
    """
    given = options.nested("drop_plaintext", _FIELDS)
    if given is None:
        return PlaintextDrop([], [])
    directions = given.items("directions")
    for direction in directions:
        if direction not in _DIRECTIONS:
            given.error("directions", f"'{direction}' is neither in nor out")
    dropped = networks(given, "networks")
    if not dropped:
        given.error("networks", "lists nothing to drop; list the networks of the pods")
    exempt, accepted, hosts, pods, pod_hosts, local = (
        networks(given, name) for name in ("except", "except_in", "hosts", "pods", "pod_hosts", "own")
    )
    if bool(pods) != bool(pod_hosts):
        given.error("pods", "and pod_hosts go together: networks of pods, and the addresses to which they send")
    names = [interface, "lo", *given.each("interfaces", interfaces)]
    ports = given.each("tcp_ports", port)
    ipsec = given.flag("ipsec")
    own = {IN: [], OUT: []} if ipsec or not hosts else _own_packets(given)

    def rules(key: str) -> list[list[str]]:
        if key not in directions:
            return []
        words_of = _DIRECTIONS[key]
        found = [[f'{words_of.interface} "{name}"', "accept"] for name in dict.fromkeys(names)]
        found += [[words_of.ipsec, "accept"]] if ipsec else []
        found += [[f"{version} {words_of.address} {text}", "accept"] for version, text in exempt.items()]
        found += [[f"{version} saddr {text}", "accept"] for version, text in accepted.items() if key == IN]
        found += [[f"{version} {words_of.own} {text}", "accept"] for version, text in local.items()]
        found += [[f"{version} {words_of.address} {text}", "counter", "drop"] for version, text in dropped.items()]
        if key == OUT:
            found += _from_pods(pods, pod_hosts)
        if hosts:
            found += [["meta l4proto esp", "accept"]] if ipsec else own[key]
            found += [[f"tcp {side} {words.of_numbers(ports)}", "accept"] for side in ("sport", "dport") if ports]
            found += [[_ICMPV6, "accept"]] if "ip6" in hosts else []
            found += [[f"{version} {words_of.address} {text}", "counter", "drop"] for version, text in hosts.items()]
        return found

    return PlaintextDrop(rules(IN), rules(OUT))


def _from_pods(pods: Mapping[str, str], hosts: Mapping[str, str]) -> list[list[str]]:
    return [
        [f"{source} {pods[version]}", f"{version} daddr {hosts[version]}", "counter", "drop"]
        for version in sorted({*pods, *hosts})
        if version in pods and version in hosts
        for source in (f"{version} saddr", f"ct original {version} saddr")
    ]


def _own_packets(options: OptionReader) -> dict[str, list[list[str]]]:
    ports = options.each("ports", port)
    if not options.get("ports"):
        options.error("ports", "is needed with hosts: the UDP ports of the tunnel")
    value, bits = options.required("mark", mark, (0, 0))
    return {
        IN: [[f"udp dport {words.of_numbers(ports or [1])}", "accept"]],
        OUT: [[words.mark_is(value, bits), "accept"]],
    }
