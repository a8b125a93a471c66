# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The profile `cilium`: its numbers, and its removal. The kernel tier tests its data path."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._ip.prefix import parse_prefix
from ansible_collections.wirewright.overlay.plugins.module_utils._overlay.options import parse_sections
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.node_encryption.ipsec.cilium import (
    encrypt_mark,
    host_document,
    marks,
    spi_of,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.ipsec import (
    CILIUM,
    IpsecNode,
    IpsecSettings,
    Phase,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils._xfrm_keys import XfrmKeys

KEYS = XfrmKeys("correct horse battery staple")
SETTINGS = IpsecSettings(profile=CILIUM)


def cluster(phase: Phase = Phase.STRICT) -> dict[str, IpsecNode]:
    numbers = (1, 2, 3)
    return {
        f"n{n}": IpsecNode(
            f"n{n}",
            n,
            (parse_prefix(f"10.0.0.{n}"), parse_prefix(f"fd00::{n}")),
            (parse_prefix(f"10.244.{n}.0/24"),),
            phase=phase,
        )
        for n in numbers
    }


def test_key_ids_go_from_three_to_fifteen_and_on_from_one() -> None:
    assert [spi_of(slot) for slot in (0, 1, 12, 13, 14, 15)] == [3, 4, 15, 1, 2, 3]
    assert [encrypt_mark(spi) for spi in (3, 15)] == ["0x3e00/0xff00", "0xfe00/0xff00"]


@pytest.mark.parametrize("phase", list(Phase))
def test_options_are_those_of_the_modules(phase: Phase) -> None:
    sections = parse_sections(host_document(cluster(phase), "n1", SETTINGS, KEYS), lambda name: 1)
    assert sections.states is not None and sections.policies is not None and sections.rules is not None
    present = phase is not Phase.ABSENT
    # One inbound for all senders, one outbound for each; IPv4 and IPv6.
    assert len(sections.states.states) == 2 * 3 * present
    assert len(sections.rules.present) == 2 * 2 * present
    assert sum(len(table.present) for table in sections.routes) == 3 * present
    out = [policy for policy in sections.policies.policies if policy.templates and policy.templates[0].spi]
    assert len(out) == (2 if phase >= Phase.SEND else 0)
    # What drops has no template and so no owner: it is named when it has to go.
    assert len(sections.policies.absent) == (0 if present else 2)


def test_all_nodes_share_one_key_and_a_new_slot_has_another() -> None:
    documents = [host_document(cluster(), name, SETTINGS, KEYS) for name in cluster()]
    assert len({key for document in documents for key in document["xfrm_keys"].values()}) == 1
    assert host_document(cluster(), "n1", replace(SETTINGS, slot=15), KEYS)["xfrm_keys"] != documents[0]["xfrm_keys"]


def test_marks() -> None:
    assert marks(cluster(), "n1", SETTINGS) == {
        "encrypt": {"mark": "0x3e00", "destinations": ["10.244.2.0/24", "10.244.3.0/24"]},
        "decrypt": {"mark": "0xd00", "sources": ["10.0.0.2", "10.0.0.3", "fd00::2", "fd00::3"]},
        "decrypted": {"mark": "0x0", "destinations": ["10.244.1.0/24"]},
    }
    assert marks(cluster(Phase.RECEIVE), "n1", SETTINGS)["encrypt"]["destinations"] == []
