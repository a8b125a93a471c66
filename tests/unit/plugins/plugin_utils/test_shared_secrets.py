# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Master secrets that cannot be used, or differ between hosts, are found before anything is changed."""

from __future__ import annotations

import pytest
from ansible_collections.wirewright.overlay.plugins.plugin_utils._problems import Problem, format_problems
from ansible_collections.wirewright.overlay.plugins.plugin_utils._shared_secrets import MasterSecrets

SHORT, LONG = "canary-short", "canary-long-enough-for-it"
DEFAULT = "{{ overlay_psk_master | default('') }}"


def evaluate(raw: object) -> object:
    if raw == "{{ undefined }}":
        raise ValueError("no such variable")
    return raw


def of_hosts(hosts: dict[str, dict[str, object]], *without: str) -> list[str]:
    secrets = MasterSecrets("mesh_")
    for name, variables in hosts.items():
        secrets.add(name, variables, evaluate)
    assert "canary" not in repr(secrets) + str(vars(secrets))
    return format_problems(secrets.problems(without))


def problems(**variables: object) -> list[Problem]:
    secrets = MasterSecrets("mesh_")
    secrets.add("h1", variables, evaluate)
    return secrets.problems()


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


OTHER = "canary-another-long-secret"
NEEDED = "all hosts need the same {}, from which both ends of a pair derive their keys, but there are: {}; set it once for all"


def test_different_secrets_are_refused_with_the_hosts_and_not_quoted() -> None:
    assert of_hosts(
        {"h1": {"mesh_psk_master": LONG}, "h2": {"mesh_psk_master": OTHER}, "h3": {"mesh_psk_master": LONG}}
    ) == [
        "hosts 'h1', 'h2', 'h3': mesh_psk_master: "
        + NEEDED.format("master secret", "secret 1 on 'h1', 'h3'; secret 2 on 'h2'")
    ]
    shared: dict[str, object] = {"mesh_psk_master": DEFAULT}
    assert of_hosts({"h1": {**shared, "overlay_psk_master": LONG}, "h2": shared}) == [
        "hosts 'h1', 'h2': overlay_psk_master: " + NEEDED.format("master secret", "secret 1 on 'h1'; none on 'h2'")
    ]
    own_and_shared = {"h1": {**shared, "overlay_psk_master": LONG}, "h2": {"mesh_psk_master": OTHER}}
    (text,) = of_hosts(own_and_shared)
    assert text.startswith("hosts 'h1', 'h2': mesh_psk_master: ")
    (text,) = of_hosts({"h1": {"mesh_ipsec_master": LONG}, "h2": {"mesh_ipsec_master": OTHER}})
    assert text.startswith("hosts 'h1', 'h2': mesh_ipsec_master: ")


def test_different_epochs_are_refused_where_there_are_preshared_keys() -> None:
    hosts: dict[str, dict[str, object]] = {"h1": {"mesh_psk_epoch": 10}, "h2": {"mesh_psk_epoch": "9"}, "h3": {}}
    assert of_hosts(hosts) == []
    assert of_hosts({name: {**own, "mesh_psk_master": LONG} for name, own in hosts.items()}) == [
        "hosts 'h1', 'h2', 'h3': mesh_psk_epoch: " + NEEDED.format("epoch", "0 on 'h3'; 9 on 'h2'; 10 on 'h1'")
    ]


def test_hosts_with_the_same_values_and_those_that_do_not_count() -> None:
    same = {"mesh_psk_master": LONG, "mesh_psk_epoch": 1}
    assert of_hosts({"h1": same, "h2": {**same, "mesh_psk_epoch": "0x1"}}) == []
    assert of_hosts({"h1": same, "h2": {**same, "mesh_psk_master": "{{ undefined }}"}}) == []
    assert of_hosts({"h1": same, "h2": same, "h3": {"mesh_psk_master": OTHER}}, "h3") == []
    assert (
        of_hosts({"h1": {"mesh_psk_master": DEFAULT, "overlay_psk_master": LONG}, "h2": {"mesh_psk_master": LONG}})
        == []
    )
