# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Reading links and addresses: rtnetlink messages to values (linux/if_link.h, linux/if_addr.h). Pure.

Only reading is ours. It is what every run does, and pyroute2, which makes the changes, costs a fifth of a second to
import.

This module is private to the collection.
"""

from __future__ import annotations

import socket
import struct
from typing import NamedTuple

from ..prefix import Address
from . import messages as nl

RTM_GETLINK, RTM_GETADDR = 18, 22
IFF_UP = 1
RT_SCOPE_LINK = 253

_IFINFOMSG = struct.Struct("=BxHiII")  # family, type, index, flags, change
_IFADDRMSG = struct.Struct("=BBBBI")  # family, prefix length, flags, scope, index
_IFLA_IFNAME, _IFLA_MTU, _IFLA_LINKINFO, _IFLA_IFALIAS = 3, 4, 18, 20
_IFLA_INFO_KIND = 1
_IFA_ADDRESS, _IFA_LOCAL, _IFA_FLAGS = 1, 2, 8
# Of IPv6 addresses: made for a while for privacy (RFC 8981), going away (RFC 4862), and not ours to use, or not yet.
IFA_F_TEMPORARY, IFA_F_DADFAILED, IFA_F_DEPRECATED, IFA_F_TENTATIVE = 0x01, 0x08, 0x20, 0x40
_U32 = struct.Struct("=I")


class LinkMessage(NamedTuple):
    """One interface as the kernel says it."""

    name: str
    interface_index: int
    kind: str
    mtu: int
    up: bool
    alias: str | None


class AddressMessage(NamedTuple):
    """One address of an interface as the kernel says it."""

    address: Address
    interface_index: int
    scope: int
    flags: int = 0


def encode_get_link(name: str) -> bytes:
    """Return the payload that asks for one interface by name."""
    return _IFINFOMSG.pack(0, 0, 0, 0, 0) + nl.text(_IFLA_IFNAME, name)


def encode_dump_links() -> bytes:
    """Return the payload of a dump of all interfaces."""
    return _IFINFOMSG.pack(0, 0, 0, 0, 0)


def encode_dump_addresses(index: int) -> bytes:
    """Return the payload of a dump of one interface's addresses, of both families; of all interfaces' for 0."""
    return _IFADDRMSG.pack(0, 0, 0, 0, index)


def decode_link(payload: bytes) -> LinkMessage:
    """Return the interface in a message."""
    _family, _type, index, flags, _change = nl.header(_IFINFOMSG, payload)
    found = dict(nl.attributes(payload, _IFINFOMSG.size))
    info = dict(nl.attributes(found.get(_IFLA_LINKINFO, b"")))
    alias = found.get(_IFLA_IFALIAS)
    return LinkMessage(
        _text(found[_IFLA_IFNAME]),
        index,
        _text(info.get(_IFLA_INFO_KIND, b"")),
        _U32.unpack(found[_IFLA_MTU])[0],
        bool(flags & IFF_UP),
        None if alias is None else _text(alias),
    )


def decode_address(payload: bytes) -> AddressMessage | None:
    """Return the address in a message, None for one of another family than IPv4 and IPv6."""
    family, length, flags, scope, index = nl.header(_IFADDRMSG, payload)
    if family not in (socket.AF_INET, socket.AF_INET6):
        return None
    found = dict(nl.attributes(payload, _IFADDRMSG.size))
    # IFA_ADDRESS is the far end on a point-to-point link; IFA_LOCAL is always our own, but IPv6 may lack it.
    packed = found.get(_IFA_LOCAL) or found[_IFA_ADDRESS]
    if _IFA_FLAGS in found:  # those that fit into a byte are in the header, too
        flags = _U32.unpack(found[_IFA_FLAGS])[0]
    return AddressMessage(Address(int(family), packed, length), index, scope, flags)


def _text(value: bytes) -> str:
    return value.rstrip(b"\0").decode(errors="replace")
