# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What systemd-networkd makes of the files we wrote is what was running when we wrote them."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from boot_states import CHANGES, apply, running, take_away
from managed_host import ManagedHost
from vm.networkd import available, networkd

pytestmark = pytest.mark.skipif(not available(), reason="systemd-networkd is not installed")

FILES = "/etc/systemd/network"


@pytest.fixture
def copied() -> Iterator[Path]:
    """A directory that networkd, which is not root, can read."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)


def boot(host: ManagedHost, directory: Path) -> None:
    """Let networkd make the interface from copies of our files; it keeps to modes and owners as it would at boot."""
    take_away(host)
    pack = subprocess.run(
        [*host.lab.enter(host.name), "tar", "-C", FILES, "-c", "."], stdout=subprocess.PIPE, check=True
    )
    subprocess.run(["tar", "-C", str(directory), "-x", "-p", "--same-owner"], input=pack.stdout, check=True)
    directory.chmod(0o755)
    with networkd(host.netns, directory, links=["wg0"]):
        pass
    # Files of type .link are udev's, and there is none here.
    (link_file,) = directory.glob("*-wg0.link")
    (alias,) = re.findall(r"^Alias=(.*)$", link_file.read_text(), re.MULTILINE)
    host.run("ip", "link", "set", "dev", "wg0", "alias", alias)
    host.run("sysctl", "-q", "-p", "/etc/sysctl.d/90-wirewright-wg0.conf")


@pytest.mark.parametrize("change", ["nothing", "everything"])
def test_networkd_boots_what_runs(host: ManagedHost, copied: Path, change: str) -> None:
    host.make_key()
    assert apply(host, "networkd")
    if CHANGES[change]:
        assert apply(host, "networkd", **CHANGES[change])
    before = running(host)
    boot(host, copied)
    assert running(host) == before
    assert not apply(host, "networkd", **CHANGES[change]), "and the next run has nothing to do"
