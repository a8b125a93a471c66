# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a WireGuard dump: parts of a peer are joined, and truncated messages refused."""

from __future__ import annotations

import struct

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._ip.prefix import Prefix
from ansible_collections.wirewright.overlay.plugins.module_utils._netlink import messages as nl
from ansible_collections.wirewright.overlay.plugins.module_utils._netlink.messages import MalformedMessage
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard import codec
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.endpoint import Endpoint
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.keys import ZERO
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.model import Device, Peer, Settings
from hypothesis import given, settings
from hypothesis import strategies as st

from ..samples import key, peer_sets, prefix4, prefix6

HEAD = b"\x00\x01\x00\x00"


def ip(prefix: Prefix) -> bytes:
    """Return an allowed IP as the kernel sends it."""
    return nl.nested(
        0,
        nl.attribute(3, bytes([prefix.length])),
        nl.attribute(1, struct.pack("=H", prefix.family)),
        nl.attribute(2, prefix.packed),
    )


def peer_nest(peer: Peer, allowed_ips: list[Prefix], *, first: bool = True) -> bytes:
    """Return a peer as the kernel sends it; a later part has only its key and allowed IPs."""
    parts = [nl.attribute(1, peer.public_key)]
    if first:
        parts.append(nl.attribute(2, peer.preshared_key or ZERO))
        parts.append(nl.attribute(6, struct.pack("=qq", peer.latest_handshake, 5)))
        parts.append(nl.attribute(5, struct.pack("=H", peer.persistent_keepalive or 0)))
        parts += [nl.attribute(8, struct.pack("=Q", peer.tx_bytes)), nl.attribute(7, struct.pack("=Q", peer.rx_bytes))]
        parts += [nl.attribute(4, codec.encode_endpoint(peer.endpoint))] if peer.endpoint else []
    if allowed_ips:
        parts.append(nl.nested(9, *map(ip, allowed_ips)))
    return nl.nested(0, *parts)


def dump(device: Device, per_message: int) -> list[bytes]:
    """Return the payloads of a dump with this number of allowed IPs, or of peers without any, in each message."""
    nests: list[bytes] = []
    for peer in device.peers:
        ips = sorted(peer.allowed_ips or ())
        batches = [ips[start : start + per_message] for start in range(0, len(ips), per_message)] or [[]]
        nests += [peer_nest(peer, batch, first=position == 0) for position, batch in enumerate(batches)]
    own = [nl.attribute(6, struct.pack("=H", device.settings.listen_port or 0))]
    own += [nl.attribute(7, struct.pack("=I", device.settings.fwmark or 0)), nl.text(2, device.name)]
    if device.settings.private_key != ZERO:
        own += [nl.attribute(3, device.settings.private_key or b""), nl.attribute(4, device.public_key)]
    groups = [nests[start : start + 2] for start in range(0, len(nests), 2)] or [[]]
    return [HEAD + b"".join(own if not i else []) + nl.nested(8, *group) for i, group in enumerate(groups)]


PEERS = (
    Peer(key(1), key(100), Endpoint("192.0.2.1", 7), 25, frozenset(map(prefix4, range(5))), 1700000000, 10, 20),
    Peer(key(2), ZERO, None, 0, frozenset()),
    Peer(key(3), ZERO, Endpoint("2001:db8::1", 7), 0, frozenset({prefix6(1), prefix4(0, 8)})),
)
DEVICE = Device("wg0", Settings(key(0), 51820, 16), key(50), PEERS)


@given(peer_sets(wanted=False), st.integers(1, 6))
def test_parts_of_a_peer_are_put_together(peers: list[Peer], per_message: int) -> None:
    device = Device("wg0", Settings(key(0), 1, 2), key(50), tuple(peers))
    assert codec.decode_device("wg0", dump(device, per_message)) == device


@pytest.mark.parametrize("count", [600, 5000])
def test_a_peer_with_many_allowed_ips_is_read_whole(count: int) -> None:
    prefixes = frozenset(prefix4(n) if n % 2 else prefix6(n) for n in range(count))
    device = Device("wg0", Settings(key(0), 1, 2), key(50), (Peer(key(1), ZERO, None, 0, prefixes),))
    assert codec.decode_device("wg0", dump(device, 172)) == device


def test_the_first_part_has_all_fields_but_allowed_ips() -> None:
    (peer, *_others) = codec.decode_device("wg0", dump(DEVICE, 1)).peers
    assert peer == PEERS[0]
    assert (peer.latest_handshake, peer.rx_bytes, peer.tx_bytes) == (1700000000, 10, 20)


def test_a_device_without_key_is_read() -> None:
    device = Device("wg0", Settings(ZERO, 0, 0), ZERO)
    assert codec.decode_device("wg0", dump(device, 1)) == device


def test_a_truncated_dump_is_refused() -> None:
    (payload,) = dump(Device("wg0", DEVICE.settings, DEVICE.public_key, PEERS[:1]), 10)
    framed = nl.request(0x20, nl.NLM_F_MULTI, 1, payload)
    for cut in range(1, len(framed)):
        with pytest.raises(MalformedMessage):
            codec.decode_device("wg0", [message.payload for message in nl.messages(framed[:cut])])


