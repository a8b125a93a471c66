# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The options of xfrm_state as values. All that is wrong is said at once, before anything is read or touched.

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..refusal import InvalidOptions
from . import reader
from .algorithms import canonical, check, default_tag_bits, kind_of, nonce_rfc
from .key_material import HEX, parse_key, read_key_file
from .key_uses import nonce_keys
from .ownership import DEFAULT_REQID, parse_reqids
from .reader import Reader
from .states import AbsentState, WantedStates, label
from .values import (
    AH,
    ALL_BITS,
    COMP,
    ENCAPSULATIONS,
    ESP,
    EXTRA_FLAGS,
    FLAG_ESN,
    MODES,
    NO_MARK,
    PROTOCOLS,
    SA_DIR_IN,
    SA_DIR_OUT,
    SA_DIRECTIONS,
    STATE_FLAGS,
    TUNNEL,
    Address,
    Algorithm,
    Encap,
    Offload,
    Selector,
    State,
    StateKey,
    any_address,
    any_prefix,
)

MOST_REPLAYED = 4096  # XFRMA_REPLAY_ESN_MAX
_OFFLOAD_IPV6, _OFFLOAD_INBOUND, _OFFLOAD_PACKET = 1, 2, 4


def parse_states(options: Mapping[str, Any]) -> WantedStates:
    """Return what the options of xfrm_state ask for. Raises InvalidOptions with all that is wrong."""
    errors: list[str] = []
    states: list[State] = []
    absent: list[AbsentState] = []
    places: dict[StateKey, str] = {}
    seen: set[StateKey] = set()
    receive_only: set[StateKey] = set()
    allow_nonce_reuse = bool(options.get("allow_nonce_reuse"))
    for index, entry in enumerate(options.get("states") or ()):
        place = f"states[{index}]"
        options_of = Reader(entry, place, errors)
        noted = len(errors)
        key = _read_key(options_of)
        if key is None:
            continue
        # A key that was read wrong says nothing of others.
        if len(errors) > noted:
            places.setdefault(key, place)
        elif key in seen:
            errors.append(f"{place}: {label(key)} is already {places[key]}; one SPI, mark and destination is one state")
        else:
            seen.add(key)
            places[key] = place
        if entry.get("state") == "absent":
            reqid = options_of.number("reqid", 0, ALL_BITS) if entry.get("reqid") is not None else None
            absent.append(AbsentState(key, reqid))
            continue
        state = _read_state(options_of, key)
        states.append(state)
        if entry.get("receive_only"):
            receive_only.add(key)
        elif not allow_nonce_reuse:
            _refuse_static_nonce_keys(options_of, state)
    if not allow_nonce_reuse:
        _refuse_shared_nonce_keys(states, places, errors)
    ours = Reader(options, "xfrm_state", errors).read("owned_reqids", parse_reqids, WantedStates.ours)
    if errors:
        raise InvalidOptions(errors)
    return WantedStates(
        tuple(states),
        tuple(absent),
        bool(options.get("purge")),
        ours,
        bool(options.get("takeover")),
        allow_nonce_reuse,
        frozenset(receive_only),
    )


def _read_key(options: Reader) -> StateKey | None:
    protocol = options.choice("proto", PROTOCOLS, "esp")
    destination = options.read("dst", reader.address, None)
    # A CPI has 16 bits; SPIs up to 255 are reserved (RFC 4303), but in use all the same.
    spi = options.number("spi", 1, 0xFFFF if protocol == COMP else ALL_BITS)
    mark = options.read("mark", reader.mark, NO_MARK)
    for name in ("dst", "spi"):
        if options.get(name) is None:
            options.wrong(name, "is needed: it says which state is meant")
    if destination is None:
        return None
    return (destination.family, destination.packed, protocol, spi, mark)


