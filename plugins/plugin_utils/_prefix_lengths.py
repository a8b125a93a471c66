# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Networks without a prefix length: refused with the length that was probably meant, unless they are clearly one address. Pure.

This plugin util is private to the collection.
"""

from __future__ import annotations

from socket import AF_INET, AF_INET6

from ..module_utils._ip.prefix import Prefix, masked, parse_prefix

# The usual length of a network, for messages.
_USUAL = {int(AF_INET): 24, int(AF_INET6): 64}


def parse_with_length(text: str) -> Prefix:
    """Return the network or single address that a text names. Raises ValueError with what to write instead."""
    prefix = parse_prefix(text)
    require_length(text, prefix)
    return prefix


def require_length(text: str, prefix: Prefix) -> None:
    """Raise ValueError for a text without a length that is probably a network: `192.168.1.0`, `fd00:7::`."""
    if "/" not in text and not prefix.packed[-1]:
        single = f", or {prefix} for this one address" if any(prefix.packed) else ""
        raise ValueError(f"{text!r} has no prefix length; write {prefix.bare}/{_likely_length(prefix)}{single}")


def require_network(text: str, prefix: Prefix) -> None:
    """Raise ValueError for every text without a length, where one address makes no sense."""
    if "/" not in text:
        length = _USUAL[prefix.family] if prefix.packed[-1] else _likely_length(prefix)
        network = Prefix(prefix.family, masked(prefix.packed, length), length)
        raise ValueError(f"{text!r} has no prefix length; write {network}")


def _likely_length(prefix: Prefix) -> int:
    """Return the length that was probably meant: of IPv4 by bytes, of IPv6 64 or by groups."""
    known = len(prefix.packed.rstrip(b"\0"))
    if prefix.family == AF_INET or not known:
        return known * 8
    return max(_USUAL[prefix.family], (known + 1) // 2 * 16)
