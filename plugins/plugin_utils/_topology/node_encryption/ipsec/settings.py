# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role variables of node encryption for IPsec.

This plugin util is private to the collection.
"""

from __future__ import annotations

from ...._problems import Problem
from ...._variable_reader import Reader
from ...plan_model.fleet import HostInput
from ...plan_model.ipsec import BOTH, CILIUM, EGRESS, INDEXES, INGRESS, OFF, SELECTORS, IpsecSettings
from ...plan_model.nodes import IN, OUT
from ..settings import NodeSettings

VARIABLES = (
    "ipsec_aead",
    "ipsec_block_unknown",
    "ipsec_epochs_ahead",
    "ipsec_esn",
    "ipsec_icv",
    "ipsec_index",
    "ipsec_key_bits",
    "ipsec_priority",
    "ipsec_profile",
    "ipsec_replay_window",
    "ipsec_reqid",
    "ipsec_slot",
)

_STRICT = {(): OFF, (OUT,): EGRESS, (IN,): INGRESS, (IN, OUT): BOTH}
_DEFAULTS = IpsecSettings()


def read_ipsec_settings(
    host: HostInput, node_settings: NodeSettings, prefix: str, problems: list[Problem]
) -> IpsecSettings:
    """Return a host's IPsec settings, and append problems."""
    read = Reader(host.name, prefix, host.variables, problems)
    return IpsecSettings(
        aead=read.text("ipsec_aead", _DEFAULTS.aead),
        key_bits=read.integer("ipsec_key_bits", _DEFAULTS.key_bits, 128, 256),
        icv=read.integer("ipsec_icv", _DEFAULTS.icv, 64, 128),
        reqid=read.integer("ipsec_reqid", _DEFAULTS.reqid, 1, 16383),
        esn=read.boolean("ipsec_esn", _DEFAULTS.esn),
        replay_window=read.integer("ipsec_replay_window", _DEFAULTS.replay_window, 1, 4096),
        epochs_ahead=read.integer("ipsec_epochs_ahead", _DEFAULTS.epochs_ahead, 2, 200),
        priority=read.integer("ipsec_priority", _DEFAULTS.priority, 0, 2**31),
        slot=read.integer("ipsec_slot", _DEFAULTS.slot, 0, 2**31),
        host_encryption=node_settings.host_encryption,
        strict=_STRICT[node_settings.strict],
        block_unknown=read.boolean("ipsec_block_unknown", _DEFAULTS.block_unknown),
        cluster_cidrs=node_settings.cluster_cidrs,
        profile=read.choice("ipsec_profile", SELECTORS, (SELECTORS, CILIUM)),
        exempt_hosts=frozenset(node_settings.exempt_hosts),
        exempt_ports=node_settings.exempt_ports,
        exempt_cidrs=node_settings.exclude_cidrs,
        route_protocol=read.text("route_protocol", _DEFAULTS.route_protocol),
    )


def read_index(host: HostInput, prefix: str, problems: list[Problem]) -> int | None:
    """Return the index in a host's variables, None if there is none."""
    read = Reader(host.name, prefix, host.variables, problems)
    given = read.integer("ipsec_index", 0, INDEXES[0], INDEXES[-1])
    return given or None
