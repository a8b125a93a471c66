# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The counter-mode keys that a host has used: a fingerprint of each, and the boot of its use.

A new state counts from one. With AES-GCM, CCM, CTR and ChaCha20-Poly1305 the count is the nonce, so a key that is used
again for another state, or after a reboot, would repeat nonces (RFC 4106, RFC 8221 section 3).

This module is private to the collection.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping

from .._host import file_changes, files
from .._host.files import BootFile
from .algorithms import nonce_rfc
from .model import State

PATH = "/var/lib/wirewright.overlay/ipsec/key_uses.json"
_LABEL = b"wirewright.overlay xfrm key use\0"
_MOST = 20000
_SAYS = "wirewright.overlay: fingerprints of keys that were used here, so that none is used twice"


class UnreadableUses(ValueError):
    """The file is damaged or unmanaged."""


def use_of(key: bytes) -> str:
    """Return the fingerprint that records the use of a key; longer than the one for output."""
    return hashlib.sha256(_LABEL + key).hexdigest()


def read(path: str = PATH) -> dict[str, str]:
    """Return the boot ID of each recorded key, by fingerprint. Raises UnreadableUses and UnsafeFile."""
    try:
        text = files.read_text(path)
        uses = {} if text is None else json.loads(text)["uses"]
    except files.UnsafeFile:
        raise
    except (ValueError, TypeError, KeyError, OSError) as exc:
        raise UnreadableUses(f"{path} cannot be read ({type(exc).__name__}); move it away") from None
    if not isinstance(uses, dict) or not all(isinstance(boot, str) for boot in uses.values()):
        raise UnreadableUses(f"{path} is not a record of key uses; move it away")
    return uses


def with_uses(known: Mapping[str, str], states: Iterable[State], boot_id: str) -> dict[str, str]:
    """Return the record with new states added; the oldest entries above the limit are dropped."""
    uses = dict(known)
    for state in states:
        for key in nonce_keys(state).values():
            uses.pop(use_of(key), None)
            uses[use_of(key)] = boot_id
    return dict(list(uses.items())[-_MOST:])


def write(uses: Mapping[str, str], path: str = PATH) -> None:
    """Replace the record, readable by root only, so that a power loss keeps it. Without uses there is no file."""
    if not uses:
        file_changes.delete(path)
        return
    content = json.dumps({"about": _SAYS, "uses": dict(uses)}, indent=0) + "\n"
    file_changes.write(BootFile(path, content, 0o600, ours_by_path=True))


def nonce_keys(state: State) -> dict[str, bytes]:
    """Return the keys of a state's counter-mode algorithms, by option."""
    return {
        option: algorithm.key
        for option, algorithm in state.algorithms.items()
        if algorithm.key and nonce_rfc(option, algorithm.name)
    }
