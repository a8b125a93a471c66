# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Detect the address of a node: the methods of Calico's IP autodetection, and two more.

As in Calico, interfaces are tried from the newest to the oldest, expressions match anywhere in a name, and interface=...
and cidr=... exclude no names. Unlike in Calico, interfaces that are down are skipped, and so are WireGuard tunnels unless
named: a node is not reached through a tunnel between nodes. This plugin util is private to the collection.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Collection
from typing import NamedTuple

from ...module_utils._ip.prefix import Address, Prefix, host_prefix
from .._prefix_lengths import parse_with_length
from .host_fact import AF, HostFact, Interface
from .nodes import Node

FIRST_FOUND = "first-found"
INTERFACE, SKIP_INTERFACE, CIDR, CAN_REACH = "interface", "skip-interface", "cidr", "can-reach"
KUBERNETES_INTERNAL_IP = "kubernetes-internal-ip"
ANSIBLE_HOST = "ansible_host"

_WITH_ARGUMENTS = (INTERFACE, SKIP_INTERFACE, CIDR, CAN_REACH)
_WITHOUT = (FIRST_FOUND, KUBERNETES_INTERNAL_IP, ANSIBLE_HOST)
METHODS = (*_WITHOUT, *(f"{name}=..." for name in _WITH_ARGUMENTS))

# Interfaces that first-found and skip-interface=... skip: the names that Calico excludes, and the devices of Cilium,
# kube-router, OVN, Antrea and of the node-local DNS cache.
EXCLUDED = (
    *("^docker.*", "^cbr.*", "^dummy.*", "^podman.*", "^virbr.*", "^lxcbr.*", "^veth.*", "^lo", "^br-.*"),
    *("^cali.*", "^tunl.*", "^flannel.*", "^kube-ipvs.*", "^cni.*", "^nodelocaldns.*"),
    *(r"^vxlan\.calico.*", r"^vxlan-v6\.calico.*", r"^wireguard\.cali.*", r"^wg-v6\.cali.*"),
    *("^cilium_.*", "^lxc.*", "^kube-bridge$", "^kube-dummy-if$", "^ovn-k8s-.*", "^antrea-gw.*"),
)
_EXCLUDED = re.compile("|".join(f"(?:{word})" for word in EXCLUDED))


class NodeAddress(NamedTuple):
    """Address of a node, as a /32 or /128. family: 4 or 6. For an unreachable host, interface is empty and mtu is None."""

    family: int
    address: Prefix
    interface: str = ""
    mtu: int | None = None


class Method(NamedTuple):
    """A method of detection with its argument."""

    name: str
    argument: str = ""
    pattern: re.Pattern[str] | None = None
    networks: tuple[Prefix, ...] = ()


class Inputs(NamedTuple):
    """Inputs of the detection. node_why: the reason if there is no node; absence: if there is no fact."""

    fact: HostFact | None
    node: Node | None
    node_why: str
    ansible_host: str = ""
    absence: str = "is unreachable"


def parse_method(text: str) -> Method:
    """Return the method named by a text. Raises ValueError with the remedy."""
    name, equals, argument = text.strip().partition("=")
    if not equals and name in _WITHOUT:
        return Method(name)
    if name not in _WITH_ARGUMENTS or not argument.strip():
        raise ValueError(f"{text!r} is not a detection method; write one of {', '.join(METHODS)}")
    if name == CAN_REACH:
        return Method(name, argument.strip())
    words = [word for word in re.split(r"\s*,\s*", argument.strip()) if word]
    if name == CIDR:
        return Method(name, argument, networks=tuple(parse_with_length(word) for word in words))
    try:
        return Method(name, argument, re.compile("|".join(f"(?:{word})" for word in words)))
    except re.error as error:
        raise ValueError(f"{argument!r} is not a regular expression: {error}") from None


def explicit(address: Address, family: int, fact: HostFact | None) -> NodeAddress | str:
    """Return the node address of the inventory, or why it is invalid."""
    return _local(address.host, family, fact, "{} is on no interface of the host")


def detect(method: Method, family: int, inputs: Inputs) -> NodeAddress | str:
    """Return a node's address of a family (4, 6) by a method, or why there is none, with the remedy."""
    if method.name == KUBERNETES_INTERNAL_IP:
        return _internal_ip(family, inputs)
    if method.name == ANSIBLE_HOST:
        return _ansible_host(family, inputs)
    if inputs.fact is None:
        return f"its interfaces are unknown, because it {inputs.absence}; set its address"
    if method.name == CAN_REACH:
        return _can_reach(method.argument, family, inputs.fact)
    return _enumerated(method, family, inputs.fact)


class FurtherAddress(NamedTuple):
    """Another address of a node that others may use, as a /32 or /128. stays: whether it is certainly that of this node.

    An address that another program added to an interface, such as keepalived or kube-vip, may move to another node.
    """

    address: Prefix
    interface: str
    stays: bool


