# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which of its addresses a node is reached by: the methods of Calico's IP autodetection, and two more.

As in Calico, interfaces are tried from the newest to the oldest, expressions match anywhere in a name, and
interface=... and cidr=... know no excluded names. Other than there, an interface that is down is passed over, and so is
a tunnel of WireGuard unless it is named: a node is not reached through what leads through it. This plugin util is
private to the collection.
"""

from __future__ import annotations

import re
import socket
from typing import NamedTuple

from ansible_collections.wirewright.overlay.plugins.module_utils.prefix import Address, Prefix, parse_prefix
from ansible_collections.wirewright.overlay.plugins.plugin_utils.kubernetes.host_fact import (
    AF,
    HostFact,
    Interface,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils.kubernetes.nodes import Node

FIRST_FOUND = "first-found"
INTERFACE, SKIP_INTERFACE, CIDR, CAN_REACH = "interface", "skip-interface", "cidr", "can-reach"
KUBERNETES_INTERNAL_IP = "kubernetes-internal-ip"
ANSIBLE_HOST = "ansible_host"

_WITH_ARGUMENTS = (INTERFACE, SKIP_INTERFACE, CIDR, CAN_REACH)
_WITHOUT = (FIRST_FOUND, KUBERNETES_INTERNAL_IP, ANSIBLE_HOST)
METHODS = (*_WITHOUT, *(f"{name}=..." for name in _WITH_ARGUMENTS))

# What first-found and skip-interface=... pass over: the names that Calico excludes, and the devices of Cilium,
# kube-router, OVN, Antrea and of the local name cache.
EXCLUDED = (
    *("^docker.*", "^cbr.*", "^dummy.*", "^podman.*", "^virbr.*", "^lxcbr.*", "^veth.*", "^lo", "^br-.*"),
    *("^cali.*", "^tunl.*", "^flannel.*", "^kube-ipvs.*", "^cni.*", "^nodelocaldns.*"),
    *(r"^vxlan\.calico.*", r"^vxlan-v6\.calico.*", r"^wireguard\.cali.*", r"^wg-v6\.cali.*"),
    *("^cilium_.*", "^lxc.*", "^kube-bridge$", "^kube-dummy-if$", "^ovn-k8s-.*", "^antrea-gw.*"),
)
_EXCLUDED = re.compile("|".join(f"(?:{word})" for word in EXCLUDED))


class NodeAddress(NamedTuple):
    """Where a node is reached. family: 4 or 6; interface: empty, and mtu None, of a host that was not heard from."""

    family: int
    address: str
    interface: str = ""
    prefix_length: int = 0
    mtu: int | None = None


class Method(NamedTuple):
    """A method of detection with what was written behind its sign of equality."""

    name: str
    argument: str = ""
    pattern: re.Pattern[str] | None = None
    networks: tuple[Prefix, ...] = ()


class Told(NamedTuple):
    """What an address is detected from. node_why: why there is no node."""

    fact: HostFact | None
    node: Node | None
    node_why: str
    ansible_host: str = ""


def parse_method(text: str) -> Method:
    """Return the method that a text names. Raises ValueError with what to write instead."""
    name, equals, argument = text.strip().partition("=")
    if not equals and name in _WITHOUT:
        return Method(name)
    if name not in _WITH_ARGUMENTS or not argument.strip():
        raise ValueError(f"{text!r} is no way to detect an address; write one of {', '.join(METHODS)}")
    if name == CAN_REACH:
        return Method(name, argument.strip())
    words = [word for word in re.split(r"\s*,\s*", argument.strip()) if word]
    if name == CIDR:
        return Method(name, argument, networks=tuple(parse_prefix(word) for word in words))
    try:
        return Method(name, argument, re.compile("|".join(f"(?:{word})" for word in words)))
    except re.error as error:
        raise ValueError(f"{argument!r} is no regular expression: {error}") from None


def explicit(address: Address, family: int, fact: HostFact | None) -> NodeAddress | str:
    """Return the node address that the inventory names, or why it cannot be one."""
    return _local(address.host, family, fact, "{} is on no interface of the host")


def detect(method: Method, family: int, told: Told) -> NodeAddress | str:
    """Return a node's address of a family (4, 6) by a method, or why there is none, with what to write instead."""
    if method.name == KUBERNETES_INTERNAL_IP:
        return _internal_ip(family, told)
    if method.name == ANSIBLE_HOST:
        return _ansible_host(family, told)
    if told.fact is None:
        return "nothing is known of its interfaces, because it was not heard from; write its address"
    if method.name == CAN_REACH:
        return _can_reach(method.argument, family, told.fact)
    return _enumerated(method, family, told.fact)


