# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""WireGuard's messages: golden bytes, requests with many peers, and dumps.

The golden bytes were written down by hand from linux/wireguard.h (enums wgdevice_attribute, wgpeer_attribute,
wgallowedip_attribute, flags) and linux/netlink.h (struct nlattr: u16 length without padding, u16 type with
NLA_F_NESTED 0x8000): one attribute a line, length and type first, each padded to four bytes.
"""

from __future__ import annotations

import socket
import struct
import sys
from collections.abc import Iterator, Sequence

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._ip.prefix import Prefix
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard import codec
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.endpoint import Endpoint
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.keys import ZERO
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.model import (
    Device,
    Peer,
    PeerChange,
    Settings,
)
from hypothesis import given
from hypothesis import strategies as st

from ..samples import endpoints, key, keys, prefix4, prefix6, prefixes

little_endian = pytest.mark.skipif(sys.byteorder == "big", reason="the golden bytes are those of a little-endian host")

PRIVATE, PEER_KEY, PRESHARED, OLD_KEY = (bytes([byte]) * 32 for byte in (0x11, 0x22, 0x33, 0x44))

GOLDEN_SET = f"""
    01 01 0000                                  genlmsghdr: WG_CMD_SET_DEVICE, version 1
    0800 0200 77673000                          IFNAME "wg0"
    2400 0300 {PRIVATE.hex()}                   PRIVATE_KEY
    0600 0600 6cca 0000                         LISTEN_PORT 51820
    0800 0700 10000000                          FWMARK 16
    ec00 0880                                   PEERS, 4 + 184 + 48 bytes
      b800 0080                                   a peer, 4 + 36 + 8 + 36 + 20 + 8 + 72 bytes
        2400 0100 {PEER_KEY.hex()}                  PUBLIC_KEY
        0800 0300 06000000                          FLAGS: REPLACE_ALLOWEDIPS | UPDATE_ONLY
        2400 0200 {PRESHARED.hex()}                 PRESHARED_KEY
        1400 0400 0200 ca6c c0000201 0000000000000000  ENDPOINT: sockaddr_in, AF_INET, port in network order
        0600 0500 1900 0000                         PERSISTENT_KEEPALIVE_INTERVAL 25
        4800 0980                                   ALLOWEDIPS, 4 + 28 + 40 bytes
          1c00 0080                                   an allowed IP
            0600 0100 0200 0000                         FAMILY: AF_INET
            0800 0200 0a2a0002                          IPADDR 10.42.0.2
            0500 0300 20 000000                         CIDR_MASK 32
          2800 0080                                   an allowed IP
            0600 0100 0a00 0000                         FAMILY: AF_INET6
            1400 0200 fd420000000000000000000000000000  IPADDR fd42::
            0500 0300 40 000000                         CIDR_MASK 64
      3000 0080                                   a peer, 4 + 36 + 8 bytes
        2400 0100 {OLD_KEY.hex()}                   PUBLIC_KEY
        0800 0300 01000000                          FLAGS: REMOVE_ME
"""

GOLDEN_GET = """
    00 01 0000                                  genlmsghdr: WG_CMD_GET_DEVICE, version 1
    0800 0200 77673000                          IFNAME "wg0"
"""

# In the kernel's order (wg_get_device_dump, get_peer), with attributes that are not used.
GOLDEN_DUMP = f"""
    00 01 0000                                  genlmsghdr: WG_CMD_GET_DEVICE, version 1
    0600 0600 6cca 0000                         LISTEN_PORT 51820
    0800 0700 10000000                          FWMARK 16
    0800 0100 07000000                          IFINDEX 7
    0800 0200 77673000                          IFNAME "wg0"
    2400 0300 {PRIVATE.hex()}                   PRIVATE_KEY
    2400 0400 {PEER_KEY.hex()}                  PUBLIC_KEY
    d800 0880                                   PEERS, 4 + 212 bytes
      d400 0080                                   a peer, 4 + 36 + 36 + 20 + 8 + 12 + 12 + 8 + 32 + 44 bytes
        2400 0100 {OLD_KEY.hex()}                   PUBLIC_KEY
        2400 0200 {PRESHARED.hex()}                 PRESHARED_KEY
        1400 0600 00f1536500000000 0500000000000000   LAST_HANDSHAKE_TIME: timespec64, 1700000000 s 5 ns
        0600 0500 1900 0000                         PERSISTENT_KEEPALIVE_INTERVAL 25
        0c00 0800 1400000000000000                  TX_BYTES 20
        0c00 0700 0a00000000000000                  RX_BYTES 10
        0800 0a00 01000000                          PROTOCOL_VERSION 1
        2000 0400 0a00 ca6c 00000000 20010db8000000000000000000000001 00000000  ENDPOINT: sockaddr_in6
        2c00 0980                                   ALLOWEDIPS, 4 + 40 bytes
          2800 0080                                   an allowed IP
            0500 0300 80 000000                         CIDR_MASK 128
            0600 0100 0a00 0000                         FAMILY: AF_INET6
            1400 0200 fd420000000000000000000000000002  IPADDR fd42::2
