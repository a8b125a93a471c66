# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Read an interface, with the files and kernel parameters that belong to it.

This module is private to the collection.
"""

from __future__ import annotations

from dataclasses import replace

from .._fib import link_routes as routes
from .._host import addresses, files, links, sysctls, threaded_napi
from .._netlink.connection import Connection
from .._netlink.generic import FamilyMissing
from .._wireguard import key_file, state_file
from .._wireguard.backend import backend_for
from .._wireguard.kernel import NotWireGuard
from .._wireguard.model import Device
from . import boot_files
from .options import WantedInterface
from .plan import Current


def read(fib: Connection, wanted: WantedInterface) -> Current:
    """Return the current state of an interface, with its files and kernel parameters. Raises OSError."""
    link = links.read(fib, wanted.name)
    if link is not None and wanted.threaded_napi is not None:
        link = replace(link, threaded_napi=threaded_napi.read(wanted.name, link.index))
    device = read_device(wanted.name) if link is not None else None
    held = () if link is None else tuple(addresses.read(fib, link.index, wanted.addresses or ()))
    through = () if link is None else tuple(routes.read(fib, wanted.name, link.index, wanted.adopted))
    parameters = [sysctls.read(parameter.path) for parameter in wanted.sysctls]
    return Current(
        link,
        device,
        held,
        through,
        tuple(found for found in parameters if found is not None),
        tuple(_read_files(wanted)) if wanted.remembers else (),
        state_file.load(wanted.name) if wanted.remembers else state_file.StateFile(),
    )


def read_device(name: str) -> Device | None:
    """Return the WireGuard device of an interface, None where there is none. Raises OSError."""
    try:
        return backend_for(name).read(name)
    except NotWireGuard:
        return None
    except FamilyMissing:  # no kernel module, so no interface is of its kind
        return None


def _read_files(wanted: WantedInterface) -> list[files.BootFile]:
    name = wanted.name
    by_method = boot_files.paths(name)
    plain = [*by_method[boot_files.WG_QUICK], *by_method[boot_files.NETWORKD][:3], boot_files.sysctl_path(name)]
    # A file of others, or its copy, is shown by no diff.
    taken, key = wanted.taken_over, wanted.private_key_file
    paths = dict.fromkeys((*plain, *taken))
    found = [files.read(path, ours_by_path=path in taken and path == key, secret=path in taken) for path in paths]
    found.append(_read_key(by_method[boot_files.NETWORKD][3]))
    found.append(files.read(state_file.path_of(name), ours_by_path=True))
    if not wanted.present and wanted.private_key_file is not None:
        found.append(_read_key(wanted.private_key_file))
    return [file for file in found if file is not None]


def _read_key(path: str) -> files.BootFile | None:
    """Return a file of ours that holds a private key. Raises BadKeyFile for another one, so that it stays."""
    return None if key_file.read(path) is None else files.read(path, ours_by_path=True, secret=True)
