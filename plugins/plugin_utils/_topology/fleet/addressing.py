# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Stable allocation of overlay addresses.

The address of a host comes, in this order, from the inventory, from its own facts, from the cached state of others, or
from a slot given by the hash of its name. So an address does not change when hosts are added or removed, even without
cached state (then only hosts whose names hash to one slot depend on each other). If two hosts report one address,
because one is a clone or reports a false address, the cached state of the other members decides. If a host reports an
address that others have cached for an unreachable one, or others have cached different ones for it, neither is planned.
This plugin util is private to the collection.
"""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from socket import inet_ntop
from typing import NamedTuple

from ....module_utils._ip.prefix import Address, Prefix, masked
from ..._prefix_index import PrefixIndex
from ..._problems import Problem, host_list, possessive

# Interface identifiers are 64 bits (RFC 4291 section 2.5.1); in a larger network the first /64 is used.
_HASHED_BITS = 64


@dataclass(frozen=True)
class Claim:
    """The claims of one host to overlay addresses. cached: pairs of another member and the address it has cached.

    keeps: the host has the cached addresses, whatever the networks, and gets no others. reports: the host reports its state,
    so it has no address but its own.
    """

    name: str
    networks: tuple[Prefix, ...]
    explicit: tuple[Address, ...] = ()
    own: tuple[Address, ...] = ()
    cached: tuple[tuple[str, Address], ...] = ()
    keeps: bool = False
    reports: bool = False


@dataclass
class Allocation:
    """Addresses by host name, in the order of the networks, with problems and warnings.

    refused: the hosts whose address is not certain, with the reason. They are not planned; no other host gets the address.
    """

    addresses: dict[str, tuple[Address, ...]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)


def usable(network: Prefix) -> range:
    """Return the offsets of the addresses in a network that hosts can have.

    IPv4: neither the network's own address nor its broadcast address (RFC 1122 3.2.1.3), except in a /31
    (RFC 3021) and a /32. IPv6: not the subnet-router anycast address (RFC 4291 2.6.1), except in a /127
    (RFC 6164) and a /128.
    """
    bits = len(network.packed) * 8 - network.length
    if bits <= 1:
        return range(0, 1 << bits)
    if network.family == socket.AF_INET:
        return range(1, (1 << bits) - 1)
    return range(1, 1 << min(bits, _HASHED_BITS))


def host_address(network: Prefix, offset: int) -> Address:
    """Return the address at an offset, with the network's prefix length."""
    number = int.from_bytes(network.packed, "big") + offset
    return Address(network.family, number.to_bytes(len(network.packed), "big"), network.length)


def is_host_address(network: Prefix, address: Address) -> bool:
    """Return whether an address is in a network and can be the address of a host."""
    if not network.contains(address.host):
        return False
    offset = int.from_bytes(address.packed, "big") - int.from_bytes(network.packed, "big")
    bits = len(network.packed) * 8 - network.length
    if network.family == socket.AF_INET:
        return offset in usable(network)
    return bits <= 1 or offset != 0


def slots(name: str, network: Prefix) -> Iterator[int]:
    """Return the offsets to try for a host name, best first: its hash, then the slots after it."""
    offsets = usable(network)
    # The hash must not depend on other hosts.
    digest = hashlib.sha256((f"{name}\0{network}").encode()).digest()
    # len() of a range fails above 2**63.
    count = offsets.stop - offsets.start
    first = int.from_bytes(digest, "big") % count
    return (offsets.start + (first + step) % count for step in range(min(count, 1 << 32)))