"""


def golden(table: str) -> bytes:
    """Return the bytes of a table: the part of each line before the first two spaces."""
    return bytes.fromhex("".join(line.strip().partition("  ")[0] for line in table.splitlines()))


def walk(payload: bytes) -> dict[int, bytes]:
    """Return the top-level attributes of a message, each once, with a separate parser."""
    found: dict[int, bytes] = {}
    for kind, value in pieces(payload[4:]):
        assert kind not in found
        found[kind] = value
    return found


def pieces(buffer: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the attributes of a buffer, which must end with the last one."""
    while buffer:
        length, kind = struct.unpack_from("=HH", buffer)
        assert 4 <= length <= len(buffer)
        yield kind & 0x3FFF, buffer[4:length]
        buffer = buffer[length + (-length % 4) :]


def peers_of(payloads: Sequence[bytes]) -> list[list[dict[int, bytes]]]:
    """Return for each message its peers, each by attribute."""
    return [[dict(pieces(body)) for _index, body in pieces(walk(payload).get(8, b""))] for payload in payloads]


def change(number: int, allowed_ips: Sequence[Prefix] = (), *, replace: bool = False) -> PeerChange:
    return PeerChange(
        key(number), False, False, key(number + 1), Endpoint("2001:db8::1", 7), 25, replace, tuple(allowed_ips)
    )


def as_peer(sent: PeerChange) -> Peer:
    """Return the peer that a set request makes on an empty device."""
    return Peer(
        sent.public_key,
        sent.preshared_key or ZERO,
        sent.endpoint,
        sent.persistent_keepalive or 0,
        frozenset(sent.allowed_ips),
    )


def reread(payloads: Sequence[bytes]) -> Device:
    """Read set requests as a dump: the same attributes describe a peer in both."""
    return codec.decode_device("wg0", payloads)


@little_endian
def test_golden_set_request() -> None:
    peer = PeerChange(
        PEER_KEY,
        False,
        True,
        PRESHARED,
        Endpoint("192.0.2.1", 51820),
        25,
        True,
        (Prefix(socket.AF_INET, bytes([10, 42, 0, 2]), 32), Prefix(socket.AF_INET6, b"\xfd\x42" + bytes(14), 64)),
    )
    (payload,) = codec.encode_set("wg0", Settings(PRIVATE, 51820, 16), [peer, PeerChange(OLD_KEY, remove=True)])
    assert payload == golden(GOLDEN_SET)


@little_endian
def test_golden_get_request() -> None:
    assert codec.encode_get("wg0") == golden(GOLDEN_GET)


@little_endian
def test_golden_dump() -> None:
    device = codec.decode_device("wg0", [golden(GOLDEN_DUMP)])
    prefix = Prefix(socket.AF_INET6, b"\xfd\x42" + bytes(13) + b"\x02", 128)
    peer = Peer(OLD_KEY, PRESHARED, Endpoint("2001:db8::1", 51820), 25, frozenset({prefix}))
    assert device == Device("wg0", Settings(PRIVATE, 51820, 16), PEER_KEY, (peer,))
    (read,) = device.peers
    assert (read.latest_handshake, read.rx_bytes, read.tx_bytes) == (1700000000, 10, 20)


