# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How large a packet fits into the tunnel.

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

# What an underlay is taken to carry when nobody has measured it: Ethernet (RFC 894).
DEFAULT_UNDERLAY = 1500
# No link may carry less under IPv6 (RFC 8200 section 5); the kernel drops IPv6 from such an interface.
MINIMUM_IPV6 = 1280

OVERHEAD = {"ipv4": WIREGUARD + UDP + IPV4, "ipv6": WIREGUARD + UDP + IPV6}


def automatic(underlay: Mapping[str, int], families: Iterable[str]) -> int:
    """Return the largest MTU with which no tunnel packet exceeds the underlay's.

    underlay: known MTUs by family ("ipv4", "ipv6"); families: those that carry tunnels, where "name" is an
    endpoint that is resolved later and may be either. Without any, the larger overhead is assumed.
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
    """Return the largest MTU that can possibly fit, or None where no underlay MTU is known.

    A name counts as IPv4 here, since it may resolve to that: this is for refusing what cannot work.
    """
    if not underlay:
        return None
    outer = {family if family in OVERHEAD else "ipv4" for family in families} or {"ipv4"}
    known = max(underlay.values())
    return min(underlay.get(family, known) - OVERHEAD[family] for family in outer)


class Choice(NamedTuple):
    """A host's MTU, the largest that could fit (None: unknown), and whether it rests on more than an assumption."""

    mtu: int
    ceiling: int | None
    certain: bool


def choose(explicit: int, underlay: Mapping[str, int], families: Iterable[str]) -> Choice:
    """Return a host's MTU: the explicit one if there is one (not 0), else the automatic one."""
    outer = tuple(families)
    return Choice(explicit or automatic(underlay, outer), ceiling(underlay, outer), bool(explicit or underlay))
