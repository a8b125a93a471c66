# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Messages that add and delete addresses (linux/if_addr.h). Pure. link.py has those that read them.

This module is private to the collection.
"""

from __future__ import annotations

import socket

from .._ip.prefix import Address
from . import messages as nl
from .link import IFA_ADDRESS, IFA_LOCAL, IFA_PROTO, IFADDRMSG

RTM_NEWADDR, RTM_DELADDR = 20, 21
IFA_F_NODAD = 0x02


def encode_address(address: Address, index: int, protocol: int = 0) -> bytes:
    """Return the payload that adds an address to an interface, or deletes it. protocol: 0 for none."""
    # A tunnel has no link layer, and so no duplicate address detection.
    flags = IFA_F_NODAD if address.family == socket.AF_INET6 else 0
    header = IFADDRMSG.pack(address.family, address.length, flags, 0, index)
    attributes = nl.attribute(IFA_LOCAL, address.packed) + nl.attribute(IFA_ADDRESS, address.packed)
    return header + attributes + (nl.attribute(IFA_PROTO, bytes([protocol])) if protocol else b"")


def on_interface(payload: bytes, index: int) -> bytes:
    """Return a message that the kernel sent of an address, for an interface: it adds the address with its attributes."""
    family, length, flags, scope, _index = nl.header(IFADDRMSG, payload)
    return IFADDRMSG.pack(family, length, flags, scope, index) + payload[IFADDRMSG.size :]
