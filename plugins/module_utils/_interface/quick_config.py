# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Parse a file of wg-quick(8). Pure.

As in wg-quick and wg: sections and keys in any case, `#` begins a comment anywhere, lists over several lines or with
commas.

This module is private to the collection.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from . import configured
from .boot_files import WG_QUICK
from .configured import ConfiguredInterface, ConfiguredPeer, Entry, Finding, Values

_SECTION = re.compile(r"\[(.*)\]")
_HOOKS = ("preup", "postup", "predown", "postdown")
_FREE = ("table", "mtu", "listenport", "fwmark", "privatekey", "address", "saveconfig", "dns", *_HOOKS)
# The private key from a file of its own, as wg-quick(8) recommends.
_KEY_HOOK = re.compile(r"wg\s+set\s+(%i|\S+)\s+private-key\s+(/[^\s;&|<>$`'\"\\()]+)")
_PROGRAM = re.compile(r"[A-Za-z0-9_./-]{1,40}")
_REMEDIES = (
    ("ip_forward", "forwarding is set with mesh_forward or hub_spoke_forward: set it, and delete this line"),
    ("forwarding", "forwarding is set with mesh_forward or hub_spoke_forward: set it, and delete this line"),
    (
        "private-key",
        "it sets the private key: write the key to PrivateKey, or to {key_file} with mode 0600, then delete this line",
    ),
    (
        "wg addconf",
        "it adds peers of a file: describe them in mesh_static_peers or hub_spoke_static_peers, and delete this line",
    ),
    ("masquerade", "move it to a service or to the firewall's own configuration, or use the masquerade of hub_spoke"),
    (
        "forward",
        "packets are forwarded with mesh_forward or hub_spoke_forward, and at a hub by default: set it, and delete this line if "
        "your firewall does not drop them otherwise",
    ),
)


class _Peer:
    """A peer section while it is read."""

    def __init__(self, line: int) -> None:
        self.line = line
        self.entries: list[Entry] = []
        self.comments: list[str] = []


def has_interface(text: str) -> bool:
    """Return whether a file has a section of an interface."""
    lines = (raw.partition("#")[0].strip() for _line, raw in configured.lines_of(text))
    return any(header[1].strip().lower() == "interface" for header in map(_SECTION.fullmatch, lines) if header)


def parse(name: str, path: str, text: str) -> ConfiguredInterface:
    """Return the interface of a wg-quick file, whatever its text."""
    values = Values()
    interface: list[Entry] = []
    peers: list[_Peer] = []
    section = ""
    before: list[str] = []  # the comments directly before this line
    for line, raw in configured.lines_of(text):
        stripped, _hash, comment = raw.partition("#")
        stripped = stripped.strip()
        header = _SECTION.fullmatch(stripped)
        if header:
            section = header[1].strip().lower()
            if section == "peer":
                peers.append(_Peer(line))
                peers[-1].comments += [comment, *reversed(before)]
            elif section != "interface":
                values.findings.append(Finding(path, line, "has a section that is neither [Interface] nor [Peer]"))
        elif not stripped:
            if comment:
                before.append(comment)
                continue
            _add_comments(section, peers, before)
        else:
            _add_comments(section, peers, before)
            key, equals, value = stripped.partition("=")
            entry = Entry(section, key.strip(), value.strip(), path, line)
            if not equals or section not in ("interface", "peer"):
                values.findings.append(Finding(path, line, "cannot be read: it is no assignment in a section"))
            elif section == "peer":
                peers[-1].entries.append(entry)
            else:
                interface.append(entry)
        before = []
    _add_comments(section, peers, before)
    return _interface(name, path, interface, [one for peer in peers for one in _peer(peer, path, values)], values)


def _add_comments(section: str, peers: list[_Peer], comments: list[str]) -> None:
    """Add comments that no section follows to the peer that they are in."""
    if section == "peer":
        peers[-1].comments += [one for one in comments if "=" in one or not peers[-1].entries]


def _interface(
    name: str, path: str, entries: list[Entry], peers: list[ConfiguredPeer], values: Values
) -> ConfiguredInterface:
    by_key: dict[str, list[Entry]] = {}
    for entry in entries:
        by_key.setdefault(entry.key.lower(), []).append(entry)
        if entry.key.lower() not in _FREE:
            values.note(entry, "is not a key of [Interface] that is known: delete the line")

    def last(key: str) -> Entry | None:
        return by_key[key][-1] if key in by_key else None

    routes = True
    table = last("table")
    if table is not None and table.value.lower() == "off":
        routes = False
    elif table is not None and table.value.lower() != "auto":
        values.note(
            table, "puts the routes into a table of their own: use Table = auto, or rules and routes of your own"
        )
    for entry in by_key.get("dns", ()):
        values.note(
            entry, "sets name servers for the host: configure them with systemd-resolved or the host's own method"
        )
    key_file = ""
    for hook in (entry for key in _HOOKS for entry in by_key.get(key, ())):
        found = _KEY_HOOK.fullmatch(hook.value)
        if found and hook.key.lower() == "postup" and found[1] in ("%i", name):
            key_file = found[2].replace("%i", name)
        else:
            values.note(hook, _hook_text(hook.value).replace("{key_file}", f"/etc/wireguard/{name}.key"))
    keys, port_entry, mark_entry, mtu = last("privatekey"), last("listenport"), last("fwmark"), last("mtu")
    return ConfiguredInterface(
        name=name,
        method=WG_QUICK,
        paths=(path,),
        private_key=values.read(keys, configured.private_key) if keys and not key_file else None,  # the hook runs later
        private_key_file=key_file,
        listen_port=values.read(port_entry, configured.port) if port_entry else None,
        fwmark=values.read(mark_entry, configured.mark) if mark_entry else None,
        mtu=values.read(mtu, configured.port) if mtu else None,
        addresses=configured.unique(
            one for entry in by_key.get("address", ()) for one in values.each(entry, configured.address)
        ),
        peers=configured.merged_peers(peers),
        routes=routes,
        findings=tuple(sorted(set(values.findings))),
    )


def _hook_text(command: str) -> str:
    """Describe a command by its first word only: its arguments can be secret."""
    word = (command.split() or [""])[0]
    named = f"runs {word}" if _PROGRAM.fullmatch(word) else "runs a command"
    lowered = command.lower()
    remedy = next(
        (text for part, text in _REMEDIES if part in lowered),
        "move it to a systemd unit of your own, and delete the line",
    )
    return f"{named}, which no file of this collection does: {remedy}"


def _peer(peer: _Peer, path: str, values: Values) -> Iterator[ConfiguredPeer]:
    """Yield the peer of a section; nothing without a valid public key."""
    found: dict[str, Entry] = {}
    allowed = []
    for entry in peer.entries:
        key = entry.key.lower()
        if key == "allowedips":
            # From wireguard-tools 1.0.20250521 on, `+` adds to the allowed IPs of the interface.
            allowed += values.each(entry._replace(value=entry.value.replace("+", "")), configured.allowed_ip)
        elif key in ("publickey", "presharedkey", "endpoint", "persistentkeepalive"):
            found[key] = entry
        else:
            values.note(entry, "is not a key of [Peer] that is known: delete the line")
    if "publickey" not in found:
        values.findings.append(Finding(path, peer.line, "has a peer without a public key"))
        return
    one = configured.read_peer(values, found, peer.comments, allowed)
    if one is not None:
        yield one
