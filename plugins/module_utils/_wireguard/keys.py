# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Curve25519 keys of WireGuard: base64 text, 32 raw bytes, public from private (RFC 7748, wg(8)).

This module is private to the collection.
No error raised here ever quotes the text it was given, because that text may be a private key.
"""

from __future__ import annotations

import binascii
import os

KEY_BYTES = 32
ZERO = bytes(KEY_BYTES)
# Begins the placeholder of a key that is not generated yet, which check mode has in place of a public or private key. A
# placeholder is longer than any key, so it equals none.
NEW_KEY_OF = "the new key of "

_PRIME = 2**255 - 19
_BASE_POINT = 9
_A24 = 121665

# The points whose product with any clamped scalar is zero (RFC 7748 section 6.1, Curve25519 paper):
# a peer with one of these keys never completes a handshake.
_LOW_ORDER_POINTS = frozenset(
    point.to_bytes(KEY_BYTES, "little")
    for point in (
        0,
        1,
        325606250916557431795983626356110631294008115727848805560023387167927233504,
        39382357235489614581723060781553021112529911719440698176882885853963445705823,
        _PRIME - 1,
        _PRIME,
        _PRIME + 1,
    )
)


def decode_key(text: str) -> bytes:
    """Return the 32 bytes of a key in wg(8)'s base64 form.

    Surrounding white space is allowed, as in a key file; anything else is not.
    Raises ValueError, whose message never contains the text.
    """
    stripped = text.strip()
    if len(stripped) != 44 or not stripped.endswith("="):
        raise ValueError(f"a WireGuard key is 44 characters of base64 that end in '=', not {len(stripped)} characters")
    try:
        raw = binascii.a2b_base64(stripped.encode("ascii"))
    except (binascii.Error, UnicodeEncodeError):
        raise ValueError("not base64 in the standard alphabet (A-Z a-z 0-9 + / =)") from None
    # a2b_base64 skips unknown characters and accepts stray bits in the last digit.
    if encode_key(raw) != stripped:
        raise ValueError("not base64 in the standard alphabet (A-Z a-z 0-9 + / =)")
    if len(raw) != KEY_BYTES:  # 31 bytes have 44 characters too
        raise ValueError(f"a WireGuard key has {KEY_BYTES} bytes, not {len(raw)}")
    return raw


def decode_secret(text: str) -> bytes:
    """Return the 32 bytes of a private or preshared key; raises ValueError as decode_key(), and for zeros, which are no key."""
    raw = decode_key(text)
    if not any(raw):
        raise ValueError("a key of zeros, which WireGuard takes for none; make one with `wg genpsk`")
    return raw


def decode_public_key(text: str) -> bytes:
    """Return the 32 bytes of a public key; raises ValueError for a key with which no handshake can succeed."""
    raw = decode_key(text)
    # The top bit is ignored in X25519 (RFC 7748 section 5).
    if raw[:31] + bytes([raw[31] & 127]) in _LOW_ORDER_POINTS:
        raise ValueError("a low-order point of Curve25519, with which no handshake ever completes")
    return raw


def key_identity(text: str) -> bytes:
    """Return what is the same for all spellings of a public key, to find machines with the same private key.

    X25519 ignores the top bit and computes modulo 2**255 - 19 (RFC 7748 section 5). A text that is no public key, such as a
    placeholder, is its own identity.
    """
    try:
        raw = decode_key(text)
    except ValueError:
        return text.encode(errors="surrogatepass")
    number = int.from_bytes(raw, "little") & ((1 << 255) - 1)
    return (number % _PRIME).to_bytes(KEY_BYTES, "little")


def decode_predicted_key(text: str) -> bytes:
    """Return a public key or a placeholder, which only check mode accepts; raises ValueError as decode_public_key()."""
    return ZERO + text.encode() if text.startswith(NEW_KEY_OF) else decode_public_key(text)


def new_key_in(path: str) -> bytes:
    """Return the placeholder for the key of a file on this host."""
    return decode_predicted_key(f"{NEW_KEY_OF}{os.uname().nodename}:{path}")


def encode_key(raw: bytes) -> str:
    """Return the base64 form of a key's raw bytes, or the text of a placeholder."""
    if len(raw) > KEY_BYTES:
        return raw[KEY_BYTES:].decode()
    return binascii.b2a_base64(raw, newline=False).decode("ascii")


def clamp(private: bytes) -> bytes:
    """Return the private key with the fixed bits of X25519 set and cleared, as the kernel stores it; a placeholder as it is."""
    if len(private) > KEY_BYTES:
        return private
    return bytes([private[0] & 248]) + private[1:31] + bytes([private[31] & 127 | 64])


def generate_private_key() -> bytes:
    """Return a new clamped private key from the kernel's random source."""
    return clamp(os.urandom(KEY_BYTES))


def public_key(private: bytes) -> bytes:
    """Return the public key of a private key: X25519 of the base point (RFC 7748 section 5). A placeholder is its own.

    It takes 1 ms. Importing `cryptography` for it costs 13 to 32 ms of each run, and `wg pubkey` 1 to 3 ms for a process,
    where it is installed. Not constant time; it runs once per interface, on the host that owns the key.
    """
    if len(private) > KEY_BYTES:
        return private
    scalar = int.from_bytes(clamp(private), "little")
    x2, z2, x3, z3 = 1, 0, _BASE_POINT, 1
    swap = 0
    for bit in range(254, -1, -1):
        current = scalar >> bit & 1
        if swap ^ current:
            x2, z2, x3, z3 = x3, z3, x2, z2
        swap = current
        plus, minus = x2 + z2, x2 - z2
        plus_squared, minus_squared = plus * plus % _PRIME, minus * minus % _PRIME
        difference = plus_squared - minus_squared
        cross_a, cross_b = (x3 - z3) * plus % _PRIME, (x3 + z3) * minus % _PRIME
        x3 = (cross_a + cross_b) ** 2 % _PRIME
        z3 = _BASE_POINT * (cross_a - cross_b) ** 2 % _PRIME
        x2 = plus_squared * minus_squared % _PRIME
        z2 = difference * (plus_squared + _A24 * difference) % _PRIME
    if swap:
        x2, z2 = x3, z3
    return (x2 * pow(z2, _PRIME - 2, _PRIME) % _PRIME).to_bytes(KEY_BYTES, "little")
