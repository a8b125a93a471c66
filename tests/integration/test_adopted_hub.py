# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A hub and spokes of wg-quick files, with traffic, become those of the collection without a lost packet, and boot the same."""

from __future__ import annotations

from adopted_meshes import NAMES, PHONE, apply, private, underlay
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.hub_spoke.plan import plan_hub_spoke
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.fleet import (
    HUB,
    SPOKE,
    HostInput,
    PlanResult,
)
from lab_hosts import Lab
from managed_host import ManagedHost, key
from mesh_lab import peers, ping
from steady_ping import SteadyPing
from test_adopted_mesh import bare, boot, parts, state
from test_canary import leaks

VARIABLES: dict[str, dict[str, object]] = {
    "h1": {"static_peers": [PHONE]},
    "h2": {"networks": ["10.77.0.0/24"]},
    "h3": {},
}


def file_of(name: str, public: dict[str, str]) -> str:
    """Return the file of the hub h1, or of a spoke that reaches the other one and its network through the hub."""
    own = f"[Interface]\nAddress = 10.8.0.{name[1:]}/24\nPrivateKey = {private(name)}\n"
    if name != "h1":
        behind = "" if name == "h2" else ", 10.77.0.0/24"
        return (
            f"{own}ListenPort = 51820\n\n[Peer]\nPublicKey = {public['h1']}\nAllowedIPs = 10.8.0.0/24{behind}\n"
            f"Endpoint = {underlay('h1')}:51999\nPersistentKeepalive = 25\n"
        )
    spokes = "".join(
        f"\n[Peer]\n# {other}\nPublicKey = {public[other]}\nAllowedIPs = 10.8.0.{other[1:]}/32{more}\n"
        for other, more in (("h2", ", 10.77.0.0/24"), ("h3", ""))
    )
    return (
        f"{own}ListenPort = 51999\n{spokes}\n[Peer]\n# phone\nPublicKey = {key('phone')}\nAllowedIPs = 10.8.0.99/32\n"
    )


def start(lab: Lab) -> None:
    """Set the interfaces up with wg-quick; the hub forwards already."""
    hosts = {name: ManagedHost(lab, name) for name in NAMES}
    public = {name: host.run("wg", "pubkey", input=private(name)).strip() for name, host in hosts.items()}
    hosts["h1"].shell("echo 1 >/proc/sys/net/ipv4/ip_forward")
    hosts["h2"].shell("ip address add 10.77.0.1/32 dev lo")
    for name, host in hosts.items():
        host.write("/etc/wireguard/wg0.conf", file_of(name, public))
        host.shell("wg-quick up wg0 </dev/null >/run/wg-quick.log 2>&1")
    for name in ("h2", "h3"):
        assert ping(lab, name, "10.8.0.1")


def plan(lab: Lab, *, adopt: bool) -> PlanResult:
    """Gather facts with the module and plan hub and spokes, as the role does, without a playbook."""
    inputs = []
    for name in NAMES:
        result = ManagedHost(lab, name).module("overlay_prepare", interface="wg0", userspace=True, adopt=adopt)
        assert not result.changed or not adopt, result.output
        common = {"persistence": "wg_quick", "userspace": True, "adopt": adopt, "network": ["10.8.0.0/24"]}
        fact = result.data["ansible_facts"]["wirewright_overlay"]
        kind = (HUB,) if name == "h1" else (SPOKE,)
        inputs.append(HostInput(name, {**common, **VARIABLES[name]}, underlay(name), fact, {}, kind))
    return plan_hub_spoke(inputs, overlay="hub_spoke hubs spokes")


def test_a_hub_and_spokes_of_wg_quick_are_adopted_without_a_lost_packet() -> None:
    with Lab() as lab:
        lab.up(NAMES)
        start(lab)
        before = state(lab, "wg0")
        refused = plan(lab, adopt=False)
        assert any("hub_spoke_interface: wg0 exists and is not managed" in text for text in refused.problems)
        with (
            SteadyPing(lab.enter("h2"), "10.8.0.3", interval=0.05) as between,
            SteadyPing(lab.enter("h3"), "10.77.0.1", interval=0.05) as behind,
            SteadyPing(lab.enter("h1"), "10.8.0.2", interval=0.05) as outwards,
        ):
            planned = plan(lab, adopt=True)
            predicted = {name: apply(lab, planned, name, check_mode=True) for name in NAMES}
            assert all(one.changed for one in predicted.values()) and state(lab, "wg0") == before
            assert (between.lost(), behind.lost(), outwards.lost()) == ([], [], []), "nothing has changed"
            sessions = {name: peers(lab, name) for name in NAMES}
            done = {name: apply(lab, planned, name) for name in NAMES}
            assert (between.lost(), behind.lost(), outwards.lost()) == ([], [], [])
            for name, known in sessions.items():
                for public, now in peers(lab, name).items():
                    assert now.latest_handshake >= known[public].latest_handshake
                    assert now.rx_bytes >= known[public].rx_bytes, "the counters of a new peer begin with 0"
        for name in NAMES:
            assert done[name].changed and done[name].diff == predicted[name].diff
            assert leaks([private(name)], done[name].output) == []
        after = state(lab, "wg0")
        for name in NAMES:
            assert after[name][0] == before[name][0], "the same keys"
            assert {peer: one[:2] for peer, one in after[name][3].items()} == {
                peer: one[:2] for peer, one in before[name][3].items()
            }, "no peer lost its preshared key or endpoint"
        assert after["h1"][1] == before["h1"][1] and bare(after) == bare(before)
        assert parts(after, 4)["h1"] == parts(before, 4)["h1"]
        again = plan(lab, adopt=True)
        assert not any(apply(lab, again, name).changed for name in NAMES)
        boot(lab, "wg0")
        for source, target in (("h2", "10.8.0.3"), ("h3", "10.77.0.1"), ("h1", "10.8.0.2")):
            assert ping(lab, source, target)
        booted = state(lab, "wg0")
        assert bare(booted) == bare(after) and booted["h1"][:3] == after["h1"][:3]
        assert {name: one[3].keys() for name, one in booted.items()} == {
            name: one[3].keys() for name, one in after.items()
        }
        assert not any(apply(lab, again, name).changed for name in NAMES)
