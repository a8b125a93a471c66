# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""MTU of tunnels.

Sizes: IPv4 header 20 bytes (RFC 791, no options), IPv6 header 40 (RFC 8200), UDP 8 (RFC 768), and WireGuard's
transport data message 32: 4 type and reserved, 4 receiver, 8 counter, 16 tag (WireGuard paper, section 5.4.6).
This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

WIREGUARD = 32
UDP = 8
ESP_HEADER, ESP_IV = 8, 8
IPV4 = 20
IPV6 = 40

# The assumed MTU of an unknown underlay: Ethernet (RFC 894).
DEFAULT_UNDERLAY = 1500
# The minimum MTU of IPv6 links (RFC 8200 section 5); the kernel removes IPv6 from an interface with a smaller one.
MINIMUM_IPV6 = 1280

OVERHEAD = {"ipv4": WIREGUARD + UDP + IPV4, "ipv6": WIREGUARD + UDP + IPV6}


def automatic(underlay: Mapping[str, int], families: Iterable[str]) -> int:
    """Return the largest MTU with which no tunnel packet exceeds the underlay's.

    underlay: known MTUs by family ("ipv4", "ipv6"). families: the outer families of tunnels; "name" can be either. Without
    tunnels, the larger overhead is assumed.
    """
    outer = set(families) or {"name"}
    known = min(underlay.values(), default=DEFAULT_UNDERLAY)
    fits = [underlay.get(family, known) - OVERHEAD[family] for family in outer if family in OVERHEAD]
    if "name" in outer:
        fits.append(known - OVERHEAD["ipv6"])
    return min(fits)


def through_esp(underlay: int, family: int, icv_bits: int) -> int:
    """Return the size of the largest packet that fits into one of ESP in tunnel mode, between addresses of a family.

    RFC 4303 section 2: header 8, pad length and next header 2, all padded to 4; RFC 4106 and RFC 7634: IV 8.
    """
    room = underlay - (IPV6 if family == 6 else IPV4) - ESP_HEADER - ESP_IV - icv_bits // 8
    return room - room % 4 - 2


def ceiling(underlay: Mapping[str, int], families: Iterable[str]) -> int | None:
    """Return the largest MTU that can fit, None if no MTU of the underlay is known.

    A name counts as IPv4, because it may resolve to that: larger values certainly fail.
    """
    if not underlay:
        return None
    outer = {family if family in OVERHEAD else "ipv4" for family in families} or {"ipv4"}
    known = max(underlay.values())
    return min(underlay.get(family, known) - OVERHEAD[family] for family in outer)


class Choice(NamedTuple):
    """The MTU of a host, the largest that can fit (None: unknown), and whether the MTU is known rather than assumed."""

    mtu: int
    ceiling: int | None
    certain: bool


def choose(explicit: int, underlay: Mapping[str, int], families: Iterable[str]) -> Choice:
    """Return the MTU of a host: the explicit one if it is not 0, else the automatic one."""
    outer = tuple(families)
    return Choice(explicit or automatic(underlay, outer), ceiling(underlay, outer), bool(explicit or underlay))
