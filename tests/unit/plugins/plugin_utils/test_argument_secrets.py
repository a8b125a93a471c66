# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets where a host would log them are reported without being shown, and keys of states are moved out."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._overlay.options import with_named_keys
from ansible_collections.wirewright.overlay.plugins.plugin_utils._argument_secrets import (
    extract_keys,
    extract_keys_ahead,
    find_misplaced,
)

CANARY = "canary-1f9e"


@pytest.mark.parametrize(
    ("args", "place"),
    [
        (
            {"psk_master": CANARY},
            "psk_master: is no option, because callback plugins get all options; set overlay_psk_master",
        ),
        ({"ipsec_master": CANARY}, "ipsec_master: is no option"),
        ({"static_preshared_keys": {"k": CANARY}}, "static_preshared_keys: is no option"),
        ({"xfrm_states": f'{{"states": [{{"enc": {{"key": "{CANARY}"}}}}]}}'}, "xfrm_states: write a mapping"),
        ({"xfrm_boot": f'{{"ahead": "{CANARY}"}}'}, "xfrm_boot: write a mapping"),
        ({"interfaces": [{}, {"private_key": CANARY}]}, "interfaces[1].private_key: "),
        ({"interfaces": [{"peers": [5, {"preshared_key": CANARY}]}]}, "interfaces[0].peers[1].preshared_key: "),
    ],
)
def test_misplaced_secrets_are_named_and_not_shown(args: dict[str, Any], place: str) -> None:
    (text,) = find_misplaced(args)
    assert text.startswith(place) and CANARY not in text


@pytest.mark.parametrize(
    "args",
    [
        {"plan_from": "plan"},
        {"xfrm_states": {"states": [{"enc": {"key": CANARY}}]}},
        {"interfaces": [{"peers": [{"public_key": "k"}]}, "odd"], "preshared_keys": {"wg0": {"k": CANARY}}},
        {"interfaces": "odd"},
    ],
)
def test_secrets_in_their_place_pass(args: dict[str, Any]) -> None:
    assert find_misplaced(args) == []


STATES: dict[str, Any] = {
    "purge": True,
    "states": [
        {"dst": "192.0.2.1", "spi": 1, "aead": {"algorithm": "rfc4106(gcm(aes))", "key": "aa", "icv_bits": 128}},
        {"dst": "192.0.2.2", "spi": 2, "enc": {"key": "bb"}, "auth": {"key": "cc"}, "comp": {"algorithm": "deflate"}},
        {"dst": "192.0.2.3", "spi": 3, "enc": {"key_file": "/run/k"}, "auth": {"key_name": "mine"}},
    ],
}


def test_keys_are_extracted_and_restored_by_name() -> None:
    named, keys = extract_keys(STATES)
    assert keys == {"states[0].aead": "aa", "states[1].enc": "bb", "states[1].auth": "cc"}
    assert not any(f"'{key}'" in repr(named) for key in keys.values())
    errors: list[str] = []
    back = with_named_keys(named, {**keys, "mine": "dd"}, errors)  # type: ignore[arg-type]
    expected = [dict(state) for state in STATES["states"]]
    expected[2]["auth"] = {"key": "dd"}
    assert back == {"purge": True, "states": expected} and not errors


@pytest.mark.parametrize("odd", [None, 5, [], {}, {"states": "x"}, {"states": [5]}, {"states": [{"aead": "hex"}]}])
def test_options_of_another_shape_are_unchanged(odd: object) -> None:
    assert extract_keys(odd) == (odd, {})


def test_missing_and_misplaced_keys_are_refused_and_not_shown() -> None:
    errors: list[str] = []
    with_named_keys({"states": [{"aead": {"key_name": "lost"}}, {"enc": {"key": "0xsecret"}}]}, {}, errors)
    assert [error.partition(":")[0] for error in errors] == [
        "xfrm_states.states[0].aead.key_name",
        "xfrm_states.states[1].enc.key",
    ]
    assert "secret" not in "".join(errors)


def test_keys_of_epochs_ahead_are_extracted() -> None:
    boot = {"epoch": 5, "ahead": {"6": STATES["states"], "7": [{"aead": {"algorithm": "a", "key_name": "own"}}]}}
    named, keys = extract_keys_ahead(boot)
    assert isinstance(named, dict)
    secrets = set(extract_keys(STATES)[1].values())
    assert secrets and set(keys.values()) == secrets and all(name.startswith("ahead.6.states[") for name in keys)
    assert not any(str(secret) in str(named) for secret in secrets)
    assert (named["epoch"], named["ahead"]["7"]) == (5, boot["ahead"]["7"])  # type: ignore[index]


@pytest.mark.parametrize("odd", ["absent", {"state": "absent"}, {"ahead": 3}, {"ahead": {"6": "no list"}}])
def test_boot_options_of_another_shape_are_unchanged(odd: object) -> None:
    assert extract_keys_ahead(odd) == (odd, {})
