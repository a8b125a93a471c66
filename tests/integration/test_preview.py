# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check mode predicts what the real run changes, on which hosts: fresh hosts, hosts that join, leave and change."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from lab_hosts import Lab, Play
from mesh_lab import NETWORK, assert_ok, exists, public_key

APPLY = "Apply the overlay configuration"
MASTER = "correct horse battery staple"
SEED, STEPS = 20261129, 4


def said(lab: Lab, play: Play) -> dict[str, Any]:
    """Return what a run says that it changes, by host, with the real key in place of a name of one; and its summary."""
    found: dict[str, Any] = {}
    for host in lab.hosts:
        for result in play.results(host=host, task=APPLY):
            if result.get("changed"):
                found[host] = {kind: result[kind] for kind in ("changes", "diff")}
    summary = [line for result in play.results(task="Summarize the changes") for line in result.get("msg", ())]
    text = json.dumps({"hosts": found, "summary": summary if found else []}, sort_keys=True)
    for host in lab.hosts:
        if exists(lab, host):
            text = text.replace(f"the new key of {host}", public_key(lab, host))
    return dict(json.loads(text))


def assert_predicted(lab: Lab, what: object) -> dict[str, Any]:
    """Run the playbook in check mode, then without: the same hosts change, by the same objects. Returns these."""
    predicted = assert_ok(lab.playbook("site.yml", "--check", "--diff"))
    real = assert_ok(lab.playbook("site.yml", "--diff"))
    found = said(lab, real)
    assert said(lab, predicted) == found, what
    assert {host: counts["changed"] for host, counts in predicted.recap.items()} == {
        host: counts["changed"] for host, counts in real.recap.items()
    }, what
    assert "WARNING" not in predicted.stderr + real.stderr, what
    assert MASTER not in predicted.stdout + real.stdout
    return found


class Fleet:
    """The inventory of a mesh that changes step by step."""

    def __init__(self, lab: Lab, names: list[str]) -> None:
        self.lab, self.names = lab, names
        self.common: dict[str, Any] = {"mesh_network": NETWORK, "mesh_psk_master": MASTER}
        self.per_host: dict[str, dict[str, Any]] = {}

    def write(self) -> None:
        path = self.lab.inventory(self.per_host, **self.common)
        inventory = json.loads(path.read_text())
        inventory["vpn"]["hosts"] = {name: inventory["vpn"]["hosts"][name] for name in self.names}
        path.write_text(json.dumps(inventory))

    def change(self, step: str, chance: random.Random) -> None:
        host = chance.choice(self.names)
        own = self.per_host.setdefault(host, {})
        if step == "leave":
            self.names.remove(host)
        elif step == "port":
            own["mesh_port"] = chance.randrange(40000, 50000)
        elif step == "address":
            number = chance.randrange(200, 250)
            own["mesh_addresses"] = [f"10.42.0.{number}", f"fd42:42::{number}"]
        elif step == "site":
            own["mesh_networks"] = [f"10.{chance.randrange(100, 200)}.0.0/24"]
        elif step == "epoch":
            self.common["mesh_psk_epoch"] = self.common.get("mesh_psk_epoch", 0) + 1
        elif step == "key":
            self.lab.run(host, ["sh", "-c", "wg genkey >/etc/wireguard/wg0.key"])


@pytest.mark.slow
def test_check_mode_predicts_hosts_and_objects_of_the_real_run() -> None:
    chance = random.Random(SEED)  # noqa: S311   no secret is made of it
    with Lab() as lab:
        lab.up(["h1", "h2", "h3", "h4"])
        fleet = Fleet(lab, ["h1", "h2", "h3"])
        fleet.write()
        fresh = assert_predicted(lab, "fresh hosts")
        assert fresh["summary"] == ["h1-h3: +1 interface wg0, +2 peers"]
        fleet.names.append("h4")
        fleet.write()
        joined = assert_predicted(lab, "h4 joins")
        assert joined["summary"] == ["h1-h3: +1 peer h4", "h4: +1 interface wg0, +3 peers"]
        (shown, *files) = joined["hosts"]["h1"]["diff"]
        assert (shown["after_header"], files) == ("h1 wg0", [])
        assert shown["after"]["peers"]["h4"]["public_key"] == public_key(lab, "h4")
        for step in chance.sample(["leave", "port", "address", "site", "epoch", "key"], STEPS):
            fleet.change(step, chance)
            fleet.write()
            assert assert_predicted(lab, step)["hosts"], step
        silent = assert_ok(lab.playbook("site.yml", "--check", "--diff"))
        assert silent.changed == 0 and said(lab, silent)["summary"] == []