def _read_state(options: Reader, key: StateKey) -> State:
    family, packed, protocol, spi, mark = key
    source = options.read("src", reader.address, any_address(family))
    if source.family != family:
        options.wrong("src", f"{source} and dst {Address(family, packed)} are not of one family")
    mode = options.choice("mode", MODES, "tunnel")
    flags = options.flags("flags", STATE_FLAGS) | (FLAG_ESN if options.get("esn") else 0)
    algorithms = {name: _read_algorithm(options, name) for name in ("aead", "auth", "enc", "comp")}
    _check_algorithms(options, protocol, algorithms)
    direction = options.choice("dir", {"": 0, **SA_DIRECTIONS}, "")
    tfc_padding = options.number("tfcpad", 0, 65535)
    if tfc_padding and (protocol != ESP or mode != TUNNEL):
        options.wrong("tfcpad", "padding is for esp in tunnel mode only")
    return State(
        destination=Address(family, packed),
        protocol=protocol,
        spi=spi,
        mark=mark,
        source=source,
        mode=mode,
        reqid=options.number("reqid", 0, ALL_BITS, DEFAULT_REQID),
        selector=_read_selector(options, family),
        flags=flags,
        extra_flags=options.flags("extra_flags", EXTRA_FLAGS),
        replay_window=_read_replay_window(options, flags, direction),
        limits=options.limits(),
        encap=_read_encap(options, family, protocol),
        output_mark=options.read("output_mark", reader.mark, NO_MARK),
        if_id=options.number("if_id", 0, ALL_BITS),
        tfc_padding=tfc_padding,
        direction=direction,
        offload=_read_offload(options, family),
        aead=algorithms["aead"],
        auth=algorithms["auth"],
        enc=algorithms["enc"],
        comp=algorithms["comp"],
    )


def _read_algorithm(options: Reader, name: str) -> Algorithm | None:
    inner = options.nested(name)
    if inner is None:
        return None
    written = inner.get("algorithm")
    if written is None:
        inner.wrong("algorithm", "is needed")
        return None
    algorithm = inner.read("algorithm", canonical, None)
    if algorithm is None:
        return None
    try:
        kind = kind_of(name, algorithm)
    except ValueError as exc:
        inner.wrong("algorithm", str(exc))
        return None
    key = _read_algorithm_key(inner, keyless=kind is not None and kind.key_bits == (0,))
    tag_option = {"aead": "icv_bits", "auth": "truncation_bits"}.get(name)
    tag_bits = inner.number(tag_option, 1, 512, default_tag_bits(name, algorithm)) if tag_option else 0
    if tag_option and not tag_bits and kind is None:
        inner.wrong(tag_option, f"is needed, as {algorithm} is not known here")
    if key is not None:
        try:
            check(name, algorithm, len(key) * 8, tag_bits)
        except ValueError as exc:
            inner.wrong("", str(exc))
    return Algorithm(algorithm, key or b"", tag_bits)


def _read_algorithm_key(options: Reader, keyless: bool) -> bytes | None:
    """Return the key, which stands in the options or in a file; None where it is missing or wrong."""
    text, path = options.get("key"), options.get("key_file")
    form = options.get("key_format") or HEX
    if text is not None and path is not None:
        options.wrong("key_file", "either this or key, not both")
        return None
    if path is not None:
        return options.read("key_file", lambda value: read_key_file(value, form), None)
    if text is not None:
        return options.read("key", lambda value: parse_key(value, form), None)
    if keyless:
        return b""
    options.wrong("key", "is needed, or key_file")
    return None


