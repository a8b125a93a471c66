# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Refuse an interface that is missing, of another kind, or made by others, or that would lose its IPv6 addresses. Pure.

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterable

from .._engine.errors import Refused
from .._host.addresses import InterfaceAddress
from .._host.links import Link
from .._wireguard.model import Device
from .options import IPV6_MINIMUM_MTU, WantedInterface


def refuse_foreign_link(link: Link | None, device: Device | None, wanted: WantedInterface) -> None:
    """Raise Refused where there is no interface to change, or one that is not WireGuard or not managed."""
    if link is None:
        if not wanted.creates:
            raise Refused(f"there is no interface {wanted.name}: create it with wg_interface first")
        return
    if device is None:
        raise Refused(
            f"{wanted.name} exists and is not a WireGuard interface (kind {link.kind or 'unknown'}): "
            "write another name to O(interface)"
        )
    if wanted.owns and not link.is_ours and not wanted.adopt:
        raise Refused(
            f"WireGuard interface {wanted.name} exists and is not managed by this collection: "
            "write another name to O(interface), or set O(adopt=true) to take it over with its peers"
        )


def refuse_ipv6_below_its_mtu(name: str, mtu: int, addresses: Iterable[InterfaceAddress]) -> None:
    """Raise Refused where IPv6 addresses are to stay on an interface with this MTU, which is too small for IPv6."""
    kept = [str(entry.address) for entry in addresses if len(entry.address.packed) == 16]
    if kept:
        raise Refused(
            f"{name}: the kernel removes the IPv6 addresses of an interface with an mtu below {IPV6_MINIMUM_MTU}, here "
            f"{', '.join(kept)} with {mtu}: raise O(mtu), or remove these addresses"
        )