class _Register:
    """The addresses in use, and their hosts."""

    def __init__(self, claims: Iterable[Claim], reserved: Sequence[Prefix], withheld: Mapping[bytes, str]) -> None:
        self.owner: dict[bytes, str] = {}
        self.withheld = withheld
        self._reserved = PrefixIndex((prefix, True) for prefix in reserved)
        for claim in claims:
            for address in claim.explicit:
                self.owner.setdefault(address.packed, claim.name)
        self.explicit = frozenset(self.owner)

    def hold(self, claims: Iterable[Claim]) -> None:
        """Keep the addresses that hosts perhaps have from being given to others that report none."""
        for claim in claims:
            for address in _held(claim):
                self.owner.setdefault(address.packed, claim.name)

    def free_for(self, name: str, address: Address) -> bool:
        owner = self.owner.get(address.packed)
        return owner is None or owner == name

    def is_explicit(self, address: Address) -> bool:
        return address.packed in self.explicit

    def reserved_around(self, network: Prefix) -> Prefix | None:
        """Return the prefix of an unmanaged peer that holds the whole network."""
        around = self._reserved.around(network)
        return network if self._reserved.exact(network) else around[0] if around else None

    def is_free(self, address: Address) -> bool:
        return address.packed not in self.withheld and self.is_unused(address)

    def is_unused(self, address: Address) -> bool:
        """Return whether no host has an address, and no unmanaged peer; it may be that of a revoked host."""
        reserved = self._reserved.exact(address.host) or self._reserved.around(address.host)
        return address.packed not in self.owner and not reserved


def allocate(
    claims: Iterable[Claim],
    reserved: Sequence[Prefix] = (),
    prefix: str = "",
    withheld: Mapping[bytes, str] | None = None,
) -> Allocation:
    """Return the addresses of all hosts, whatever the order of the claims.

    A host with explicit addresses gets exactly these. Every other host gets one from each of its networks.
    reserved: prefixes inside the networks that belong to unmanaged peers. prefix: that of variables, for messages.
    withheld: addresses of revoked hosts, packed, each with a text for messages. A host gets one only if it reports it, if the
    inventory says so, if others have stored it for a host that does not report, or if the network has no other.
    """
    ordered = sorted(claims, key=lambda claim: claim.name)
    register = _Register(ordered, reserved, withheld or {})
    result = Allocation(problems=list(_kept_elsewhere(ordered, prefix)), refused=_disputed(ordered, prefix))
    result.warnings.extend(Problem(name, prefix + "addresses", text) for name, text in result.refused.items())
    chosen: dict[tuple[str, Prefix], Address] = {}
    planned = [claim for claim in ordered if not claim.explicit and claim.name not in result.refused]
    wanting = [(claim, network) for claim in planned for network in claim.networks]
    outdone = _outdone(wanting)
    first = [one for one in wanting if (one[0].name, one[1]) not in outdone]
    last = [one for one in wanting if (one[0].name, one[1]) in outdone]
    # Facts of a host come before cached state. No host loses its slot to a host whose own slot is taken.
    by_report = [(step, ones) for ones in (first, last) for step in (_reported, _cached)]
    for step, ones in (*by_report, (_first_choice, wanting), (_next_best, wanting)):
        if step is _first_choice:
            register.hold(claim for claim in ordered if claim.keeps or claim.name in result.refused)
        for claim, network in ones:
            if (claim.name, network) in chosen:
                continue
            address = step(claim, network, register, result, prefix)
            if address is not None:
                register.owner.setdefault(address.packed, claim.name)
                chosen[claim.name, network] = address
    for claim in ordered:
        allotted = (chosen.get((claim.name, network)) for network in claim.networks)
        found = claim.explicit or tuple(address for address in allotted if address is not None)
        if claim.keeps and claim.name not in result.refused:
            found = tuple(_held(claim))
        result.addresses[claim.name] = tuple(dict.fromkeys(found))
    return result


def _disputed(claims: Sequence[Claim], prefix: str) -> dict[str, str]:
    """Return the hosts whose address is not certain, with the reason, which names who reports what.

    What others have cached of a host that does not report its address counts if it contradicts neither itself nor what a
    host reports of itself. No majority decides: the hosts of a limited run may all be wrong.
    """
    reported: dict[bytes, list[str]] = {}
    for claim in claims:
        for address in dict.fromkeys(claim.own) if not claim.explicit else ():
            reported.setdefault(address.packed, []).append(claim.name)
    cached: dict[bytes, dict[str, list[str]]] = {}
    found: dict[str, str] = {}
    for claim in claims:
        for words in _words(claim) if not claim.explicit else ():
            for address, reporters in words.said.items():
                cached.setdefault(address.packed, {})[claim.name] = reporters
            if words.differ:
                text = f"the host does not report its address, and others have cached different ones: {words.text}"
                found.setdefault(claim.name, text)
    for packed, names in cached.items():
        owners = reported.get(packed, [])
        if not owners and len(names) < 2:
            continue
        bare = inet_ntop(socket.AF_INET if len(packed) == 4 else socket.AF_INET6, packed)
        said = [f"{bare} is the address of {name!r} according to {host_list(by)}" for name, by in names.items()]
        said += [f"{owner!r} reports it as its own" for owner in owners if owner not in names]
        for name in dict.fromkeys([*names, *owners]):
            found.setdefault(name, ", and ".join(said))
    remedy = f"so other hosts keep their state of this host; set {prefix}addresses for it"
    return {name: f"{text}; {remedy}, or run again when all are reachable" for name, text in found.items()}


