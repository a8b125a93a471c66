# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""systemd-networkd inside one network namespace, without systemd as PID 1, udev or D-Bus.

::

    with networkd("site-a", directory, links=["wg0"]) as daemon:
        ...                       # wg0 is configured
    ...                           # networkd has ended, its configuration stays

tests/kernel/README.md, "networkd", explains the setup.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from external_programs import require

DAEMON = "/lib/systemd/systemd-networkd"
USER = "systemd-network"
POLL = 0.1

# $1 state directory, $2 directory for /etc/systemd/network, $3 one for /etc/systemd/networkd.conf.d, or empty.
# A read-only /sys tells networkd that there is no udev to wait for. Its other files are hidden, and those of this machine
# do not change.
ENTER = """
set -e
mkdir -p /run/systemd
for place in /run/systemd /etc/systemd; do mount -t tmpfs none "$place"; done
mkdir /run/systemd/netif /etc/systemd/network
mount --bind "$1" /run/systemd/netif
mount --bind "$2" /etc/systemd/network
if [ -n "$3" ]; then mkdir /etc/systemd/networkd.conf.d; mount --bind "$3" /etc/systemd/networkd.conf.d; fi
for other in /usr/local/lib/systemd/network /usr/lib/systemd/network; do
    if [ -d "$other" ]; then mount -t tmpfs -o ro none "$other"; fi
done
mount -t sysfs -o ro sysfs /sys
exec env SYSTEMD_LOG_LEVEL=debug SYSTEMD_LOG_TARGET=console "$0"
"""


class NetworkdError(Exception):
    """networkd ended, gave up on a link, or did not get ready in time; carries the end of its log."""


@dataclass(frozen=True)
class Networkd:
    """A running systemd-networkd."""

    netns: str
    process: subprocess.Popen[bytes]
    state: Path
    log: Path

    def link_state(self, link: str) -> str:
        """Return networkd's state of the link: configuring, configured, failed, unmanaged; '' if it has none yet."""
        shown = subprocess.run(
            ["ip", "-netns", self.netns, "-json", "link", "show", "dev", link],
            capture_output=True,
            text=True,
            check=False,
        )
        if shown.returncode:
            return ""
        try:
            lines = (self.state / "links" / str(json.loads(shown.stdout)[0]["ifindex"])).read_text().splitlines()
        except FileNotFoundError:
            return ""
        return dict(line.split("=", 1) for line in lines if "=" in line).get("ADMIN_STATE", "")

    def wait_configured(self, links: Sequence[str], timeout: float = 60) -> None:
        deadline = time.monotonic() + timeout
        while True:
            states = {link: self.link_state(link) for link in links}
            if all(state == "configured" for state in states.values()):
                return
            why = ""
            if self.process.poll() is not None:
                why = f"networkd ended with {self.process.returncode}"
            elif "failed" in states.values():
                why = "networkd gave up"
            elif time.monotonic() > deadline:
                why = f"not configured after {timeout} s"
            if why:
                tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-60:])
                raise NetworkdError(f"{why}; links: {states}; log:\n{tail}")
            time.sleep(POLL)


@contextlib.contextmanager
def networkd(
    netns: str, directory: Path, *, links: Sequence[str] = (), drop_ins: Path | None = None, timeout: float = 60
) -> Iterator[Networkd]:
    """Run networkd in ``netns`` on the files in ``directory`` alone, and yield when ``links`` are configured.

    networkd drops root before it reads files: ``directory`` must be open to all (pytest's tmp_path is not), and a
    PrivateKeyFile, with every directory above it, to the group systemd-network (/etc/wireguard is not, as packaged).
    """
    require("systemd-networkd")
    for place in filter(None, (directory, drop_ins)):
        if place.stat().st_mode & 0o005 != 0o005:
            raise ValueError(f"{place} must be readable by {USER}: chmod 755")
    with tempfile.TemporaryDirectory(prefix="networkd-") as scratch:
        state, log = Path(scratch) / "state", Path(scratch) / "log"
        state.mkdir()
        shutil.chown(state, USER, USER)
        command = ["nsenter", f"--net=/run/netns/{netns}", "--", "unshare", "--mount", "--propagation", "private"]
        command += ["sh", "-c", ENTER, DAEMON, str(state), str(directory), str(drop_ins or "")]
        with open(log, "wb") as messages:  # each step of the command replaces itself, so this pid is networkd's
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=messages, stderr=messages)
        try:
            daemon = Networkd(netns=netns, process=process, state=state, log=log)
            daemon.wait_configured(links, timeout)
            yield daemon
        finally:
            process.terminate()
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
