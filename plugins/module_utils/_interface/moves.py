# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Values that move between two interfaces of this host in one run: UDP ports, and routes of one destination and metric.

An interface gives up what another one takes. The plan of each says so, because the kernel accepts such a value only once:
the port is released first, and the route is replaced, so that there is a route at any time.

This module is private to the collection.
"""

from __future__ import annotations

from dataclasses import dataclass

from .._fib.link_routes import RouteKey


@dataclass(frozen=True)
class Moves:
    """What an interface gives to others and takes from others. Routes are named by their keys."""

    gives_port: bool = False
    takes_port: bool = False
    routes_given: frozenset[RouteKey] = frozenset()
    routes_taken: frozenset[RouteKey] = frozenset()
