# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A handshake probe reports the endpoint set by the handshake."""

from __future__ import annotations

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._host.links import WIREGUARD, Link
from ansible_collections.wirewright.overlay.plugins.module_utils._probe.run import _finding, _Reading
from ansible_collections.wirewright.overlay.plugins.module_utils._probe.targets import Target
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.endpoint import Endpoint
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.keys import ZERO
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.model import Device, Peer, Settings

from ..samples import key

INITIATOR = Endpoint("198.51.100.7", 4007)


def reading(at: float, peer: Peer) -> _Reading:
    link = Link("wg0", WIREGUARD, 1420, True, None, 7)
    return _Reading(Device("wg0", Settings(), ZERO, (peer,)), link, at, {peer.public_key: peer}, lambda _host: None)


@pytest.mark.parametrize(("handshake", "endpoint"), [(True, str(INITIATOR)), (False, "")])
def test_peer_that_initiates_has_the_endpoint_of_its_handshake(handshake: bool, endpoint: str) -> None:
    before = reading(1.0, Peer(key(1)))
    after = reading(2.0, Peer(key(1), endpoint=INITIATOR, latest_handshake=1000))
    found = _finding(Target(key(1), "s1", (), None, ""), {}, 0, (before, before, after), 1001.0, handshake)
    assert found.worst.seen.endpoint == endpoint