def further(fact: HostFact, node_addresses: Collection[Prefix], families: Collection[int]) -> list[FurtherAddress]:
    """Return the addresses of a host other than its node addresses, without those of network plugins and tunnels.

    The first address in a network of an interface stays, and so do addresses of loopback and dummy interfaces, and leased ones:
    programs that move an address add it without a lifetime.
    """
    found = []
    for interface in fact.interfaces:
        is_loopback = interface.name == "lo" or interface.kind == "dummy"
        if not interface.up or interface.managed or interface.kind == "wireguard":
            continue
        if not is_loopback and _EXCLUDED.search(interface.name):
            continue
        networks: set[Prefix] = set()
        for own in interface.addresses:
            is_single = own.length == len(own.packed) * 8
            stays = is_loopback or own in interface.leased or (not is_single and own.network not in networks)
            networks.add(own.network)
            if own.host not in node_addresses and any(own.family == AF[family] for family in families):
                found.append(FurtherAddress(own.host, interface.name, stays))
    return found


def _enumerated(method: Method, family: int, fact: HostFact) -> NodeAddress | str:
    candidates = [entry for entry in fact.interfaces if any(own.family == AF[family] for own in entry.addresses)]
    # The newest first; managed interfaces that match come last.
    for interface in sorted(candidates, key=lambda entry: (entry.managed, -entry.number)):
        if not interface.up or not _interface_wanted(method, interface):
            continue
        for own in interface.addresses:
            wanted = not method.networks or any(network.contains(own.host) for network in method.networks)
            if own.family == AF[family] and wanted:
                return _found(interface, own, family)
    shown = f"{method.name}={method.argument}" if method.argument else method.name
    return f"{shown} finds no IPv{family} address; the host has {_inventory_of(fact, family)}"


def _interface_wanted(method: Method, interface: Interface) -> bool:
    matched = method.pattern is not None and method.pattern.search(interface.name) is not None
    if method.name == INTERFACE:
        return matched
    if interface.managed or interface.kind == "wireguard":
        return False
    return method.name == CIDR or not (_EXCLUDED.search(interface.name) or matched)


def _can_reach(destination: str, family: int, fact: HostFact) -> NodeAddress | str:
    known = (fact.can_reach or {}).get(destination)
    if known is None:
        return f"the route to {destination!r} was not looked up on the host; add it to can_reach of the facts"
    if family not in known:
        return f"the host has no IPv{family} route to {destination!r}; it has {_inventory_of(fact, family)}"
    return _local(known[family], family, fact, f"{{}}, from which the host reaches {destination!r}, is not its own")


def _internal_ip(family: int, inputs: Inputs) -> NodeAddress | str:
    node = inputs.node
    if node is None:
        return inputs.node_why
    for text in node.internal_ips:
        address = _of_family(text, family)
        if address is not None:
            where = f"{{}}, the InternalIP of node {node.name!r}, is on no interface of the host"
            return _local(address, family, inputs.fact, where)
    return (
        f"node {node.name!r} has no IPv{family} InternalIP, only {', '.join(node.internal_ips) or 'none'}; "
        "set its address, another detection method, or other families"
    )


def _ansible_host(family: int, inputs: Inputs) -> NodeAddress | str:
    host = inputs.ansible_host
    address = _of_family(host, family)
    if address is None:
        return f"ansible_host is {host!r}, which is not an IPv{family} address; set another detection method"
    return _local(address, family, inputs.fact, "{}, the ansible_host, is on no interface of the host")


def _local(address: Prefix, family: int, fact: HostFact | None, otherwise: str) -> NodeAddress | str:
    """Return an address with its interface, or the message `otherwise` (with the address for {}) if the host lacks it."""
    if fact is None:
        return NodeAddress(family, address)
    held = fact.holder_of(address)
    if held is None:
        return f"{otherwise.format(address.bare)}; it has {_inventory_of(fact, family)}"
    return _found(*held, family)


def _found(interface: Interface, own: Address, family: int) -> NodeAddress:
    return NodeAddress(family, own.host, interface.name, interface.mtu)


def _inventory_of(fact: HostFact, family: int) -> str:
    """Return a host's addresses for a message."""
    listed = [
        f"{own.bare} ({interface.name}{'' if interface.up else ', down'})"
        for interface in fact.interfaces
        for own in interface.addresses
        if own.family == AF[family]
    ]
    more = f" and {len(listed) - 8} more" if len(listed) > 8 else ""
    return ", ".join(listed[:8]) + more if listed else f"no IPv{family} address at all"


def _of_family(text: str, family: int) -> Prefix | None:
    """Return the address that a text is, None if it is none of the family."""
    try:
        return host_prefix(socket.inet_pton(AF[family], text))
    except (OSError, ValueError):
        return None
