# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The sections of a host's document other than interfaces: names of options, and parsed values.

A document with interfaces only needs nothing else of them; stages.py and options.py parse the options.

This module is private to the collection.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .._fib.route_options import WantedRoutes
    from .._fib.rule_options import WantedRules
    from .._nftables.table import WantedRuleset
    from .._xfrm.boot_files import WantedBoot
    from .._xfrm.policy_plan import WantedPolicies
    from .._xfrm.state_plan import WantedStates

Options = Mapping[str, Any]
IndexOf = Callable[[str], int]

RULES, ROUTES, STATES, POLICIES, KEYS = "ip_rules", "ip_routes", "xfrm_states", "xfrm_policies", "xfrm_keys"
BOOT_NAME, XFRM_BOOT = "boot_name", "xfrm_boot"
NFTABLES, OPEN, FORWARDS = "nftables", "open_firewall", "forwards"
TEMPORARY_SYSCTLS, SYSCTLS = "temporary_sysctls", "sysctls"
ALLOW = "allow_management_change"
NODE_NAMES, KEEP_MASQUERADED = "node_names", "keep_masqueraded"

_GIVEN_IF_EMPTY = (RULES, STATES, POLICIES, TEMPORARY_SYSCTLS)  # an empty section means that no object is desired
_GIVEN_IF_FILLED = (ROUTES, XFRM_BOOT, NFTABLES, OPEN, FORWARDS, BOOT_NAME)


def any_section_given(options: Options) -> bool:
    """Return whether the options of overlay_apply have any section other than interfaces."""
    given = any(options.get(name) is not None for name in _GIVEN_IF_EMPTY)
    return given or any(options.get(name) for name in _GIVEN_IF_FILLED)


@dataclass(frozen=True)
class WantedSections:
    """The parsed sections, None for a section that is not given. ``routes`` has one entry for each table.

    allow_management_change: the run may redirect or cut the management connection. node_names: other hosts by address.
    """

    rules: WantedRules | None = None
    routes: tuple[WantedRoutes, ...] = ()
    states: WantedStates | None = None
    policies: WantedPolicies | None = None
    management_addresses: tuple[str, ...] = ()
    allow_management_change: bool = False
    nftables: WantedRuleset | None = None
    temporary_sysctls: Mapping[str, str] | None = None
    xfrm_boot: WantedBoot | None = None
    node_names: Mapping[str, str] = field(default_factory=dict)


class Interfaces:
    """Indexes of interfaces by name, and names by index, when the same run creates or removes some.

    An interface that does not exist yet has a negative index, which no kernel uses.
    """

    def __init__(self, present: Iterable[str], removed: Iterable[str]) -> None:
        self._provisional = {name: -1 - at for at, name in enumerate(sorted(present))}
        self._removed = frozenset(removed)

    def index_of(self, name: str) -> int:
        """Return an interface's index. Raises OSError for an interface that does not exist, or is removed."""
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
        from .._fib.route_table import name_of

        return next((name for name, number in self._provisional.items() if number == index), "") or name_of(index)
