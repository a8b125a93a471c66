# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Listen ports that another interface of the collection, or another program, has on the same host.

A port is checked for other programs where it changes: others change the endpoint at the same time, so a host that then finds it
taken would lose its tunnels. A new interface finds it by itself. This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from ..._problems import Problem
from ..._untrusted import list_of, mapping_of
from .observation import observe


def taken_ports(
    name: str,
    fact: Mapping[str, Any] | None,
    planned: Mapping[str, tuple[int, str]],
    gone: Collection[str] = (),
) -> Iterator[Problem]:
    """Yield the ports of a host's interfaces that one outside of this overlay has.

    planned: by interface, the port (0 for any) and its variable. gone: the interfaces that the run removes.
    """
    reported = mapping_of(mapping_of(fact).get("interfaces"))
    for other in sorted(map(str, reported)):
        if other in planned or other in gone:
            continue
        seen = observe({"interfaces": reported}, other)
        for interface, (port, variable) in planned.items():
            if port and port == seen.port:
                overlay = f" ({seen.overlay})" if seen.overlay else ""
                text = f"{port} is the port of {other!r}{overlay} on this host; set another one for {interface!r}"
                yield Problem(name, variable, text)
    in_use = list_of(mapping_of(fact).get("udp_ports"))
    current = {one: observe({"interfaces": reported}, one).port for one in (*planned, *gone)}
    for interface, (port, variable) in planned.items():
        if port and port in in_use and current[interface] and port not in current.values():
            text = f"{port} is in use by another program on this host (ss -lunp names it); set another one for {interface!r}"
            yield Problem(name, variable, text)
