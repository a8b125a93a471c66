# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host of systemd-networkd, with traffic, joins a mesh without a lost packet, and networkd restarts with its new units.

networkd makes no WireGuard device without the kernel's, so the one of wireguard-go stands for it; its addresses and routes
are those of networkd.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from adopted_meshes import private, underlay
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.document import host_document
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.mesh.plan import plan_mesh
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.fleet import HostInput, PlanResult
from lab_hosts import Lab
from managed_host import ManagedHost
from networkd import networkd
from steady_ping import SteadyPing

NETWORK = """[Match]
Name=wg0
[Network]
Address=10.8.0.1/24
LinkLocalAddressing=no
[Route]
Destination=10.77.0.0/24
Scope=link
"""
WHERE = "/etc/systemd/network"


def start(lab: Lab) -> None:
    """Set up the tunnel: on h1 the units and the device that networkd would make of them, on h2 wg-quick."""
    hosts = {name: ManagedHost(lab, name) for name in ("h1", "h2")}
    public = {name: host.run("wg", "pubkey", input=private(name)).strip() for name, host in hosts.items()}
    peer = f"PublicKey={public['h2']}\nAllowedIPs=10.8.0.2/32,10.77.0.0/24\nEndpoint={underlay('h2')}:51999\n"
    one, two = hosts.values()
    one.write(f"{WHERE}/wg0.private", private("h1") + "\n")
    one.write(
        f"{WHERE}/90-wg0.netdev",
        "[NetDev]\nName=wg0\nKind=wireguard\n"
        f"[WireGuard]\nPrivateKeyFile={WHERE}/wg0.private\nListenPort=51999\n[WireGuardPeer]\n{peer}",
    )
    one.write(f"{WHERE}/90-wg0.network", NETWORK)
    one.write("/run/wg0.conf", f"[Interface]\nPrivateKey={private('h1')}\nListenPort=51999\n[Peer]\n{peer}")
    one.shell("wireguard-go wg0 </dev/null >/dev/null 2>&1; wg setconf wg0 /run/wg0.conf; rm /run/wg0.conf")
    two.write(
        "/etc/wireguard/wg0.conf",
        f"[Interface]\nAddress=10.8.0.2/24\nPrivateKey={private('h2')}\nListenPort=51999\n"
        f"[Peer]\nPublicKey={public['h1']}\nAllowedIPs=10.8.0.1/32\nEndpoint={underlay('h1')}:51999\n",
    )
    two.shell("ip address add 10.77.0.1/32 dev lo; wg-quick up wg0 </dev/null >/run/wg-quick.log 2>&1")


def plan(lab: Lab) -> PlanResult:
    variables: dict[str, dict[str, Any]] = {"h1": {"persistence": "networkd"}, "h2": {"persistence": "wg_quick"}}
    variables["h2"]["networks"] = ["10.77.0.0/24"]
    inputs = []
    for name, own in variables.items():
        result = ManagedHost(lab, name).module("overlay_prepare", interface="wg0", userspace=True, adopt=True)
        fact = result.data["ansible_facts"]["wirewright_overlay"]
        common = {"userspace": True, "adopt": True, "forward": False}
        inputs.append(HostInput(name, {**common, **own}, underlay(name), fact))
    return plan_mesh(inputs, overlay="mesh")


def test_a_host_of_networkd_is_adopted_without_a_lost_packet() -> None:
    with Lab() as lab, tempfile.TemporaryDirectory() as scratch:
        lab.up(["h1", "h2"])
        start(lab)
        one, directory = ManagedHost(lab, "h1"), Path(scratch)
        directory.chmod(0o755)
        (directory / "90-wg0.network").write_text(NETWORK)
        with networkd(one.netns, directory, links=["wg0"]):
            before = one.addresses(), one.wg_dump()[0][:3]
            with (
                SteadyPing(lab.enter("h1"), "10.8.0.2", interval=0.05) as near,
                SteadyPing(lab.enter("h1"), "10.77.0.1", interval=0.05) as behind,
            ):
                planned = plan(lab)
                assert planned.plan is not None, planned.problems
                documents = {name: host_document(planned.plan, name) for name in ("h1", "h2")}
                for name, document in documents.items():
                    host = ManagedHost(lab, name)
                    predicted = host.module("overlay_apply", check_mode=True, **document)
                    done = host.module("overlay_apply", **document)
                    assert done.changed and done.diff == predicted.diff and private(name) not in done.output
                assert (near.lost(), behind.lost()) == ([], [])
        assert (one.addresses(), one.wg_dump()[0][:3]) == before and one.routes() == {"10.77.0.0/24"}
        listed = set(one.run("find", WHERE, "-type", "f").split())
        assert {f"{WHERE}/90-wg0.{kind}.before-wirewright" for kind in ("netdev", "network")} <= listed
        assert not {f"{WHERE}/90-wg0.netdev", f"{WHERE}/90-wg0.network"} & listed
        # What networkd reads after a restart, apart from the device.
        (directory / "90-wg0.network").unlink()
        (directory / "50-wirewright-wg0.network").write_text(one.run("cat", f"{WHERE}/50-wirewright-wg0.network"))
        with (
            SteadyPing(lab.enter("h1"), "10.77.0.1", interval=0.05) as behind,
            networkd(one.netns, directory, links=["wg0"]),
        ):
            assert behind.lost() == []
        assert one.addresses() == before[0] and one.routes() == {"10.77.0.0/24"}
        for name, document in documents.items():
            assert not ManagedHost(lab, name).module("overlay_apply", **document).changed
