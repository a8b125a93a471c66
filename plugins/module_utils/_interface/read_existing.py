# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Read an interface that others made: the device, its addresses, and the files of other programs.

This module is private to the collection.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

from .._fib import rules
from .._host import addresses, links
from .._netlink.connection import Connection
from .._wireguard import key_file, state_file
from . import config_files, existing
from .configured import ConfiguredInterface, Finding
from .existing import ExistingInterface
from .networkmanager_config import NETWORKMANAGER
from .read import read_device

_GENERATED = (
    "is generated, and would make the interface again at the next boot: remove the tunnel where it is written, for example in "
    "/etc/netplan, and this file, without restarting the network"
)


def read_existing(fib: Connection, name: str) -> ExistingInterface | None:
    """Return the interface that others made, None where there is none: neither running nor in files of others.

    A device of this collection counts as none. Raises OSError.
    """
    link = links.read(fib, name)
    if link is not None and link.is_ours:
        return None
    configured = config_files.read_all([name])
    if link is None and os.path.exists(state_file.path_of(name)):
        configured = without_left_profiles(configured)
    return read_any(fib, name, configured)


def without_left_profiles(configured: Sequence[ConfiguredInterface]) -> list[ConfiguredInterface]:
    """Return the files of an interface of this collection, without an idle profile that its adoption has left."""
    return [one for one in configured if one.method != NETWORKMANAGER or one.connects_itself]


def read_any(fib: Connection, name: str, configured: Sequence[ConfiguredInterface]) -> ExistingInterface | None:
    """Return an interface, whoever made it, with what files say; None where there is neither."""
    link = links.read(fib, name)
    device = read_device(name) if link is not None else None
    if device is None and (link is not None or not configured):
        return None
    held = [one.address for one in addresses.read(fib, link.index)] if link is not None else []
    mtu = link.mtu if link is not None else None
    found = existing.combine(name, device, held, mtu, [_with_keys(one) for one in configured])
    return replace(found, table=_full_tunnel_table(fib, found.fwmark)) if device is not None else found


def _full_tunnel_table(fib: Connection, fwmark: int) -> int:
    """Return the table of a rule for all packets without a mark, as wg-quick(8) adds it, 0 without one."""
    found = rules.read(fib) if fwmark else ()
    return next((rule.table for rule in found if rule.invert and rule.fwmark == fwmark), 0)


def _with_keys(one: ConfiguredInterface) -> ConfiguredInterface:
    """Return an interface of files with the keys that are in files of their own."""
    findings: list[Finding] = []
    key = one.private_key
    if key is None and one.private_key_file:
        key = _read_key(one, one.private_key_file, findings)
    peers = [
        replace(peer, preshared_key=_read_key(one, peer.preshared_key_file, findings))
        if peer.preshared_key is None and peer.preshared_key_file
        else peer
        for peer in one.peers
    ]
    findings += [Finding(path, 0, _GENERATED) for path in one.paths if not path.startswith("/etc/")]
    return replace(one, private_key=key, peers=tuple(peers), findings=(*one.findings, *findings))


def _read_key(one: ConfiguredInterface, path: str, findings: list[Finding]) -> bytes | None:
    """Return the key of a file, None with a finding where there is none."""
    try:
        key = key_file.read(path) if os.path.isabs(path) else None
    except (OSError, key_file.BadKeyFile):
        key = None
    if key is None:
        findings.append(Finding(one.paths[0], 0, "names a key file that holds no key: correct it"))
    return key
