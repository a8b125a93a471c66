# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The device that a cluster uses, and when a rotation is due or refused."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.node_encryption.plan import (
    plan_node_encryption,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.node_encryption.settings import (
    read_common_settings,
    read_node_settings,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.node_encryption.wireguard.key_rotation import (
    Devices,
    choose_devices,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.fleet import HostInput
from planned_fleet import key_of
from planned_nodes import NOW

OLD, NEW = "kwg0", "kwg1"


def node(number: int, device: str = "", *, age: int = 0, there: tuple[str, ...] = (), **variables: Any) -> HostInput:
    """Return a node that sends through a device, and has those that are there."""
    own = {"node_ip": [f"10.0.0.{number}"], "pod_cidrs": [f"10.244.{number}.0/24"], **variables}
    interfaces = {
        name: {"public_key": None, "addresses": [f"10.244.{number}.0/32"], "key_age_days": age}
        for name in (*there, *([device] if device else ()))
    }
    fact = {"interfaces": interfaces, "tables": {"7100": f"10.244.9.0/24\t{device}" if device else ""}}
    return HostInput(f"n{number}", own, f"10.0.0.{number}", fact)


def chosen(*hosts: HostInput) -> Devices:
    inputs = {host.name: host for host in hosts}
    settings = {name: read_common_settings(host, "", []) for name, host in inputs.items()}
    extras = {name: read_node_settings(host, "", []) for name, host in inputs.items()}
    return choose_devices(inputs, settings, extras)


@pytest.mark.parametrize(
    ("hosts", "wanted", "retiring"),
    [
        ([node(1), node(2)], OLD, ""),
        ([node(1, rotate=True), node(2, rotate=True)], OLD, ""),
        ([node(1, OLD), node(2, OLD)], OLD, ""),
        ([node(1, NEW), node(2, NEW)], NEW, ""),
        ([node(1, OLD, rotate=True), node(2, OLD)], NEW, OLD),
        ([node(1, NEW, rotate=True), node(2, NEW)], OLD, NEW),
        ([node(1, OLD, there=(NEW,)), node(2, OLD)], OLD, NEW),
        ([node(1, NEW), node(2, NEW, rotate=True), node(3, OLD)], NEW, OLD),
        ([node(1, OLD, age=90, max_key_age_days=90), node(2, OLD)], NEW, OLD),
        ([node(1, OLD, age=89, max_key_age_days=90), node(2, OLD)], OLD, ""),
        ([node(1, OLD, age=90, max_key_age_days=90), node(2, OLD)._replace(reached=False)], OLD, ""),
        ([node(1, OLD, age=90, max_key_age_days=90, state="absent")], OLD, ""),
        ([node(1, OLD, age=90, max_key_age_days=90, phase="send"), node(2, OLD)], OLD, ""),
        ([node(1, NEW), *(node(number, OLD)._replace(reached=False) for number in (2, 3))], NEW, ""),
        ([node(1), *(node(number, NEW)._replace(reached=False) for number in (2, 3))], NEW, ""),
    ],
    ids=[
        *("new cluster", "nothing to change yet", "in use", "the other in use", "asked for", "and back"),
        *(
            "left over from a run that was cut short",
            "half way",
            "too old",
            "not too old",
            "not all reached",
            "switched off",
            "not all phases",
            "facts of the others are of an earlier run",
            "a new node in a run of its own",
        ),
    ],
)
def test_device_of_a_cluster(hosts: list[HostInput], wanted: str, retiring: str) -> None:
    found = chosen(*hosts)
    assert (found.wanted, found.retiring) == (wanted, retiring)


def test_encryption_that_is_enabled_again_uses_the_keys_that_were_kept() -> None:
    def keyed(number: int, device: str) -> HostInput:
        return node(number)._replace(fact={"interfaces": {device: {"public_key": key_of(f"n{number}")}}})

    assert chosen(keyed(1, NEW), keyed(2, NEW)).wanted == NEW
    assert chosen(keyed(1, OLD), keyed(2, OLD)).wanted == OLD
    assert chosen(keyed(1, OLD), node(2, NEW)).wanted == NEW, "a device in use"


def test_a_new_node_in_a_rotated_cluster_is_named_with_the_remedy() -> None:
    new = node(2)._replace(fact={"interfaces": {OLD: {"public_key": key_of("n2")}}})
    (line,) = [one for one in plan_node_encryption([node(1, NEW), new], now=NOW).problems if "rotat" in one]
    assert line.startswith("host 'n2': node_encryption_rotate: this host has no key for kwg1") and line.endswith(
        "_rotate"
    )
    assert "no key for" not in str(plan_node_encryption([node(1, OLD), new], now=NOW).problems)


def test_a_rotation_that_was_interrupted_is_completed_on_all_nodes_only() -> None:
    half = [node(1, NEW, there=(OLD,)), node(2, OLD, there=(NEW,))]
    assert "rotat" not in str(plan_node_encryption(half, now=NOW).problems)
    for away in (half[1]._replace(reached=False, outside=True), half[1]._replace(fact=None)):
        found = plan_node_encryption([half[0], away], now=NOW).problems
        (line,) = [one for one in found if "rotat" in one]
        assert line.startswith(
            "host 'n1': node_encryption_rotate: the rotation of an earlier run is not complete; keys are"
        )
        assert "run all of them together, or set node_encryption_enabled to false for it" in line


def test_impossible_rotation_is_refused() -> None:
    silent = [node(1, OLD, rotate=True), node(2, OLD)._replace(reached=False)]
    assert "'n2' is in a later batch of this run; run all of them together" in "\n".join(
        plan_node_encryption(silent, now=NOW).problems
    )
    own_file = [node(1, rotate=True, private_key_file="/etc/keys/k8s"), node(2)]
    assert "a key file with its own path" in "\n".join(plan_node_encryption(own_file, now=NOW).problems)
    same = [node(1, alternate_interface=OLD), node(2, alternate_port=51820)]
    assert "are in use; choose others" in "\n".join(plan_node_encryption(same, now=NOW).problems)