def _kept_elsewhere(claims: Sequence[Claim], prefix: str) -> Iterator[Problem]:
    """Yield the explicit addresses that a host has which keeps its own, as it reports or as all who know it agree."""
    explicit = {address.packed: claim.name for claim in claims for address in claim.explicit}
    for claim in claims:
        having = dict.fromkeys(claim.own if claim.keeps else (), "")
        for words in _words(claim) if claim.keeps else ():
            having.update((one, f" according to {host_list(by)}") for one, by in words.said.items() if not words.differ)
        for address in (one for one in having if one.packed in explicit):
            text = f"{address.bare} is also {possessive(claim.name)}{having[address]}, and this run does not change that host"
            text += "; give one of them another address, or run both at once, without --limit and serial"
            yield Problem(explicit[address.packed], prefix + "addresses", text)


class _Words(NamedTuple):
    """What others have cached of a host in one network. vague: those with several addresses in it, which count for none."""

    said: dict[Address, list[str]]
    vague: list[str]

    @property
    def differ(self) -> bool:
        return len(self.said) > 1 or bool(self.vague)

    @property
    def text(self) -> str:
        parts = [f"{address.bare} by {host_list(self.said[address])}" for address in sorted(self.said)]
        return "; ".join([*parts, *([f"several by {host_list(self.vague)}"] if self.vague else [])])


def _words(claim: Claim) -> Iterator[_Words]:
    """Yield what others have cached of a host, for each network in which it reports no address itself."""
    for network in claim.networks:
        if not any(_inside(network, own) for own in claim.own):
            yield _agreed((reporter, _inside(network, address)) for reporter, address in claim.cached)
    for family in (socket.AF_INET, socket.AF_INET6) if claim.keeps and not claim.own else ():
        yield _agreed((reporter, address) for reporter, address in claim.cached if address.family == family)


def _agreed(cached: Iterable[tuple[str, Address | None]]) -> _Words:
    by_reporter: dict[str, set[Address]] = {}
    for reporter, address in cached:
        if address is not None:
            by_reporter.setdefault(reporter, set()).add(address)
    words = _Words({}, [reporter for reporter, addresses in by_reporter.items() if len(addresses) > 1])
    for reporter, addresses in by_reporter.items():
        for address in addresses if len(addresses) == 1 else ():
            words.said.setdefault(address, []).append(reporter)
    return words


def _held(claim: Claim) -> list[Address]:
    """Return the addresses that a host reports, else those that others have cached for it."""
    return list(dict.fromkeys(claim.own or (address for _reporter, address in claim.cached)))


def _outdone(wanting: Iterable[tuple[Claim, Prefix]]) -> set[tuple[str, Prefix]]:
    """Return the hosts, by network, whose claim to an address is weaker than that of another host.

    Of several hosts that claim an address, the one wins that most other members have cached with it, the claimants
    themselves not counted; then the host whose slot it is; then the first by name.
    """
    claimants: dict[tuple[Prefix, Address], list[Claim]] = {}
    for claim, network in wanting:
        for address in _claimed(claim, network):
            claimants.setdefault((network, address), []).append(claim)
    found = set()
    for (network, address), claims in claimants.items():
        if len(claims) > 1:
            rivals = {claim.name for claim in claims}
            best = min(claims, key=partial(_credit, network, address, rivals))
            found |= {(claim.name, network) for claim in claims if claim is not best}
    return found


def _claimed(claim: Claim, network: Prefix) -> list[Address]:
    """Return the address that a host reports in a network, else those that others have cached for it."""
    own = [address for address in (_inside(network, said) for said in claim.own) if address is not None]
    cached = (_inside(network, said) for _reporter, said in claim.cached)
    return own[:1] or list(dict.fromkeys(address for address in cached if address is not None))


