# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Strategies for states and policies."""

from __future__ import annotations

import socket

from ansible_collections.wirewright.overlay.plugins.module_utils._ip.prefix import Prefix, masked
from ansible_collections.wirewright.overlay.plugins.module_utils._xfrm import model as v
from hypothesis import strategies as st

FAMILIES = {socket.AF_INET: 4, socket.AF_INET6: 16}
u8, u16, u32, u64 = (st.integers(0, 2**bits - 1) for bits in (8, 16, 32, 64))


@st.composite
def marks(draw: st.DrawFn, masks: st.SearchStrategy[int] = u32) -> v.Mark:
    mask = draw(masks)
    return v.Mark(draw(u32) & mask, mask)


@st.composite
def prefixes(draw: st.DrawFn, family: int) -> Prefix:
    size = FAMILIES[socket.AddressFamily(family)]
    length = draw(st.integers(0, size * 8))
    return Prefix(family, masked(draw(st.binary(min_size=size, max_size=size)), length), length)


@st.composite
def addresses(draw: st.DrawFn, family: int) -> v.Address:
    size = FAMILIES[socket.AddressFamily(family)]
    return v.Address(family, draw(st.binary(min_size=size, max_size=size)))


@st.composite
def selectors(draw: st.DrawFn, family: int) -> v.Selector:
    ports = st.builds(v.Port, u16, st.sampled_from([0, 0xFFFF]))
    return v.Selector(
        family, draw(prefixes(family)), draw(prefixes(family)), draw(u8), draw(ports), draw(ports), draw(u16), draw(u16)
    )


limits = st.builds(v.Limits, *[u64] * 8)


def algorithms(*names: str) -> st.SearchStrategy[v.Algorithm | None]:
    return st.none() | st.builds(v.Algorithm, st.sampled_from(names), st.binary(max_size=40), u16)


@st.composite
def states(draw: st.DrawFn) -> v.State:
    """Any state that a message can say; not all of them mean anything to a kernel."""
    family = int(draw(st.sampled_from(list(FAMILIES))))
    untagged = st.none() | st.builds(v.Algorithm, st.sampled_from(["cbc(aes)", "deflate"]), st.binary(max_size=40))
    flags = draw(u8)
    window = draw(st.integers(0, 4096))
    return v.State(
        destination=draw(addresses(family)),
        protocol=draw(st.sampled_from([v.ESP, v.AH, v.COMP])),
        spi=draw(st.integers(1, 2**32 - 1)),
        mark=draw(marks()),
        source=draw(addresses(family)),
        mode=draw(st.sampled_from([v.TRANSPORT, v.TUNNEL, v.BEET])),
        reqid=draw(u32),
        aead=draw(algorithms("rfc4106(gcm(aes))")),
        auth=draw(algorithms("hmac(sha256)")),
        enc=draw(untagged),
        comp=draw(untagged),
        selector=draw(st.none() | selectors(family).filter(lambda s: any(s[1:]) and s.source.length)),
        flags=flags,
        extra_flags=draw(u32),
        replay_window=window,
        limits=draw(limits),
        encap=draw(st.none() | st.builds(v.Encap, u16, u16, u16, st.binary(min_size=16, max_size=16))),
        output_mark=draw(marks()),
        if_id=draw(u32),
        tfc_padding=draw(u16),
        direction=draw(st.sampled_from([0, 1, 2])),
        offload=draw(st.none() | st.builds(v.Offload, st.integers(0, 2**31 - 1), u8)),
    )


@st.composite
def templates(draw: st.DrawFn) -> v.Template:
    family = int(draw(st.sampled_from(list(FAMILIES))))
    return v.Template(
        draw(addresses(family)),
        draw(addresses(family)),
        draw(st.sampled_from([v.ESP, v.AH, v.COMP])),
        draw(st.sampled_from([v.TRANSPORT, v.TUNNEL, v.BEET])),
        draw(u32),
        draw(u32),
        draw(st.integers(0, 1)),
    )


@st.composite
def policies(draw: st.DrawFn) -> v.Policy:
    """Any policy that a message can say."""
    family = int(draw(st.sampled_from(list(FAMILIES))))
    return v.Policy(
        direction=draw(st.sampled_from([v.DIR_IN, v.DIR_OUT, v.DIR_FWD])),
        selector=draw(selectors(family)),
        mark=draw(marks()),
        if_id=draw(u32),
        priority=draw(u32),
        action=draw(st.sampled_from([v.ALLOW, v.BLOCK])),
        flags=draw(u8),
        limits=draw(limits),
        templates=tuple(draw(st.lists(templates(), max_size=6))),
    )


@st.composite
def near_states(draw: st.DrawFn) -> v.State:
    """A state of a small world, so that many share a destination and SPI, and marks overlap."""
    few_marks = st.sampled_from([v.NO_MARK, v.Mark(1, 1), v.Mark(0, 1), v.Mark(1, 3), v.Mark(2, 3), v.Mark(3, 3)])
    return v.State(
        destination=v.Address(socket.AF_INET, bytes([192, 0, 2, draw(st.integers(1, 2))])),
        protocol=v.ESP,
        spi=draw(st.integers(1, 2)),
        mark=draw(few_marks),
        reqid=draw(st.sampled_from([1, 7100, 7101])),
        aead=v.Algorithm("rfc4106(gcm(aes))", bytes([draw(st.integers(1, 2))]) * 20, 128),
        limits=v.Limits(packet_hard=draw(st.sampled_from([10, v.NEVER]))),
        output_mark=draw(st.sampled_from([v.NO_MARK, v.Mark(1, 1)])),
        if_id=draw(st.integers(0, 1)),
    )
