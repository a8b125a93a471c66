# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A probe that only waits for a handshake says where the peer was found by it."""

from __future__ import annotations

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils.host.links import WIREGUARD, Link
from ansible_collections.wirewright.overlay.plugins.module_utils.probe.run import _judge, _Reading
from ansible_collections.wirewright.overlay.plugins.module_utils.probe.subjects import Subject
from ansible_collections.wirewright.overlay.plugins.module_utils.wireguard.endpoint import Endpoint
from ansible_collections.wirewright.overlay.plugins.module_utils.wireguard.keys import ZERO
from ansible_collections.wirewright.overlay.plugins.module_utils.wireguard.model import Device, Peer, Settings

from ..samples import key

CALLED = Endpoint("198.51.100.7", 4007)


def reading(at: float, peer: Peer) -> _Reading:
    link = Link("wg0", WIREGUARD, 1420, True, None, 7)
    return _Reading(Device("wg0", Settings(), ZERO, (peer,)), link, at, {peer.public_key: peer}, lambda _host: None)


@pytest.mark.parametrize(("handshake", "endpoint"), [(True, str(CALLED)), (False, "")])
def test_a_peer_that_called_meanwhile_is_where_it_called_from(handshake: bool, endpoint: str) -> None:
    unheard = reading(1.0, Peer(key(1)))
    heard = reading(2.0, Peer(key(1), endpoint=CALLED, latest_handshake=1000))
    found = _judge(Subject(key(1), "s1", (), None, ""), {}, 0, (unheard, unheard, heard), 1001.0, handshake)
    assert found.worst.seen.endpoint == endpoint
