# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys: strict base64, points of low order, clamping, and public keys compared with another implementation."""

from __future__ import annotations

import base64
import binascii
import string

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.keys import (
    ZERO,
    clamp,
    decode_key,
    decode_public_key,
    decode_secret,
    encode_key,
    generate_private_key,
    public_key,
)
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from ..samples import key, key_text, keys

GOOD = key_text(1)

# RFC 7748, section 6.1 (Alice, Bob) and section 5.2 (one iteration, where scalar and point are both 9).
RFC_7748 = [
    (
        "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
        "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
    ),
    (
        "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
        "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f",
    ),
    ("09" + "00" * 31, "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079"),
]

# The seven of the kernel's own test (tools/testing/selftests/wireguard/netns.sh).
LOW_ORDER = [
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    "4Ot6fDtBuK4WVuP68Z/EatoJjeucMrH9hmIFFl9JuAA=",
    "X5yVvKNQjCSx0LFVnIPvWwREXMRYHI6G2CJO3dCfEVc=",
    "7P///////////////////////////////////////38=",
    "7f///////////////////////////////////////38=",
    "7v///////////////////////////////////////38=",
]


@given(keys)
def test_keys_round_trip(raw: bytes) -> None:
    assert decode_key(encode_key(raw)) == raw


@given(keys)
def test_text_equals_that_of_base64(raw: bytes) -> None:
    assert encode_key(raw) == binascii.b2a_base64(raw).decode().rstrip("\n")


@pytest.mark.parametrize("text", [GOOD + "\n", GOOD + "\r\n", " " + GOOD, "\n" + GOOD + "\n\n"])
def test_white_space_is_accepted_only_in_files(text: str) -> None:
    assert encode_key(decode_key(text)) == GOOD


NO_KEYS = {
    "nothing": "",
    "white space": " \n",
    "43 characters": GOOD[:-1],
    "43 characters, padded": GOOD[:-2] + "=",
    "45 characters": "A" + GOOD,
    "two keys": GOOD + GOOD,
    "two lines": GOOD + "\n" + GOOD,
    "no padding": GOOD[:-1] + "A",
    "too much padding": GOOD[:-2] + "==",
    "padding in the middle": GOOD[:20] + "=" + GOOD[21:],
    "url-safe minus": GOOD[:5] + "-" + GOOD[6:],
    "url-safe underscore": GOOD[:5] + "_" + GOOD[6:],
    "a space inside": GOOD[:5] + " " + GOOD[6:],
    "a line break inside": GOOD[:5] + "\n" + GOOD[6:],
    "a carriage return inside": GOOD[:5] + "\r" + GOOD[6:],
    "an inserted line break": GOOD[:5] + "\n" + GOOD[5:],
    "a NUL": GOOD[:5] + "\0" + GOOD[6:],
    "stray bits in the last digit": ZERO.hex()[:42].replace("0", "A") + "B=",
    "letters of another script": GOOD[:5] + "\u0410" + GOOD[6:],
    "fullwidth digits": GOOD[:5] + "\uff11" + GOOD[6:],
    "hexadecimal": "ab" * 32,
    "31 bytes": base64.b64encode(b"k" * 31).decode(),
    "a surrogate": GOOD[:5] + "\ud800" + GOOD[6:],
}


@pytest.mark.parametrize("text", NO_KEYS.values(), ids=NO_KEYS.keys())
def test_invalid_keys_are_refused_without_being_quoted(text: str) -> None:
    with pytest.raises(ValueError) as caught:
        decode_key(text)
    for part in filter(None, text.split()):
        assert part not in str(caught.value)
    assert caught.value.__cause__ is None


def test_stray_bits_are_refused_by_themselves() -> None:
    assert decode_key(NO_KEYS["stray bits in the last digit"][:-2] + "A=") == ZERO


nearly_keys = st.builds(
    lambda raw, position, character: encode_key(raw)[:position] + character + encode_key(raw)[position + 1 :],
    keys,
    st.integers(0, 43),
    st.characters(),
)


@settings(max_examples=3 * settings.default.max_examples)
@given(st.one_of(nearly_keys, st.text(string.ascii_letters + string.digits + "+/=-_ \r\n", min_size=20, max_size=60)))
def test_no_error_contains_its_input(text: str) -> None:
    for decode in (decode_key, decode_public_key):
        try:
            raw = decode(text)
        except ValueError as error:
            shown = repr(error) + str(error) + repr(error.args)
            stripped = text.strip()
            assert not stripped or stripped not in shown
            # Nor half of it: no run of twelve characters of the input.
            assert all(stripped[i : i + 12] not in shown for i in range(max(len(stripped) - 12, 0)))
        else:
            assert encode_key(raw) == text.strip()


@pytest.mark.parametrize("text", LOW_ORDER)
@pytest.mark.parametrize("top_bit", [0, 128])
def test_low_order_points_are_refused(text: str, top_bit: int) -> None:
    raw = decode_key(text)
    raw = raw[:31] + bytes([raw[31] | top_bit])
    with pytest.raises(ValueError, match="low-order"):
        decode_public_key(encode_key(raw))


@pytest.mark.parametrize("text", LOW_ORDER)
def test_low_order_points_are_those_refused_by_x25519(text: str) -> None:
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

    with pytest.raises(ValueError):
        X25519PrivateKey.generate().exchange(X25519PublicKey.from_public_bytes(decode_key(text)))


def test_points_next_to_low_order_points_are_valid() -> None:
    for number in (2, 2**255 - 19 - 2, 2**255 - 19 + 2):
        raw = number.to_bytes(32, "little")
        assert decode_public_key(encode_key(raw)) == raw


@pytest.mark.parametrize(("private", "public"), RFC_7748)
def test_public_keys_of_rfc_7748(private: str, public: str) -> None:
    assert public_key(bytes.fromhex(private)).hex() == public


@settings(max_examples=settings.default.max_examples // 2)
@given(keys)
def test_public_keys_equal_those_of_cryptography(private: bytes) -> None:
    theirs = X25519PrivateKey.from_private_bytes(private).public_key()
    assert public_key(private) == theirs.public_bytes(Encoding.Raw, PublicFormat.Raw)


@given(keys)
def test_clamping_is_idempotent_and_fixes_five_bits(private: bytes) -> None:
    clamped = clamp(private)
    assert clamp(clamped) == clamped
    assert (clamped[0] & 7, clamped[31] & 192) == (0, 64)
    assert clamped[0] | private[0] & 7 == private[0]
    assert clamped[1:31] == private[1:31]
    assert clamped[31] & 63 == private[31] & 63


@settings(max_examples=settings.default.max_examples // 5)
@given(keys)
def test_clamping_does_not_change_the_public_key(private: bytes) -> None:
    assert public_key(private) == public_key(clamp(private))


def test_generated_keys_are_clamped_and_new() -> None:
    made = {generate_private_key() for _time in range(50)}
    assert len(made) == 50
    assert all(clamp(private) == private for private in made)


def test_a_key_of_zeros_is_no_secret() -> None:
    assert decode_secret(key_text(1)) == key(1)
    with pytest.raises(ValueError, match=r"a key of zeros.*wg genpsk"):
        decode_secret(encode_key(ZERO))
