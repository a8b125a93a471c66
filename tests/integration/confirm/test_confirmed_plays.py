# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plays whose changes are confirmed over a new connection, or reverted by the host."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab_hosts import Lab
from managed_host import wait_until

pytestmark = pytest.mark.plays

GUARD = "/run/wirewright.overlay/guard"
FILES = "/etc/wireguard/wg0.conf /var/lib/wirewright.overlay/wg0.json"
# A connection plugin with this prefix reaches h1 only while packets from h2 do.
PREFIX = """#!/bin/sh
nsenter --net=/run/netns/ww-{lab}-h2 ping -c 1 -W 1 192.0.2.11 >/dev/null 2>&1 || exit 255
exec {enter} "$@"
"""
LOCKOUT = """
- hosts: h1
  gather_facts: false
  tasks:
    - name: Apply a change that cuts h1 off
      wirewright.overlay.overlay_apply:
        ip_routes: [{table: 8888, routes: [{destination: default, type: blackhole}]}]
        ip_rules: {priorities: 8870-8879, rules: [{priority: 8870, to: 192.0.2.0/24, table: 8888}]}
        allow_management_change: true
        confirm_timeout: 4
"""
HARMLESS = """
- hosts: h1
  gather_facts: false
  tasks:
    - name: Apply nothing
      wirewright.overlay.overlay_apply:
        ip_rules: {priorities: 8870-8879, rules: []}
"""


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab() as made:
        made.up(["h1", "h2"])
        yield made


def dump(lab: Lab) -> str:
    """Return the rules and routes of h1 as `ip` shows them, and what is left of a guarded run."""
    script = f"ip rule; ip -6 rule; ip route show table all; ls {GUARD} 2>&1"
    return lab.run("h1", ["sh", "-c", script], check=False).stdout


def test_a_mesh_is_confirmed_by_default(lab: Lab) -> None:
    """With one more call for each host that changes."""
    lab.inventory(mesh_network="10.42.0.0/24", overlay_confirm_timeout=None, overlay_persistence="wg_quick")
    play = lab.playbook("site.yml", "-vvv", from_archives=True)
    assert play.rc == 0, [result.get("msg") for result in play.results()]
    assert play.remote_calls == {"h1": 3, "h2": 3}
    for host in lab.hosts:
        (result,) = play.results(host=host, action="wirewright.overlay.overlay_apply")
        assert result["changed"] and result["confirmed"]
        left = lab.run(host, ["sh", "-c", f"cat {FILES} && ls {GUARD}"]).stdout
        assert left.endswith("\nconfirmed.json\n"), left
    again = lab.playbook("site.yml", "-vvv", from_archives=True)
    assert again.rc == 0 and again.changed == 0 and again.remote_calls == {"h1": 2, "h2": 2}, again


def test_a_change_without_a_guard_removes_the_record_of_the_one_before(lab: Lab) -> None:
    """So nothing is left after a removal."""
    lab.inventory(mesh_network="10.42.0.0/24", overlay_confirm_timeout=None)
    assert lab.playbook("site.yml", "-e", "mesh_mtu=1310").rc == 0
    assert lab.run("h1", ["ls", GUARD]).stdout == "confirmed.json\n"
    assert lab.playbook("site.yml", "-e", "mesh_mtu=1320", "-e", "overlay_confirm_timeout=0").changed == 2
    assert lab.run("h1", ["ls", GUARD], check=False).returncode != 0


def test_a_host_that_cannot_have_a_guard(lab: Lab) -> None:
    """It is changed with a warning, unless a variable asks for the guard."""
    lab.inventory(mesh_network="10.42.0.0/24")
    assert lab.playbook("site.yml").rc == 0
    lab.run("h1", ["sh", "-c", "mkdir -p /var/tmp/disk && mount --bind /var/tmp/disk /run/wirewright.overlay"])
    try:
        lab.inventory(mesh_network="10.42.0.0/24", overlay_confirm_timeout=30, mesh_mtu=1300)
        refused = lab.playbook("site.yml", "--limit", "h1")
        assert refused.rc == 2 and "/run is not in memory" in str(refused)
        assert "mtu 1300" not in lab.run("h1", ["ip", "link", "show", "wg0"]).stdout
        lab.inventory(mesh_network="10.42.0.0/24", overlay_confirm_timeout=None, mesh_mtu=1300)
        play = lab.playbook("site.yml", "--limit", "h1")
        assert play.rc == 0 and play.recap["h1"]["changed"] == 1, play
        assert "h1: the change was made without a guard: /run is not in memory" in str(play)
        assert "mtu 1300" in lab.run("h1", ["ip", "link", "show", "wg0"]).stdout
        again = lab.playbook("site.yml", "--limit", "h1")
        assert again.changed == 0 and "without a guard" not in str(again)
    finally:
        lab.run("h1", ["umount", "/run/wirewright.overlay"])


def test_a_play_that_cuts_off_its_host_fails_and_the_next_one_says_why(lab: Lab, tmp_path: Path) -> None:
    program = tmp_path / "enter"
    program.write_text(PREFIX.format(lab=lab.name, enter=" ".join(lab.enter("h1"))))
    program.chmod(0o755)
    lab.inventory({"h1": {"ansible_exec_prefix": [str(program)]}})
    lab.run("h1", ["rm", "-rf", GUARD])  # the record of a confirmed change, which the next change removes
    before = dump(lab)
    start = time.monotonic()
    play = lab.playbook(LOCKOUT, from_archives=True)
    assert play.rc == 2, play
    (result,) = play.results(host="h1")
    assert result["reverted"] and not result["changed"] and play.recap["h1"]["failures"] == 1, result
    assert "already reverted: no confirmation arrived over a new connection within 4 seconds" in result["msg"]
    assert time.monotonic() - start > 4
    lab.run("h2", ["ping", "-c", "1", "-W", "1", "192.0.2.11"])
    later = lab.playbook(HARMLESS, from_archives=True)
    assert later.rc == 0 and later.changed == 0, later
    said = later.stdout + later.stderr
    assert "h1: an earlier run was reverted at" in said and "no confirmation arrived" in str(later)
    wait_until(lambda: dump(lab) == before, "h1 is as it was")
