# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""How stun_info runs: options, the port of the interface, the servers, and one result.

This module is private to the collection.
"""

from __future__ import annotations

import errno
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..netlink.generic import FamilyMissing
from ..refusal import InvalidOptions
from ..wireguard.backend import backend_for
from .options import FAMILIES, Options, parse, resolve
from .probe import Finding, Port, ask, describe_family, describe_servers


class NoPort(ValueError):
    """The port to ask from is not to be had; says what to do."""


def run(module: AnsibleModule) -> None:
    """Ask the servers and leave the module; a server that does not answer is a finding, not a failure."""
    try:
        options = parse(module.params)
        port = port_of(options)
        result = find(options, port)
    except InvalidOptions as exc:
        module.fail_json(msg=str(exc), errors=list(exc.errors))
    except NoPort as exc:
        module.fail_json(msg=str(exc))
    except PermissionError:
        module.fail_json(msg="root is needed to ask from the port of an interface, and from ports below 1024")
    except OSError as exc:
        if exc.errno == errno.EADDRINUSE:
            wanted = options.port
            module.fail_json(
                msg=f"port: {wanted} is in use on this host; if a WireGuard interface holds it, name it as interface"
            )
        module.fail_json(msg=f"the servers could not be asked: {exc.strerror or exc}")
    module.exit_json(changed=False, **result)


def port_of(options: Options) -> Port:
    """Return the port to ask from. Raises NoPort, and OSError where the interface cannot be read."""
    if not options.interface:
        return Port(options.port)
    name = options.interface
    try:
        device = backend_for(name).read(name)
    except FamilyMissing:
        device = None
    if device is None:
        raise NoPort(f"interface: there is no WireGuard interface {name} on this host")
    if not device.settings.listen_port:
        raise NoPort(f"interface: {name} has no port yet; set it up first, or leave the interface out")
    return Port(device.settings.listen_port, True, device.settings.fwmark or 0)


def find(options: Options, port: Port) -> dict[str, Any]:
    """Ask the servers and return what the module returns. Raises OSError where the port cannot be used."""
    findings = ask(resolve(options.servers, options.families), port, options.timeout)
    families = {name: describe_family(findings.get(FAMILIES[name], Finding())) for name in options.families}
    return {**families, "servers": describe_servers(options.servers, findings)}
