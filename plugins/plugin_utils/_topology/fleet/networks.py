# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Networks that variables name, and those that no packet through a tunnel can have (RFC 6890). Pure.

This plugin util is private to the collection.
"""

from __future__ import annotations

from socket import AF_INET, AF_INET6

from ....module_utils._ip.prefix import Prefix, parse_prefix
from ..._prefix_lengths import require_length, require_network

_FAMILIES = {int(AF_INET): "IPv4", int(AF_INET6): "IPv6"}


def _parsed(networks: dict[str, str]) -> dict[Prefix, str]:
    return {parse_prefix(network): kind for network, kind in networks.items()}


_UNUSABLE = _parsed(
    {
        "0.0.0.0/8": "is in 0.0.0.0/8, where no host has an address",
        "127.0.0.0/8": "is loopback, so no other host can reach it",
        "240.0.0.0/4": "is reserved, so no host has an address in it",
        "::/128": "is the unspecified address, which no host has",
        "::1/128": "is loopback, so no other host can reach it",
        "::ffff:0:0/96": "is an IPv4 network in the notation of IPv6",
    }
)
# A routing daemon on both ends of a tunnel uses these, but no host behind a tunnel has such an address.
_OF_ONE_LINK = _parsed(
    {
        "224.0.0.0/4": "is multicast, so no host has an address in it",
        "fe80::/10": "is link-local, so it is reached on its own link only and never through a tunnel",
        "ff00::/8": "is multicast, so no host has an address in it",
    }
)
_IPV4_MAPPED = parse_prefix("::ffff:0:0/96")
_UNSPECIFIED = {parse_prefix("0.0.0.0"): "0.0.0.0/0", parse_prefix("::"): "::/0"}  # noqa: S104   no socket

# What to write instead, by what the network is for.
_BEHIND_A_HOST = "list the networks behind a host, such as 192.168.10.0/24"
_OF_A_PEER = "list the addresses and networks of the peer, such as 10.42.0.7/32"
_OF_THE_OVERLAY = "write a private network that nothing else uses, such as 10.42.0.0/24 or fd42::/64"


def parse_network(text: str) -> Prefix:
    """Return the network or single address that a text names. Raises ValueError with what to write instead."""
    prefix = _usable(text, _BEHIND_A_HOST)
    require_length(text, prefix)
    _refuse_inside(_OF_ONE_LINK, prefix, text, _BEHIND_A_HOST)
    return prefix


def parse_allowed_ip(text: str) -> Prefix:
    """Return a network that a peer can send from, which may contain special ones, as 0.0.0.0/0 does. Raises ValueError."""
    prefix = _usable(text, _OF_A_PEER)
    require_length(text, prefix)
    return prefix


def parse_overlay_network(text: str) -> Prefix:
    """Return a network from which hosts get addresses. Raises ValueError for one that contains special addresses."""
    prefix = _usable(text, _OF_THE_OVERLAY)
    _refuse_inside(_OF_ONE_LINK, prefix, text, _OF_THE_OVERLAY)
    require_network(text, prefix)
    if not prefix.length:
        raise ValueError(f"{text!r} is every {_FAMILIES[prefix.family]} address; {_OF_THE_OVERLAY}")
    for network in (*_UNUSABLE, *_OF_ONE_LINK):
        if prefix.contains(network):
            text = f"{text!r} is too large: it contains {network}, where no host has an address"
            raise ValueError(f"{text}; {_OF_THE_OVERLAY}")
    return prefix


def _usable(text: str, remedy: str) -> Prefix:
    prefix = parse_prefix(text)
    if prefix in _UNSPECIFIED and remedy != _OF_THE_OVERLAY:
        remedy = f"{remedy}, or write {_UNSPECIFIED[prefix]} for every address"
    if _IPV4_MAPPED.contains(prefix):
        remedy = f"write {Prefix(AF_INET, prefix.packed[-4:], prefix.length - _IPV4_MAPPED.length)}"
    _refuse_inside(_UNUSABLE, prefix, text, remedy)
    return prefix


def _refuse_inside(special: dict[Prefix, str], prefix: Prefix, text: str, remedy: str) -> None:
    for network, why in special.items():
        if network.contains(prefix):
            raise ValueError(f"{text!r} {why}; {remedy}")