def test_a_payload_truncated_within_an_attribute_is_refused() -> None:
    (payload,) = dump(Device("wg0", DEVICE.settings, DEVICE.public_key, PEERS[:1]), 10)
    # Truncation at the end of an attribute shows only in the length of the message's header: the test above.
    ends = {4}
    end = 4
    for _kind, value in nl.attributes(payload, 4):
        unpadded = end + 4 + len(value)
        end = (unpadded + 3) & ~3
        ends.update(range(unpadded, end + 1))
    for cut in set(range(len(payload))) - ends:
        with pytest.raises(MalformedMessage):
            codec.decode_device("wg0", [payload[:cut]])


def test_a_truncated_peer_is_refused() -> None:
    """The outer lengths are correct; only the peer is truncated."""
    nest = peer_nest(PEERS[0], sorted(PEERS[0].allowed_ips or ()))
    whole_body = nest[4:]
    ends = {0}
    end = 0
    for _kind, value in nl.attributes(whole_body):
        unpadded = end + 4 + len(value)
        end = (unpadded + 3) & ~3
        ends.update(range(unpadded, end + 1))
    for cut in set(range(len(whole_body))) - ends:
        with pytest.raises(MalformedMessage):
            codec.decode_device("wg0", [HEAD + nl.nested(8, nl.nested(0, whole_body[:cut]))])


@pytest.mark.parametrize(
    "attributes",
    [
        nl.attribute(3, bytes(31)),
        nl.attribute(4, bytes(33)),
        nl.attribute(6, b"\x01"),
        nl.attribute(7, bytes(2)),
        nl.nested(8, nl.nested(0)),
        nl.nested(8, nl.nested(0, nl.attribute(2, bytes(32)))),
        nl.nested(8, nl.nested(0, nl.attribute(1, bytes(31)))),
        nl.nested(8, nl.nested(0, nl.attribute(1, key(1)), nl.attribute(2, b""))),
        nl.nested(8, nl.nested(0, nl.attribute(1, key(1)), nl.attribute(4, b""))),
        nl.nested(8, nl.nested(0, nl.attribute(1, key(1)), nl.attribute(4, bytes(3)))),
        nl.nested(8, nl.nested(0, nl.attribute(1, key(1)), nl.attribute(5, b""))),
        nl.nested(8, nl.nested(0, nl.attribute(1, key(1)), nl.attribute(6, b""))),
        nl.nested(8, nl.nested(0, nl.attribute(1, key(1)), nl.attribute(7, bytes(4)))),
        nl.nested(8, nl.nested(0, nl.attribute(1, key(1)), nl.nested(9, nl.nested(0)))),
        nl.nested(8, nl.nested(0, nl.attribute(1, key(1)), nl.nested(9, ip(Prefix(2, bytes(16), 8))))),
        nl.nested(8, nl.nested(0, nl.attribute(1, key(1)), nl.nested(9, ip(Prefix(10, bytes(4), 8))))),
        nl.nested(8, nl.nested(0, nl.attribute(1, key(1)), nl.nested(9, ip(Prefix(28, bytes(4), 8))))),
    ],
)
def test_attributes_of_a_wrong_size_are_refused(attributes: bytes) -> None:
    with pytest.raises(MalformedMessage):
        codec.decode_device("wg0", [HEAD + attributes])


@pytest.mark.parametrize("size", range(4))
def test_a_message_without_its_header_is_refused(size: int) -> None:
    with pytest.raises(MalformedMessage):
        codec.decode_device("wg0", [HEAD[:size]])


(WHOLE,) = dump(Device("wg0", DEVICE.settings, DEVICE.public_key, PEERS[:1]), 10)


@settings(max_examples=3 * settings.default.max_examples)
@given(st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), min_size=1, max_size=4))
def test_a_damaged_message_is_a_device_or_malformed(damage: list[tuple[int, int]]) -> None:
    damaged = bytearray(WHOLE)
    for position, value in damage:
        damaged[position] = value
    try:
        device = codec.decode_device("wg0", [bytes(damaged)])
    except MalformedMessage:
        return
    assert all(len(peer.public_key) == 32 for peer in device.peers)
    assert all(len(prefix.packed) in (4, 16) for peer in device.peers for prefix in peer.allowed_ips or ())


@given(st.binary(max_size=300))
def test_any_bytes_are_a_device_or_malformed(payload: bytes) -> None:
    try:
        codec.decode_device("wg0", [payload])
    except MalformedMessage:
        return


def test_no_error_shows_a_key() -> None:
    secret = b"\x5a" * 31
    with pytest.raises(MalformedMessage) as caught:
        codec.decode_device("wg0", [HEAD + nl.attribute(3, secret)])
    assert secret.hex() not in repr(caught.value)
    assert repr(secret)[2:-1] not in repr(caught.value)
    assert caught.value.__cause__ is None
