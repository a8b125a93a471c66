# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The nodes of a cluster, as WireGuard between them is planned from.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .....module_utils._ip.prefix import Prefix
from ...._kubernetes.discovery import Discovery
from ...fleet.member import Fleet
from ...plan_model.fleet import HostInput
from ...plan_model.nodes import Encryption
from ..settings import NodeSettings


@dataclass(frozen=True)
class NodeFleet:
    """All nodes that are not revoked.

    node_settings, discoveries, leaders: by name. encryption: the values that all nodes share. forwarding: the leaders that
    forward packets of other nodes. pods_on_links: by node, the interfaces whose connected networks have pods of others.
    further: by node, its addresses other than those of its tunnels.
    """

    fleet: Fleet
    inputs: Mapping[str, HostInput]
    node_settings: Mapping[str, NodeSettings]
    discoveries: Mapping[str, Discovery]
    encryption: Encryption
    leaders: Mapping[str, str]
    forwarding: frozenset[str]
    pods_on_links: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    further: Mapping[str, tuple[Prefix, ...]] = field(default_factory=dict)
