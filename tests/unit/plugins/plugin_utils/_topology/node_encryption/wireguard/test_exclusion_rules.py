# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks that a node excludes from encryption have no pods of nodes that encrypt."""

from __future__ import annotations

import pytest
from planned_nodes import node, problems

from .test_network_rules import having

P = "node_encryption_exclude_cidrs: "
PODS = {number: f"10.244.{number}.0/24" for number in (1, 2, 3)}


@pytest.mark.parametrize(
    ("excluded", "expected"),
    [
        ({1: ["10.244.200.0/24", "192.0.2.128/25"]}, []),
        ({1: [PODS[2]]}, ["host 'n1': " + P + "10.244.2.0/24, pods of 'n2', would be reached unencrypted"]),
        ({1: [PODS[2]], 2: [PODS[1]]}, ["host 'n1': " + P + "10.244.2.0/24", "host 'n2': " + P + "10.244.1.0/24"]),
        ({1: ["10.244.0.0/22"]}, ["host 'n1': " + P + "10.244.2.0/24, 10.244.3.0/24, pods of 'n2', 'n3', would be"]),
        ({1: ["10.244.2.0/28"]}, ["host 'n1': " + P + "10.244.2.0/24, pods of 'n2', would be"]),
        ({1: [PODS[1]]}, ["host 'n1': " + P + "10.244.1.0/24, pods of this node, would stay encrypted"]),
        ({1: ["10.244.1.128/25"]}, ["host 'n1': " + P + "10.244.1.0/24, pods of this node, would stay encrypted"]),
        (
            {1: [PODS[1]], 2: [PODS[1]], 3: [PODS[1]]},
            [
                "host 'n1': " + P + "10.244.1.0/24, pods of this node, would stay encrypted",
                "hosts 'n2', 'n3': " + P + "10.244.1.0/24, pods of 'n1', would be",
            ],
        ),
    ],
)
def test_excluded_networks_have_no_pods(excluded: dict[int, list[str]], expected: list[str]) -> None:
    found = problems(*(node(number, exclude_cidrs=excluded.get(number, [])) for number in (1, 2, 3)))
    assert len(found) == len(expected) and all(map(str.startswith, found, expected)), found


def test_the_message_has_the_remedy() -> None:
    (found,) = problems(node(1, exclude_cidrs=[PODS[2]]), node(2))
    assert found == (
        f"host 'n1': {P}10.244.2.0/24, pods of 'n2', would be reached unencrypted, and answer encrypted, so packets would be "
        "lost; remove it here, or set node_encryption_enabled to false for one of the ends"
    )


def test_pods_of_nodes_that_do_not_encrypt_may_be_excluded() -> None:
    assert problems(node(1, exclude_cidrs=[PODS[2]]), node(2, enabled=False)) == ()
    assert problems(node(1, exclude_cidrs=[PODS[2]], enabled=False), node(2)) == ()


@pytest.mark.parametrize(
    ("excluded", "route", "refused"),
    [
        ("10.244.2.64/26", "10.244.2.64/26\teth1\t0\tconnected", False),  # its own LAN, and not pods
        ("10.244.2.0/24", "10.244.2.64/26\teth1\t0\tconnected", False),
        ("10.244.2.0/24", "10.244.2.0/24\teth0\t0\trouted", True),
        ("10.244.0.0/16", "10.244.0.0/16\teth0\t0\tconnected", True),  # pods inside the LAN
        ("10.244.1.0/24", "10.244.1.0/24\tcni0\t0\tconnected", True),
        ("10.244.0.0/23", "10.244.0.0/23\teth0\t0\tconnected", False),  # a LAN with its own pods
    ],
)
def test_a_network_of_the_node_itself_is_an_exception(excluded: str, route: str, refused: bool) -> None:
    assert bool(problems(having(node(1, exclude_cidrs=[excluded]), route), node(2))) == refused
