# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets that stand where a host would log them are found, and not shown."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.plugin_utils.misplaced_secrets import misplaced_secrets

CANARY = "canary-1f9e"


@pytest.mark.parametrize(
    ("args", "place"),
    [
        ({"psk_master": CANARY}, "psk_master: this is only for plan_from"),
        ({"ipsec_master": CANARY}, "ipsec_master: this is only for plan_from"),
        ({"static_preshared_keys": {"k": CANARY}}, "static_preshared_keys: this is only for plan_from"),
        ({"xfrm_states": f'{{"states": [{{"enc": {{"key": "{CANARY}"}}}}]}}'}, "xfrm_states: a mapping is wanted"),
        ({"xfrm_boot": f'{{"ahead": "{CANARY}"}}'}, "xfrm_boot: a mapping is wanted"),
        ({"interfaces": [{}, {"private_key": CANARY}]}, "interfaces[1].private_key: "),
        ({"interfaces": [{"peers": [5, {"preshared_key": CANARY}]}]}, "interfaces[0].peers[1].preshared_key: "),
    ],
)
def test_misplaced_ones_are_named_and_not_shown(args: dict[str, Any], place: str) -> None:
    (text,) = misplaced_secrets(args)
    assert text.startswith(place) and CANARY not in text


@pytest.mark.parametrize(
    "args",
    [
        {"psk_master": "", "ipsec_master": None, "static_preshared_keys": {}},
        {"xfrm_states": {"states": [{"enc": {"key": CANARY}}]}},
        {"interfaces": [{"peers": [{"public_key": "k"}]}, "odd"], "preshared_keys": {"wg0": {"k": CANARY}}},
        {"interfaces": "odd"},
    ],
)
def test_those_in_their_place_pass(args: dict[str, Any]) -> None:
    assert misplaced_secrets(args) == []
