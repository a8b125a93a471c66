# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Overlay addresses that stay with their host.

A host's address is, in this order: what the inventory says, what the host itself remembers, what its
neighbours remember of it, a slot chosen by hashing its name. So an address never moves because another host
came or went, even where nothing is remembered (then only hosts whose names hash to one slot depend on each
other). Nor does it because another host says that it is its own, as a copy does, or one that lies: then the neighbours
are asked whose it is. This plugin util is private to the collection.
"""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from ansible_collections.wirewright.overlay.plugins.module_utils.prefix import Address, Prefix
from ansible_collections.wirewright.overlay.plugins.plugin_utils.prefix_index import PrefixIndex
from ansible_collections.wirewright.overlay.plugins.plugin_utils.problems import Problem, host_list, possessive

# Interface identifiers are 64 bits (RFC 4291 section 2.5.1); in a larger network the first /64 is used.
_HASHED_BITS = 64


@dataclass(frozen=True)
class Claim:
    """What is known about one host's overlay addresses; `recalled` pairs a neighbour's name with what it remembers."""

    name: str
    networks: tuple[Prefix, ...]
    explicit: tuple[Address, ...] = ()
    own: tuple[Address, ...] = ()
    recalled: tuple[tuple[str, Address], ...] = ()


@dataclass
class Allocation:
    """Addresses by host name, in the order of its networks, with what went wrong and what is worth knowing."""

    addresses: dict[str, tuple[Address, ...]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)


def usable(network: Prefix) -> range:
    """Return the offsets of the addresses that hosts may have in a network.

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
    """Return whether an address lies in a network and may be given to a host there."""
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
    # Not part of the hash: anything that depends on other hosts.
    digest = hashlib.sha256((f"{name}\0{network}").encode()).digest()
    # len() of a range ends at 2**63.
    count = offsets.stop - offsets.start
    first = int.from_bytes(digest, "big") % count
    return (offsets.start + (first + step) % count for step in range(min(count, 1 << 32)))


class _Register:
    """Which addresses are given away, and to whom."""

    def __init__(self, claims: Iterable[Claim], reserved: Sequence[Prefix]) -> None:
        self.owner: dict[bytes, str] = {}
        self._reserved = PrefixIndex((prefix, True) for prefix in reserved)
        for claim in claims:
            for address in claim.explicit:
                self.owner.setdefault(address.packed, claim.name)
        self.explicit = frozenset(self.owner)

    def free_for(self, name: str, address: Address) -> bool:
        owner = self.owner.get(address.packed)
        return owner is None or owner == name

    def is_explicit(self, address: Address) -> bool:
        return address.packed in self.explicit

    def is_free(self, address: Address) -> bool:
        reserved = self._reserved.exact(address.host) or self._reserved.around(address.host)
        return address.packed not in self.owner and not reserved


def allocate(claims: Iterable[Claim], reserved: Sequence[Prefix] = (), prefix: str = "") -> Allocation:
    """Return the addresses of all hosts: a pure function, and the same for every order of its input.

    A host with explicit addresses has exactly these. Every other host has one from each of its networks.
    reserved: prefixes inside the networks that belong to something else (unmanaged peers).
    prefix: the variables' prefix, for messages.
    """
    ordered = sorted(claims, key=lambda claim: claim.name)
    register = _Register(ordered, reserved)
    result = Allocation()
    chosen: dict[tuple[str, Prefix], Address] = {}
    wanting = [(claim, network) for claim in ordered if not claim.explicit for network in claim.networks]
    outdone = _outdone(wanting)
    first = [one for one in wanting if (one[0].name, one[1]) not in outdone]
    last = [one for one in wanting if (one[0].name, one[1]) in outdone]
    # A host's own word beats memories of another; and nobody loses its own slot to one whose slot is taken.
    heard = [(step, ones) for ones in (first, last) for step in (_held, _recalled)]
    for step, ones in (*heard, (_first_choice, wanting), (_next_best, wanting)):
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
        result.addresses[claim.name] = tuple(dict.fromkeys(found))
    return result


