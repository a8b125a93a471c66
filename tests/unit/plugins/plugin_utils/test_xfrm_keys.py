# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys of security associations: one for each association, of the length that its algorithm takes."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._xfrm.algorithms import check
from ansible_collections.wirewright.overlay.plugins.plugin_utils._xfrm_keys import (
    CHACHA,
    GCM,
    KEY_BITS,
    Association,
    XfrmKeys,
)
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

MASTER = "correct horse battery"
ONE = Association("n1", "n2", "10.0.0.1", "10.0.0.2", 0x4B001000, 0, 0)
GOLDEN = "0x0c21025d13bc37a88cfaa355222c94bb94c938d5"


@pytest.mark.parametrize(("aead", "bits"), [(aead, bits) for aead, known in KEY_BITS.items() for bits in known])
def test_length_is_what_the_kernel_takes(aead: str, bits: int) -> None:
    key = bytes.fromhex(XfrmKeys(MASTER, aead, bits).of(ONE)[2:])
    assert len(key) == bits // 8 + 4
    check("aead", aead, len(key) * 8, 128)


@pytest.mark.parametrize(("aead", "bits"), [(GCM, 160), (CHACHA, 128), ("rfc4309(ccm(aes))", 128), ("", 0)])
def test_other_lengths_and_algorithms_are_refused(aead: str, bits: int) -> None:
    with pytest.raises(ValueError, match=r"takes|is none of"):
        XfrmKeys(MASTER, aead, bits)


def test_every_input_changes_the_key() -> None:
    others = [
        ONE._replace(source="n2", destination="n1"),
        ONE._replace(source="n1n", destination="2"),
        ONE._replace(source_address="10.0.0.10", destination_address=".0.0.2"),
        ONE._replace(source_address="fd00::1", destination_address="fd00::2"),
        ONE._replace(spi=0x4B001010),
        ONE._replace(epoch=256),
        ONE._replace(slot=16),
    ]
    keys = {XfrmKeys(MASTER).of(one) for one in (ONE, *others)}
    keys |= {XfrmKeys("another horse battery").of(ONE), XfrmKeys(MASTER, GCM, 256).of(ONE)}
    keys |= {XfrmKeys(MASTER, CHACHA, 256).of(ONE)}
    assert len({key[:34] for key in keys}) == len(others) + 4


def test_known_answer() -> None:
    """A version that derived other keys would cut a cluster that is updated node by node."""
    label = b"wirewright.overlay xfrm key v1"
    parts = [label, GCM.encode(), b"128", b"n1", b"n2", b"10.0.0.1", b"10.0.0.2", b"1258295296", b"0", b"0"]
    info = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    theirs = HKDF(algorithm=SHA256(), length=20, salt=label, info=info).derive(MASTER.encode())
    assert XfrmKeys(MASTER).of(ONE) == "0x" + theirs.hex()
    extracted = hmac.digest(label, MASTER.encode(), hashlib.sha256)
    assert hmac.digest(extracted, info + b"\1", hashlib.sha256)[:20] == theirs
    assert XfrmKeys(MASTER).of(ONE) == GOLDEN


@pytest.mark.parametrize("master", ["", "x" * 15])
def test_short_masters_are_refused_and_not_shown(master: str) -> None:
    with pytest.raises(ValueError, match="shorter than 16 bytes") as caught:
        XfrmKeys(master)
    assert not master or master not in str(caught.value)


def test_no_text_shows_the_secret() -> None:
    assert MASTER not in repr(XfrmKeys(MASTER))
