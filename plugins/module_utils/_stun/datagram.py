# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""UDP datagrams on a raw socket: header, checksum, and a packet filter for STUN messages. Pure.

This module is private to the collection.
"""

from __future__ import annotations

import socket
import struct
from typing import NamedTuple

from .._ip.packet import internet_checksum
from .message import MAGIC_COOKIE

_HEADER = struct.Struct("!HHHH")  # source port, destination port, length with this header, checksum (RFC 768)
_INSTRUCTION = struct.Struct("=HBBI")  # struct sock_filter of linux/filter.h: code, jt, jf, k

# Instruction codes of linux/bpf_common.h: class | size | mode, or class | operation.
_LDX_IP_HEADER_LENGTH = 0x01 | 0x10 | 0xA0  # BPF_LDX | BPF_B | BPF_MSH: X = 4 * (low nibble)
_LDX_CONSTANT = 0x01 | 0x00  # BPF_LDX | BPF_IMM
_LD_HALF_AT_X = 0x00 | 0x08 | 0x40  # BPF_LD | BPF_H | BPF_IND
_LD_WORD_AT_X = 0x00 | 0x00 | 0x40  # BPF_LD | BPF_W | BPF_IND
_JUMP_IF_EQUAL = 0x05 | 0x10  # BPF_JMP | BPF_JEQ | BPF_K
_RETURN = 0x06  # BPF_RET | BPF_K
_WHOLE_PACKET = 0xFFFF


class Datagram(NamedTuple):
    """Ports and payload of a UDP datagram."""

    source_port: int
    destination_port: int
    payload: bytes


def encode_datagram(family: int, source: bytes, destination: bytes, datagram: Datagram) -> bytes:
    """Return UDP header and payload for packed addresses, with the checksum of RFC 768 and RFC 8200 section 8.1."""
    length = _HEADER.size + len(datagram.payload)
    ports = datagram.source_port, datagram.destination_port
    pseudo = "!4s4sxBH" if family == socket.AF_INET else "!16s16s2xH3xB"
    numbers = (socket.IPPROTO_UDP, length) if family == socket.AF_INET else (length, socket.IPPROTO_UDP)
    blank = _HEADER.pack(*ports, length, 0) + datagram.payload
    # A computed zero is sent as all ones, because zero stands for no checksum.
    checksum = internet_checksum(struct.pack(pseudo, source, destination, *numbers) + blank) or 0xFFFF
    return _HEADER.pack(*ports, length, checksum) + datagram.payload


def decode_datagram(data: bytes) -> Datagram | None:
    """Return the datagram that begins with a UDP header, None if it has none. ICMP errors quote it truncated.

    The checksum is not verified: with checksum offload it is missing on packets within the machine, and an answer is
    recognised by its transaction id.
    """
    if len(data) < _HEADER.size:
        return None
    source_port, destination_port, length, _checksum = _HEADER.unpack_from(data)
    return None if length < _HEADER.size else Datagram(source_port, destination_port, data[_HEADER.size : length])


def answer_filter(family: int, port: int) -> bytes:
    """Return the classic BPF program that passes only STUN messages to a port, for a raw socket of a family.

    There, IPv4 packets begin with the IP header, IPv6 packets with the UDP header (raw(7), ipv6(7)). A load beyond the
    end of a packet ends the program and drops the packet.
    """
    at_udp_header = (_LDX_IP_HEADER_LENGTH, 0, 0, 0) if family == socket.AF_INET else (_LDX_CONSTANT, 0, 0, 0)
    program = (
        at_udp_header,
        (_LD_HALF_AT_X, 0, 0, 2),
        (_JUMP_IF_EQUAL, 0, 3, port),
        (_LD_WORD_AT_X, 0, 0, _HEADER.size + 4),
        (_JUMP_IF_EQUAL, 0, 1, MAGIC_COOKIE),
        (_RETURN, 0, 0, _WHOLE_PACKET),
        (_RETURN, 0, 0, 0),
    )
    return b"".join(_INSTRUCTION.pack(*instruction) for instruction in program)
