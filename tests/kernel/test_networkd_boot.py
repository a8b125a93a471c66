# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""systemd-networkd restores the running state from our files."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._fib.boot_files import LOADS
from boot_states import CHANGES, TABLE, TABLES, apply, running, take_away
from managed_host import ManagedHost
from networkd import networkd

FILES = "/etc/systemd/network"


@pytest.fixture
def copied() -> Iterator[Path]:
    """A directory that networkd, which is not root, can read."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)


def forget_tables(host: ManagedHost) -> None:
    """Remove our rules and the routes of our table."""
    remove = "ip $family rule del pref 90; ip $family rule del pref 91; ip $family route flush table"
    host.shell(f"for family in -4 -6; do {remove} {TABLE}; done 2>/dev/null || :")


def boot(host: ManagedHost, directory: Path) -> None:
    """Let networkd create the interface from copies of our files, which keep modes and owners."""
    take_away(host)
    forget_tables(host)
    for command in LOADS:
        host.shell(command, check=False)
    pack = subprocess.run(
        [*host.lab.enter(host.name), "tar", "-C", FILES, "-c", "."], stdout=subprocess.PIPE, check=True
    )
    subprocess.run(["tar", "-C", str(directory), "-x", "-p", "--same-owner"], input=pack.stdout, check=True)
    directory.chmod(0o755)
    with networkd(host.netns, directory, links=["wg0"]):
        pass
    # Files of type .link are for udev, which does not run here.
    (link_file,) = directory.glob("*-wg0.link")
    (alias,) = re.findall(r"^Alias=(.*)$", link_file.read_text(), re.MULTILINE)
    host.run("ip", "link", "set", "dev", "wg0", "alias", alias)
    host.run("sysctl", "-q", "-p", "/etc/sysctl.d/90-wirewright-wg0.conf")


def rules_and_routes(host: ManagedHost) -> list[str]:
    """Return the output of `ip` for rules and for our table."""
    shown = [host.run("ip", family, "-N", "rule") for family in ("-4", "-6")]
    shown += [
        host.run("ip", family, "-N", "route", "show", "table", str(TABLE), check=False) for family in ("-4", "-6")
    ]
    return sorted(line.strip() for text in shown for line in text.splitlines())


# Routes of a separate table are applied with the first state.
@pytest.mark.parametrize(
    "change, tables",
    [pytest.param("nothing", TABLES, id="first"), pytest.param("everything", {}, id="changed", marks=pytest.mark.long)],
)
def test_networkd_restores_the_running_state(
    host: ManagedHost, copied: Path, change: str, tables: dict[str, Any]
) -> None:
    host.make_key()
    forget_tables(host)
    assert apply(host, "networkd", tables)
    if CHANGES[change]:
        assert apply(host, "networkd", **CHANGES[change])
    before = running(host), rules_and_routes(host)
    assert sum("7100" in line for line in before[1]) == (2 if tables else 0)
    boot(host, copied)
    assert (running(host), rules_and_routes(host)) == before
    assert not apply(host, "networkd", tables, **CHANGES[change]), "and the next run has nothing to do"
