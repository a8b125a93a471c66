# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab host with OpenSSH's server, and a controller in a lab host of its own that reaches it by packets alone."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event, Thread
from typing import Any

from external_programs import program, require
from host_state import comparable, observe
from lab_hosts import Lab, Play
from managed_host import ManagedHost, wait_until

HOST, CONTROLLER = "h1", "h2"
OVERLAY = {HOST: "10.42.0.1", CONTROLLER: "10.42.0.2"}
# A new network namespace has its own sysctls: these are what a change of the host may leave behind.
SYSCTLS = (
    "for family in ipv4 ipv6; do grep -rs . /proc/sys/net/$family/conf/eth0 /proc/sys/net/$family/conf/all || :; done"
)
LOG = "/var/log/sshd.log"  # of the host
# sshd asks for a directory and a user without privileges.
SETUP = """
mkdir -p /run/sshd
grep -q ^sshd: /etc/passwd || echo sshd:x:991:65534::/run/sshd:/bin/false >>/etc/passwd
"""
VOLATILE_SYSCTLS = ("stable_secret", "mtu")
SSHD = """\
Port 22
PidFile none
UsePAM no
PasswordAuthentication no
StrictModes no
LoginGraceTime 10
LogLevel VERBOSE
AuthorizedKeysFile {keys}
HostKey {host_key}
"""


@dataclass(frozen=True)
class SshHost:
    """The managed host, its controller, and the address by which the controller connects."""

    lab: Lab

    @property
    def host(self) -> ManagedHost:
        return ManagedHost(self.lab, HOST)

    @property
    def controller(self) -> ManagedHost:
        return ManagedHost(self.lab, CONTROLLER)

    @property
    def enter_controller(self) -> list[str]:
        """The command that runs a program with the controller's network and the files of this machine."""
        return ["nsenter", f"--net=/run/netns/{self.controller.netns}", "--"]

    def inventory(self, address: str, source: str = "", **variables: Any) -> None:
        """Let the controller connect to this address, from the source address if given."""
        options = [
            "-F none",
            f"-i {self.lab.path}/client",
            f"-o UserKnownHostsFile={self.lab.path}/known_hosts",
            "-o StrictHostKeyChecking=yes",
            "-o HostKeyAlias=lab-host",
            "-o ConnectTimeout=2",
            *([f"-o BindAddress={source}"] if source else []),
        ]
        connection = {
            "ansible_connection": "ssh",
            "ansible_host": address,
            "ansible_user": "root",
            "ansible_ssh_common_args": " ".join(options),
            # A connection that tasks share, as by default, but for a play only.
            "ansible_ssh_args": "-o ControlMaster=auto -o ControlPersist=20s",
            "ansible_control_path_dir": tempfile.mkdtemp(prefix="cp", dir=self.lab.path),
        }
        self.lab.inventory({HOST: connection}, **variables)

    def playbook(self, play: str) -> Play:
        """Run a playbook on the controller. The file `controller.pid` of the lab has the process ID of ansible-playbook."""
        noting = ["sh", "-c", f'echo $$ >{self.lab.path}/controller.pid; exec "$@"', "sh"]
        return self.lab.playbook(play, under=[*self.enter_controller, *noting])

    def state(self) -> dict[str, Any]:
        """Return the state of the host as other programs show it."""
        lines = self.host.shell(SYSCTLS).splitlines()
        kept = [line for line in lines if not line.partition(":")[0].endswith(VOLATILE_SYSCTLS)]
        return {**comparable(observe(self.host)), "all sysctls": sorted(kept)}

    def client_ports(self) -> list[str]:
        """Return the client's port of each connection that sshd has accepted."""
        lines = [line for line in self.host.run("cat", LOG).splitlines() if "Accepted publickey" in line]
        return [line.partition(" port ")[2].split()[0] for line in lines]

    def answers(self, address: str, source: str = "") -> bool:
        """Return whether a new TCP connection of the controller gets the greeting of the SSH server."""
        return self.controller.call(_greeting, address, source)


def _greeting(address: str, source: str) -> bool:
    import socket

    try:
        with socket.create_connection((address, 22), 0.4, (source, 0) if source else None) as connection:
            connection.settimeout(0.4)
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


@contextmanager
def ssh_host() -> Iterator[SshHost]:
    """A lab of two hosts, with an SSH server on one."""
    require("sshd")
    with Lab() as lab:
        lab.up([HOST, CONTROLLER])
        for name in ("client", "server"):
            subprocess.run(
                ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(lab.path / name)],
                check=True,
                stdin=subprocess.DEVNULL,
            )
        public = (lab.path / "server.pub").read_text()
        (lab.path / "known_hosts").write_text(f"lab-host {public}")
        text = SSHD.format(keys=lab.path / "client.pub", host_key=lab.path / "server")
        (lab.path / "sshd_config").write_text(text)
        made = SshHost(lab)
        made.host.shell(
            "mkdir -p /run/sshd; grep -q ^sshd: /etc/passwd || echo sshd:x:991:65534::/run/sshd:/bin/false >>/etc/passwd"
        )
        argv = [*lab.enter(HOST), *program("sshd"), "-D", "-f", str(lab.path / "sshd_config"), "-E", LOG]
        with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as server:
            try:
                wait_until(lambda: made.answers("192.0.2.11"), "the SSH server answers")
                yield made
            finally:
                server.terminate()


class Outage:
    """Watches whether new connections are answered, from before a play until it is over. at_once: called when one is not."""

    def __init__(self, answers: Callable[[], bool], at_once: Callable[[], None] | None = None) -> None:
        self._answers, self._at_once, self._over = answers, at_once, Event()
        self._thread = Thread(target=self._watch)
        self.seen: list[tuple[float, bool]] = []
        """Time of the monotonic clock at which a connection was tried, and whether it was answered."""

    def __enter__(self) -> Outage:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.1):
            now = time.monotonic()
            self.seen.append((now, self._answers()))
            if self._at_once and not self.seen[-1][1]:
                self._at_once()
                self._at_once = None

    @property
    def began(self) -> float:
        """The time of the first connection without an answer."""
        return min(when for when, answered in self.seen if not answered)

    @property
    def seconds(self) -> float:
        """The time from the first connection without an answer to the first of those that have one from then on."""
        ended = max(when for when, answered in self.seen if not answered)
        back = [when for when, answered in self.seen if answered and when > ended]
        assert back, "no connection was answered again"
        return back[0] - self.began
