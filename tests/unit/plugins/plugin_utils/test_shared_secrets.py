# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Master secrets that cannot be used are found before anything is changed."""

from __future__ import annotations

import pytest
from ansible_collections.wirewright.overlay.plugins.plugin_utils._problems import Problem
from ansible_collections.wirewright.overlay.plugins.plugin_utils._shared_secrets import secret_problems

SHORT, LONG = "canary-short", "canary-long-enough-for-it"
DEFAULT = "{{ overlay_psk_master | default('') }}"


def evaluate(raw: object) -> object:
    if raw == "{{ undefined }}":
        raise ValueError("no such variable")
    return raw


def problems(**variables: object) -> list[Problem]:
    return list(secret_problems("h1", "mesh_", variables, evaluate))


def test_a_short_secret_is_named_by_the_variable_that_the_user_set_and_not_quoted() -> None:
    for variables, named in (
        ({"mesh_psk_master": SHORT}, "mesh_psk_master"),
        ({"mesh_psk_master": DEFAULT, "overlay_psk_master": SHORT}, "overlay_psk_master"),
        ({"mesh_ipsec_master": SHORT}, "mesh_ipsec_master"),
    ):
        (problem,) = problems(**variables)
        assert (problem.host, problem.variable) == ("h1", named)
        assert "shorter than 16 bytes" in problem.text and SHORT not in problem.text


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"mesh_psk_master": ""},
        {"mesh_psk_master": None},
        {"mesh_psk_master": DEFAULT},
        {"mesh_psk_master": DEFAULT, "overlay_psk_master": LONG},
        {"mesh_psk_master": LONG, "mesh_psk_epoch": "7"},
        {"mesh_psk_master": "{{ undefined }}"},
        {"overlay_psk_master": SHORT},  # a role that does not read it
    ],
)
def test_secrets_that_can_be_used_and_those_that_are_not_set(variables: dict[str, object]) -> None:
    assert problems(**variables) == []


def test_other_types_and_a_wrong_epoch() -> None:
    (master,) = problems(mesh_psk_master=1234567890123456789)
    assert "must be text" in master.text and "123456" not in master.text
    (epoch,) = problems(mesh_psk_epoch="{{ overlay_psk_epoch | default(0) }}", overlay_psk_epoch=-1)
    assert epoch == Problem("h1", "overlay_psk_epoch", "-1 is not a whole number from 0")
