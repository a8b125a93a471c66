# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole plays on kernel WireGuard. A play is slow in an emulated machine, so one test covers the life cycle of a mesh."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from lab_hosts import Lab
from mesh_lab import Capture, PeerState, assert_full_mesh, assert_ok, mesh, peers

WIREGUARD = "udp port 51820"
# Neighbour discovery of the underlay.
NEIGHBOURS = "arp or (icmp6 and ip6[40] >= 133 and ip6[40] <= 137) or (ip6 and ip6[6] = 0 and ip6[40] = 58)"


def kinds(lab: Lab) -> set[str]:
    """Return the kinds of wg0 on all hosts, as shown by `ip`."""
    shown = [json.loads(lab.run(host, ["ip", "-d", "-j", "link", "show", "dev", "wg0"]).stdout) for host in lab.hosts]
    return {link["linkinfo"]["info_kind"] for (link,) in shown}


def sessions_went_on(before: dict[str, PeerState], after: dict[str, PeerState]) -> bool:
    """Return whether no session was reset: a reset clears the handshake and the counters."""
    return all(
        after[key].latest_handshake >= peer.latest_handshake > 0 and after[key].rx_bytes >= peer.rx_bytes > 0
        for key, peer in before.items()
    )


@pytest.mark.plays
@pytest.mark.long
def test_plays_build_and_keep_a_mesh(tmp_path: Path) -> None:
    # Two hosts: every host and task takes seconds here, and the integration tests have larger meshes.
    with mesh("h1", "h2", overlay_userspace=False) as lab:
        assert kinds(lab) == {"wireguard"}
        with Capture(lab, tmp_path / "underlay.pcap") as capture:
            assert_full_mesh(lab)
        assert len(capture.lines(WIREGUARD)) >= 2 * 2 * 2
        assert capture.lines(f"not ({WIREGUARD}) and not ({NEIGHBOURS})") == []

        before = {host: peers(lab, host) for host in lab.hosts}
        assert assert_ok(lab.playbook("site.yml")).changed == 0
        assert all(sessions_went_on(state, peers(lab, host)) for host, state in before.items())
