# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Links and addresses: requests and answers written by hand from linux/if_link.h and linux/if_addr.h."""

from __future__ import annotations

import socket
import struct
import sys

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._ip.prefix import Address
from ansible_collections.wirewright.overlay.plugins.module_utils._netlink import link as codec
from ansible_collections.wirewright.overlay.plugins.module_utils._netlink import messages as nl
from ansible_collections.wirewright.overlay.plugins.module_utils._netlink.link import AddressMessage, LinkMessage
from ansible_collections.wirewright.overlay.plugins.module_utils._netlink.messages import MalformedMessage

little_endian = pytest.mark.skipif(sys.byteorder == "big", reason="the golden bytes are those of a little-endian host")


@little_endian
def test_golden_requests() -> None:
    # ifinfomsg: family, padding, type, index, flags, change; IFLA_IFNAME 3
    golden = "00 00 0000 00000000 00000000 00000000 0800 0300 77673000"
    assert codec.encode_get_link("wg0") == bytes.fromhex(golden)
    # ifaddrmsg: family, prefix length, flags, scope, index
    assert codec.encode_dump_addresses(7) == bytes.fromhex("00 00 00 00 07000000")
    assert codec.encode_dump_links() == bytes(16)


def link(*attributes: bytes, flags: int = 1) -> bytes:
    return struct.pack("=BxHiII", 0, 65534, 7, flags, 0) + b"".join(attributes)


NAME, MTU = nl.text(3, "wg0"), nl.attribute(4, struct.pack("=I", 1420))
KIND, ALIAS = nl.nested(18, nl.attribute(1, b"wireguard")), nl.text(20, "wirewright.overlay")


def test_all_fields_of_a_link_are_read() -> None:
    found = codec.decode_link(link(NAME, MTU, nl.attribute(14, bytes(32)), KIND, ALIAS, flags=0x10043))
    assert found == LinkMessage("wg0", 7, "wireguard", 1420, True, "wirewright.overlay")


def test_a_plain_link_is_read() -> None:
    assert codec.decode_link(link(NAME, MTU, flags=0x1002)) == LinkMessage("wg0", 7, "", 1420, False, None)


def address(family: int, *attributes: bytes, length: int = 24, scope: int = 0) -> bytes:
    return struct.pack("=BBBBI", family, length, 0, scope, 7) + b"".join(attributes)


OURS, THEIRS = b"\x0a\x2a\0\1", b"\x0a\x2a\0\2"


def test_the_local_address_is_used() -> None:
    payload = address(2, nl.attribute(1, THEIRS), nl.attribute(2, OURS))
    assert codec.decode_address(payload) == AddressMessage(Address(socket.AF_INET, OURS, 24), 7, 0)


def test_without_a_local_address_the_other_is_used() -> None:
    packed = b"\xfe\x80" + bytes(14)
    payload = address(10, nl.attribute(1, packed), length=64, scope=253)
    assert codec.decode_address(payload) == AddressMessage(Address(socket.AF_INET6, packed, 64), 7, 253)


@pytest.mark.parametrize(("more", "flags"), [((), 0), ((nl.attribute(8, struct.pack("=I", 0x241)),), 0x241)])
def test_flags_that_do_not_fit_into_the_header_have_an_attribute(more: tuple[bytes, ...], flags: int) -> None:
    found = codec.decode_address(address(2, nl.attribute(2, OURS), *more))
    assert found is not None
    assert found.flags == flags


def test_addresses_of_other_families_are_ignored() -> None:
    assert codec.decode_address(address(28, nl.attribute(2, OURS))) is None


@pytest.mark.parametrize(("decode", "size"), [(codec.decode_link, 16), (codec.decode_address, 8)])
def test_a_message_without_its_header_is_refused(decode, size: int) -> None:  # type: ignore[no-untyped-def]
    for cut in range(size):
        with pytest.raises(MalformedMessage):
            decode(bytes(cut))


@pytest.mark.parametrize("name", ["", ".", "..", "a b", "a/b", "a:b", "sixteencharacter", "a\n", "a\x7f", 5])
def test_invalid_interface_names_are_refused(name: object) -> None:
    with pytest.raises(ValueError, match="is not an interface name"):
        codec.link_name(name)


@pytest.mark.parametrize("name", ["wg0", "fifteen-letters", "...", "\u0261"])
def test_valid_interface_names_are_accepted(name: str) -> None:
    assert codec.link_name(name) == name
