# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Single values of the variables of nodes, each refused with what to write instead. Pure.

This plugin util is private to the collection.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from ....module_utils._fib.iproute2_names import number
from ....module_utils._ip.prefix import Address, Prefix, is_link_local, parse_address, parse_prefix
from ..._prefix_lengths import parse_with_length
from ..._variable_reader import Reader, shown

# Names of nodes and labels: https://kubernetes.io/docs/concepts/overview/working-with-objects/names/ and labels/.
_NAME_PART = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?"
_NODE_NAME = re.compile(rf"(?=.{{1,253}}\Z){_NAME_PART}(\.{_NAME_PART})*\Z")
_LABEL_WORD = r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"
_LABEL = re.compile(rf"({_NAME_PART}(\.{_NAME_PART})*/)?{_LABEL_WORD}(=({_LABEL_WORD})?)?\Z")
# A name in rt_protos of a host, which only this host knows.
_PROTOCOL_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}\Z")
_IPV4_MAPPED = parse_prefix("::ffff:0:0/96")


def checked(read: Reader, name: str, default: str, check: Callable[[str], str]) -> str:
    """Return a text that passes a check, which raises ValueError; a wrong one is noted and replaced by the default."""
    text = read.text(name, default)
    try:
        return check(text) if text else text
    except ValueError as error:
        read.note(name, str(error))
        return default


def node_address(text: str) -> Address:
    """Return the address of a node. Raises ValueError for one that no other node can use, and for a network."""
    found = parse_address(text)
    if is_link_local(found.packed):
        raise ValueError(f"{text!r} is link-local, so other nodes cannot use it; write another address of the node")
    if found.length < len(found.packed) * 8 - 1 and found.network.packed == found.packed:
        raise ValueError(f"{text!r} is a network; write an address, such as {_next(found)}")
    return found


def _next(network: Address) -> str:
    packed = network.packed[:-1] + bytes([network.packed[-1] + 1])
    return network._replace(packed=packed).bare


def excluded(text: str) -> Prefix:
    """Return a network that is not encrypted. Raises ValueError."""
    found = parse_with_length(text)
    if not found.length:
        raise ValueError(f"{text!r} is every address, so nothing would be encrypted; list networks")
    if _IPV4_MAPPED.contains(found):
        raise ValueError(f"{text!r} is an IPv4 network in the notation of IPv6; write it as IPv4")
    return found


def node_name(text: str) -> str:
    """Return the name of a node of a cluster. Raises ValueError."""
    if not _NODE_NAME.match(text):
        raise ValueError(f"{shown(text)} is no name of a node; write the one that `kubectl get nodes` shows")
    return text


def label(text: str) -> str:
    """Return a label `key` or `key=value`. Raises ValueError for one that no node can have."""
    if not _LABEL.match(text):
        raise ValueError(
            f"{shown(text)} is no label of a node; write key or key=value, as in example.org/encryption=off"
        )
    return text


def protocol(text: str) -> str:
    """Return a routing protocol, a number or a name of rt_protos. Raises ValueError."""
    try:
        is_right = 1 <= number(text) <= 255
    except ValueError:
        is_right = bool(_PROTOCOL_NAME.match(text))
    if not is_right:
        raise ValueError(f"{shown(text)} is no routing protocol; write a number from 1 to 255 or a name of rt_protos")
    return text
