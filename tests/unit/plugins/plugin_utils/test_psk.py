# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""HKDF against RFC 5869's vectors and another implementation; preshared keys as both ends see them."""

from __future__ import annotations

import base64

import pytest
from ansible_collections.wirewright.overlay.plugins.plugin_utils.psk import PresharedKeys, expand, extract
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

KEYS = st.binary(min_size=32, max_size=32)
MASTERS = st.text(st.characters(codec="ascii"), min_size=16, max_size=80)

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


@pytest.mark.parametrize(("material", "salt", "info", "pseudorandom_key", "output"), VECTORS)
def test_rfc_5869(material: str, salt: str, info: str, pseudorandom_key: str, output: str) -> None:
    extracted = extract(bytes.fromhex(salt), bytes.fromhex(material))
    assert extracted.hex() == pseudorandom_key
    assert expand(extracted, bytes.fromhex(info), len(output) // 2).hex() == output


@given(st.binary(max_size=80), st.binary(max_size=80), st.binary(max_size=80), st.integers(1, 255 * 32))
def test_as_cryptography_has_it(material: bytes, salt: bytes, info: bytes, length: int) -> None:
    theirs = HKDF(algorithm=SHA256(), length=length, salt=salt, info=info).derive(material)
    assert expand(extract(salt, material), info, length) == theirs


@pytest.mark.parametrize("length", [0, -1, 255 * 32 + 1])
def test_lengths_it_cannot_give(length: int) -> None:
    with pytest.raises(ValueError, match="HKDF-SHA256 gives"):
        expand(bytes(32), b"", length)


@given(MASTERS, st.integers(0, 2**32), KEYS, KEYS)
def test_both_ends_derive_the_same(master: str, epoch: int, one: bytes, other: bytes) -> None:
    key = PresharedKeys(master, epoch).between(one, other)
    assert key == PresharedKeys(master, epoch).between(other, one)  # pylint: disable=arguments-out-of-order  # both ways
    assert len(base64.b64decode(key)) == 32


def test_everything_it_is_bound_to_changes_it() -> None:
    one, other, third = (bytes([number]) * 32 for number in (1, 2, 3))
    derived = {
        PresharedKeys("m" * 16).between(one, other),
        PresharedKeys("n" * 16).between(one, other),
        PresharedKeys("m" * 16, 1).between(one, other),
        PresharedKeys("m" * 16).between(one, third),
        PresharedKeys("m" * 16).between(third, other),
    }
    assert len(derived) == 5


def test_it_never_changes() -> None:
    """Another version that derived other keys would cut every mesh that is updated host by host."""
    assert PresharedKeys("correct horse battery", 7).between(bytes(32), bytes([255]) * 32) == GOLDEN


GOLDEN = "5TbjOIFLH9RKEWI83hOdHuTmj27XdT/60dh+0XQl7nc="


@pytest.mark.parametrize("master", ["", "x" * 15, "\N{SNOWMAN}" * 5])
def test_short_masters_are_refused_and_not_shown(master: str) -> None:
    with pytest.raises(ValueError, match="shorter than 16 bytes") as caught:
        PresharedKeys(master)
    assert not master or master not in str(caught.value)


def test_negative_epochs_are_refused() -> None:
    with pytest.raises(ValueError, match="epoch"):
        PresharedKeys("m" * 16, -1)


def test_nothing_shows_the_secret() -> None:
    assert "mmmm" not in repr(PresharedKeys("m" * 16))
