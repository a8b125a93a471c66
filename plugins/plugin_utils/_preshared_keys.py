# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Preshared keys derived from one master secret.

Both ends of a pair derive the same key, so none is stored or distributed. A higher epoch changes all of them. This
plugin util is private to the collection. No error raised here quotes a secret.
"""

from __future__ import annotations

from ..module_utils._wireguard.keys import encode_key
from ._master_secret import MasterSecret

_LABEL = b"wirewright.overlay preshared key v1"
_KEY_BYTES = 32


class PresharedKeys:
    """The preshared keys of one master secret and epoch.

    Raises ValueError for a master shorter than 16 bytes and for an epoch below 0.
    """

    def __init__(self, master: str, epoch: int = 0) -> None:
        if epoch < 0:
            raise ValueError("the epoch is a whole number from 0")
        self._secret = MasterSecret(master, _LABEL)
        self._info = _LABEL + b"\0epoch %d\0" % epoch

    def between(self, one: bytes, other: bytes) -> str:
        """Return the preshared key, in base64, of the pair with these two raw public keys, in either order."""
        pair = one + other if one < other else other + one
        return encode_key(self._secret.derive(self._info + pair, _KEY_BYTES))

    def __repr__(self) -> str:
        return "PresharedKeys(<secret>)"
