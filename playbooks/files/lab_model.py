# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The model of a lab: its names and paths, its desired hosts, and the commands that all parts use."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import ipaddress
import json
import os
import re
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

RUN = Path("/run/wirewright-lab")
NETNS = Path("/run/netns")
SWITCH = "net"  # the lab's own namespace, where the bridge lives
HOST, GATEWAY, SITE = "host", "gateway", "site"

# A lab's name has no hyphen, so that ww-LAB-HOST is unambiguous.
LAB_NAME = re.compile(r"[a-z0-9][a-z0-9_]{0,30}")
HOST_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")


class LabError(Exception):
    """A mistake of the user or a failure of the machine, as one sentence."""


@dataclass(frozen=True)
class Host:
    """One desired lab host: its name, its underlay addresses with prefix length, and its link's MTU.

    lan: the host's address, with prefix length, on a bridge of its own. Hosts `behind` it are connected to that bridge, and
    have it as their default gateway (`via`). nat: translate their addresses to its own, as home routers do. kind: SITE for a
    machine that represents a network behind a host, and is not managed.
    """

    name: str
    addresses: tuple[str, ...]
    mtu: int = 1500
    behind: str = ""
    via: str = ""
    lan: str = ""
    nat: bool = False
    kind: str = HOST


@dataclass(frozen=True)
class Lab:
    """The namespaces and files of one lab."""

    name: str

    @property
    def home(self) -> Path:
        return RUN / self.name

    def netns(self, host: str) -> str:
        return f"ww-{self.name}-{host}"

    def namespaces(self, host: str) -> list[Path]:
        """Return the files that keep a host's namespaces: network, mounts, uts."""
        return [NETNS / self.netns(host), self.home / host / "mnt", self.home / host / "uts"]

    def record(self, host: str) -> Path:
        """Return the file with what the host was made from; written last, so that it marks a whole host."""
        return self.home / host / "host.json"

    def enter(self, host: str) -> list[str]:
        """Return the command prefix that enters a host."""
        net, mounts, uts = self.namespaces(host)
        return ["nsenter", f"--net={net}", f"--mount={mounts}", f"--uts={uts}", "--"]

    def segment(self, behind: str) -> tuple[str, str]:
        """Return the network namespace and the bridge for hosts behind another one, by default those of the lab."""
        return (self.netns(behind), "lan") if behind else (self.netns(SWITCH), "br0")

    def managed(self) -> list[str]:
        """Return the hosts that are neither gateways nor sites."""
        return [name for name in self.hosts() if self.read_record(name).get("kind", HOST) == HOST]

    def read_record(self, host: str) -> dict[str, Any]:
        """Return the values that the host was made from, empty without any."""
        try:
            return dict(json.loads(self.record(host).read_text(encoding="utf-8")))
        except (OSError, ValueError):
            return {}

    def is_whole(self, host: str) -> bool:
        return self.record(host).exists() and all(map(is_namespace, self.namespaces(host)))

    def traces(self) -> list[str]:
        """Return the name of every host, and of the switch, that has a namespace or a directory."""
        prefix = self.netns("")
        found = {path.name[len(prefix) :] for path in NETNS.glob(f"{prefix}*")}
        if self.home.is_dir():
            found |= {path.name for path in self.home.iterdir() if path.is_dir()}
        return sorted(found)

    def hosts(self) -> list[str]:
        return [name for name in self.traces() if name != SWITCH]


def run(*argv: str, stdin: str | None = None) -> str:
    """Run a command and return its output; a failure is a LabError with its error output."""
    done = subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabError(f"{' '.join(argv[:6])}: {done.stderr.strip() or f'exit code {done.returncode}'}")
    return done.stdout


def batch(lines: Iterable[str], netns: str | None = None) -> None:
    """Run `ip -batch`, in a network namespace or in the machine's own."""
    script = "\n".join(lines)
    if script:
        run("ip", *(["-n", netns] if netns else []), "-batch", "-", stdin=script)


def is_namespace(path: Path) -> bool:
    """Return whether a file keeps a namespace; an empty file in its place does not."""
    try:
        return path.stat().st_dev == os.stat("/proc/self/ns/net").st_dev
    except OSError:
        return False


@contextlib.contextmanager
def locked() -> Iterator[None]:
    """Hold the lock of all labs: the directory itself, which is removed with the last lab."""
    while True:
        RUN.mkdir(mode=0o755, parents=True, exist_ok=True)
        lock = os.open(RUN, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(lock), os.stat(RUN)):
                    break
        except BaseException:
            os.close(lock)
            raise
        os.close(lock)  # another run removed the directory while we waited
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            RUN.rmdir()
        os.close(lock)


