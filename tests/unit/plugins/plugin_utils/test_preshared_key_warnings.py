# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Warnings about preshared keys: the same text for all hosts."""

from __future__ import annotations

from ansible_collections.wirewright.overlay.plugins.plugin_utils._preshared_key_warnings import preshared_key_warnings

MEMBERS = {"h1", "h2", "h3"}


def said(**interface: object) -> list[str]:
    return preshared_key_warnings({"wg0": {"peers": {}, **interface}}, MEMBERS, "overlay_psk_master")


def test_a_missing_master_secret_is_named_without_hosts() -> None:
    (text,) = said(preshared_keys_removed=["h1", "h2"])
    assert text.startswith("overlay_psk_master is not set, and tunnels between hosts of this run had preshared keys")
    assert said(preshared_keys_removed=["h3"]) == [text]
    both = {name: {"preshared_keys_removed": ["h1"]} for name in ("wg0", "wg1")}
    assert preshared_key_warnings(both, MEMBERS, "overlay_psk_master") == [text]


def test_the_preshared_key_of_an_unmanaged_peer_is_removed_silently() -> None:
    assert said(preshared_keys_removed=["phone"]) == []


def test_what_is_put_off_is_named_by_the_other_ends() -> None:
    (text,) = said(preshared_keys_put_off=[f"n{number}" for number in range(1, 40)])
    assert text.startswith("wg0: the preshared keys of tunnels to n1-n39 are put off, and the old ones stay: ")


def test_nothing_is_said_of_other_results_whatever_their_shape() -> None:
    assert said() == said(preshared_keys_removed=7) == preshared_key_warnings({"wg0": None}, MEMBERS, "x") == []
