# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets come from the variables of a role, and outside of a role from those that all roles share."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.plugin_utils._secret_variables import read_secrets
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.document import Secrets
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.fleet.option_variables import (
    option_variables,
)

MASTER = "canary-master-secret"
NAMED = option_variables("mesh_")


def read(**variables: Any) -> Secrets:
    return read_secrets(NAMED, variables, lambda raw: "evaluated" if raw == "{{ other }}" else raw)


def test_the_variables_of_the_role_are_read_and_evaluated() -> None:
    assert read(mesh_psk_master="{{ other }}", mesh_psk_epoch="3") == Secrets("evaluated", 3)
    assert read(mesh_ipsec_master=MASTER).ipsec_master == MASTER
    assert read() == Secrets()


def test_a_shared_variable_counts_only_where_there_are_no_defaults_of_a_role() -> None:
    assert read(overlay_psk_master=MASTER, overlay_psk_epoch=2) == Secrets(MASTER, 2)
    assert read(mesh_psk_master="", overlay_psk_master=MASTER).psk_master == ""


def test_preshared_keys_of_unmanaged_peers_are_by_public_key() -> None:
    peers = [
        {"public_key": "A", "preshared_key": MASTER},
        {"public_key": "B"},
        {"public_key": "C", "preshared_key": ""},
    ]
    assert read(mesh_static_peers=peers).static_preshared_keys == {"A": MASTER}
    assert read(mesh_static_peers=["odd"]).static_preshared_keys == {}


@pytest.mark.parametrize("odd", [[MASTER], {MASTER: 1}, 7])
def test_a_master_secret_that_is_no_text_is_named_and_not_quoted(odd: object) -> None:
    with pytest.raises(ValueError, match=r"^mesh_psk_master: the master secret must be text") as caught:
        read(mesh_psk_master=odd)
    assert MASTER not in str(caught.value)


@pytest.mark.parametrize("epoch", [-1, "two", 1.5])
def test_a_wrong_epoch_is_named(epoch: object) -> None:
    with pytest.raises(ValueError, match=f"mesh_psk_epoch: {epoch!r} is not a whole number from 0"):
        read(mesh_psk_epoch=epoch)
