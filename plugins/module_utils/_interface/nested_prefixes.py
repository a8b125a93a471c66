# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Warnings about allowed IPs of a peer that contain those of another: the longer prefix wins, which can be intended. Pure.

The planner of a role says it once for the whole fleet. This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from .._engine.reconcile import replay
from .._ip.longest_match import LongestMatch
from .._ip.prefix import Prefix, masked
from .._wireguard.keys import encode_key
from .._wireguard.model import Peer
from .options import WantedInterface
from .peer_names import peer_names
from .plan import Current, Plan

_NAMED = 5


def nested(wanted: WantedInterface, current: Current, plan: Plan) -> list[str]:
    """Return a warning for each allowed IP of a peer that contains one of another, if the call lists one of the two.

    A default route contains everything on purpose, and is not reported.
    """
    peers: Mapping[bytes, Peer] = replay(current.device.peers if current.device else (), plan.peers)  # type: ignore[assignment]
    listed = {item.peer.public_key for item in wanted.peers or ()}
    name_of = peer_names(wanted, current.recorded)

    def label(key: bytes) -> str:
        return name_of(key) or encode_key(key)

    owners = [(prefix, peer.public_key) for peer in peers.values() for prefix in peer.allowed_ips or ()]
    around = LongestMatch((prefix, (prefix, key)) for prefix, key in owners if prefix.length)
    inner: dict[tuple[Prefix, bytes], dict[bytes, Prefix]] = {}
    for prefix, key in sorted(owners):
        outer = around.find(_shorter(prefix)) if prefix.length else None
        if outer is not None and outer[1] != key and not {key, outer[1]}.isdisjoint(listed):
            inner.setdefault(outer, {}).setdefault(key, prefix)
    return [
        f"{wanted.name}: {prefix} of {label(key)} contains {_shown(found, label)}; the longer prefix wins"
        for (prefix, key), found in sorted(inner.items())
    ]


def _shorter(prefix: Prefix) -> Prefix:
    """Return the network around a prefix that is one bit shorter."""
    return prefix._replace(packed=masked(prefix.packed, prefix.length - 1), length=prefix.length - 1)


def _shown(found: Mapping[bytes, Prefix], label: Callable[[bytes], str]) -> str:
    texts = [f"{prefix} of {label(key)}" for key, prefix in found.items()]
    return ", ".join(texts[:_NAMED]) + (f" and those of {len(texts) - _NAMED} more" if len(texts) > _NAMED else "")
