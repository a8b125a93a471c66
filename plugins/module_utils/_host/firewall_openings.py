# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Packets of an overlay that foreign firewalls would drop, and the commands that allow them. Pure, except apply and remove.

A packet has to pass every firewall of the host: one may drop packets that another accepts. Only policies and plain rules
are evaluated, so more may be dropped than is reported.

This module is private to the collection.
"""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from .._engine.reconcile import Operation, reconcile
from .firewalls import DropChain, Firewalld, Firewalls, Pair, Ufw, Zone

FIREWALLD, UFW, DOCKER = "firewalld", "ufw", "docker"
_TRUSTED = "trusted"
_PATIENCE = 60  # seconds; firewalld is asked over D-Bus
_WIREGUARD_PORT = 51820  # of firewalld's own service `wireguard`
_ANSWERS = ("-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED")
Command = tuple[str, ...]


class Needs(NamedTuple):
    """The packets of an interface: the UDP port that it receives on (0 for none), and forwarded pairs.

    ``underlay`` is the interface of the route to peers, "" if unknown.
    """

    interface: str
    listen_port: int = 0
    forward: tuple[Pair, ...] = ()
    underlay: str = ""


@dataclass(frozen=True)
class Finding:
    """Packets that a firewall would drop, and the commands that allow them."""

    firewall: str
    what: str
    commands: tuple[Command, ...]

    def key(self) -> tuple[str, str]:
        """The firewall and what it drops."""
        return self.firewall, self.what

    @property
    def can_open(self) -> bool:
        """Whether open_firewall applies: to firewalls that persist rules themselves."""
        return self.firewall in (FIREWALLD, UFW)

    def __str__(self) -> str:
        commands = "; ".join(shlex.join(command) for command in self.commands)
        return f"{self.firewall} drops {self.what}; to open it: {commands}"


def findings(seen: Firewalls, needs: Needs) -> list[Finding]:
    """Return the packets of an interface that would be dropped, in a stable order."""
    found: dict[tuple[str, str], Finding] = {}
    for finding in _all(seen, needs):
        before = found.get(finding.key())
        commands = (*(before.commands if before else ()), *finding.commands)
        found[finding.key()] = Finding(finding.firewall, finding.what, tuple(dict.fromkeys(commands)))
    return sorted(found.values(), key=Finding.key)


def _all(seen: Firewalls, needs: Needs) -> Iterable[Finding]:
    if seen.firewalld is not None:
        yield from _firewalld(seen.firewalld, needs)
    if seen.ufw is not None:
        yield from _ufw(seen.ufw, needs)
    for chain in seen.drops:
        if seen.ufw is None or not {"ufw-user-input", "ufw6-user-input"} & chain.chains:
            yield from _dropped(chain, needs)


def _firewalld(firewalld: Firewalld, needs: Needs) -> Iterable[Finding]:
    # NetworkManager assigns zones at runtime only.
    placed = {name: zone.name for zone in firewalld.runtime.values() for name in zone.interfaces}
    outer = placed.get(needs.underlay, firewalld.default_zone)
    for permanent, zones in (((), firewalld.runtime), (("--permanent",), firewalld.permanent)):
        zone = zones.get(outer)
        if needs.listen_port and zone is not None and not _lets_in(zone, needs.listen_port):
            words = (*permanent, f"--zone={outer}", f"--add-port={needs.listen_port}/udp")
            yield Finding(FIREWALLD, f"UDP port {needs.listen_port} coming in", (("firewall-cmd", *words),))
        default = zones.get(firewalld.default_zone)
        if default is None or default.target == "ACCEPT" or placed.get(needs.interface, _TRUSTED) != _TRUSTED:
            continue  # an administrator assigned it to another zone
        if not any(needs.interface in zone.interfaces for zone in zones.values()):
            words = (*permanent, f"--zone={_TRUSTED}", f"--add-interface={needs.interface}")
            what = f"what comes in through {needs.interface} beyond the services of zone {default.name}"
            yield Finding(FIREWALLD, what, (("firewall-cmd", *words),))


def _lets_in(zone: Zone, port: int) -> bool:
    by_service = port == _WIREGUARD_PORT and "wireguard" in zone.services
    return by_service or zone.target == "ACCEPT" or any(_covers(each, port) for each in zone.ports)


def _covers(port: str, number: int) -> bool:
    """Whether a port as firewalld writes it (`51820/udp`, `51000-52000/udp`) includes a UDP port."""
    numbers, _slash, protocol = port.partition("/")
    first, _dash, last = numbers.partition("-")
    return protocol == "udp" and first.isdigit() and int(first) <= number <= int(last or first)


def _ufw(ufw: Ufw, needs: Needs) -> Iterable[Finding]:
    port = f"allow {needs.listen_port}/udp"
    if needs.listen_port and ufw.incoming != "ACCEPT" and not {port, f"allow {needs.listen_port}"} & ufw.added:
        yield Finding(UFW, f"UDP port {needs.listen_port} coming in", (("ufw", *port.split()),))
    for iif, oif in needs.forward if ufw.routed != "ACCEPT" else ():
        rule = " ".join(["route allow", *([f"in on {iif}"] if iif else []), *([f"out on {oif}"] if oif else [])])
        if rule not in ufw.added:
            yield Finding(UFW, _forwarding(iif, oif), (("ufw", *rule.split()),))


def _dropped(chain: DropChain, needs: Needs) -> Iterable[Finding]:
    name, nft = _name(chain), chain.tool == "nft"
    port = str(needs.listen_port)
    if chain.hook == "input" and needs.listen_port and needs.listen_port not in chain.ports:
        words: Command = ("udp", "dport", port) if nft else ("-p", "udp", "--dport", port)
        yield Finding(name, f"UDP port {port} coming in", (_insert(chain, words),))
    for iif, oif in needs.forward if chain.hook == "forward" else ():
        if any(_wide_enough(one, iif) and _wide_enough(other, oif) for one, other in chain.pairs):
            continue
        commands = [_insert(chain, _between(chain, iif, oif))]
        if (oif, iif) not in needs.forward:
            words = ("ct", "state", "established,related") if nft else _ANSWERS
            commands.append(_insert(chain, (*_between(chain, iif=oif, oif=iif), *words)))
        yield Finding(name, _forwarding(iif, oif), tuple(commands))


def _wide_enough(accepted: str | None, asked: str | None) -> bool:
    return accepted in (None, asked)


def _name(chain: DropChain) -> str:
    if chain.hook == "forward" and "DOCKER-USER" in chain.chains:
        return DOCKER
    if chain.tool != "nft":
        return "iptables"
    return f"chain {chain.chain} of nftables table {chain.family} {chain.table}"


def _between(chain: DropChain, iif: str | None, oif: str | None) -> Command:
    names = ("iifname", "oifname") if chain.tool == "nft" else ("-i", "-o")
    return tuple(word for option, name in zip(names, (iif, oif)) if name for word in (option, name))


def _insert(chain: DropChain, words: Sequence[str]) -> Command:
    if chain.tool == "nft":
        return ("nft", "insert", "rule", chain.family, chain.table, chain.chain, *words, "accept")
    program = chain.tool.replace("iptables", "ip6tables") if chain.family == "ip6" else chain.tool
    # Docker rewrites FORWARD and leaves this chain to the user.
    name = "DOCKER-USER" if _name(chain) == DOCKER else chain.chain
    return (program, "-I", name, *words, "-j", "ACCEPT")


def _forwarding(iif: str | None, oif: str | None) -> str:
    return f"what is forwarded from {iif or 'any interface'} to {oif or 'any interface'}"


def plan_openings(found: Iterable[Finding]) -> list[Operation[Finding]]:
    """Return the missing openings of firewalld and ufw, which open_firewall makes."""
    return reconcile((), [finding for finding in found if finding.can_open])


def open_commands(operations: Iterable[Operation[Finding]]) -> list[Command]:
    """Return the commands that make the openings at runtime and permanently; each is idempotent."""
    return [command for operation in operations if operation.after for command in operation.after.commands]


def warnings(found: Iterable[Finding], *, opened: bool) -> list[str]:
    """Return warnings for openings that an administrator has to make: all, or those that open_firewall does not make."""
    return [str(finding) for finding in found if not (opened and finding.can_open)]


def close_commands(finding: Finding) -> list[Command]:
    """Return the commands that remove an opening, in reverse order; each is idempotent."""
    if finding.firewall == UFW:
        return [("ufw", "--force", "delete", *command[1:]) for command in reversed(finding.commands)]
    return [tuple(word.replace("--add-", "--remove-", 1) for word in command) for command in reversed(finding.commands)]


def apply(operations: Iterable[Operation[Finding]]) -> None:
    """Make the openings. Raises OSError with the message of the firewall's program."""
    for command in open_commands(operations):
        _run(command)


def close(operations: Iterable[Operation[Finding]]) -> None:
    """Remove openings, given by operations that delete them. Raises OSError as `apply` does."""
    for operation in operations:
        for command in close_commands(operation.before) if operation.before else ():
            _run(command)


def _run(command: Command) -> None:
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=_PATIENCE
        )
    except subprocess.TimeoutExpired:
        raise OSError(f"{shlex.join(command)}: no answer within {_PATIENCE} s") from None
    if done.returncode:
        said = (done.stderr or done.stdout).strip()
        raise OSError(f"{shlex.join(command)}: {said or f'exit code {done.returncode}'}")
