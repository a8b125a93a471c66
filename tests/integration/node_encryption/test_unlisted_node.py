# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node of the cluster that is no host of the inventory: strict encryption goes on with it where its pods are excluded."""

from __future__ import annotations

from pathlib import Path

import pytest
from encrypted_nodes import CLOSED, EncryptedNodes
from wire_capture import PLAIN_POD


@pytest.mark.sampled(2)
@pytest.mark.both
@pytest.mark.long
@pytest.mark.parametrize("hosts", [False, True], ids=["pods", "hosts"])
def test_a_node_whose_pods_are_excluded(cluster: EncryptedNodes, hosts: bool, tmp_path: Path) -> None:
    n1, n2, outside = cluster.nodes
    cluster.phased([n1, n2], exclude_cidrs=list(outside.pod_networks), host_encryption=hosts, **CLOSED)
    for source, target in (
        (n1.pod, outside.pod),
        (outside.pod, n1.pod),
        (n1, outside.pod),
        (outside, n2.pod),
        (n1, outside),
    ):
        assert cluster.ping(source, target.ipv4, count=1) == 1, f"{source.netns} to {target.netns}"
    with cluster.captured(tmp_path / "wire.pcap") as wire:
        assert cluster.ping(n1.pod, n2.pod.ipv4, count=1) == 1
        assert wire.kinds()[PLAIN_POD] == 0, "the others still encrypt"
    with pytest.raises(AssertionError, match="pods of 'n1', would be reached unencrypted"):
        cluster.phased([n1, n2], per_host={"n2": {"exclude_cidrs": list(n1.pod_networks)}}, host_encryption=hosts)
