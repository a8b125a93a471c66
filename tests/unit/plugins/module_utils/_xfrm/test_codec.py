# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""XFRM messages: encoding and decoding are inverse, and truncated messages are refused."""

from __future__ import annotations

import struct
from contextlib import suppress

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._netlink import messages as nl
from ansible_collections.wirewright.overlay.plugins.module_utils._xfrm import codec as xfrm
from ansible_collections.wirewright.overlay.plugins.module_utils._xfrm import model as v
from ansible_collections.wirewright.overlay.plugins.module_utils._xfrm import policy_codec as xfrm_policy
from ansible_collections.wirewright.overlay.plugins.module_utils._xfrm import state_codec as xfrm_state
from hypothesis import given
from hypothesis import strategies as st

from . import xfrm_values as strategies


@given(strategies.states())
def test_encoded_state_is_decoded(state: v.State) -> None:
    found = xfrm_state.decode_state(xfrm_state.encode_state(state))
    # Which of both forms of the replay window was sent makes no difference to what it means.
    assert found == state


@given(strategies.policies())
def test_encoded_policy_is_decoded(policy: v.Policy) -> None:
    assert xfrm_policy.decode_policy(xfrm_policy.encode_policy(policy)) == policy


@given(strategies.states(), st.data())
def test_truncated_state_is_refused_or_complete(state: v.State, data: st.DataObject) -> None:
    payload = xfrm_state.encode_state(state)
    cut = data.draw(st.integers(0, len(payload) - 1))
    with suppress(nl.MalformedMessage):
        xfrm_state.decode_state(payload[:cut])


@given(strategies.policies(), st.data())
def test_truncated_policy_is_refused_or_complete(policy: v.Policy, data: st.DataObject) -> None:
    payload = xfrm_policy.encode_policy(policy)
    cut = data.draw(st.integers(0, len(payload) - 1))
    with suppress(nl.MalformedMessage):
        xfrm_policy.decode_policy(payload[:cut])


@given(st.binary(max_size=600))
def test_noise_raises_nothing_else(noise: bytes) -> None:
    for decode in (xfrm_state.decode_state, xfrm_policy.decode_policy):
        with suppress(nl.MalformedMessage):
            decode(noise)


@given(strategies.states())
def test_restored_state_has_its_sequence_numbers(state: v.State) -> None:
    counted = nl.attribute(xfrm.XFRMA_REPLAY_VAL, struct.pack("=III", 7, 8, 9))
    used = nl.attribute(xfrm.XFRMA_LASTUSED, bytes(8))
    recorded = xfrm_state.decode_state(xfrm_state.encode_state(state) + used + counted)
    assert recorded is not None
    again = xfrm_state.encode_again(recorded)
    found = dict(nl.attributes(again, 224))
    assert xfrm.XFRMA_LASTUSED not in found and xfrm.XFRMA_REPLAY_VAL in found
    assert xfrm_state.decode_state(again) == state


def test_no_key_is_in_a_representation() -> None:
    key = bytes(range(65, 85))
    state = v.State(v.ANY_IPV4, v.ESP, 1, aead=v.Algorithm("rfc4106(gcm(aes))", key, 128))
    found = xfrm_state.decode_state(xfrm_state.encode_state(state))
    assert "ABCDE" not in repr(state) + repr(found)


def test_larval_state_is_skipped() -> None:
    waiting = v.State(v.Address(2, b"\1\2\3\4"), v.ESP, 0)
    assert xfrm_state.decode_state(xfrm_state.encode_state(waiting)) is None


@pytest.mark.parametrize("direction", [3, 4, 5])
def test_policy_of_a_socket_is_skipped(direction: int) -> None:
    network = v.any_prefix(2)
    policy = v.Policy(direction, v.Selector(2, network, network))
    assert xfrm_policy.decode_policy(xfrm_policy.encode_policy(policy)) is None


def test_sub_policy_is_skipped() -> None:
    network = v.any_prefix(2)
    main = xfrm_policy.encode_policy(v.Policy(v.DIR_IN, v.Selector(2, network, network)))
    assert xfrm_policy.decode_policy(main + nl.attribute(xfrm.XFRMA_POLICY_TYPE, bytes([1, 0, 0, 0, 0, 0]))) is None
    assert xfrm_policy.decode_policy(main + nl.attribute(xfrm.XFRMA_POLICY_TYPE, bytes(6))) is not None


def test_outbound_state_has_no_bitmap() -> None:
    state = v.State(v.ANY_IPV4, v.ESP, 1, flags=v.FLAG_ESN, direction=v.SA_DIR_OUT)
    found = dict(nl.attributes(xfrm_state.encode_state(state), 224))
    assert found[xfrm.XFRMA_REPLAY_ESN_VAL] == bytes(24)
