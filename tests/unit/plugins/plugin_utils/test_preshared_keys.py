# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Preshared keys: both ends derive the same, and another version derives the same again."""

from __future__ import annotations

import base64

import pytest
from ansible_collections.wirewright.overlay.plugins.plugin_utils._preshared_keys import PresharedKeys
from hypothesis import given
from hypothesis import strategies as st

KEYS = st.binary(min_size=32, max_size=32)
MASTERS = st.text(st.characters(codec="ascii"), min_size=16, max_size=80)


@given(MASTERS, st.integers(0, 2**32), KEYS, KEYS)
def test_both_ends_derive_the_same(master: str, epoch: int, one: bytes, other: bytes) -> None:
    key = PresharedKeys(master, epoch).between(one, other)
    assert key == PresharedKeys(master, epoch).between(other, one)  # pylint: disable=arguments-out-of-order  # both ways
    assert len(base64.b64decode(key)) == 32


def test_every_input_changes_the_key() -> None:
    one, other, third = (bytes([number]) * 32 for number in (1, 2, 3))
    derived = {
        PresharedKeys("m" * 16).between(one, other),
        PresharedKeys("n" * 16).between(one, other),
        PresharedKeys("m" * 16, 1).between(one, other),
        PresharedKeys("m" * 16).between(one, third),
        PresharedKeys("m" * 16).between(third, other),
    }
    assert len(derived) == 5


def test_known_answer() -> None:
    """Other keys would interrupt every mesh that is updated host by host."""
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


def test_no_text_shows_the_secret() -> None:
    assert "mmmm" not in repr(PresharedKeys("m" * 16))
