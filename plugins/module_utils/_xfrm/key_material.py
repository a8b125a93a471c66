# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Keys of security associations: parsed from text or a file, and their fingerprints for output.

This module is private to the collection. No error raised here quotes a key.
"""

from __future__ import annotations

import binascii
import hashlib
import os
import stat

from .._host.files import open_file

HEX = "hex"
MAX_KEY_BYTES = 512
_FINGERPRINT_LABEL = b"wirewright.overlay xfrm key\0"
_MAX_TEXT = 4096


def parse_key(text: str, form: str) -> bytes:
    """Return a key's bytes from hexadecimal digits (with or without `0x`) or base64, white space around it ignored.

    Raises ValueError.
    """
    stripped = text.strip()
    raw = _from_hex(stripped) if form == HEX else _from_base64(stripped)
    if len(raw) > MAX_KEY_BYTES:
        raise ValueError(f"a key has at most {MAX_KEY_BYTES} bytes, not {len(raw)}")
    return raw


def _from_hex(text: str) -> bytes:
    digits = text[2:] if text[:2].lower() == "0x" else text
    if len(digits) % 2:
        raise ValueError(f"a key in hexadecimal has an even number of digits, not {len(digits)}")
    try:
        return binascii.unhexlify(digits.encode("ascii"))
    except (binascii.Error, UnicodeEncodeError):
        raise ValueError("not a key in hexadecimal; for base64 set key_format: base64") from None


def _from_base64(text: str) -> bytes:
    try:
        raw = binascii.a2b_base64(text.encode("ascii"))
        canonical = binascii.b2a_base64(raw, newline=False).decode("ascii")
    except (binascii.Error, UnicodeEncodeError):
        canonical = None
    # a2b_base64 skips unknown characters and accepts stray bits in the last digit.
    if canonical is None or canonical != text:
        raise ValueError("not complete, padded base64 in the standard alphabet (A-Z a-z 0-9 + / =)")
    return raw


def read_key_file(path: str, form: str) -> bytes:
    """Return the key in a file. Raises ValueError if it cannot be read, has no key, or others may read it."""
    if not os.path.isabs(path):
        raise ValueError(f"{path} is not an absolute path")
    try:
        descriptor = open_file(path)
    except OSError as exc:
        raise ValueError(f"{path} cannot be read: {exc.strerror}") from None
    if descriptor is None:
        raise ValueError(f"{path} cannot be read: No such file or directory")
    try:
        about = os.fstat(descriptor)
        if about.st_mode & 0o077:
            mode = stat.S_IMODE(about.st_mode)
            raise ValueError(f"{path} can be read by others (mode {mode:04o}); run: chmod 600 {path}")
        content = os.read(descriptor, _MAX_TEXT + 1)
    finally:
        os.close(descriptor)
    if len(content) > _MAX_TEXT:
        raise ValueError(f"{path} is too large to be a key")
    try:
        return parse_key(content.decode("ascii", errors="replace"), form)
    except ValueError as exc:
        raise ValueError(f"{path}: {exc}") from None


def fingerprint(key: bytes) -> str:
    """Return the fingerprint of a key for output: 64 bits of its hash, "" for no key."""
    return hashlib.sha256(_FINGERPRINT_LABEL + key).hexdigest()[:16] if key else ""
