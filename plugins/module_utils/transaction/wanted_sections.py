# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What overlay_apply can be asked for beside interfaces, as names of options and as values.

This is all that a document of interfaces alone needs to know of it: sections.py reads the options.

This module is private to the collection.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..fib.route_options import WantedRoutes
    from ..fib.rule_options import WantedRules
    from ..xfrm.policies import WantedPolicies
    from ..xfrm.states import WantedStates

Options = Mapping[str, Any]
IndexOf = Callable[[str], int]

RULES, ROUTES, STATES, POLICIES, KEYS = "ip_rules", "ip_routes", "xfrm_states", "xfrm_policies", "xfrm_keys"
BOOT_NAME, XFRM_BOOT = "boot_name", "xfrm_boot"
NFTABLES, OPEN = "nftables", "open_firewall"
TEMPORARY_SYSCTLS = "temporary_sysctls"
ALLOW = "allow_management_change"


_SAID_WHEN_GIVEN = (RULES, STATES, POLICIES, TEMPORARY_SYSCTLS)  # one that is empty says that there shall be nothing
_SAID_WHEN_FILLED = (ROUTES, XFRM_BOOT, NFTABLES, OPEN)


def are_asked_for(options: Options) -> bool:
    """Return whether the options of overlay_apply say anything of what is beside interfaces."""
    given = any(options.get(name) is not None for name in _SAID_WHEN_GIVEN)
    return given or any(options.get(name) for name in _SAID_WHEN_FILLED)


@dataclass(frozen=True)
class WantedSections:
    """What is asked for, None where nothing is said of a kind. ``routes`` has one entry for each table.

    ``allow_management_change`` says that the connection by which this comes may be sent elsewhere.
    """

    rules: WantedRules | None = None
    routes: tuple[WantedRoutes, ...] = ()
    states: WantedStates | None = None
    policies: WantedPolicies | None = None
    management_addresses: tuple[str, ...] = ()
    allow_management_change: bool = False


class Interfaces:
    """Indexes of interfaces by name, and names by index, when some are made or removed by the same call.

    One that is still to be made has a negative index, which no kernel takes.
    """

    def __init__(self, made: Iterable[str], removed: Iterable[str]) -> None:
        self._provisional = {name: -1 - at for at, name in enumerate(sorted(made))}
        self._removed = frozenset(removed)

    def index_of(self, name: str) -> int:
        """Return an interface's index. Raises OSError where there is none, or will be none."""
        if name in self._removed:
            raise OSError(f"{name} is removed")
        try:
            return socket.if_nametoindex(name)
        except OSError:
            if name in self._provisional:
                return self._provisional[name]
            raise

    def name_of(self, index: int) -> str:
        """Return an interface's name."""
        from ..fib.tables import name_of

        return next((name for name, number in self._provisional.items() if number == index), "") or name_of(index)
