# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys of a master secret are HKDF-SHA256: vectors of RFC 5869, and the RFC written out here."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from ansible_collections.wirewright.overlay.plugins.plugin_utils._master_secret import MasterSecret
from hypothesis import given
from hypothesis import strategies as st

# RFC 5869 appendix A.1 to A.3: IKM, salt, info, PRK, OKM.
VECTORS = [
    (
        "0b" * 22,
        "000102030405060708090a0b0c",
        "f0f1f2f3f4f5f6f7f8f9",
        "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5",
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
    ),
    (
        "".join(f"{byte:02x}" for byte in range(0x00, 0x50)),
        "".join(f"{byte:02x}" for byte in range(0x60, 0xB0)),
        "".join(f"{byte:02x}" for byte in range(0xB0, 0x100)),
        "06a6b88c5853361a06104c9ceb35b45cef760014904671014a193f40c15fc244",
        "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09"
        "da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87",
    ),
    (
        "0b" * 22,
        "",
        "",
        "19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04",
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
    ),
]


def extracted(material: bytes, salt: bytes) -> bytes:
    """Return the pseudorandom key of RFC 5869 section 2.2."""
    return hmac.digest(salt or bytes(32), material, hashlib.sha256)


def expanded(pseudorandom_key: bytes, info: bytes, length: int) -> bytes:
    """Return the output keying material of RFC 5869 section 2.3."""
    output = block = b""
    for counter in range(1, -(-length // 32) + 1):
        block = hmac.digest(pseudorandom_key, block + info + bytes([counter]), hashlib.sha256)
        output += block
    return output[:length]


@pytest.mark.parametrize(("material", "salt", "info", "pseudorandom_key", "output"), VECTORS)
def test_rfc_5869(material: str, salt: str, info: str, pseudorandom_key: str, output: str) -> None:
    secret = MasterSecret(bytes.fromhex(material).decode("ascii"), bytes.fromhex(salt))
    assert secret.derive(bytes.fromhex(info), len(output) // 2).hex() == output
    assert extracted(bytes.fromhex(material), bytes.fromhex(salt)).hex() == pseudorandom_key


@given(st.text(min_size=16, max_size=80), st.binary(max_size=80), st.binary(max_size=80), st.integers(1, 255 * 32))
def test_keys_equal_the_rfc_written_out(text: str, label: bytes, info: bytes, length: int) -> None:
    assert MasterSecret(text, label).derive(info, length) == expanded(extracted(text.encode(), label), info, length)


@pytest.mark.parametrize("text", ["", "x" * 15, "\N{SNOWMAN}" * 5])
def test_short_secrets_are_refused_and_not_shown(text: str) -> None:
    with pytest.raises(ValueError, match="shorter than 16 bytes") as caught:
        MasterSecret(text, b"label")
    assert not text or text not in str(caught.value)


def test_no_text_shows_the_secret() -> None:
    assert "mmmm" not in repr(MasterSecret("m" * 16, b"label"))
