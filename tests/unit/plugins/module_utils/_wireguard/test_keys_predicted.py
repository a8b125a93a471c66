# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Placeholders for keys that are not generated yet, in place of public and private keys."""

from __future__ import annotations

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.keys import (
    KEY_BYTES,
    clamp,
    decode_predicted_key,
    decode_public_key,
    encode_key,
    new_key_in,
    public_key,
)

from ..samples import key, key_text

TEXT = "the new key of h4"


def test_a_placeholder_is_its_text_and_no_key() -> None:
    new = decode_predicted_key(TEXT)
    assert encode_key(new) == TEXT
    assert public_key(new) == clamp(new) == new != decode_predicted_key(TEXT + "2")
    assert len(new) > KEY_BYTES, "longer than any key, so equal to none"


def test_only_a_prediction_reads_a_placeholder() -> None:
    assert decode_predicted_key(key_text(1)) == key(1)
    with pytest.raises(ValueError, match="44 characters"):
        decode_public_key(TEXT)
    with pytest.raises(ValueError, match="44 characters"):
        decode_predicted_key("the old key of h4")


def test_the_key_of_a_file_is_named_after_host_and_path() -> None:
    text = encode_key(new_key_in("/etc/wireguard/wg0.key"))
    assert text.startswith("the new key of ") and text.endswith(":/etc/wireguard/wg0.key")
    assert decode_predicted_key(text) == new_key_in("/etc/wireguard/wg0.key")
