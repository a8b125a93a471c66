# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Rules that drop what should be encrypted and is not: the last line behind routes, rules and policies. Pure.

Two chains: closed_in looks at packets before anything else does, closed_out at those that leave, after source NAT. Both
let pass what goes through the tunnel or belongs to this host's own pods.

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from . import words
from .checks import Checks

_FIELDS = ("ways", "networks", "except", "interfaces", "hosts", "ports", "mark", "tcp_ports", "ipsec", "pods")
IN, OUT = "in", "out"
# Neighbour discovery (RFC 4861) and multicast listeners (RFC 2710, RFC 3810): without them no packet finds its way.
_ICMPV6 = "icmpv6 type " + words.of_names(
    [
        *(
            f"nd-{name}"
            for name in ("router-solicit", "router-advert", "neighbor-solicit", "neighbor-advert", "redirect")
        ),
        *("mld-listener-query", "mld-listener-report", "mld-listener-done", "mld2-listener-report"),
    ]
)


class Closed(NamedTuple):
    """The rules of both chains; none where a way is not closed."""

    incoming: list[list[str]]
    outgoing: list[list[str]]


class _Way(NamedTuple):
    interface: str  # the word of nft for where a packet comes from or goes to
    address: str
    ipsec: str


_WAYS = {IN: _Way("iifname", "saddr", "meta ipsec exists"), OUT: _Way("oifname", "daddr", "rt ipsec exists")}


def closed(checks: Checks, where: str, interface: str, raw: object) -> Closed:
    """Return the rules of the option closed.

    networks: what must not come from, or go to, elsewhere than the tunnel, interfaces (those of pods) and the host
    itself, but for except. hosts: addresses for which that also holds, but for the tunnel's own packets (UDP to ports,
    or marked with mark; ESP with ipsec) and for TCP connections to or from tcp_ports. With pods (networks), only what
    these send to hosts is dropped, also when it leaves under the address of this host.
    """
    if raw is None:
        return Closed([], [])
    options = checks.mapping(where, raw, _FIELDS) or {}
    ways = checks.items(f"{where}.ways", options.get("ways"))
    for way in ways:
        if way not in _WAYS:
            checks.wrong(f"{where}.ways", str(way), "is neither in nor out")
    networks = checks.networks(f"{where}.networks", options.get("networks"))
    if not networks:
        checks.wrong(f"{where}.networks", "", "closes nothing; list the networks of the pods")
    spared = checks.networks(f"{where}.except", options.get("except"))
    hosts = checks.networks(f"{where}.hosts", options.get("hosts"))
    pods = checks.networks(f"{where}.pods", options.get("pods"))
    names = [interface, "lo", *checks.names(f"{where}.interfaces", options.get("interfaces"))]
    ports = [
        checks.port(f"{where}.tcp_ports", port) for port in checks.items(f"{where}.tcp_ports", options.get("tcp_ports"))
    ]
    ipsec = checks.flag(f"{where}.ipsec", options.get("ipsec"))
    own = {IN: [], OUT: []} if ipsec or pods or not hosts else _own_packets(checks, where, options)

    def rules(key: str) -> list[list[str]]:
        if key not in ways:
            return []
        way = _WAYS[key]
        found = [[f'{way.interface} "{name}"', "accept"] for name in dict.fromkeys(names)]
        found += [[way.ipsec, "accept"]] if ipsec else []
        found += [[f"{version} {way.address} {text}", "accept"] for version, text in spared.items()]
        found += [[f"{version} {way.address} {text}", "counter", "drop"] for version, text in networks.items()]
        if pods:
            found += _from_pods(pods, hosts) if key == OUT else []
        elif hosts:
            found += [["meta l4proto esp", "accept"]] if ipsec else own[key]
            found += [[f"tcp {side} {words.of_numbers(ports)}", "accept"] for side in ("sport", "dport") if ports]
            found += [[_ICMPV6, "accept"]] if "ip6" in hosts else []
            found += [[f"{version} {way.address} {text}", "counter", "drop"] for version, text in hosts.items()]
        return found

    return Closed(rules(IN), rules(OUT))


def _from_pods(pods: Mapping[str, str], hosts: Mapping[str, str]) -> list[list[str]]:
    return [
        [f"{source} {pods[version]}", f"{version} daddr {hosts[version]}", "counter", "drop"]
        for version in sorted({*pods, *hosts})
        if version in pods and version in hosts
        for source in (f"{version} saddr", f"ct original {version} saddr")
    ]


def _own_packets(checks: Checks, where: str, options: object) -> dict[str, list[list[str]]]:
    values = options if isinstance(options, dict) else {}
    listed = checks.items(f"{where}.ports", values.get("ports"))
    ports = [checks.port(f"{where}.ports", port) for port in listed or [None]]
    value, mask = checks.mark(f"{where}.mark", values.get("mark"))
    return {
        IN: [[f"udp dport {words.of_numbers(ports)}", "accept"]],
        OUT: [[f"meta mark & {mask:#x} == {value:#x}", "accept"]],
    }
