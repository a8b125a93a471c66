# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Networks that variables name, and those that no packet through a tunnel can have (RFC 6890). Pure.

This plugin util is private to the collection.
"""

from __future__ import annotations

from ....module_utils._ip.prefix import Prefix, parse_prefix
from ..._prefix_lengths import require_length, require_network


def _parsed(networks: dict[str, str]) -> dict[Prefix, str]:
    return {parse_prefix(network): kind for network, kind in networks.items()}


_UNUSABLE = _parsed(
    {
        "0.0.0.0/8": "has no addresses of hosts",
        "127.0.0.0/8": "is the loopback",
        "240.0.0.0/4": "is reserved",
        "::/128": "has no addresses of hosts",
        "::1/128": "is the loopback",
        "::ffff:0:0/96": "stands for IPv4 addresses; write the IPv4 network",
    }
)
# A routing daemon on both ends of a tunnel uses these, but no host behind a tunnel has such an address.
_OF_ONE_LINK = _parsed(
    {
        "224.0.0.0/4": "is multicast",
        "fe80::/10": "is link-local, and such an address counts on one link only",
        "ff00::/8": "is multicast",
    }
)


def parse_network(text: str) -> Prefix:
    """Return the network or single address that a text names. Raises ValueError with what to write instead."""
    prefix = parse_allowed_ip(text)
    _refuse_inside(_OF_ONE_LINK, prefix, text)
    return prefix


def parse_allowed_ip(text: str) -> Prefix:
    """Return a network that a peer can send from, which may contain special ones, as 0.0.0.0/0 does. Raises ValueError."""
    prefix = _usable(text)
    require_length(text, prefix)
    return prefix


def _usable(text: str) -> Prefix:
    prefix = parse_prefix(text)
    _refuse_inside(_UNUSABLE, prefix, text)
    return prefix


def _refuse_inside(special: dict[Prefix, str], prefix: Prefix, text: str) -> None:
    for network, why in special.items():
        if network.contains(prefix):
            raise ValueError(f"{text!r} {why}, so no packet to a host behind a tunnel has such an address")


def parse_overlay_network(text: str) -> Prefix:
    """Return a network from which hosts get addresses. Raises ValueError for one that contains special addresses."""
    prefix = _usable(text)
    _refuse_inside(_OF_ONE_LINK, prefix, text)
    require_network(text, prefix)
    for network in (*_UNUSABLE, *_OF_ONE_LINK):
        if prefix.contains(network) and prefix.length:
            raise ValueError(f"{text!r} contains {network}, where hosts have no addresses; choose a smaller network")
    return prefix
