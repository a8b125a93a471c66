# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tests of this directory build namespaces, mounts and interfaces."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from lab_hosts import Lab
from mesh_lab import NETWORK, addresses, configurations, exists, mesh
from shared_lab import SharedLab


@pytest.fixture(scope="session", autouse=True)
def root() -> None:
    if os.geteuid() != 0:
        pytest.skip("namespaces need root")


def mesh_state(lab: Lab) -> object:
    """Return the interfaces and addresses of a mesh, None if one is missing."""
    if not all(exists(lab, host) for host in lab.hosts):
        return None
    return configurations(lab), {host: addresses(lab, host) for host in lab.hosts}


@pytest.fixture(scope="session")
def shared_mesh_of_three() -> Iterator[SharedLab]:
    with SharedLab(lambda: mesh("h1", "h2", "h3"), mesh_state) as shared:
        yield shared


@pytest.fixture
def mesh_of_three(shared_mesh_of_three: SharedLab) -> Lab:
    """A mesh for several tests, with its inventory."""
    lab = shared_mesh_of_three.get()
    lab.inventory(mesh_network=NETWORK)
    return lab
