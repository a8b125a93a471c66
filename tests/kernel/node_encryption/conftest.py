# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One cluster of three nodes for all tests of node encryption, reset before each test."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from node_cluster import NodeCluster


@pytest.fixture(scope="package")
def standing_cluster() -> Iterator[NodeCluster]:
    if os.geteuid() != 0:
        pytest.skip("namespaces need root")
    with NodeCluster(nodes=3, pods=2) as cluster:
        yield cluster


@pytest.fixture
def cluster(standing_cluster: NodeCluster) -> NodeCluster:
    standing_cluster.reset()
    return standing_cluster