def parse(document: Any) -> tuple[Lab, list[Host]]:
    """Validate the document; raise LabError with every mistake in it."""
    if not isinstance(document, dict) or not isinstance(document.get("hosts"), dict):
        raise LabError('the lab must be a JSON object like {"lab": "demo", "hosts": {"h1": {"addresses": []}}}')
    lab = named_lab(document.get("lab"))
    mistakes: list[str] = []
    owners: dict[Any, str] = {}
    gateways = document.get("gateways") or {}
    hosts = [_host(name, wanted or {}, mistakes, owners) for name, wanted in document["hosts"].items()]
    hosts += [_gateway(name, wanted or {}, mistakes, owners) for name, wanted in gateways.items()]
    hosts += [_site(host) for host in hosts if host.lan and not host.nat]
    via = {host.name: host.lan.partition("/")[0] for host in hosts}
    for host in hosts:
        if host.behind and not via.get(host.behind):
            mistakes.append(f"{host.name}: {host.behind} is no gateway")
    depths = _depths({host.name: host.behind for host in hosts}, mistakes)
    if mistakes:
        raise LabError("; ".join(mistakes))
    # Gateways before the hosts behind them.
    return lab, sorted(
        (replace(host, via=via.get(host.behind, "")) for host in hosts), key=lambda host: depths[host.name]
    )


def _depths(behind: dict[str, str], mistakes: list[str]) -> dict[str, int]:
    """Return how many hosts or gateways each one is behind, one after the other."""
    depths = {}
    for name in behind:
        path = [name]
        while (outer := behind.get(path[-1], "")) and outer not in path:
            path.append(outer)
        if outer:
            mistakes.append(f"{name}: it is behind itself, through {', '.join(path[1:]) or name}")
        depths[name] = len(path)
    return depths


def _host(name: str, wanted: dict[str, Any], mistakes: list[str], owners: dict[Any, str]) -> Host:
    if not HOST_NAME.fullmatch(name) or name == SWITCH:
        mistakes.append(f"{name!r} cannot be a host's name")
    addresses = _addresses(name, wanted.get("addresses"), mistakes, owners)
    mtu = str(wanted.get("mtu") or 1500)  # a templated number arrives as a string
    if not mtu.isdigit() or not 1280 <= int(mtu) <= 65535:
        mistakes.append(f"{name}: mtu {mtu} is not within 1280 and 65535")
        mtu = "1500"
    lan = _first_of(name, wanted.get("site"), mistakes)
    return Host(name, addresses, int(mtu), behind=wanted.get("behind") or "", lan=lan)


def _gateway(name: str, wanted: dict[str, Any], mistakes: list[str], owners: dict[Any, str]) -> Host:
    host = _host(name, {key: wanted.get(key) for key in ("addresses", "behind")}, mistakes, owners)
    lan = _first_of(name, wanted.get("network"), mistakes)
    if not lan:
        mistakes.append(f"{name}: a gateway has a network behind it")
    return replace(host, lan=lan, nat=True, kind=GATEWAY)


def _site(host: Host) -> Host:
    """Return a machine in the network behind a host; its address follows the host's."""
    own = ipaddress.ip_interface(host.lan)
    return Host(f"{host.name}-site", (f"{own.ip + 1}/{own.network.prefixlen}",), host.mtu, behind=host.name, kind=SITE)


def _addresses(name: str, wanted: Any, mistakes: list[str], owners: dict[Any, str]) -> tuple[str, ...]:
    found = []
    for text in wanted or []:
        try:
            address = ipaddress.ip_interface(text)
        except ValueError as error:
            mistakes.append(f"{name}: {error}")
            continue
        if owners.setdefault(address.ip, name) != name:
            mistakes.append(f"{name}: {address.ip} belongs to {owners[address.ip]} already")
        found.append(str(address))
    return tuple(found)


def _first_of(name: str, text: Any, mistakes: list[str]) -> str:
    """Return the first address of a network, with its length; empty without a network."""
    try:
        network = ipaddress.ip_network(text) if text else None
    except ValueError as error:
        mistakes.append(f"{name}: {error}")
        return ""
    return f"{network[1]}/{network.prefixlen}" if network else ""


def named_lab(name: Any) -> Lab:
    if not isinstance(name, str) or not LAB_NAME.fullmatch(name):
        raise LabError(f"{name!r} cannot be a lab's name: use small letters, digits and underscores")
    return Lab(name)


def port_name(host: str) -> str:
    """Return the host's port at the bridge. Interface names end at 15 bytes, host names do not."""
    if len(host) <= 13:
        return f"p-{host}"
    return f"p-{host[:4]}-{hashlib.sha256(host.encode()).hexdigest()[:8]}"


def show(netns: str) -> list[dict[str, Any]]:
    return list(json.loads(run("ip", "-n", netns, "-j", "addr", "show")))
