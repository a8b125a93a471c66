# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways to cut a management connection by variables of the mesh and its playbooks: refused, harmless, or for the guard.

The controller reaches h1 over the underlay, or over the overlay through h2. Full-tunnel spokes: `test_full_tunnel.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import pytest
from lab_hosts import Lab, Play
from mesh_lab import NETWORK, addresses, assert_ok, mesh, ping

# What a run does about a cut: it refuses it, the connection goes on, or the controller finds out (mesh_confirm_timeout).
REFUSED, HARMLESS, GUARD = "refused", "harmless", "left to the guard"
REASONS = ("allow_management_change", "is inside a network that")
CLIENT = "192.0.2.50"
PHONE = {"name": "phone", "public_key": "Ag" + "s" * 40 + "Q=", "allowed_ips": [f"{CLIENT}/32"]}


class Cut(NamedTuple):
    """A way to cut the connection: variables of h1, of h2 and of both. underlay, overlay: what a run does."""

    underlay: str
    overlay: str
    h1: Mapping[str, Any] = {}
    h2: Mapping[str, Any] = {}
    both: Mapping[str, Any] = {}
    playbook: str = "site.yml"
    arguments: tuple[str, ...] = ("--limit", "h1")


CUTS = {
    "another address": Cut(HARMLESS, REFUSED, {"mesh_addresses": ["10.42.0.99"]}),
    "another network": Cut(HARMLESS, REFUSED, both={"mesh_network": ["10.43.0.0/24"]}, arguments=()),
    "a network with the client": Cut(REFUSED, REFUSED, both={"mesh_network": ["192.0.2.48/28"]}, arguments=()),
    "another interface": Cut(HARMLESS, REFUSED, both={"mesh_interface": "wg9"}, arguments=()),
    # A missing file gets the key of the running interface.
    "another key file": Cut(HARMLESS, HARMLESS, {"mesh_private_key_file": "/etc/wireguard/other.key"}),
    "another port": Cut(HARMLESS, GUARD, {"mesh_port": 51999}),
    "another endpoint of the other end": Cut(HARMLESS, GUARD, h2={"mesh_endpoint": "198.51.100.9"}),
    "preshared keys on one end": Cut(HARMLESS, HARMLESS, both={"overlay_psk_master": "0123456789abcdef"}),
    "the other end is revoked": Cut(HARMLESS, REFUSED, both={"overlay_revoked": ["h2"]}),
    "a network of the other end with the client": Cut(REFUSED, REFUSED, h2={"mesh_networks": ["192.0.2.48/28"]}),
    "a static peer with the client": Cut(REFUSED, HARMLESS, {"mesh_static_peers": [PHONE]}),
    "removal": Cut(
        HARMLESS, REFUSED, playbook="playbooks/remove.yml", arguments=("--limit", "h1", "-e", "overlay_remove_confirm=vpn")
    ),
}  # fmt: skip


@pytest.fixture
def lab() -> Iterator[Lab]:
    with mesh("h1", "h2") as made:
        yield made


def run(lab: Lab, cut: Cut, connection: str, *more: str) -> Play:
    """Run a playbook, where h1 has this management connection."""
    prefix = [*lab.enter("h1"), "env", f"SSH_CONNECTION={connection}"] if connection else lab.enter("h1")
    lab.inventory(
        {"h1": {"ansible_exec_prefix": prefix, **cut.h1}, "h2": cut.h2}, **{"mesh_network": NETWORK, **cut.both}
    )
    return lab.playbook(cut.playbook, *cut.arguments, *more)


def seen(lab: Lab) -> str:
    """Return what a refused run must not change on h1."""
    script = "ip -o addr; ip route; ip -6 route; ip rule; wg show wg0 dump | cut -f1-4; "
    script += "find /etc/wirewright.overlay -type f | sort | xargs cat"
    return lab.run("h1", ["sh", "-c", script]).stdout


def test_a_run_over_the_overlay_changes_nothing(lab: Lab) -> None:
    own, other = (addresses(lab, host)[0] for host in ("h1", "h2"))
    done = run(lab, Cut(HARMLESS, HARMLESS), f"{other} 50000 {own} 22", "--diff")
    assert done.changed == 0, done.stdout
    assert "WARNING" not in done.stderr, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("side", ["underlay", "overlay"])
@pytest.mark.parametrize("name", CUTS)
def test_variables_that_cut_the_management_connection(lab: Lab, name: str, side: str) -> None:
    cut = CUTS[name]
    own, other = (addresses(lab, host)[0] for host in ("h1", "h2"))
    assert ping(lab, "h2", own)
    connection = {"underlay": f"{CLIENT} 50000 192.0.2.11 22", "overlay": f"{other} 50000 {own} 22"}[side]
    before = seen(lab)
    outer = CLIENT if side == "underlay" else "192.0.2.12"
    path = lab.run("h1", ["ip", "route", "get", outer]).stdout
    expected = getattr(cut, side)
    done = run(lab, cut, connection)
    if expected == REFUSED:
        assert done.rc and any(reason in " ".join(done.stdout.split()) for reason in REASONS), done.stdout
        assert seen(lab) == before
        return
    assert_ok(done)
    assert expected != HARMLESS or lab.run("h1", ["ip", "route", "get", outer]).stdout == path
    if side == "overlay" and expected == HARMLESS:
        assert ping(lab, "h2", own)