@pytest.mark.parametrize("count", [0, 1, 20, 21, 22, 33, 255, 1000])
def test_many_peers_are_sent_whole_in_messages_that_fit(count: int) -> None:
    changes = [change(number, [prefix4(number), prefix6(number)], replace=True) for number in range(count)]
    payloads = list(codec.encode_set("wg0", Settings(PRIVATE, 51820, 16), changes))
    assert all(len(payload) <= codec.MESSAGE_BYTES for payload in payloads)
    assert reread(payloads).peers == tuple(map(as_peer, changes))
    assert len(payloads) == max(-(-count * 204 // 32000), 1)
    for position, payload in enumerate(payloads):
        assert ({3, 6, 7} & set(walk(payload)) == {3, 6, 7}) == (position == 0)
        assert walk(payload)[2] == b"wg0\0"


@pytest.mark.parametrize("count", [0, 1, 600, 793, 794, 5000])
@pytest.mark.parametrize("replace", [True, False])
def test_a_peer_with_many_allowed_ips_continues_by_its_key_alone(count: int, replace: bool) -> None:
    prefixes = [prefix4(n) if n % 2 else prefix6(n) for n in range(count)]
    before, after = change(1, [prefix4(1 << 20)]), change(3, [prefix6(1 << 20)])
    changes = [before, change(2, prefixes, replace=replace), after]
    payloads = list(codec.encode_set("wg0", Settings(listen_port=1), changes))
    assert all(len(payload) <= codec.MESSAGE_BYTES for payload in payloads)
    expected = [as_peer(sent) for sent in (before, change(2, prefixes), after)]
    assert list(reread(payloads).peers) == expected
    fragments = [peer for peers in peers_of(payloads) for peer in peers if peer[1] == key(2)]
    assert len(fragments) == max(-(-count // 793), 1)
    assert [set(fragment) - {9} for fragment in fragments] == [{1, 2, 4, 5} | ({3} if replace else set())] + [{1}] * (
        len(fragments) - 1
    )
    assert sum(len(list(pieces(fragment.get(9, b"")))) for fragment in fragments) == count
    assert [6 in walk(payload) for payload in payloads] == [True] + [False] * (len(payloads) - 1)


changes_drawn = st.builds(
    PeerChange,
    keys,
    st.just(False),
    st.booleans(),
    st.none() | keys,
    st.none() | endpoints,
    st.none() | st.integers(0, 65535),
    st.booleans(),
    st.lists(prefixes, max_size=5, unique=True).map(tuple),
)


@given(st.lists(changes_drawn, max_size=5, unique_by=lambda sent: sent.public_key))
def test_any_changes_can_be_read_back(changes: list[PeerChange]) -> None:
    payloads = list(codec.encode_set("wg0", Settings(PRIVATE), changes))
    assert reread(payloads).peers == tuple(map(as_peer, changes))
    for sent, peer in zip(changes, (peer for peers in peers_of(payloads) for peer in peers)):
        flags = struct.unpack("=I", peer.get(3, bytes(4)))[0]
        assert flags == sent.remove + 2 * sent.replace_allowed_ips + 4 * sent.update_only
        assert (2 in peer, 4 in peer, 5 in peer) == (
            sent.preshared_key is not None,
            sent.endpoint is not None,
            sent.persistent_keepalive is not None,
        )


@pytest.mark.parametrize(
    ("wanted", "attributes"),
    [
        (Settings(ZERO, 0, 0), {2: b"wg0\0", 3: ZERO, 6: bytes(2), 7: bytes(4)}),
        (Settings(listen_port=0), {2: b"wg0\0", 6: bytes(2)}),
        (Settings(fwmark=0), {2: b"wg0\0", 7: bytes(4)}),
    ],
)
def test_zero_is_sent_and_none_is_not(wanted: Settings, attributes: dict[int, bytes]) -> None:
    (payload,) = codec.encode_set("wg0", wanted, [])
    assert walk(payload) == attributes


def test_no_changes_need_no_message() -> None:
    assert list(codec.encode_set("wg0", Settings(), [])) == []


def test_changes_may_be_an_iterator() -> None:
    payloads = codec.encode_set("wg0", Settings(), (change(number) for number in range(1000)))
    assert len(next(iter(payloads))) <= codec.MESSAGE_BYTES


@given(endpoints)
def test_endpoints_round_trip(endpoint: Endpoint) -> None:
    assert codec.decode_endpoint(codec.encode_endpoint(endpoint)) == endpoint


def test_a_scope_is_an_interface_by_name_or_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec.socket, "if_nametoindex", {"eth0": 7}.__getitem__)
    by_name = codec.encode_endpoint(Endpoint("fe80::1%eth0", 1))
    assert by_name == codec.encode_endpoint(Endpoint("fe80::1%7", 1))
    assert struct.unpack("=HHI16sI", by_name)[4] == 7
    monkeypatch.setattr(codec.socket, "if_indextoname", {7: "eth0"}.__getitem__)
    assert codec.decode_endpoint(by_name) == Endpoint("fe80::1%eth0", 1)


def test_the_scope_of_a_missing_interface_is_its_index(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(_index: int) -> str:
        raise OSError(6, "No such device")

    monkeypatch.setattr(codec.socket, "if_indextoname", gone)
    raw = codec.encode_endpoint(Endpoint("fe80::1%7", 1))
    assert codec.decode_endpoint(raw) == Endpoint("fe80::1%7", 1)


def test_a_scope_without_an_interface_is_an_error() -> None:
    with pytest.raises(OSError):
        codec.encode_endpoint(Endpoint("fe80::1%no-such-if", 1))
