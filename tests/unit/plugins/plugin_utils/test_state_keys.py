# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys of states leave the options that may be logged, and what is no state is left for the module to refuse."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils.transaction.sections import with_named_keys
from ansible_collections.wirewright.overlay.plugins.plugin_utils.state_keys import set_apart, set_apart_ahead

STATES: dict[str, Any] = {
    "purge": True,
    "states": [
        {"dst": "192.0.2.1", "spi": 1, "aead": {"algorithm": "rfc4106(gcm(aes))", "key": "aa", "icv_bits": 128}},
        {"dst": "192.0.2.2", "spi": 2, "enc": {"key": "bb"}, "auth": {"key": "cc"}, "comp": {"algorithm": "deflate"}},
        {"dst": "192.0.2.3", "spi": 3, "enc": {"key_file": "/run/k"}, "auth": {"key_name": "mine"}},
    ],
}


def test_keys_are_named_and_set_apart_and_come_back() -> None:
    named, keys = set_apart(STATES)
    assert keys == {"states[0].aead": "aa", "states[1].enc": "bb", "states[1].auth": "cc"}
    assert not any(f"'{key}'" in repr(named) for key in keys.values())
    errors: list[str] = []
    back = with_named_keys(named, {**keys, "mine": "dd"}, errors)  # type: ignore[arg-type]
    expected = [dict(state) for state in STATES["states"]]
    expected[2]["auth"] = {"key": "dd"}
    assert back == {"purge": True, "states": expected} and not errors


@pytest.mark.parametrize("odd", [None, 5, [], {}, {"states": "x"}, {"states": [5]}, {"states": [{"aead": "hex"}]}])
def test_what_is_no_state_is_left_to_the_module(odd: object) -> None:
    assert set_apart(odd) == (odd, {})


def test_key_that_nobody_gave_and_key_in_the_wrong_place_are_refused_without_being_shown() -> None:
    errors: list[str] = []
    with_named_keys({"states": [{"aead": {"key_name": "lost"}}, {"enc": {"key": "0xsecret"}}]}, {}, errors)
    assert [error.partition(":")[0] for error in errors] == [
        "xfrm_states.states[0].aead.key_name",
        "xfrm_states.states[1].enc.key",
    ]
    assert "secret" not in "".join(errors)


def test_keys_of_epochs_ahead_are_set_apart_too() -> None:
    boot = {"epoch": 5, "ahead": {"6": STATES["states"], "7": [{"aead": {"algorithm": "a", "key_name": "own"}}]}}
    named, keys = set_apart_ahead(boot)
    assert isinstance(named, dict)
    secrets = set(set_apart(STATES)[1].values())
    assert secrets and set(keys.values()) == secrets and all(name.startswith("ahead.6.states[") for name in keys)
    assert not any(str(secret) in str(named) for secret in secrets)
    assert (named["epoch"], named["ahead"]["7"]) == (5, boot["ahead"]["7"])  # type: ignore[index]


@pytest.mark.parametrize("odd", ["absent", {"state": "absent"}, {"ahead": 3}, {"ahead": {"6": "no list"}}])
def test_what_is_no_such_option_is_left_to_the_module(odd: object) -> None:
    assert set_apart_ahead(odd) == (odd, {})
