# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""UDP datagrams, and the filter of raw sockets in a second interpreter of BPF."""

from __future__ import annotations

import socket
import struct

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._ip.packet import internet_checksum, strip_ip_header
from ansible_collections.wirewright.overlay.plugins.module_utils._stun.datagram import (
    Datagram,
    answer_filter,
    decode_datagram,
    encode_datagram,
)
from hypothesis import given
from hypothesis import strategies as st

FAMILIES = pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
PORTS = st.integers(1, 65535)
COOKIE = bytes.fromhex("2112a442")


def test_checksum_of_rfc_1071() -> None:
    # RFC 1071 section 3: the sum of these words is ddf2.
    assert internet_checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0xFFFF - 0xDDF2
    assert internet_checksum(b"") == 0xFFFF


@given(PORTS, PORTS, st.binary(max_size=64), st.binary(min_size=32, max_size=32))
def test_checksum_verifies(source: int, destination: int, payload: bytes, hosts: bytes) -> None:
    for family, size in ((socket.AF_INET, 4), (socket.AF_INET6, 16)):
        here, there = hosts[:size], hosts[16 : 16 + size]
        data = encode_datagram(family, here, there, Datagram(source, destination, payload))
        if family == socket.AF_INET:
            pseudo = here + there + struct.pack("!BBH", 0, 17, len(data))
        else:
            pseudo = here + there + struct.pack("!II", len(data), 17)
        assert internet_checksum(pseudo + data) == 0
        assert data[6:8] != b"\0\0"
        assert decode_datagram(data) == Datagram(source, destination, payload)


def test_checksum_of_zero_is_sent_as_all_ones() -> None:
    # The words sum up to ffff with this payload, so the checksum would be 0.
    blank = encode_datagram(socket.AF_INET, bytes(4), bytes(4), Datagram(1, 1, b"\0\0"))
    payload = struct.pack("!H", struct.unpack("!H", blank[6:8])[0])
    assert encode_datagram(socket.AF_INET, bytes(4), bytes(4), Datagram(1, 1, payload))[6:8] == b"\xff\xff"


@given(st.binary(max_size=80))
def test_arbitrary_bytes_are_decoded_without_error(data: bytes) -> None:
    datagram = decode_datagram(data)
    assert datagram is None or len(datagram.payload) <= len(data) - 8
    assert len(strip_ip_header(data)) <= max(len(data) - 20, 0)


def run_filter(program: bytes, packet: bytes) -> int:
    """Run a classic BPF program as bpf(4) of the BSDs describes the machine; return the number of bytes it passes."""
    accumulator = index = counter = 0
    code = list(struct.iter_unpack("=HBBI", program))
    while True:
        name, if_true, if_false, k = code[counter]
        counter += 1
        if name == 0xB1:  # ldxb 4*([k]&0xf)
            if k >= len(packet):
                return 0
            index = 4 * (packet[k] & 0xF)
        elif name == 0x01:  # ldx #k
            index = k
        elif name in (0x48, 0x40):  # ldh [x + k], ld [x + k]
            size = 2 if name == 0x48 else 4
            if index + k + size > len(packet):
                return 0
            accumulator = int.from_bytes(packet[index + k : index + k + size], "big")
        elif name == 0x15:  # jeq #k, jt, jf
            counter += if_true if accumulator == k else if_false
        else:
            assert name == 0x06, hex(name)  # ret #k
            return int(k)


@FAMILIES
@given(port=PORTS, other=PORTS, payload=st.binary(max_size=40), options=st.integers(0, 10))
def test_filter_passes_only_messages_to_the_port(
    family: int, port: int, other: int, payload: bytes, options: int
) -> None:
    program = answer_filter(family, port)
    header = bytes([0x45 + options]) + bytes(19 + 4 * options) if family == socket.AF_INET else b""

    def passes(destination: int, body: bytes) -> bool:
        return bool(run_filter(program, header + struct.pack("!HHHH", 3478, destination, 8 + len(body), 0) + body))

    assert passes(port, bytes(4) + COOKIE + payload)
    assert passes(other, bytes(4) + COOKIE + payload) == (other == port)
    assert passes(port, payload) == (payload[4:8] == COOKIE)
    assert not run_filter(program, header)
