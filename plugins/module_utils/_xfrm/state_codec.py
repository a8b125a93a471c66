# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Security associations between bytes and values (linux/xfrm.h: struct xfrm_usersa_info and its attributes). Pure.

This module is private to the collection.
"""

from __future__ import annotations

import struct

from .._netlink import messages as nl
from . import codec as xfrm
from .codec import Selector
from .model import ALL_BITS, FLAG_ESN, NO_MARK, SA_DIR_OUT, Algorithm, Encap, Mark, Offload, State, StateKey, any_prefix

# struct xfrm_usersa_info: sel, id, saddr, lft, curlft, stats (replay_window, replay, integrity_failed), seq, reqid,
# family, mode, replay_window, flags
_INFO = struct.Struct("=56s24s16s64s32s3IIIHBBB7x")
# struct xfrm_usersa_id: daddr, spi in network order, family, proto
_ID = struct.Struct("=16s4sHBx")
_ALGORITHM = struct.Struct("=64sI")  # struct xfrm_algo: alg_name, alg_key_len in bits; the key follows
_ALGORITHM_TAG = struct.Struct("=64sII")  # struct xfrm_algo_auth, xfrm_algo_aead: also the tag's length in bits
_ENCAP = struct.Struct("=H2s2s2x16s")  # struct xfrm_encap_tmpl: encap_type, encap_sport, encap_dport, encap_oa
_REPLAY = struct.Struct("=III")  # struct xfrm_replay_state: oseq, seq, bitmap
_REPLAY_ESN = struct.Struct("=6I")  # struct xfrm_replay_state_esn: bmp_len, oseq, seq, oseq_hi, seq_hi, replay_window
_OFFLOAD = struct.Struct("=iBxxx")  # struct xfrm_user_offload: ifindex, flags

# Reported by the kernel, not configuration.
_RUNTIME = frozenset((xfrm.XFRMA_LASTUSED,))


def encode_state(state: State) -> bytes:
    """Return the payload that creates a state (NEWSA) or updates it (UPDSA)."""
    selector = state.selector
    if selector is None:
        # The kernel then uses the state's family, unless the flag af-unspec is set.
        any_network = any_prefix(state.destination.family)
        selector = Selector(0, any_network, any_network)
    needs_bitmap = bool(state.flags & FLAG_ESN) or state.replay_window > 32
    info = _INFO.pack(
        xfrm.encode_selector(selector),
        xfrm.ID.pack(
            xfrm.encode_address(state.destination.packed), state.spi.to_bytes(4, "big"), state.protocol
        ),
        xfrm.encode_address(state.source.packed),
        xfrm.encode_limits(state.limits),
        bytes(32),
        0, 0, 0,
        0,
        state.reqid,
        state.destination.family,
        state.mode,
        0 if needs_bitmap else state.replay_window,
        state.flags,
    )  # fmt: skip
    parts = [info, *_encode_algorithms(state), xfrm.encode_mark(state.mark)]
    if needs_bitmap:
        # An outbound state has no window, which the kernel requires as an empty bitmap.
        words = 0 if state.direction == SA_DIR_OUT and not state.replay_window else -(-state.replay_window // 32) or 1
        window = _REPLAY_ESN.pack(words, 0, 0, 0, 0, state.replay_window)
        parts.append(nl.attribute(xfrm.XFRMA_REPLAY_ESN_VAL, window))
    if state.encap is not None:
        kind, source, destination, original = state.encap
        ports = (source.to_bytes(2, "big"), destination.to_bytes(2, "big"))
        parts.append(nl.attribute(xfrm.XFRMA_ENCAP, _ENCAP.pack(kind, *ports, original)))
    parts.append(xfrm.encode_number(xfrm.XFRMA_SA_EXTRA_FLAGS, state.extra_flags))
    if state.offload is not None:
        parts.append(nl.attribute(xfrm.XFRMA_OFFLOAD_DEV, _OFFLOAD.pack(*state.offload)))
    if state.output_mark != NO_MARK:
        parts.append(nl.attribute(xfrm.XFRMA_SET_MARK, xfrm.U32.pack(state.output_mark.value)))
        if state.output_mark.mask != ALL_BITS:
            parts.append(nl.attribute(xfrm.XFRMA_SET_MARK_MASK, xfrm.U32.pack(state.output_mark.mask)))
    parts.append(xfrm.encode_number(xfrm.XFRMA_IF_ID, state.if_id))
    parts.append(xfrm.encode_number(xfrm.XFRMA_TFCPAD, state.tfc_padding))
    if state.direction:
        parts.append(nl.attribute(xfrm.XFRMA_SA_DIR, bytes([state.direction])))
    return b"".join(parts)


def _encode_algorithms(state: State) -> list[bytes]:
    parts = []
    if state.aead is not None:
        parts.append(nl.attribute(xfrm.XFRMA_ALG_AEAD, _tagged(state.aead)))
    if state.auth is not None:
        parts.append(nl.attribute(xfrm.XFRMA_ALG_AUTH_TRUNC, _tagged(state.auth)))
    if state.enc is not None:
        parts.append(nl.attribute(xfrm.XFRMA_ALG_CRYPT, _plain(state.enc)))
    if state.comp is not None:
        parts.append(nl.attribute(xfrm.XFRMA_ALG_COMP, _plain(state.comp)))
    return parts


def _tagged(algorithm: Algorithm) -> bytes:
    head = _ALGORITHM_TAG.pack(algorithm.name.encode(), len(algorithm.key) * 8, algorithm.tag_bits)
    return head + algorithm.key


def _plain(algorithm: Algorithm) -> bytes:
    return _ALGORITHM.pack(algorithm.name.encode(), len(algorithm.key) * 8) + algorithm.key


def encode_id(key: StateKey) -> bytes:
    """Return the payload that requests (GETSA) or deletes (DELSA) a state.

    The kernel takes the first state whose mark matches this one's value, which may be another state.
    """
    family, packed, protocol, spi, mark = key
    return _ID.pack(xfrm.encode_address(packed), spi.to_bytes(4, "big"), family, protocol) + xfrm.encode_mark(mark)


def encode_again(state: State) -> bytes:
    """Return the payload that creates a recorded state again, with its sequence numbers."""
    kept = [
        nl.attribute(kind, value) for kind, value in nl.attributes(state.recorded, _INFO.size) if kind not in _RUNTIME
    ]
    return state.recorded[: _INFO.size] + b"".join(kept)


def decode_state(payload: bytes) -> State | None:
    """Return the state in a message; None for a larval one, which waits for a key daemon. Raises MalformedMessage.

    The legacy replay window is used without XFRMA_REPLAY_ESN_VAL.
    """
    try:
        return _decode(payload)
    except (struct.error, KeyError, UnicodeDecodeError) as exc:
        raise nl.MalformedMessage(f"not a description of an XFRM state ({type(exc).__name__})") from None


def _decode(payload: bytes) -> State | None:
    if len(payload) < _INFO.size:
        raise nl.MalformedMessage(f"an XFRM state of {len(payload)} bytes")
    fields = _INFO.unpack_from(payload)
    selector_raw, id_raw, source_raw, limits_raw, lifetime_raw = fields[:5]
    failed, (_sequence, reqid, family, mode, window, flags) = fields[5:8], fields[8:]
    destination, spi, protocol = xfrm.ID.unpack(id_raw)
    found = dict(nl.attributes(payload, _INFO.size))
    algorithms = _decode_algorithms(found)
    if not any(algorithms) and not any(spi):
        return None
    sequence = (0, 0)
    if xfrm.XFRMA_REPLAY_ESN_VAL in found:
        esn = _REPLAY_ESN.unpack_from(found[xfrm.XFRMA_REPLAY_ESN_VAL])
        window, sequence = esn[5], (esn[3] << 32 | esn[1], esn[4] << 32 | esn[2])
    elif xfrm.XFRMA_REPLAY_VAL in found:
        sequence = _REPLAY.unpack(found[xfrm.XFRMA_REPLAY_VAL])[:2]
    used_bytes, packets, added, used = xfrm.LIFETIME.unpack(lifetime_raw)
    selector: Selector | None = xfrm.decode_selector(selector_raw, family)
    if selector in (
        Selector(0, any_prefix(family), any_prefix(family)),
        Selector(family, any_prefix(family), any_prefix(family)),
    ):
        selector = None
    return State(
        destination=xfrm.decode_address(family, destination),
        protocol=protocol,
        spi=int.from_bytes(spi, "big"),
        mark=xfrm.decode_mark(found),
        source=xfrm.decode_address(family, source_raw),
        mode=mode,
        reqid=reqid,
        aead=algorithms[0],
        auth=algorithms[1],
        enc=algorithms[2],
        comp=algorithms[3],
        selector=selector,
        flags=flags,
        extra_flags=xfrm.decode_number(found, xfrm.XFRMA_SA_EXTRA_FLAGS),
        replay_window=window,
        limits=xfrm.decode_limits(limits_raw),
        encap=_decode_encap(found.get(xfrm.XFRMA_ENCAP)),
        output_mark=_decode_output_mark(found),
        if_id=xfrm.decode_number(found, xfrm.XFRMA_IF_ID),
        tfc_padding=xfrm.decode_number(found, xfrm.XFRMA_TFCPAD),
        direction=found.get(xfrm.XFRMA_SA_DIR, b"\0")[0],
        offload=_decode_offload(found.get(xfrm.XFRMA_OFFLOAD_DEV)),
        byte_count=used_bytes,
        packet_count=packets,
        added=added,
        used=used,
        sequence=sequence,
        failed=failed,
        recorded=payload,
    )


def _decode_algorithms(found: dict[int, bytes]) -> tuple[Algorithm | None, ...]:
    """Return aead, auth, enc and comp. The kernel returns auth in two forms; the one with the truncation is used."""
    return (
        _decode_algorithm(_ALGORITHM_TAG, found.get(xfrm.XFRMA_ALG_AEAD)),
        _decode_algorithm(_ALGORITHM_TAG, found.get(xfrm.XFRMA_ALG_AUTH_TRUNC)),
        _decode_algorithm(_ALGORITHM, found.get(xfrm.XFRMA_ALG_CRYPT)),
        _decode_algorithm(_ALGORITHM, found.get(xfrm.XFRMA_ALG_COMP)),
    )


def _decode_algorithm(layout: struct.Struct, raw: bytes | None) -> Algorithm | None:
    if raw is None:
        return None
    name, key_bits, *tag = layout.unpack_from(raw)
    key = raw[layout.size : layout.size + (key_bits + 7) // 8]
    if len(key) * 8 < key_bits:
        raise nl.MalformedMessage("an XFRM algorithm with a truncated key")
    return Algorithm(name.partition(b"\0")[0].decode("ascii"), key, *tag)


def _decode_encap(raw: bytes | None) -> Encap | None:
    if raw is None:
        return None
    kind, source, destination, original = _ENCAP.unpack(raw)
    return Encap(kind, int.from_bytes(source, "big"), int.from_bytes(destination, "big"), original)


def _decode_output_mark(found: dict[int, bytes]) -> Mark:
    if xfrm.XFRMA_SET_MARK not in found:
        return NO_MARK
    # Kernels before 4.19 know no mask.
    mask = found.get(xfrm.XFRMA_SET_MARK_MASK, xfrm.U32.pack(ALL_BITS))
    return Mark(xfrm.decode_number(found, xfrm.XFRMA_SET_MARK), xfrm.U32.unpack(mask)[0])


def _decode_offload(raw: bytes | None) -> Offload | None:
    return None if raw is None else Offload(*_OFFLOAD.unpack(raw))