def _enumerated(method: Method, family: int, fact: HostFact) -> NodeAddress | str:
    candidates = [entry for entry in fact.interfaces if any(own.family == AF[family] for own in entry.addresses)]
    # The newest first; where an expression covers a device of ours too, that comes last.
    for interface in sorted(candidates, key=lambda entry: (entry.ours, -entry.number)):
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
    if interface.ours or interface.kind == "wireguard":
        return False
    return method.name == CIDR or not (_EXCLUDED.search(interface.name) or matched)


def _can_reach(destination: str, family: int, fact: HostFact) -> NodeAddress | str:
    known = (fact.can_reach or {}).get(destination)
    if known is None:
        return f"nobody looked up the way to {destination!r} on the host; name it in the facts' can_reach"
    if family not in known:
        return f"the host has no IPv{family} way to {destination!r}; it has {_inventory_of(fact, family)}"
    return _text_as_local(
        known[family], family, fact, f"{{}}, from which the host reaches {destination!r}, is not its own"
    )


def _internal_ip(family: int, told: Told) -> NodeAddress | str:
    if told.node is None:
        return told.node_why
    for text in told.node.internal_ips:
        if _is_of_family(text, family):
            where = f"{{}}, the InternalIP of node {told.node.name!r}, is on no interface of the host"
            return _text_as_local(text, family, told.fact, where)
    return (
        f"node {told.node.name!r} has no IPv{family} InternalIP, only {', '.join(told.node.internal_ips) or 'none'}; "
        f"write its address, another way to detect it, or other families"
    )


def _ansible_host(family: int, told: Told) -> NodeAddress | str:
    if not _is_of_family(told.ansible_host, family):
        return f"ansible_host is {told.ansible_host!r}, which is no IPv{family} address; write another way to detect it"
    return _text_as_local(told.ansible_host, family, told.fact, "{}, the ansible_host, is on no interface of the host")


def _text_as_local(text: str, family: int, fact: HostFact | None, otherwise: str) -> NodeAddress | str:
    return _local(parse_prefix(text), family, fact, otherwise)


def _local(address: Prefix, family: int, fact: HostFact | None, otherwise: str) -> NodeAddress | str:
    """Return an address with its interface, or `otherwise`, with the address for {}, where the host lacks it."""
    bare = str(address).partition("/")[0]
    if fact is None:
        return NodeAddress(family, bare)
    held = fact.holder_of(address)
    if held is None:
        return f"{otherwise.format(bare)}; it has {_inventory_of(fact, family)}"
    return _found(*held, family)


def _found(interface: Interface, own: Address, family: int) -> NodeAddress:
    return NodeAddress(family, str(own).partition("/")[0], interface.name, own.length, interface.mtu)


def _inventory_of(fact: HostFact, family: int) -> str:
    """Return a host's addresses for a message."""
    listed = [
        f"{str(own).partition('/')[0]} ({interface.name}{'' if interface.up else ', down'})"
        for interface in fact.interfaces
        for own in interface.addresses
        if own.family == AF[family]
    ]
    more = f" and {len(listed) - 8} more" if len(listed) > 8 else ""
    return ", ".join(listed[:8]) + more if listed else f"no IPv{family} address at all"


def _is_of_family(text: str, family: int) -> bool:
    try:
        socket.inet_pton(AF[family], text)
    except (OSError, ValueError):
        return False
    return True