def _check_algorithms(options: Reader, protocol: int, found: Mapping[str, Algorithm | None]) -> None:
    """Note combinations that the kernel refuses (verify_newsa_info)."""
    given = {name for name in ("aead", "auth", "enc", "comp") if options.get(name) is not None}
    if protocol == COMP:
        if given != {"comp"}:
            options.wrong("comp", "proto comp takes comp, and no other algorithm")
    elif protocol == AH:
        if given != {"auth"}:
            options.wrong("auth", "proto ah takes auth, and no other algorithm")
    elif "comp" in given:
        options.wrong("comp", "compression is for proto comp; make a state of its own for it")
    elif "aead" in given and len(given) > 1:
        options.wrong("aead", "encrypts and authenticates by itself; leave auth and enc out")
    elif not given & {"aead", "enc"}:
        options.wrong("aead", "proto esp takes aead, or enc with auth (enc 'cipher_null' for none)")
    elif given == {"enc"}:
        enc = found["enc"]
        if enc is not None:
            options.wrong(
                "auth", f"{enc.name} alone can be tampered with (RFC 8221 section 4); add auth, 'digest_null' for none"
            )


def _read_replay_window(options: Reader, flags: int, direction: int) -> int:
    window = options.number("replay_window", 0, MOST_REPLAYED)
    if direction == SA_DIR_OUT:
        if window:
            options.wrong("replay_window", "an outbound state (dir: out) has none")
    elif flags & FLAG_ESN and not window:
        options.wrong("replay_window", "esn needs one, from 1 to 4096; 1024 is usual")
    return window


def _read_selector(options: Reader, family: int) -> Selector | None:
    inner = options.nested("sel")
    if inner is None:
        return None
    selector = inner.selector(family)
    return None if selector == Selector(family, any_prefix(family), any_prefix(family)) else selector


def _read_encap(options: Reader, family: int, protocol: int) -> Encap | None:
    inner = options.nested("encap")
    if inner is None:
        return None
    if protocol != ESP:
        options.wrong("encap", "only esp is carried in UDP or TCP")
    for name in ("sport", "dport"):
        if inner.get(name) is None:
            inner.wrong(name, "is needed")
    original = inner.read("oa", reader.address, any_address(family))
    return Encap(
        inner.choice("type", ENCAPSULATIONS, "espinudp"),
        inner.number("sport", 1, 65535),
        inner.number("dport", 1, 65535),
        original.packed + bytes(16 - len(original.packed)),
    )


def _read_offload(options: Reader, family: int) -> Offload | None:
    inner = options.nested("offload")
    if inner is None:
        return None
    for name in ("dev", "dir"):
        if inner.get(name) is None:
            inner.wrong(name, "is needed")
    inbound = inner.choice("dir", SA_DIRECTIONS, "out") == SA_DIR_IN
    packet = inner.choice("type", {"crypto": 0, "packet": 1}, "crypto")
    flags = _OFFLOAD_INBOUND * inbound | _OFFLOAD_PACKET * packet
    return Offload(inner.read("dev", reader.interface_index, 0), flags)


def _refuse_static_nonce_keys(options: Reader, state: State) -> None:
    if options.get("key_survives_reboot") is False:
        return
    for name in nonce_keys(state):
        rfc = nonce_rfc(name, state.algorithms[name].name)
        options.wrong(
            f"{name}.algorithm",
            f"{state.algorithms[name].name} with a key that is used again after a reboot repeats nonces, which gives "
            f"the plaintext away ({rfc}, RFC 8221 section 3); make a new key at each boot and set "
            "key_survives_reboot: false, use cbc(aes) with hmac(sha256), or set allow_nonce_reuse: true",
        )


def _refuse_shared_nonce_keys(states: Sequence[State], places: Mapping[StateKey, str], errors: list[str]) -> None:
    first: dict[bytes, StateKey] = {}
    for state in states:
        for name, key in nonce_keys(state).items():
            if key in first:
                rfc = nonce_rfc(name, state.algorithms[name].name)
                errors.append(
                    f"{places[state.key()]}.{name}: has the key of {places[first[key]]}, and both would count the same "
                    f"nonces ({rfc}, RFC 8221 section 3); give each state a key of its own, or set "
                    "allow_nonce_reuse: true"
                )
            first.setdefault(key, state.key())
