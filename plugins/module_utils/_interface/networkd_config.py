# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Parse units of systemd-networkd that make a WireGuard interface (systemd.netdev(5), systemd.network(5)). Pure.

As in systemd: sections and keys in their exact case, comments on lines of their own, a backslash at the end of a line
continues it, an empty value clears a list, drop-ins come after their unit.

This module is private to the collection.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from .._ip.prefix import Address, Prefix
from . import configured
from .boot_files import NETWORKD
from .configured import ConfiguredInterface, ConfiguredPeer, Entry, Finding, Values

# Keys without a meaning for the tunnel, or with the meaning that the units of this collection have too.
_NEUTRAL = {
    ("NetDev", "Kind"),
    ("NetDev", "Name"),
    ("NetDev", "Description"),
    ("Match", "Name"),
    ("Network", "Description"),
    ("Network", "LinkLocalAddressing"),
    ("Network", "IPv6AcceptRA"),
    ("Network", "DHCP"),
    ("Network", "ConfigureWithoutCarrier"),
    ("Link", "RequiredForOnline"),
    ("Link", "ActivationPolicy"),
    ("Route", "Scope"),
    ("Route", "Protocol"),
    ("WireGuard", "RouteTable"),
    ("WireGuardPeer", "RouteTable"),
}
_OF_PEER = ("PublicKey", "PresharedKey", "Endpoint", "PersistentKeepalive")
_SECTION_NAME = re.compile(r"[A-Za-z0-9]{1,30}")
_FORWARDING = ("IPForward", "IPv4Forwarding", "IPv6Forwarding", "IPMasquerade")


@dataclass(frozen=True)
class Unit:
    """One unit: its path, and the texts of the unit and its drop-ins by path, in order."""

    path: str
    texts: Mapping[str, str] = field(repr=False)


@dataclass
class _Section:
    name: str
    entries: list[Entry]
    comments: list[str]

    def last(self, key: str) -> Entry | None:
        return next((entry for entry in reversed(self.entries) if entry.key == key and entry.value), None)


def _sections(unit: Unit, values: Values) -> Iterator[_Section]:
    for path, text in unit.texts.items():
        section: _Section | None = None
        before: list[str] = []  # the comments directly before this line
        for line, raw in _logical_lines(text):
            stripped = raw.strip()
            if stripped[:1] in ("#", ";"):
                if section is not None and not section.entries:
                    section.comments.append(stripped)
                before.append(stripped)
                continue
            if stripped.startswith("[") and stripped.endswith("]"):
                if section is not None:
                    yield section
                section = _Section(stripped[1:-1], [], [*reversed(before)])
            elif stripped:
                key, equals, value = stripped.partition("=")
                if section is None or not equals:
                    values.findings.append(Finding(path, line, "cannot be read: it is no assignment in a section"))
                else:
                    section.entries.append(Entry(section.name, key.strip(), value.strip(), path, line))
            before = []
        if section is not None:
            yield section


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    first, held = 0, ""
    for line, raw in configured.lines_of(text):
        if held and raw.lstrip()[:1] in ("#", ";"):
            continue  # a comment inside a continued line
        first = first or line
        if raw.endswith("\\"):
            held += raw[:-1] + " "
            continue
        yield first, held + raw
        first, held = 0, ""
    if held:
        yield first, held


def names_of(unit: Unit) -> tuple[str, str]:
    """Return the name and the kind of the device of a netdev unit, "" where it has none."""
    found = {"Name": "", "Kind": ""}
    for section in _sections(unit, Values()):
        for entry in section.entries:
            if section.name == "NetDev" and entry.key in found:
                found[entry.key] = entry.value
    return found["Name"], found["Kind"].lower()


