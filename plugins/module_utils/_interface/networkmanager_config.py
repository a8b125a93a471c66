# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Parse a profile of NetworkManager for a WireGuard interface (nm-settings-keyfile(5)). Pure.

As in NetworkManager: sections and keys in their exact case, comments on lines of their own, lists with semicolons, a section
for each peer with its public key in the name.

This module is private to the collection.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from . import configured
from .configured import ConfiguredInterface, ConfiguredPeer, Entry, Finding, Values

NETWORKMANAGER = "networkmanager"
_PEER = "wireguard-peer."
_FAMILIES = ("ipv4", "ipv6")
# Keys without a meaning for the tunnel, or with the meaning that the collection gives it too; of other sections all.
_NEUTRAL = {
    "wireguard": ("private-key-flags", "ip4-auto-default-route", "ip6-auto-default-route"),
    "ipv4": ("method", "never-default", "may-fail", "dad-timeout"),
    "ipv6": ("method", "never-default", "may-fail", "addr-gen-mode", "ip6-privacy"),
}
_LISTED_ADDRESS = re.compile(r"address(?:es)?[0-9]*")
_NO = ("false", "no", "off", "0")
_SEPARATOR = r"[;,\s]+"


def interface_of(text: str) -> str:
    """Return the name of the WireGuard interface that a profile makes, "" for other profiles."""
    found = {entry.key: entry.value for entry in _entries("", text, Values()) if entry.section == "connection"}
    return found.get("interface-name", "") if found.get("type") == "wireguard" else ""


def parse(name: str, path: str, text: str) -> ConfiguredInterface:
    """Return the interface of a profile, whatever its text."""
    values = Values()
    own: dict[str, Entry] = {}
    peers: dict[str, dict[str, Entry]] = {}
    addresses = []
    automatic = True
    for entry in _entries(path, text, values):
        if entry.section.startswith(_PEER):
            peers.setdefault(entry.section[len(_PEER) :], {})[entry.key] = entry
        elif (entry.section, entry.key) == ("connection", "autoconnect"):
            automatic = entry.value.lower() not in _NO
        elif entry.section == "wireguard" and entry.key in (
            "private-key",
            "listen-port",
            "fwmark",
            "mtu",
            "peer-routes",
        ):
            own[entry.key] = entry
        elif entry.section in _FAMILIES and _LISTED_ADDRESS.fullmatch(entry.key):
            # A gateway can follow the first address.
            addresses += values.each(entry._replace(value=entry.value.split(",")[0]), configured.address, _SEPARATOR)
        else:
            _note_other(entry, values)
    key, listen, mark, mtu = (own.get(one) for one in ("private-key", "listen-port", "fwmark", "mtu"))
    return ConfiguredInterface(
        name=name,
        method=NETWORKMANAGER,
        paths=(path,),
        private_key=values.read(key, configured.private_key) if key and key.value else None,
        listen_port=values.read(listen, configured.port) if listen else None,
        fwmark=values.read(mark, configured.mark) if mark else None,
        mtu=values.read(mtu, configured.port) if mtu else None,
        addresses=configured.unique(addresses),
        peers=configured.merged_peers(one for public, found in peers.items() for one in _peer(public, found, values)),
        routes=own["peer-routes"].value.lower() not in _NO if "peer-routes" in own else True,
        findings=tuple(sorted(set(values.findings))),
        connects_itself=automatic,
    )


def _entries(path: str, text: str, values: Values) -> Iterator[Entry]:
    section = ""
    for line, raw in configured.lines_of(text):
        stripped = raw.strip()
        if not stripped or stripped.startswith("#"):
            continue
        if stripped.startswith("[") and stripped.endswith("]"):
            section = stripped[1:-1]
            continue
        key, equals, value = stripped.partition("=")
        if equals and section:
            yield Entry(section, key.strip(), value.strip(), path, line)
        else:
            values.findings.append(Finding(path, line, "cannot be read: it is no assignment in a section"))


def _note_other(entry: Entry, values: Values) -> None:
    if entry.section not in _NEUTRAL or entry.key in _NEUTRAL[entry.section]:
        return
    if entry.key.startswith("dns"):
        values.note(
            entry, "sets name servers for the host: configure them with another profile, or with systemd-resolved"
        )
    elif entry.key.startswith("rout"):
        values.note(entry, "sets routes or rules beyond the allowed IPs of a peer: use rules and routes of your own")
    else:
        values.note(entry, "is not supported: delete it in the profile")


def _peer(public: str, found: Mapping[str, Entry], values: Values) -> Iterator[ConfiguredPeer]:
    """Yield the peer of a section; nothing without a valid public key."""
    first = next(iter(found.values()))
    by_key = {"publickey": first._replace(key="peer", value=public)}
    allowed = []
    for key, entry in found.items():
        if key == "allowed-ips":
            allowed = values.each(entry, configured.allowed_ip, _SEPARATOR)
        elif key in ("endpoint", "persistent-keepalive", "preshared-key"):
            by_key[key.replace("-", "")] = entry
        elif key != "preshared-key-flags":
            values.note(entry, "is not a key of a peer that is known: delete it in the profile")
    one = configured.read_peer(values, by_key, (), allowed)
    if one is not None:
        yield one
