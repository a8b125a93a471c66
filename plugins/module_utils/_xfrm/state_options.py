# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The options of xfrm_state as values. All errors are reported at once, before anything is read or changed.

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .._engine.options import OptionReader, within
from . import option_reader as reader
from .algorithms import canonical, check, default_tag_bits, kind_of, nonce_rfc
from .key_material import HEX, parse_key, read_key_file
from .key_uses import nonce_keys
from .model import (
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
from .ownership import DEFAULT_REQID, parse_reqids
from .state_plan import AbsentState, WantedStates, label

MOST_REPLAYED = 4096  # XFRMA_REPLAY_ESN_MAX
_OFFLOAD_INBOUND, _OFFLOAD_PACKET = 2, 4


def parse_states(options: Mapping[str, Any]) -> WantedStates:
    """Return the wanted states. Raises InvalidOptions with all errors."""
    call = OptionReader(options)
    states: list[State] = []
    absent: list[AbsentState] = []
    places: dict[StateKey, str] = {}
    receive_only: set[StateKey] = set()
    allow_nonce_reuse = bool(options.get("allow_nonce_reuse"))
    rule = "one SPI, mark and destination is one state"
    for entry, key in reader.keyed_entries(call, "states", _read_key, label, rule):
        places.setdefault(key, entry.path)
        if entry.get("state") == "absent":
            absent.append(AbsentState(key, entry.read("reqid", within(0, ALL_BITS), None)))
            continue
        state = _read_state(entry, key)
        states.append(state)
        if entry.get("receive_only"):
            receive_only.add(key)
        elif not allow_nonce_reuse:
            _refuse_static_nonce_keys(entry, state)
    if not allow_nonce_reuse:
        _refuse_shared_nonce_keys(states, places, call.errors)
    ours = call.read("owned_reqids", parse_reqids, WantedStates.ours)
    call.raise_errors()
    return WantedStates(
        tuple(states),
        tuple(absent),
        bool(options.get("purge")),
        ours,
        bool(options.get("takeover")),
        allow_nonce_reuse,
        frozenset(receive_only),
    )


def _read_key(options: OptionReader) -> StateKey | None:
    protocol = options.choice("proto", PROTOCOLS, "esp")
    destination = options.read("dst", reader.address, None)
    # A CPI has 16 bits; SPIs up to 255 are reserved (RFC 4303), but in use all the same.
    spi = options.number("spi", 1, 0xFFFF if protocol == COMP else ALL_BITS)
    mark = options.read("mark", reader.mark, NO_MARK)
    for name in ("dst", "spi"):
        if options.get(name) is None:
            options.error(name, "is required: it identifies the state")
    if destination is None:
        return None
    return (destination.family, destination.packed, protocol, spi, mark)


def _read_state(options: OptionReader, key: StateKey) -> State:
    family, packed, protocol, spi, mark = key
    source = options.read("src", reader.address, any_address(family))
    if source.family != family:
        options.error("src", f"{source} and dst {Address(family, packed)} are not of one family")
    mode = options.choice("mode", MODES, "tunnel")
    flags = reader.flags(options, "flags", STATE_FLAGS) | (FLAG_ESN if options.get("esn") else 0)
    algorithms = {name: _read_algorithm(options, name) for name in ("aead", "auth", "enc", "comp")}
    _check_algorithms(options, protocol, algorithms)
    direction = options.choice("dir", {"": 0, **SA_DIRECTIONS}, "")
    tfc_padding = options.number("tfcpad", 0, 65535)
    if tfc_padding and (protocol != ESP or mode != TUNNEL):
        options.error("tfcpad", "only esp in tunnel mode has padding")
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
        extra_flags=reader.flags(options, "extra_flags", EXTRA_FLAGS),
        replay_window=_read_replay_window(options, flags, direction),
        limits=reader.limits(options),
        encap=_read_encap(options, family, protocol),
        output_mark=options.read("output_mark", reader.mark, NO_MARK),
        if_id=options.number("if_id", 0, ALL_BITS),
        tfc_padding=tfc_padding,
        direction=direction,
        offload=_read_offload(options),
        aead=algorithms["aead"],
        auth=algorithms["auth"],
        enc=algorithms["enc"],
        comp=algorithms["comp"],
    )


def _read_algorithm(options: OptionReader, name: str) -> Algorithm | None:
    inner = options.nested(name)
    if inner is None:
        return None
    written = inner.get("algorithm")
    if written is None:
        inner.error("algorithm", "is required")
        return None
    algorithm = inner.read("algorithm", canonical, None)
    if algorithm is None:
        return None
    try:
        kind = kind_of(name, algorithm)
    except ValueError as exc:
        inner.error("algorithm", str(exc))
        return None
    key = _read_algorithm_key(inner, keyless=kind is not None and kind.key_bits == (0,))
    tag_option = {"aead": "icv_bits", "auth": "truncation_bits"}.get(name)
    tag_bits = inner.number(tag_option, 1, 512, default_tag_bits(name, algorithm)) if tag_option else 0
    if tag_option and not tag_bits and kind is None:
        inner.error(tag_option, f"is required, because {algorithm} has no known default")
    if key is not None:
        try:
            check(name, algorithm, len(key) * 8, tag_bits)
        except ValueError as exc:
            inner.error("", str(exc))
    return Algorithm(algorithm, key or b"", tag_bits)