def _credit(network: Prefix, address: Address, rivals: Collection[str], claim: Claim) -> tuple[int, bool, str]:
    """Return the sort key of a claim: the strongest claim comes first."""
    reporters = {name for name, said in claim.cached if name not in rivals and said.packed == address.packed}
    return -len(reporters), host_address(network, next(slots(claim.name, network))) != address, claim.name


def _inside(network: Prefix, address: Address) -> Address | None:
    """Return a known address with the current prefix length of the network, None if it is outside of it."""
    if not is_host_address(network, address):
        return None
    return Address(address.family, address.packed, network.length)


def _reported(claim: Claim, network: Prefix, register: _Register, result: Allocation, prefix: str) -> Address | None:
    """Return the address that the host reports."""
    for recorded in claim.own:
        address = _inside(network, recorded)
        if address is None:
            continue
        if register.free_for(claim.name, address):
            return address
        if register.is_explicit(address):
            result.problems.append(_taken(claim, address, register, prefix))
            return address
        # Two machines report one address: one is a clone, or its report is false.
        owner = register.owner[address.packed]
        text = f"{address.bare}, which it reports, is {possessive(owner)}; it gets another one"
        result.warnings.append(Problem(claim.name, prefix + "addresses", text))
    return None


def _taken(claim: Claim, address: Address, register: _Register, prefix: str) -> Problem:
    """Return the problem of an inventory that gives a host the address of another one."""
    text = f"{address.bare} is also {possessive(claim.name)}, which had it before; give one of them another address"
    return Problem(register.owner[address.packed], prefix + "addresses", text)


def _cached(claim: Claim, network: Prefix, register: _Register, result: Allocation, prefix: str) -> Address | None:
    """Return the address that other members have cached, if they agree."""
    for address in dict.fromkeys(_inside(network, recorded) for _reporter, recorded in claim.cached):
        if address is None:
            continue
        if claim.reports and address.packed in register.withheld and not register.is_explicit(address):
            reporters = host_list(dict.fromkeys(name for name, said in claim.cached if said.packed == address.packed))
            whose = register.withheld[address.packed]
            text = f"{address.bare}, which {reporters} has stored for this host, is {whose}; it gets another one"
            result.warnings.append(Problem(claim.name, prefix + "addresses", text))
            continue
        if register.free_for(claim.name, address):
            return address
        if register.is_explicit(address):
            result.problems.append(_taken(claim, address, register, prefix))
            return address
    return None


def _first_choice(
    claim: Claim, network: Prefix, register: _Register, _result: Allocation, _prefix: str
) -> Address | None:
    """Return the address in the slot of the host's name, if it is free."""
    address = host_address(network, next(slots(claim.name, network)))
    return address if register.is_free(address) else None


def _next_best(claim: Claim, network: Prefix, register: _Register, result: Allocation, prefix: str) -> Address | None:
    """Return the first free slot after that of the host's name."""
    for offset in slots(claim.name, network):
        address = host_address(network, offset)
        if register.is_free(address):
            return address
    for offset in slots(claim.name, network) if register.withheld else ():
        address = host_address(network, offset)
        if register.is_unused(address):
            text = (
                f"{network} has no other address than {address.bare}, {register.withheld[address.packed]}: hosts that no run "
                "has reached since may still send to the revoked host; use a larger network, or run all hosts first"
            )
            result.warnings.append(Problem(claim.name, prefix + "network", text))
            return address
    result.problems.append(Problem(claim.name, prefix + "network", _full(network, register, prefix)))
    return None


def _full(network: Prefix, register: _Register, prefix: str) -> str:
    """Return the problem of a host that gets no address in a network."""
    around = register.reserved_around(network)
    if around is not None:
        return (
            f"no address of {network} is left for this host: a static peer has {around} in its allowed_ips; list only the "
            f"addresses of the peer in {prefix}static_peers"
        )
    count = len(usable(network))
    counted = "1 address" if count == 1 else f"{count} addresses"
    length = min(network.length - 1, 24 if network.family == socket.AF_INET else 64)
    larger = Prefix(network.family, masked(network.packed, length), length)
    return (
        f"{network} has {counted} for hosts, and other hosts or static peers have all of them; write a larger network, "
        f"such as {larger}"
    )
