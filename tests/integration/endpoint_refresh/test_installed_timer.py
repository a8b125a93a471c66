# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role leaves on a host, in whatever state, and that it does so once.

Lab hosts have no systemd. Where one is needed, the real systemctl enables and disables, for that it does without; what
it would ask of the manager is answered from a file.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

import pytest
from lab_hosts import Lab, Play

NAME = "wirewright-overlay-endpoint-refresh"
UNITS = [f"/etc/systemd/system/{NAME}.{kind}" for kind in ("service", "timer")]
PROGRAM = f"/usr/local/lib/wirewright.overlay/{NAME}"

PLAY = """
- hosts: vpn
  gather_facts: false
  roles: [wirewright.overlay.endpoint_refresh]
"""

# Directories that lab hosts share with the machine are covered; what is under them is not needed here.
SYSTEMD = """
mkdir -p /run/systemd/system
mount -t tmpfs -o mode=755 tmpfs /usr/local/lib
cp /usr/bin/systemctl /root/systemctl
cat >/root/manager
chmod 755 /root/manager
mount --bind /root/manager /usr/bin/systemctl
"""

MANAGER = """#!/bin/sh
echo "$*" >>/root/asked
for last; do :; done
unit=/etc/systemd/system/$last active=/run/active.$last
case $1 in
    enable|disable|is-enabled) SYSTEMD_OFFLINE=1 exec /root/systemctl "$@" ;;
    start|restart) [ -e "$unit" ] && touch "$active" ;;
    stop) rm "$active" ;;
    show)
        [ -e "$unit" ] && load=loaded || load=not-found
        [ -e "$active" ] && state=active || state=inactive
        printf 'Id=%s\\nLoadState=%s\\nActiveState=%s\\n' "$last" $load $state ;;
    daemon-reload) ;;
    *) exit 1 ;;
esac
"""

pytestmark = pytest.mark.plays


@pytest.fixture(scope="module")
def made() -> Iterator[Lab]:
    with Lab() as lab:
        lab.up(["h1"])
        yield lab


@pytest.fixture
def lab(made: Lab) -> Lab:
    made.run("h1", ["sh", "-c", f"rm -rf /run/systemd/system /root/asked {' '.join(UNITS)} {PROGRAM}"])
    return made


@pytest.fixture
def booted(made: Lab) -> Iterator[Lab]:
    """The host, as if it ran systemd."""
    if not os.path.exists("/usr/bin/systemctl"):
        pytest.skip("no systemctl here")
    made.run("h1", ["sh", "-ec", SYSTEMD], input=MANAGER)
    yield made
    made.run("h1", ["umount", "/usr/bin/systemctl", "/usr/local/lib"])


def role(lab: Lab, *args: str, **variables: object) -> Play:
    lab.inventory(**variables)
    return lab.playbook(PLAY, *args)


def changed(play: Play) -> int:
    assert play.rc == 0, play
    return play.changed


def files(lab: Lab) -> list[str]:
    """Return which of the role's files are there."""
    return lab.run("h1", ["sh", "-c", f"ls {' '.join([*UNITS, PROGRAM])} 2>/dev/null || :"]).stdout.split()


def asked(lab: Lab) -> list[str]:
    """Return what was asked of the manager since the last time, questions left out."""
    lines = lab.run("h1", ["sh", "-c", "touch /root/asked; cat /root/asked; rm /root/asked"]).stdout.splitlines()
    return [line for line in lines if line.split()[0] not in ("show", "is-enabled")]


def test_a_host_without_systemd_is_left_as_it_is(lab: Lab) -> None:
    play = role(lab)
    assert changed(play) == 0
    assert "does not run systemd" in json.dumps(play.results(task="Say what is not done"))
    assert files(lab) == []


def test_the_timer_comes_once_changes_its_interval_and_goes(lab: Lab, booted: Lab) -> None:
    timer = f"{NAME}.timer"
    link = f"/etc/systemd/system/timers.target.wants/{timer}"
    assert changed(role(lab, "--check")) > 0
    assert (files(lab), asked(lab)) == ([], [])
    assert changed(role(lab)) > 0
    assert files(lab) == sorted([*UNITS, PROGRAM])
    assert asked(lab) == ["daemon-reload", f"enable {timer}", f"start {timer}"]
    assert lab.run("h1", ["readlink", link]).stdout.strip().endswith(timer)

    assert changed(role(lab, endpoint_refresh_interval=7)) == 2
    assert asked(lab) == ["daemon-reload", f"restart {timer}"]
    text = lab.run("h1", ["cat", UNITS[1]]).stdout
    assert text.startswith("# Written by wirewright.overlay") and "OnUnitActiveSec=7s\n" in text
    assert (changed(role(lab, endpoint_refresh_interval=7)), asked(lab)) == (0, [])

    assert changed(role(lab, endpoint_refresh_state="absent")) > 0
    assert asked(lab)[-1] == "daemon-reload" and files(lab) == []
    assert lab.run("h1", ["test", "-L", link], check=False).returncode == 1
    assert (changed(role(lab, endpoint_refresh_state="absent")), asked(lab)) == (0, [])


def test_a_wrong_interval_is_refused(lab: Lab) -> None:
    play = role(lab, endpoint_refresh_interval=0)
    assert play.rc != 0 and "endpoint_refresh_interval is 0: write a number of seconds from 1" in play.stdout
