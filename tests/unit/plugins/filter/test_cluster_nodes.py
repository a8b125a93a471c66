# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter as called by a template."""

from __future__ import annotations

import json

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.wirewright.overlay.plugins.filter.cluster_nodes import FilterModule
from ansible_collections.wirewright.overlay.plugins.plugin_utils._kubernetes.nodes import read_cluster
from ansible_collections.wirewright.overlay.tests.unit.plugins.plugin_utils._kubernetes.node_facts import document

cluster_nodes = FilterModule().filters()["cluster_nodes"]


def test_filter_reduces_nodes() -> None:
    whole = document("kubeadm_calico")
    kept = cluster_nodes(json.dumps(whole))
    assert read_cluster(kept) == read_cluster(whole)
    assert "images" not in json.dumps(kept)


def test_other_documents_are_an_error_of_the_filter() -> None:
    with pytest.raises(AnsibleFilterError, match="cluster_nodes: 'error: no route to host' is not JSON"):
        cluster_nodes("error: no route to host")
