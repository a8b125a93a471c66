# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files and units of the role on a host, and its idempotency.

Lab hosts have no systemd. A script replaces systemctl: the real one enables and disables units, which needs no running
systemd, and the script answers all other commands.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from external_programs import require
from lab_hosts import Lab, Play

NAME = "wirewright-overlay-endpoint-refresh"
UNITS = [f"/etc/systemd/system/{NAME}.{kind}" for kind in ("service", "timer")]
PROGRAM = f"/usr/local/lib/wirewright.overlay/{NAME}"
ANSWERS = "/usr/local/lib/wirewright.overlay/wirewright_overlay_answers.py"

PLAY = """
- hosts: vpn
  gather_facts: false
  roles: [wirewright.overlay.endpoint_refresh]
"""

# Directories that lab hosts share with the machine are covered; their contents are not needed here.
SYSTEMD = """
mkdir -p /run/systemd/system
mount -t tmpfs -o mode=755 tmpfs /usr/local/lib
cp /usr/bin/systemctl /root/systemctl
cat >/root/manager
chmod 755 /root/manager
mount --bind /root/manager /usr/bin/systemctl
"""

MANAGER = """#!/bin/sh
echo "$*" >>/root/systemctl_calls
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
    made.run(
        "h1", ["sh", "-c", f"rm -rf /run/systemd/system /root/systemctl_calls {' '.join(UNITS)} {PROGRAM} {ANSWERS}"]
    )
    return made


@pytest.fixture
def booted(made: Lab) -> Iterator[Lab]:
    """The host with a substitute for systemd."""
    require("systemctl")
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
    """Return the existing files of the role."""
    return lab.run("h1", ["sh", "-c", f"ls {' '.join([*UNITS, PROGRAM, ANSWERS])} 2>/dev/null || :"]).stdout.split()


def systemctl_calls(lab: Lab) -> list[str]:
    """Return the commands to systemctl since the last call, without queries."""
    lines = lab.run(
        "h1", ["sh", "-c", "touch /root/systemctl_calls; cat /root/systemctl_calls; rm /root/systemctl_calls"]
    ).stdout.splitlines()
    return [line for line in lines if line.split()[0] not in ("show", "is-enabled")]


@pytest.mark.slow
def test_a_host_without_systemd_is_unchanged(lab: Lab) -> None:
    play = role(lab)
    assert changed(play) == 0
    assert "does not run systemd" in json.dumps(
        play.results(task="Report that endpoints are not refreshed without systemd")
    )
    assert files(lab) == []


def test_install_change_and_remove_the_timer(lab: Lab, booted: Lab) -> None:
    timer = f"{NAME}.timer"
    link = f"/etc/systemd/system/timers.target.wants/{timer}"
    assert changed(role(lab, "--check")) > 0
    assert (files(lab), systemctl_calls(lab)) == ([], [])
    assert changed(role(lab)) > 0
    assert files(lab) == sorted([*UNITS, PROGRAM, ANSWERS])
    assert lab.run("h1", ["python3", "-I", PROGRAM, "--dry-run"]).stdout == "[]\n"
    assert systemctl_calls(lab) == ["daemon-reload", f"enable {timer}", f"start {timer}"]
    assert lab.run("h1", ["readlink", link]).stdout.strip().endswith(timer)

    assert changed(role(lab, endpoint_refresh_interval=7)) == 2
    assert systemctl_calls(lab) == ["daemon-reload", f"restart {timer}"]
    text = lab.run("h1", ["cat", UNITS[1]]).stdout
    assert text.startswith("# Written by wirewright.overlay") and "OnUnitActiveSec=7s\n" in text
    assert (changed(role(lab, endpoint_refresh_interval=7)), systemctl_calls(lab)) == (0, [])

    assert changed(role(lab, endpoint_refresh_state="absent")) > 0
    assert systemctl_calls(lab)[-1] == "daemon-reload" and files(lab) == []
    assert lab.run("h1", ["test", "-L", link], check=False).returncode == 1
    assert (changed(role(lab, endpoint_refresh_state="absent")), systemctl_calls(lab)) == (0, [])


def test_an_invalid_interval_is_refused(lab: Lab) -> None:
    play = role(lab, endpoint_refresh_interval=0)
    assert play.rc != 0 and "endpoint_refresh_interval is 0: write a number of seconds from 1" in play.stdout
