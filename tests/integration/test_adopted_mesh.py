# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A mesh of wg-quick, with traffic, becomes a mesh of the collection without a lost packet, and boots the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from adopted_meshes import NAMES, STYLES, apply, inventory, plan, private, start
from lab_hosts import Lab
from managed_host import ManagedHost, key
from mesh_lab import assert_ok, failure, ping, public_key
from steady_ping import SteadyPing
from test_canary import LOUD, leaks


def state(lab: Lab, interface: str) -> dict[str, Any]:
    """Return keys, ports, addresses and peers of all hosts; learned endpoints are those of the files here."""
    shown = {}
    for name in NAMES:
        host = ManagedHost(lab, name)
        own, *peers = host.wg_dump(interface)
        configured = {peer[0]: (peer[1], peer[2], frozenset(peer[3].split(",")), peer[7]) for peer in peers}
        shown[name] = (own[1], own[2], own[3], configured, host.addresses(interface))
    return shown


def parts(shown: dict[str, Any], end: int) -> dict[str, Any]:
    """Return the first parts of each host's state: key, port, mark, peers, addresses."""
    return {name: one[:end] for name, one in shown.items()}


def bare(shown: dict[str, Any]) -> dict[str, set[str]]:
    """Return the addresses of each host without lengths."""
    return {name: {address.split("/")[0] for address in one[4]} for name, one in shown.items()}


def boot(lab: Lab, interface: str) -> None:
    for name in NAMES:
        host = ManagedHost(lab, name)
        host.shell(f"ip link del {interface}; while [ -e /var/run/wireguard/{interface}.sock ]; do sleep 0.1; done")
        host.shell(f"wg-quick up {interface} </dev/null >/run/wg-quick.log 2>&1")


@pytest.mark.sampled(3)
@pytest.mark.parametrize("style", STYLES)
def test_a_mesh_of_wg_quick_is_adopted_without_a_lost_packet(style: str) -> None:
    given = STYLES[style]
    interface = given.interface
    with Lab() as lab:
        lab.up(NAMES)
        start(lab, given)
        before = state(lab, interface)
        refused = plan(lab, given, adopt=False)
        assert refused.plan is None
        said = f"hosts 'h1', 'h2', 'h3': mesh_interface: {interface} exists and is not managed by this collection"
        assert any(text.startswith(said) for text in refused.problems), refused.problems
        with (
            SteadyPing(lab.enter("h1"), "10.8.0.2", interval=0.05) as first,
            SteadyPing(lab.enter("h2"), "10.8.0.3", interval=0.05) as second,
        ):
            planned = plan(lab, given, adopt=True)
            predicted = {name: apply(lab, planned, name, check_mode=True) for name in NAMES}
            assert all(one.changed for one in predicted.values()) and state(lab, interface) == before
            done = {name: apply(lab, planned, name) for name in NAMES}
            assert (first.lost(), second.lost()) == ([], [])
        for name in NAMES:
            assert done[name].changed and done[name].diff == predicted[name].diff
            assert leaks([private(name)], done[name].output) == []
            where = f"/etc/wireguard/{interface}"
            for path in (f"{where}.key", f"{where}.conf", f"{where}.conf.before-wirewright"):
                assert lab.run(name, ["stat", "-c", "%a %U", path]).stdout == "600 root\n", path
            assert leaks([private(name)], lab.run(name, ["cat", f"{where}.conf"]).stdout) == []
        after = state(lab, interface)
        assert parts(after, 4) == parts(before, 4) and bare(after) == bare(before)
        for adopts in (True, False):  # the port and the addresses are noted
            again = plan(lab, given, adopt=adopts)
            assert not any(apply(lab, again, name).changed for name in NAMES), adopts
        boot(lab, interface)
        assert state(lab, interface) == after
        assert not any(apply(lab, again, name).changed for name in NAMES)


@pytest.mark.slow
def test_the_role_adopts_a_mesh_and_shows_no_secret(tmp_path: Path) -> None:
    given = STYLES["by hand"]
    log, cache = tmp_path / "ansible.log", tmp_path / "facts"
    loud = {
        "ANSIBLE_LOG_PATH": str(log),
        "ANSIBLE_CACHE_PLUGIN": "jsonfile",
        "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(cache),
    }
    with Lab() as lab:
        lab.up(NAMES)
        start(lab, given)
        before = state(lab, "wg0")
        inventory(lab, given)
        with SteadyPing(lab.enter("h1"), "10.8.0.2", interval=0.05) as steady:
            outputs = [assert_ok(lab.playbook("site.yml", *LOUD, "--check", env=loud))]
            assert state(lab, "wg0") == before
            outputs.append(assert_ok(lab.playbook("site.yml", *LOUD, env=loud)))
            assert steady.lost() == []
        for play in outputs:
            assert {name: counts["changed"] for name, counts in play.recap.items()} == dict.fromkeys(NAMES, 1)
        keys = [lab.run(name, ["cat", "/etc/wireguard/wg0.key"]).stdout.strip() for name in NAMES]
        secrets = [*keys, *(private(name) for name in NAMES)]
        for text in (*(play.stdout + play.stderr + str(play.events) for play in outputs), log.read_text()):
            assert leaks(secrets, text) == []
        assert len(list(cache.iterdir())) == 3
        for file in cache.iterdir():
            assert leaks(secrets, file.read_text()) == []
        assert parts(state(lab, "wg0"), 4) == parts(before, 4)
        assert assert_ok(lab.playbook("site.yml")).changed == 0


