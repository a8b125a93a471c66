# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Reading links and addresses: rtnetlink messages to values (linux/if_link.h, linux/if_addr.h). Pure.

Only reading is ours. It is what every run does, and pyroute2, which makes the changes, costs a fifth of a second to
import.

This module is private to the collection.
"""

from __future__ import annotations

import re
import socket
import struct
from typing import NamedTuple

from .._ip.prefix import Address
from . import messages as nl

RTM_GETLINK, RTM_GETADDR = 18, 22
IFF_UP = 1
RT_SCOPE_LINK = 253

_IFINFOMSG = struct.Struct("=BxHiII")  # family, type, index, flags, change
IFADDRMSG = struct.Struct("=BBBBI")  # family, prefix length, flags, scope, index
_IFLA_IFNAME, _IFLA_MTU, _IFLA_LINKINFO, _IFLA_IFALIAS = 3, 4, 18, 20
_IFLA_INFO_KIND = 1
IFA_ADDRESS, IFA_LOCAL, _IFA_FLAGS, IFA_PROTO = 1, 2, 8, 11
# Flags of IPv6 addresses: temporary (RFC 8981), deprecated (RFC 4862), a duplicate, not checked for duplicates yet.
IFA_F_TEMPORARY, IFA_F_DADFAILED, IFA_F_DEPRECATED, IFA_F_TENTATIVE = 0x01, 0x08, 0x20, 0x40
IFA_F_PERMANENT = 0x80  # without a lifetime
# Of the link-local addresses that the kernel makes: the protocol since Linux 5.18, the flag on tunnels (RFC 7217).
IFAPROT_KERNEL_LL, IFA_F_STABLE_PRIVACY = 3, 0x800
_U32 = struct.Struct("=I")

_NAME = re.compile(r"(?!\.{1,2}\Z)[^\s/:\x00-\x1f\x7f]{1,15}\Z")


class LinkMessage(NamedTuple):
    """One interface as the kernel reports it."""

    name: str
    interface_index: int
    kind: str
    mtu: int
    up: bool
    alias: str | None


class AddressMessage(NamedTuple):
    """One address of an interface as the kernel reports it."""

    address: Address
    interface_index: int
    scope: int
    flags: int = 0
    protocol: int = 0


def link_name(value: object) -> str:
    """Return a name that the kernel accepts for an interface (net/core/dev.c, dev_valid_name). Raises ValueError."""
    if not isinstance(value, str) or not _NAME.match(value):
        raise ValueError(
            f"{value!r} is not an interface name; write up to 15 characters, without space, slash or colon"
        )
    return value


def encode_get_link(name: str) -> bytes:
    """Return the payload of a request for one interface by name."""
    return _IFINFOMSG.pack(0, 0, 0, 0, 0) + nl.text(_IFLA_IFNAME, name)


def encode_dump_links() -> bytes:
    """Return the payload of a dump of all interfaces."""
    return _IFINFOMSG.pack(0, 0, 0, 0, 0)


def encode_dump_addresses(index: int) -> bytes:
    """Return the payload of a dump of one interface's addresses, of both families; 0 for all interfaces."""
    return IFADDRMSG.pack(0, 0, 0, 0, index)


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
    """Return the address in a message, None for families other than IPv4 and IPv6."""
    family, length, flags, scope, index = nl.header(IFADDRMSG, payload)
    if family not in (socket.AF_INET, socket.AF_INET6):
        return None
    found = dict(nl.attributes(payload, IFADDRMSG.size))
    # IFA_ADDRESS is the peer's on a point-to-point link. IFA_LOCAL is always the local one, but IPv6 may lack it.
    packed = found.get(IFA_LOCAL) or found[IFA_ADDRESS]
    if _IFA_FLAGS in found:  # flags that fit into a byte are in the header too
        flags = _U32.unpack(found[_IFA_FLAGS])[0]
    protocol = found.get(IFA_PROTO, b"\0")[0]
    return AddressMessage(Address(int(family), packed, length), index, scope, flags, protocol)


def _text(value: bytes) -> str:
    return value.rstrip(b"\0").decode(errors="replace")
