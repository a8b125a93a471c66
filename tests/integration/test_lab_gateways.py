# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lab hosts behind gateways, and networks behind lab hosts."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from lab_hosts import PROGRAM, Lab, shipped_playbook
from mesh_lab import Capture

WANTED: dict[str, Any] = {
    "hosts": {
        "h1": {"addresses": ["192.0.2.11/24"]},
        "inner": {"addresses": ["192.168.1.2/24"], "behind": "nat1", "site": "10.50.1.0/24"},
        "other": {"addresses": ["192.168.2.2/24"], "behind": "nat2"},
        "deep": {"addresses": ["192.168.3.2/24"], "behind": "nat3"},
    },
    "gateways": {
        "nat3": {"addresses": ["192.168.1.3/24"], "network": "192.168.3.0/24", "behind": "nat1"},
        "nat1": {"addresses": ["192.0.2.101/24"], "network": "192.168.1.0/24"},
        "nat2": {"addresses": ["192.0.2.102/24"], "network": "192.168.2.0/24"},
    },
}


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab() as lab:
        yield lab


def up(lab: Lab, **changed: Any) -> dict[str, Any]:
    done = program("up", stdin=json.dumps({"lab": lab.name, **WANTED, **changed}))
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def program(*args: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, str(PROGRAM), *args]
    return subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False, timeout=120)


def ping(lab: Lab, source: str, address: str) -> bool:
    return lab.run(source, ["ping", "-n", "-c", "1", "-w", "2", address], check=False).returncode == 0


@pytest.mark.slow
def test_hosts_behind_a_gateway_send_from_its_address_and_cannot_be_reached(lab: Lab, tmp_path: Path) -> None:
    assert sorted(up(lab)["created"]) == ["deep", "h1", "inner", "inner-site", "nat1", "nat2", "nat3", "other"]
    with Capture(lab, tmp_path / "public.pcap") as capture:
        assert ping(lab, "inner", "192.0.2.11")
        assert ping(lab, "other", "192.0.2.11")
        assert ping(lab, "deep", "192.0.2.11"), "through two gateways"
    seen = capture.lines("icmp[icmptype] = icmp-echo")
    assert any("192.0.2.101 > 192.0.2.11" in line for line in seen)
    assert any("192.0.2.102 > 192.0.2.11" in line for line in seen)
    assert capture.lines("net 192.168.0.0/16") == []
    lab.run("h1", ["ip", "route", "add", "192.168.1.0/24", "via", "192.0.2.101"])
    assert not ping(lab, "h1", "192.168.1.2")
    assert not ping(lab, "h1", "192.0.2.101")
    assert not ping(lab, "inner", "192.168.2.2")
    lab.run("inner", ["ip", "route", "add", "192.168.3.0/24", "via", "192.168.1.3"])
    assert not ping(lab, "inner", "192.168.3.2")


def test_a_network_behind_a_host_has_a_machine_with_a_route(lab: Lab) -> None:
    up(lab)
    assert ping(lab, "inner", "10.50.1.2")
    assert ping(lab, "inner-site", "10.50.1.1")
    assert (
        json.loads(lab.run("inner-site", ["ip", "-j", "route", "show", "default"]).stdout)[0]["gateway"] == "10.50.1.1"
    )


def test_up_again_changes_nothing(lab: Lab) -> None:
    up(lab)
    assert up(lab)["changed"] is False


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    "manual_change",
    [
        "ip -n ww-{lab}-inner route del default",
        "ip -n ww-{lab}-inner link del eth0",
        "ip -n ww-{lab}-nat1 link set lan down",
        "ip -n ww-{lab}-nat1 addr flush dev lan",
        "ip -n ww-{lab}-nat1 link del lan",
        "ip netns exec ww-{lab}-nat1 nft delete table ip wirewright_lab",
        "ip netns del ww-{lab}-nat1",
    ],
)
def test_incomplete_gateways_and_sites_are_repaired(lab: Lab, manual_change: str) -> None:
    up(lab)
    subprocess.run(["sh", "-c", manual_change.format(lab=lab.name)], check=True)
    assert up(lab)["changed"] is True
    assert up(lab)["changed"] is False
    assert ping(lab, "inner", "192.0.2.11")
    assert not ping(lab, "h1", "192.0.2.101")


def test_a_host_behind_a_gateway_is_removed_and_added(lab: Lab) -> None:
    up(lab)
    down = program("down", "--lab", lab.name, "--host", "inner")
    assert json.loads(down.stdout)["removed"] == ["inner"]
    assert up(lab)["created"] == ["inner"]
    assert ping(lab, "inner", "192.0.2.11")
    assert ping(lab, "inner", "10.50.1.2")


def test_gateways_and_sites_are_not_measured(lab: Lab) -> None:
    up(lab)
    table = program("reach", "--lab", lab.name, "--deadline", "1").stdout
    assert "inner" in table and "h1" in table
    assert "nat1" not in table and "inner-site" not in table


def test_all_errors_are_reported() -> None:
    hosts = {
        "h1": {"addresses": [], "behind": "nat9", "site": "10.50.1.1/24"},
        "h2": {"addresses": ["192.0.2.101/24"]},
    }
    gateways = {
        "nat1": {"addresses": ["192.0.2.101/24"]},
        "nat5": {"addresses": [], "network": "192.168.5.0/24", "behind": "nat6"},
        "nat6": {"addresses": [], "network": "192.168.6.0/24", "behind": "nat5"},
    }
    done = program("up", stdin=json.dumps({"lab": "mistaken", "hosts": hosts, "gateways": gateways}))
    assert done.returncode == 2 and done.stdout == ""
    for part in (
        "h1: nat9 is no gateway",
        "h1: 10.50.1.1/24 has host bits set",
        "nat1: 192.0.2.101 belongs to h2 already",
        "nat1: a gateway has a network behind it",
        "nat5: it is behind itself, through nat6",
    ):
        assert part in done.stderr


@pytest.mark.slow
@pytest.mark.plays
def test_shipped_inventory_builds_joins_and_removes(lab: Lab) -> None:
    """The shipped inventory under another lab's name, so that a running demo stays as it is."""
    run = partial(shipped_playbook, lab, "inventories/lab_hub_spoke")

    without_sudo = ("--become", "-e", "ansible_become_exe=/nonexistent/sudo")
    for playbook, options in (("lab_up", ()), ("hub_spoke", without_sudo)):
        assert "changed=0 " not in run(playbook, *options)
        again = run(playbook, *options)
        assert "changed=0 " in again and "changed=1 " not in again and "changed=2 " not in again
    assert ping(lab, "s2-site", "10.50.3.2")
    for name in ("s4", "s5"):  # behind two gateways, and without IPv4
        assert ping(lab, name, "10.50.3.2"), name
    assert "changed=1 " in run("lab_down")
    assert not Path(f"/run/wirewright-lab/{lab.name}").exists()