def _read_algorithm_key(options: OptionReader, keyless: bool) -> bytes | None:
    """Return the key from the options or a file; None if it is missing or wrong."""
    text, path = options.get("key"), options.get("key_file")
    form = options.get("key_format") or HEX
    if text is not None and path is not None:
        options.error("key_file", "is given beside key; remove one of the two")
        return None
    if path is not None:
        return options.read("key_file", lambda value: read_key_file(value, form), None)
    if text is not None:
        return options.read("key", lambda value: parse_key(value, form), None)
    if keyless:
        return b""
    options.error("key", "is required, or key_file")
    return None


def _check_algorithms(options: OptionReader, protocol: int, found: Mapping[str, Algorithm | None]) -> None:
    """Note combinations that the kernel refuses (verify_newsa_info)."""
    given = {name for name in ("aead", "auth", "enc", "comp") if options.get(name) is not None}
    if protocol == COMP:
        if given != {"comp"}:
            options.error("comp", "proto comp requires comp and no other algorithm")
    elif protocol == AH:
        if given != {"auth"}:
            options.error("auth", "proto ah requires auth and no other algorithm")
    elif "comp" in given:
        options.error("comp", "compression requires proto comp, in a state of its own")
    elif "aead" in given and len(given) > 1:
        options.error("aead", "encrypts and authenticates; leave auth and enc out")
    elif not given & {"aead", "enc"}:
        options.error("aead", "proto esp requires aead, or enc with auth (enc 'cipher_null' for none)")
    elif given == {"enc"}:
        enc = found["enc"]
        if enc is not None:
            options.error(
                "auth",
                f"{enc.name} alone does not detect tampering (RFC 8221 section 4); add auth, 'digest_null' for none",
            )


def _read_replay_window(options: OptionReader, flags: int, direction: int) -> int:
    window = options.number("replay_window", 0, MOST_REPLAYED)
    if direction == SA_DIR_OUT:
        if window:
            options.error("replay_window", "an outbound state (dir: out) has no replay window")
    elif flags & FLAG_ESN and not window:
        options.error("replay_window", "esn requires a window from 1 to 4096; 1024 is usual")
    return window


def _read_selector(options: OptionReader, family: int) -> Selector | None:
    inner = options.nested("sel")
    if inner is None:
        return None
    selector = reader.selector(inner, family)
    return None if selector == Selector(family, any_prefix(family), any_prefix(family)) else selector


def _read_encap(options: OptionReader, family: int, protocol: int) -> Encap | None:
    inner = options.nested("encap")
    if inner is None:
        return None
    if protocol != ESP:
        options.error("encap", "only esp is carried in UDP or TCP")
    for name in ("sport", "dport"):
        if inner.get(name) is None:
            inner.error(name, "is required")
    original = inner.read("oa", reader.address, any_address(family))
    return Encap(
        inner.choice("type", ENCAPSULATIONS, "espinudp"),
        inner.number("sport", 1, 65535),
        inner.number("dport", 1, 65535),
        original.packed + bytes(16 - len(original.packed)),
    )


def _read_offload(options: OptionReader) -> Offload | None:
    inner = options.nested("offload")
    if inner is None:
        return None
    for name in ("dev", "dir"):
        if inner.get(name) is None:
            inner.error(name, "is required")
    inbound = inner.choice("dir", SA_DIRECTIONS, "out") == SA_DIR_IN
    packet = inner.choice("type", {"crypto": 0, "packet": 1}, "crypto")
    flags = _OFFLOAD_INBOUND * inbound | _OFFLOAD_PACKET * packet
    return Offload(inner.read("dev", reader.interface_index, 0), flags)


def _refuse_static_nonce_keys(options: OptionReader, state: State) -> None:
    if options.get("key_survives_reboot") is False:
        return
    for name in nonce_keys(state):
        rfc = nonce_rfc(name, state.algorithms[name].name)
        options.error(
            f"{name}.algorithm",
            f"{state.algorithms[name].name} with a key that is used again after a reboot repeats nonces, which "
            f"discloses the plaintext ({rfc}, RFC 8221 section 3); make a new key at each boot and set "
            "key_survives_reboot: false, use cbc(aes) with hmac(sha256), or set allow_nonce_reuse: true",
        )


def _refuse_shared_nonce_keys(states: Sequence[State], places: Mapping[StateKey, str], errors: list[str]) -> None:
    first: dict[bytes, StateKey] = {}
    for state in states:
        for name, key in nonce_keys(state).items():
            if key in first:
                rfc = nonce_rfc(name, state.algorithms[name].name)
                errors.append(
                    f"{places[state.key()]}.{name}: has the key of {places[first[key]]}, and both would use the same "
                    f"nonces ({rfc}, RFC 8221 section 3); give each state its own key, or set "
                    "allow_nonce_reuse: true"
                )
            first.setdefault(key, state.key())