def is_for(unit: Unit, name: str) -> bool:
    """Return whether a network unit matches an interface by its name."""
    patterns = [
        word
        for section in _sections(unit, Values())
        for entry in section.entries
        if (section.name, entry.key) == ("Match", "Name")
        for word in entry.value.split()
    ]
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def parse(name: str, netdev: Unit, networks: Sequence[Unit] = ()) -> ConfiguredInterface:
    """Return the interface of its netdev unit and of the network units that match it; only the first one counts."""
    values = Values()
    device: dict[str, Entry] = {}
    peers: list[ConfiguredPeer] = []
    mtu = None
    for section in _sections(netdev, values):
        if section.name == "WireGuardPeer":
            peers += _peer(section, values)
            continue
        for entry in section.entries:
            if section.name == "WireGuard" and entry.key in (
                "PrivateKey",
                "PrivateKeyFile",
                "ListenPort",
                "FirewallMark",
            ):
                device[entry.key] = entry
            elif section.name == "WireGuard" and entry.key == "FwMark":
                device["FirewallMark"] = entry
            elif (section.name, entry.key) == ("NetDev", "MTUBytes"):
                mtu = values.read(entry, _size)
            else:
                _note_other(entry, values)
    addresses: list[Address] = []
    own_units = [netdev, *(network for network in networks[:1] if _names_only(network, name))]
    for network in networks[:1]:
        if network not in own_units:
            text = "matches other interfaces too: write a unit of its own for this one"
            values.findings.append(Finding(network.path, 0, text))
        for section in _sections(network, values):
            for entry in section.entries:
                if (section.name, entry.key) in (("Network", "Address"), ("Address", "Address")):
                    addresses = [*addresses, *values.each(entry, configured.address, r"\s+")] if entry.value else []
                elif (section.name, entry.key) == ("Link", "MTUBytes"):
                    mtu = values.read(entry, _size)
                elif (section.name, entry.key) == ("Route", "Destination"):
                    _note_route(section, entry, peers, values)
                else:
                    _note_other(entry, values)
    keys, key_file = device.get("PrivateKey"), device.get("PrivateKeyFile")
    listen, fwmark = device.get("ListenPort"), device.get("FirewallMark")
    return ConfiguredInterface(
        name=name,
        method=NETWORKD,
        paths=tuple(path for unit in own_units for path in unit.texts),
        private_key=values.read(keys, configured.private_key) if keys and keys.value else None,
        private_key_file=key_file.value if key_file else "",
        listen_port=values.read(listen, configured.port) if listen and listen.value not in ("", "auto") else None,
        fwmark=values.read(fwmark, configured.mark) if fwmark and fwmark.value else None,
        mtu=mtu,
        addresses=configured.unique(addresses),
        peers=configured.merged_peers(peers),
        findings=tuple(sorted(set(values.findings))),
    )


def _size(text: str) -> int:
    """Return a size in bytes, which may end in K, M or G with base 1024. Raises ValueError."""
    factor = {"K": 1024, "M": 1024**2, "G": 1024**3}.get(text[-1:].upper(), 1)
    return configured.port(str(configured.port(text[:-1] if factor > 1 else text) * factor))


def _names_only(network: Unit, name: str) -> bool:
    return all(
        entry.value.split() == [name]
        for section in _sections(network, Values())
        for entry in section.entries
        if (section.name, entry.key) == ("Match", "Name")
    )


def _note_route(section: _Section, entry: Entry, peers: Iterable[ConfiguredPeer], values: Values) -> None:
    """Note a route that is not that of an allowed IP; the collection adds those."""
    destination = values.read(entry, configured.allowed_ip)
    allowed = {prefix for peer in peers for prefix in peer.allowed_ips}
    plain = {other.key for other in section.entries} <= {"Destination", "Scope", "Protocol", "Metric"}
    if destination is not None and (destination not in allowed or not plain):
        values.note(entry, f"{destination} is a route beyond the allowed IPs of a peer: write it in a unit of its own")


def _note_other(entry: Entry, values: Values) -> None:
    if (entry.section, entry.key) in _NEUTRAL:
        if entry.key == "RouteTable" and entry.value not in ("main", "off", "254", "false", "no", ""):
            values.note(
                entry, "puts the routes into a table of their own: use the main table, or rules and routes of your own"
            )
    elif entry.key in ("DNS", "Domains", "DNSDefaultRoute"):
        values.note(entry, "sets name servers for the host: configure them in another unit, or with systemd-resolved")
    elif entry.key in _FORWARDING:
        values.note(
            entry,
            "is not written to the units of this collection: set mesh_forward or hub_spoke_forward, delete this line",
        )
    elif (entry.section, entry.key) != ("Route", "Metric"):
        section = entry.section if _SECTION_NAME.fullmatch(entry.section) else "a section"
        values.note(entry, f"is not supported in [{section}]: move it to a unit of its own")


def _peer(section: _Section, values: Values) -> Iterator[ConfiguredPeer]:
    allowed: list[Prefix] = []
    for entry in section.entries:
        if entry.key == "AllowedIPs":
            allowed = [*allowed, *values.each(entry, configured.allowed_ip)] if entry.value else []
        elif entry.key not in (*_OF_PEER, "PresharedKeyFile"):
            _note_other(entry, values)
    found = {key.lower(): entry for key in _OF_PEER for entry in [section.last(key)] if entry}
    if "publickey" in found:
        secret_file = section.last("PresharedKeyFile")
        one = configured.read_peer(values, found, section.comments, allowed, secret_file.value if secret_file else "")
        if one is not None:
            yield one
    elif section.entries:
        values.note(section.entries[0], "is that of a peer without a public key")
