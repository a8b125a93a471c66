# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keys derived from a master secret: HKDF-SHA256 (RFC 5869), from the package cryptography that ansible-core requires.

This plugin util is private to the collection. No error raised here quotes a secret.
"""

from __future__ import annotations

MINIMUM_BYTES = 16


class MasterSecret:
    """A master secret for keys of one purpose; ``label`` names the purpose and is the salt of HKDF.

    Raises ValueError for a secret shorter than 16 bytes: an attacker who recorded traffic could try them all.
    """

    def __init__(self, text: str, label: bytes) -> None:
        self._secret, self._label = text.encode("utf-8"), label
        if len(self._secret) < MINIMUM_BYTES:
            raise ValueError(f"the master secret is shorter than {MINIMUM_BYTES} bytes")

    def derive(self, info: bytes, length: int) -> bytes:
        """Return ``length`` bytes of key, bound to ``info``."""
        # Importing it takes longer than planning a small fleet, and most fleets have no master secret.
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF

        return HKDF(algorithm=SHA256(), length=length, salt=self._label, info=info).derive(self._secret)

    def __repr__(self) -> str:
        return "MasterSecret(<secret>)"
