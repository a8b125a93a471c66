# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Read the port of the interface, query the servers, and build the result of stun_info.

This module is private to the collection.
"""

from __future__ import annotations

import errno
from typing import Any

from .._engine.errors import Refused
from .._netlink.generic import FamilyMissing
from .._wireguard.backend import backend_for
from .options import FAMILIES, Options, resolve
from .probe import Finding, Port, describe_family, describe_servers, query


def query_servers(options: Options) -> dict[str, Any]:
    """Return the module's result; a server without answer is a finding. Raises Refused, and OSError for the sockets."""
    port = source_port(options)
    try:
        findings = query(resolve(options.servers, options.families), port, options.timeout)
    except OSError as exc:
        if exc.errno != errno.EADDRINUSE:
            raise
        raise Refused(
            f"port: {options.port} is in use on this host; if a WireGuard interface uses it, name that as interface"
        ) from exc
    families = {name: describe_family(findings.get(FAMILIES[name], Finding())) for name in options.families}
    return {**families, "servers": describe_servers(options.servers, findings)}


def source_port(options: Options) -> Port:
    """Return the port to send from. Raises Refused, and OSError where the interface cannot be read."""
    name = options.interface
    if not name:
        return Port(options.port)
    try:
        device = backend_for(name).read(name)
    except FamilyMissing:
        device = None
    if device is None:
        raise Refused(f"interface: this host has no WireGuard interface {name}; `wg show` lists those that exist")
    if not device.settings.listen_port:
        raise Refused(f"interface: {name} has no port yet; set it up first, or leave the interface out")
    return Port(device.settings.listen_port, True, device.settings.fwmark or 0)
