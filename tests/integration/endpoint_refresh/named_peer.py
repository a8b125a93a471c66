# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host with one peer whose endpoint is a name, with /etc/hosts as DNS, and the program as run by its unit."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from managed_host import ManagedHost, ModuleResult, key

FILES = Path(__file__).parents[3] / "roles/endpoint_refresh/files"
PROGRAM = FILES / "wirewright-overlay-endpoint-refresh"
UNIT = FILES / "wirewright-overlay-endpoint-refresh.service"

ANSWERS = Path(__file__).parents[3] / "plugins/module_utils/_ip/answers.py"

# In a directory of the lab host, which has its own.
INSTALLED = f"/tmp/{PROGRAM.name}"  # noqa: S108
BESIDE = INSTALLED.replace(PROGRAM.name, "wirewright_overlay_answers.py")
FIRST, SECOND, UNUSED = "192.0.2.12", "192.0.2.112", "192.0.2.99"
NAME, PORT = "h2.test", 51820
PSK = key("preshared")


@dataclass(frozen=True)
class NamedPeer:
    """The host, its peer, the peer's public key, and all output of the program."""

    host: ManagedHost
    peer: ManagedHost
    public_key: str
    output: list[str] = field(default_factory=list)

    def name_is(self, *addresses: str) -> None:
        """Resolve the peer's name to exactly these addresses on the host."""
        lines = "".join(f"{address} {NAME}\n" for address in addresses)
        self.host.shell(
            f"sed '/{NAME}/d' /etc/hosts >/run/hosts; cat - >>/run/hosts; cat /run/hosts >/etc/hosts", input=lines
        )

    def move(self, address: str) -> None:
        """Replace the address of the peer."""
        for old in {FIRST, SECOND} - {address}:
            self.peer.run("ip", "addr", "del", f"{old}/24", "dev", "eth0", check=False)
        self.peer.run("ip", "addr", "replace", f"{address}/24", "dev", "eth0")

    def apply(self, endpoint: str = f"{NAME}:{PORT}", **entry: Any) -> ModuleResult:
        """Run overlay_apply on the host. entry: more of the peer's entry in the document."""
        wanted = {"name": "h2", "public_key": self.public_key, "endpoint": endpoint, "allowed_ips": ["10.42.0.2/32"]}
        wanted.update(entry)
        return self.host.apply(
            userspace=True,
            listen_port=PORT,
            addresses=["10.42.0.1/32"],
            peers=[wanted],
            preshared_keys={self.public_key: PSK},
        )

    def refresh(self, *options: str) -> subprocess.CompletedProcess[str]:
        """Run the program with the privileges of its unit; it must succeed."""
        (start,) = re.findall(r"^ExecStart=(.*)$", UNIT.read_text(), re.MULTILINE)
        *python, path = start.split()
        assert Path(path).name == PROGRAM.name
        done = self.host.lab.run(self.host.name, [*privileges(), *python, INSTALLED, "--timeout=5", *options])
        self.output.append(done.stdout + done.stderr)
        return done

    def dry_run(self, *options: str) -> list[dict[str, Any]]:
        """Return the changes of a dry run."""
        return list(json.loads(self.refresh("--dry-run", *options).stdout))

    def endpoint(self) -> str:
        """Return the peer's current endpoint as shown by wg(8)."""
        return self.host.run("wg", "show", "wg0", "endpoints").split()[1]

    def state_file(self) -> str:
        return self.host.run("cat", "/var/lib/wirewright.overlay/wg0.json")

    def answers(self) -> bool:
        """Return whether the peer answers a ping through the tunnel."""
        return "1 received" in self.host.run("ping", "-nq", "-c1", "-W1", "10.42.0.2", check=False)


def privileges() -> list[str]:
    """Return the command prefix that drops the same privileges as the unit."""
    unit = UNIT.read_text()
    (kept,) = re.findall(r"^CapabilityBoundingSet=(\w+)$", unit, re.MULTILINE)
    assert "User=root" in unit and "NoNewPrivileges=yes" in unit
    return ["setpriv", "--no-new-privs", f"--bounding-set=-all,+{kept.lower()[len('cap_') :]}"]


@contextmanager
def named_peer(host: ManagedHost, peer: ManagedHost) -> Iterator[NamedPeer]:
    """Connect host and peer; only the host has an endpoint of the other. The exit restores names and addresses."""
    for each in (host, peer):
        each.make_key()
    public_keys = [each.shell("wg pubkey </etc/wireguard/wg0.key").strip() for each in (host, peer)]
    pair = NamedPeer(host, peer, public_keys[1])
    host.write(INSTALLED, PROGRAM.read_text(), "644")
    host.write(BESIDE, ANSWERS.read_text(), "644")
    try:
        pair.name_is(FIRST)
        known = {"name": "h1", "public_key": public_keys[0], "allowed_ips": ["10.42.0.1/32"]}
        psk = {public_keys[0]: PSK}
        peer.apply(userspace=True, listen_port=PORT, addresses=["10.42.0.2/32"], peers=[known], preshared_keys=psk)
        yield pair
    finally:
        pair.move(FIRST)
        pair.name_is()
        host.run("rm", INSTALLED, BESIDE)
