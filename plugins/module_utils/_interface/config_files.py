# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Find and read the configuration files of WireGuard interfaces: of wg-quick, systemd-networkd and NetworkManager.

This module is private to the collection.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from .._host.files import HEADER
from .._host.links import INTERFACE_NAME
from . import networkd_config, networkmanager_config, quick_config
from .configured import ConfiguredInterface
from .networkd_config import Unit

QUICK_DIRECTORY = "/etc/wireguard"
# A unit hides those of its name in later directories (systemd.netdev(5)).
UNIT_DIRECTORIES = (
    "/etc/systemd/network",
    "/run/systemd/network",
    "/usr/local/lib/systemd/network",
    "/usr/lib/systemd/network",
    "/lib/systemd/network",
)
PROFILE_DIRECTORIES = (
    "/etc/NetworkManager/system-connections",
    "/run/NetworkManager/system-connections",
    "/usr/lib/NetworkManager/system-connections",
)
_MAXIMUM = 1 << 20  # bytes; a file of ten thousand peers is smaller


def read_all(names: Iterable[str] | None = None) -> list[ConfiguredInterface]:
    """Return the interfaces of the files on this host, of these names or of all; those of wg-quick come first.

    An interface can be in files of several programs. Files that this collection wrote are not read. Raises OSError.
    """
    wanted = None if names is None else set(names)
    found = list(_quick(wanted))
    devices = [(networkd_config.names_of(unit), unit) for unit in _units(".netdev")]
    makes = [
        (name, unit) for (name, kind), unit in devices if kind == "wireguard" and (wanted is None or name in wanted)
    ]
    if makes:
        networks = list(_units(".network"))
        seen = set()
        for name, unit in makes:
            if name not in seen and INTERFACE_NAME.match(name):
                seen.add(name)
                of_it = [network for network in networks if networkd_config.is_for(network, name)]
                found.append(networkd_config.parse(name, unit, of_it))
    return [*found, *_profiles(wanted)]


def _profiles(wanted: set[str] | None) -> Iterator[ConfiguredInterface]:
    for directory in PROFILE_DIRECTORIES:
        for entry in _listed(directory):
            path = os.path.join(directory, entry)
            # NetworkManager ignores hidden files and copies of editors.
            text = None if entry.startswith(".") or entry.endswith("~") else read_text(path)
            name = networkmanager_config.interface_of(text) if text and "wireguard" in text else ""
            if text and INTERFACE_NAME.match(name) and (wanted is None or name in wanted):
                yield networkmanager_config.parse(name, path, text)


def _quick(wanted: set[str] | None) -> Iterator[ConfiguredInterface]:
    listed = _listed(QUICK_DIRECTORY) if wanted is None else sorted(f"{name}.conf" for name in wanted)
    for entry in listed:
        name, suffix = os.path.splitext(entry)
        if suffix != ".conf" or not INTERFACE_NAME.match(name):
            continue
        path = os.path.join(QUICK_DIRECTORY, entry)
        text = read_text(path)
        # Without its name, a file of peers only, as for `wg addconf`, is none of an interface.
        listed_only = wanted is None and text is not None and not quick_config.has_interface(text)
        if text is not None and not listed_only and not text.startswith(HEADER):
            yield quick_config.parse(name, path, text)


def _units(suffix: str) -> Iterator[Unit]:
    """Yield the units of a kind in the order of their names, with their drop-ins, apart from those of this collection."""
    paths: dict[str, str] = {}
    for directory in UNIT_DIRECTORIES:
        for entry in _listed(directory):
            if entry.endswith(suffix):
                paths.setdefault(entry, os.path.join(directory, entry))
    for entry, path in sorted(paths.items()):
        text = read_text(path)
        if not text or text.startswith(HEADER):  # an empty one, or a link to /dev/null, is masked
            continue
        texts = {path: text}
        drop_ins: dict[str, str] = {}
        for directory in UNIT_DIRECTORIES:
            for name in _listed(os.path.join(directory, entry + ".d")):
                if name.endswith(".conf"):
                    drop_ins.setdefault(name, os.path.join(directory, entry + ".d", name))
        for _name, drop_in in sorted(drop_ins.items()):
            more = read_text(drop_in)
            if more and not more.startswith(HEADER):
                texts[drop_in] = more
        yield Unit(path, texts)


def _listed(directory: str) -> list[str]:
    try:
        return sorted(os.listdir(directory))
    except (FileNotFoundError, NotADirectoryError):
        return []


def read_text(path: str) -> str | None:
    """Return the text of a regular file; None where there is none, or it is no configuration. Raises OSError."""
    if not os.path.isfile(path):  # opening a named pipe would wait for its writer
        return None
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        text = file.read(_MAXIMUM + 1)
    return None if len(text) > _MAXIMUM else text
