# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Preshared keys derived from one master secret: HKDF-SHA256 (RFC 5869).

Both ends of a pair derive the same key, so nothing is stored or distributed; raising the epoch changes all of
them. This plugin util is private to the collection. No error raised here quotes a secret.
"""

from __future__ import annotations

import hashlib
import hmac

from ansible_collections.wirewright.overlay.plugins.module_utils.wireguard.keys import encode_key

MINIMUM_MASTER = 16
_LABEL = b"wirewright.overlay preshared key v1"
_HASH_BYTES = 32


def extract(salt: bytes, material: bytes) -> bytes:
    """Return the pseudorandom key of RFC 5869 section 2.2."""
    return hmac.digest(salt or bytes(_HASH_BYTES), material, hashlib.sha256)


def expand(pseudorandom_key: bytes, info: bytes, length: int) -> bytes:
    """Return `length` bytes of output keying material (RFC 5869 section 2.3)."""
    if not 0 < length <= 255 * _HASH_BYTES:
        raise ValueError(f"HKDF-SHA256 gives 1 to {255 * _HASH_BYTES} bytes, not {length}")
    output, block = b"", b""
    for counter in range(1, -(-length // _HASH_BYTES) + 1):
        block = hmac.digest(pseudorandom_key, block + info + bytes([counter]), hashlib.sha256)
        output += block
    return output[:length]


class PresharedKeys:
    """The preshared keys of one master secret and epoch.

    Raises ValueError for a master shorter than 16 bytes (an attacker who recorded traffic could try them all)
    and for an epoch that is not a whole number from 0.
    """

    def __init__(self, master: str, epoch: int = 0) -> None:
        secret = master.encode("utf-8")
        if len(secret) < MINIMUM_MASTER:
            raise ValueError(f"the master secret is shorter than {MINIMUM_MASTER} bytes")
        if epoch < 0:
            raise ValueError("the epoch is a whole number from 0")
        self._pseudorandom_key = extract(_LABEL, secret)
        self._info = _LABEL + b"\0epoch %d\0" % epoch

    def between(self, one: bytes, other: bytes) -> str:
        """Return the preshared key, in base64, of the pair with these two raw public keys, in either order."""
        pair = one + other if one < other else other + one
        return encode_key(expand(self._pseudorandom_key, self._info + pair, _HASH_BYTES))

    def __repr__(self) -> str:
        return "PresharedKeys(<secret>)"