def test_losses_of_all_hosts_are_refused_at_once() -> None:
    given = STYLES["by hand"]
    undescribed = replace(given, per_host={"h3": {"mesh_port": 51820}}, variables={})
    with Lab() as lab:
        lab.up(NAMES)
        start(lab, given)
        planned = plan(lab, undescribed, adopt=True)
        assert planned.plan is None
        for said in (
            "host 'h1': mesh_static_peers: the peer",
            "add them to mesh_networks of h2",
            "set mesh_persistent_keepalive to 25",
            "host 'h3': mesh_port: wg0 listens on 51999",
            "mesh_adopt_allow_loss: true accepts the loss",
        ):
            assert said in "\n".join(planned.problems)
        assert lab.run("h1", ["ls", "/etc/wireguard"]).stdout.split() == ["wg0.conf"], "nor was a key made"


def test_an_imported_inventory_gives_the_same_mesh(tmp_path: Path) -> None:
    given = STYLES["by hand"]
    with Lab() as lab:
        lab.up(NAMES)
        start(lab, given)
        before = state(lab, "wg0")
        lab.inventory(overlay_persistence="wg_quick", mesh_forward=False)
        directory = lab.path / "host_vars"
        play = assert_ok(lab.playbook("playbooks/import.yml", "--check"))
        assert not directory.exists() and "mesh_static_peers" in play.stdout
        hidden = directory / "h1.yml"
        directory.mkdir()
        hidden.write_text("mesh_persistent_keepalive: 33\n")
        said = failure(lab.playbook("playbooks/import.yml"))
        assert f"no longer read {hidden} beside the directory" in said and "main.yml" in said
        assert not (directory / "h1").exists()
        hidden.unlink()
        play = assert_ok(lab.playbook("playbooks/import.yml", *LOUD))
        assert leaks([private(name) for name in NAMES], play.stdout + play.stderr) == []
        assert sorted(path.relative_to(directory).as_posix() for path in directory.rglob("*.yml")) == [
            f"{name}/wirewright.yml" for name in NAMES
        ]
        written = {path: path.read_text() for path in directory.rglob("*.yml")}
        assert "10.77.0.0/24" in written[directory / "h2/wirewright.yml"]
        assert assert_ok(lab.playbook("playbooks/import.yml")).changed == 0
        (directory / "h1/wirewright.yml").write_text("mesh_port: 1\n")
        assert "h1/wirewright.yml exists and differs" in failure(lab.playbook("playbooks/import.yml"))
        assert (directory / "h1/wirewright.yml").read_text() == "mesh_port: 1\n"
        assert_ok(lab.playbook("playbooks/import.yml", "-e", "overlay_import_overwrite=true"))
        assert {path: path.read_text() for path in directory.rglob("*.yml")} == written
        assert_ok(lab.playbook("site.yml"))
        assert {name: shown[:4] for name, shown in state(lab, "wg0").items()} == {
            name: shown[:4] for name, shown in before.items()
        }
        assert ping(lab, "h3", "fd08::1") and public_key(lab, "h1") == before["h1"][0]
        assert assert_ok(lab.playbook("site.yml")).changed == 0


def test_an_import_of_several_interfaces_or_without_a_result_writes_nothing() -> None:
    with Lab() as lab:
        lab.up(["h1", "h2"])
        one, two = (ManagedHost(lab, name) for name in ("h1", "h2"))
        one.write("/etc/wireguard/wg0.conf", f"[Interface]\nPrivateKey = {private('h1')}\n")
        one.write("/etc/wireguard/peers.conf", f"[Peer]\nPublicKey = {key('phone')}\nAllowedIPs = 10.8.0.9/32\n")
        for name in ("wg0", "wg1"):
            two.write(f"/etc/wireguard/{name}.conf", f"[Interface]\nPrivateKey = {private('h2')}\n")
        lab.inventory()
        said = failure(lab.playbook("playbooks/import.yml"))
        assert "h2 has several interfaces, wg0, wg1: name one with overlay_import_interface" in " ".join(said.split())
        assert "h1 has" not in said and not (lab.path / "host_vars").exists()
        lab.inventory({"h2": {"overlay_import_interface": "wg1"}})
        play = assert_ok(lab.playbook("playbooks/import.yml"))
        assert "in expected paths" not in play.stdout + play.stderr
        written = (lab.path / "host_vars/h2/wirewright.yml").read_text()
        assert (
            "mesh_interface: wg1" in written and "peers" not in (lab.path / "host_vars/h1/wirewright.yml").read_text()
        )
        lab.inventory({"h2": {"ansible_python_interpreter": "/nowhere"}})
        said = failure(lab.playbook("playbooks/import.yml"))
        assert "No result of h2" in " ".join(said.split())


def test_an_interface_that_is_only_in_files_is_refused_before_a_key_is_made() -> None:
    with Lab() as lab:
        lab.up(["h1", "h2"])
        lab.inventory(mesh_network="10.42.0.0/24")
        lab.run(
            "h2",
            [
                "sh",
                "-c",
                "mkdir -p /etc/wireguard && printf '[Interface]\\nListenPort = 51820\\n' >/etc/wireguard/wg0.conf",
            ],
        )
        message = failure(lab.playbook("site.yml"))
        assert "host 'h2': mesh_interface: wg0 does not run, but is in files on this host and is not managed" in message
        assert lab.run("h2", ["ls", "/etc/wireguard"]).stdout.split() == ["wg0.conf"]
