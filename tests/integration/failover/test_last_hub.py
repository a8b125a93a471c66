# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When one hub is left, a run removes the failover program, its configuration and its copies of routes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hub_spoke_lab import build, converge, reaches
from lab_hosts import Lab
from mesh_lab import assert_ok

PROGRAM = "/usr/local/lib/wirewright.overlay/wirewright-overlay-failover"
CONFIGURATION = "/etc/wirewright.overlay/failover.json"
UNIT = "/etc/systemd/system/wirewright-overlay-failover.service"
HOSTS = ("hub1", "hub2", "s1", "s3")


@pytest.fixture
def lab() -> Iterator[Lab]:
    """Two hubs, and two spokes with the failover program, which has copied a route on s1."""
    with Lab() as found:
        build(found, HOSTS)
        for name in HOSTS:  # lab hosts share this directory with the machine
            found.run(name, ["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/usr/local/lib"])
        assert_ok(converge(found))
        found.run("s1", ["ip", "route", "add", "10.43.0.0/24", "dev", "wg1", "metric", "1", "proto", "88"])
        yield found


def left(lab: Lab, name: str) -> set[str]:
    files = lab.run(name, ["ls", "-d", PROGRAM, CONFIGURATION], check=False).stdout.split()
    return {*files, *lab.run(name, ["ip", "route", "show", "proto", "88"]).stdout.splitlines()}


@pytest.mark.slow
def test_nothing_of_it_is_left_with_one_hub(lab: Lab) -> None:
    assert len(left(lab, "s1")) == 3
    preview = assert_ok(converge(lab, "--check", overlay_revoked=["hub1"]))
    assert preview.recap["s1"]["changed"] == preview.recap["s3"]["changed"] > 1
    assert len(left(lab, "s1")) == 3
    assert_ok(converge(lab, overlay_revoked=["hub1"]))
    assert left(lab, "s1") == left(lab, "s3") == set()
    assert reaches(lab, "s1", "s3")
    play = assert_ok(converge(lab, "-vvv", overlay_revoked=["hub1"]))
    assert play.changed == 0
    assert {name: play.remote_calls[name] for name in ("hub2", "s1", "s3")} == dict.fromkeys(("hub2", "s1", "s3"), 2)


@pytest.mark.slow
def test_the_unit_of_somebody_else_stays(lab: Lab) -> None:
    lab.run("s1", ["sh", "-c", f"mkdir -p /etc/systemd/system; echo '[Unit]' >{UNIT}"])
    assert_ok(converge(lab, overlay_revoked=["hub1"]))
    assert lab.run("s1", ["cat", UNIT]).stdout == "[Unit]\n"
    assert {PROGRAM, CONFIGURATION} <= left(lab, "s1") and left(lab, "s3") == set()


@pytest.mark.slow
def test_removing_the_interface_to_one_of_two_hubs_removes_it(lab: Lab) -> None:
    assert_ok(lab.playbook("playbooks/remove.yml", "-e", "overlay_group=s1", "-e", "overlay_interfaces=wg0"))
    assert left(lab, "s1") == set() and {PROGRAM, CONFIGURATION} <= left(lab, "s3")
