# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names of interfaces that a host has for an interface of another kind, such as eth0 or a bridge.

The host would refuse such a name by itself, but only after other hosts were changed. A host outside of the run is not checked:
nothing is changed there, and its facts may be old. This plugin util is private to the collection.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from ..._problems import Problem
from ..._untrusted import mapping_of, text_of
from ..plan_model.fleet import HostInput

_KIND = re.compile(r"[a-z0-9_-]{1,32}\Z")


def other_kinds(host: HostInput, planned: Mapping[str, str], owner: str = "") -> Iterator[Problem]:
    """Yield the names of interfaces that a host has for an interface that is not WireGuard.

    planned: by interface, its variable. owner: another host whose variable gives the name, "" for this one.
    """
    reported = mapping_of(mapping_of(host.fact).get("interfaces"))
    for interface, variable in planned.items() if not host.outside else ():
        kind = text_of(mapping_of(reported.get(interface)).get("other_kind"))
        if _KIND.match(kind):
            whose = f" of {owner!r}" if owner else ""
            text = (
                f"{interface} exists on this host and is not a WireGuard interface (kind {kind}); "
                f"set {variable}{whose} to another name"
            )
            yield Problem(host.name, variable, text)