def _outdone(wanting: Iterable[tuple[Claim, Prefix]]) -> set[tuple[str, Prefix]]:
    """Return the hosts, by network, that claim an address which is rather another host's.

    Of several who say that they have an address, or are remembered with it, that one has it whom most neighbours remember
    with it, those among these hosts not counted; then the one whose slot it is; then the first by name.
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
    """Return the address that a host says it has in a network, or those that it is remembered with."""
    own = [address for address in (_inside(network, said) for said in claim.own) if address is not None]
    recalled = (_inside(network, said) for _neighbour, said in claim.recalled)
    return own[:1] or list(dict.fromkeys(address for address in recalled if address is not None))


def _credit(network: Prefix, address: Address, rivals: Collection[str], claim: Claim) -> tuple[int, bool, str]:
    """Return what sorts first the claim to an address that is believed."""
    witnesses = {name for name, said in claim.recalled if name not in rivals and said.packed == address.packed}
    return -len(witnesses), host_address(network, next(slots(claim.name, network))) != address, claim.name


def _inside(network: Prefix, address: Address) -> Address | None:
    """Return a remembered address with the network's present prefix length, or None where it no longer fits."""
    if not is_host_address(network, address):
        return None
    return Address(address.family, address.packed, network.length)


def _held(claim: Claim, network: Prefix, register: _Register, result: Allocation, prefix: str) -> Address | None:
    """Return the address that the host says it has."""
    for remembered in claim.own:
        address = _inside(network, remembered)
        if address is None:
            continue
        if register.free_for(claim.name, address):
            return address
        if register.is_explicit(address):
            result.problems.append(_taken(claim, address, register, prefix))
            return address
        # Two machines remember one address: one is a copy of the other, or lies.
        owner = register.owner[address.packed]
        text = f"{_bare(address)}, which it remembers, is {possessive(owner)}; it is given another one"
        result.warnings.append(Problem(claim.name, prefix + "addresses", text))
    return None


def _taken(claim: Claim, address: Address, register: _Register, prefix: str) -> Problem:
    """Return the complaint about an inventory that gives one host what another one already has."""
    text = f"{_bare(address)} is also {possessive(claim.name)}, who had it before; give one of them another address"
    return Problem(register.owner[address.packed], prefix + "addresses", text)


def _recalled(claim: Claim, network: Prefix, register: _Register, result: Allocation, prefix: str) -> Address | None:
    """Return the address that the neighbours remember; they must agree."""
    said: dict[Address, list[str]] = {}
    for neighbour, remembered in claim.recalled:
        address = _inside(network, remembered)
        if address is not None:
            said.setdefault(address, []).append(neighbour)
    if len(said) > 1:
        result.problems.append(Problem(claim.name, prefix + "addresses", _contradiction(said, prefix)))
        return None
    for address in said:
        if register.free_for(claim.name, address):
            return address
        if register.is_explicit(address):
            result.problems.append(_taken(claim, address, register, prefix))
            return address
    return None


def _contradiction(said: Mapping[Address, list[str]], prefix: str) -> str:
    words = "; ".join(f"{_bare(address)} by {host_list(said[address])}" for address in sorted(said))
    return (
        f"the host does not say its address, and is remembered with different ones: {words}; "
        f"bring it up, or set {prefix}addresses for it"
    )


def _first_choice(
    claim: Claim, network: Prefix, register: _Register, _result: Allocation, _prefix: str
) -> Address | None:
    """Return the slot of the host's name, if it is free."""
    address = host_address(network, next(slots(claim.name, network)))
    return address if register.is_free(address) else None


def _next_best(claim: Claim, network: Prefix, register: _Register, result: Allocation, prefix: str) -> Address | None:
    """Return the first free slot after that of the host's name."""
    for offset in slots(claim.name, network):
        address = host_address(network, offset)
        if register.is_free(address):
            return address
    text = f"{network} is full: no address is left for this host; use a larger network"
    result.problems.append(Problem(claim.name, prefix + "network", text))
    return None


def _bare(address: Address) -> str:
    return socket.inet_ntop(address.family, address.packed)
