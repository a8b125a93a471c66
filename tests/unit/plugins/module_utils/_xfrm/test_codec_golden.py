# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our messages against those of iproute2 6.1 (recorded by tests/integration/xfrm/record.py) for the same objects."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._netlink import messages as nl
from ansible_collections.wirewright.overlay.plugins.module_utils._xfrm import policy_codec as xfrm_policy
from ansible_collections.wirewright.overlay.plugins.module_utils._xfrm import state_codec as xfrm_state
from ansible_collections.wirewright.overlay.plugins.module_utils._xfrm.policy_options import parse_policies
from ansible_collections.wirewright.overlay.plugins.module_utils._xfrm.state_options import parse_states

pytestmark = pytest.mark.skipif(sys.byteorder == "big", reason="the bytes are those of a little-endian host")

GOLDEN: dict[str, Any] = json.loads((Path(__file__).parent / "xfrm_iproute2.json").read_text())
STATE_HEADER, POLICY_HEADER = 224, 168


def parts(payload: bytes, header: int) -> tuple[str, list[tuple[int, str]]]:
    """Return the fixed part and the attributes, whose order means nothing."""
    return payload[:header].hex(), sorted((kind, value.hex()) for kind, value in nl.attributes(payload, header))


@pytest.mark.parametrize("name", GOLDEN["states"])
def test_state_is_sent_as_iproute2_sends_it(name: str) -> None:
    recorded = GOLDEN["states"][name]
    (state,) = parse_states({"states": [recorded["options"]], "allow_nonce_reuse": True}).states
    golden = bytes.fromhex(recorded["payload"])
    assert parts(xfrm_state.encode_state(state), STATE_HEADER) == parts(golden, STATE_HEADER)


@pytest.mark.parametrize("name", GOLDEN["policies"])
def test_policy_is_sent_as_iproute2_sends_it(name: str) -> None:
    recorded = GOLDEN["policies"][name]
    (policy,) = parse_policies({"policies": [recorded["options"]]}).policies
    golden = bytes.fromhex(recorded["payload"])
    assert parts(xfrm_policy.encode_policy(policy), POLICY_HEADER) == parts(golden, POLICY_HEADER)


@pytest.mark.parametrize("name", GOLDEN["states"])
def test_state_of_iproute2_is_read_as_ours(name: str) -> None:
    recorded = GOLDEN["states"][name]
    (wanted,) = parse_states({"states": [recorded["options"]], "allow_nonce_reuse": True}).states
    assert xfrm_state.decode_state(bytes.fromhex(recorded["payload"])) == wanted


@pytest.mark.parametrize("name", GOLDEN["policies"])
def test_policy_of_iproute2_is_read_as_ours(name: str) -> None:
    recorded = GOLDEN["policies"][name]
    (wanted,) = parse_policies({"policies": [recorded["options"]]}).policies
    assert xfrm_policy.decode_policy(bytes.fromhex(recorded["payload"])) == wanted


def test_there_are_enough_of_both() -> None:
    assert len(GOLDEN["states"]) >= 40 and len(GOLDEN["policies"]) >= 40
