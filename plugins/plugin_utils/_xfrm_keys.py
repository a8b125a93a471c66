# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keys of security associations derived from one master secret.

Both ends derive the same key, so none is stored on the controller or sent between hosts. A key is bound to all values
that distinguish its association, so no two associations share one: AES-GCM and ChaCha20-Poly1305 take their nonce from
the packet count, and two associations under one key would give the plaintext away (RFC 8221 section 3).

This plugin util is private to the collection. No error raised here quotes a secret.
"""

from __future__ import annotations

from typing import NamedTuple

from ._master_secret import MasterSecret

_LABEL = b"wirewright.overlay xfrm key v1"
_SALT_BYTES = 4

GCM = "rfc4106(gcm(aes))"
CHACHA = "rfc7539esp(chacha20,poly1305)"
KEY_BITS = {GCM: (128, 192, 256), CHACHA: (256,)}
"""Key lengths of an algorithm in bits, without the 32 bits of salt that RFC 4106 and RFC 7634 append."""


class Association(NamedTuple):
    """What a key is bound to: one direction between two named hosts, for one boot of the sender."""

    source: str
    destination: str
    source_address: str
    destination_address: str
    spi: int
    epoch: int
    slot: int


def key_bytes(aead: str, key_bits: int) -> int:
    """Return the bytes of a key with its salt. Raises ValueError for an unsupported algorithm or length."""
    known = KEY_BITS.get(aead)
    if known is None:
        raise ValueError(f"{aead!r} is none of {', '.join(KEY_BITS)}")
    if key_bits not in known:
        raise ValueError(f"{aead} takes {' or '.join(map(str, known))} bits, not {key_bits}")
    return key_bits // 8 + _SALT_BYTES


class XfrmKeys:
    """The keys of one master secret, for one algorithm.

    Raises ValueError for a master shorter than 16 bytes, and as key_bytes() does.
    """

    def __init__(self, master: str, aead: str = GCM, key_bits: int = 128) -> None:
        self._secret = MasterSecret(master, _LABEL)
        self._length = key_bytes(aead, key_bits)
        self._info = _framed(_LABEL.decode(), aead, str(key_bits))

    def of(self, association: Association) -> str:
        """Return the key with its salt, in hexadecimal with `0x` in front, as `ip xfrm` and the module take it."""
        info = self._info + _framed(*(str(part) for part in association))
        return "0x" + self._secret.derive(info, self._length).hex()

    def __repr__(self) -> str:
        return "XfrmKeys(<secret>)"


def _framed(*parts: str) -> bytes:
    """Return texts with their lengths before them, so that different lists never encode alike."""
    encoded = [part.encode("utf-8") for part in parts]
    return b"".join(len(part).to_bytes(4, "big") + part for part in encoded)
