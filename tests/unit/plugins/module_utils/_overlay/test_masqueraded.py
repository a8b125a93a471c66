# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which connections are replaced, and when."""

from __future__ import annotations

import ipaddress

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.reconcile import Operation
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.stage import Stage
from ansible_collections.wirewright.overlay.plugins.module_utils._ip.longest_match import networks
from ansible_collections.wirewright.overlay.plugins.module_utils._ip.prefix import Prefix, parse_prefix
from ansible_collections.wirewright.overlay.plugins.module_utils._netlink.conntrack import Ends, TrackedConnection
from ansible_collections.wirewright.overlay.plugins.module_utils._netlink.table_route import TableRoute
from ansible_collections.wirewright.overlay.plugins.module_utils._overlay import masqueraded, stages
from ansible_collections.wirewright.overlay.plugins.module_utils._overlay.outcome import SectionKey
from ansible_collections.wirewright.overlay.plugins.module_utils._overlay.sections import Interfaces


def connection(original: str, server: str, translated: str) -> TrackedConnection:
    client, there, here = (ipaddress.ip_address(text).packed for text in (original, server, translated))
    ends = Ends(client, there, 6, b"\0\1", b"\0\2"), Ends(there, here, 6, b"\0\2", b"\0\1")
    return TrackedConnection(*ends, 0x10, bytes(4), None, bytes(4), None, None)


@pytest.mark.parametrize(
    ("found", "concerned"),
    [
        (("10.244.1.10", "10.0.0.2", "10.0.0.1"), True),
        (("198.51.100.1", "10.244.3.10", "10.0.0.2"), True),
        (("10.244.1.10", "10.0.0.9", "10.0.0.1"), False),
        (("10.0.0.1", "10.0.0.2", "10.0.0.1"), False),
        (("fd44::1", "fd00::2", "fd00::1"), False),
    ],
)
def test_connections_to_changing_destinations_are_concerned(found: tuple[str, str, str], concerned: bool) -> None:
    around = networks([parse_prefix("10.0.0.2/32"), parse_prefix("10.244.3.0/24")])
    assert masqueraded.is_concerned(connection(*found), around) is concerned


def stage(log: list[object], *routes: str) -> Stage:
    operations = [Operation(None, TableRoute(parse_prefix(text), 7100)) for text in routes]

    def note(what: str) -> int:
        log.append(what)
        return 1

    return Stage(operations, list, lambda: note("apply"), lambda: note("delete"), list, None)  # type: ignore[arg-type]


def test_connections_are_replaced_once_before_the_first_change(monkeypatch: pytest.MonkeyPatch) -> None:
    log: list[object] = []

    def replaced(networks: list[Prefix]) -> int:
        log.append(sorted(map(str, networks)))
        return 0

    monkeypatch.setattr(masqueraded, "replace_masqueraded", replaced)
    quiet, first, second = stage(log), stage(log, "10.0.0.2/32"), stage(log, "10.244.3.0/24")
    kept = masqueraded.with_connections_kept({"a": quiet, "b": first, "c": second})
    assert kept["a"] is quiet and log == []
    assert kept["b"].apply() + kept["c"].apply() + kept["c"].delete() == 3
    assert log == [["10.0.0.2/32", "10.244.3.0/24"], "apply", "apply", "delete"]


@pytest.mark.parametrize("keeps", [False, True])
def test_connections_are_replaced_before_routes_through_a_new_interface(
    monkeypatch: pytest.MonkeyPatch, keeps: bool
) -> None:
    """These are planned again once the interface exists, as in a rotation of the key."""
    log: list[object] = []
    monkeypatch.setattr(masqueraded, "replace_masqueraded", lambda _networks: log.append("replace") or 0)
    monkeypatch.setattr(stages, "fib_stages", lambda *_: {SectionKey("ip_routes", "7100"): stage(log, "10.0.0.2/32")})
    options = {"ip_routes": [{"table": "7100", "routes": []}], "keep_masqueraded": keeps}
    (again,) = stages.routes_again(None, options, Interfaces((), ())).values()  # type: ignore[arg-type]
    again.apply()
    assert log == (["replace", "apply"] if keeps else ["apply"])
