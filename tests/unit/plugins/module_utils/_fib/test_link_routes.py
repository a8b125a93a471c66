# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Managed routes: reading and planning; foreign routes are never replaced or removed."""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Sequence

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.reconcile import Operation
from ansible_collections.wirewright.overlay.plugins.module_utils._fib.link_routes import (
    PROTOCOL,
    Route,
    RouteTaken,
    apply,
    plan,
    read,
    read_all,
    refuse_taken,
    route,
)
from ansible_collections.wirewright.overlay.plugins.module_utils._ip.prefix import parse_prefix
from ansible_collections.wirewright.overlay.plugins.module_utils._netlink import messages as nl
from ansible_collections.wirewright.overlay.plugins.module_utils._netlink import route as codec
from ansible_collections.wirewright.overlay.plugins.module_utils._netlink import route_lookup
from ansible_collections.wirewright.overlay.plugins.module_utils._netlink.messages import NetlinkError

SITE, SITE6, OTHER = parse_prefix("10.77.0.0/16"), parse_prefix("fd77::/48"), parse_prefix("10.78.0.0/16")
IPV4, IPV6 = int(socket.AF_INET), int(socket.AF_INET6)


class _Connection:
    """Answers dumps by family, and requests by type with payloads or an error."""

    def __init__(self, dumps: dict[int, object] | None = None, answers: Sequence[object] = ()) -> None:
        self.dumps, self.answers = dumps or {}, list(answers)
        self.sent: list[tuple[int, bytes, int]] = []

    def dump(self, _kind: int, payload: bytes) -> object:
        answer = self.dumps.get(payload[0], [])
        if isinstance(answer, Exception):
            raise answer
        return answer

    def request(self, kind: int, payload: bytes, flags: int = 0) -> object:
        self.sent.append((kind, payload, flags))
        answer = self.answers.pop(0) if self.answers else []
        if isinstance(answer, Exception):
            raise answer  # pylint: disable=raising-bad-type  # isinstance was asked
        return answer


def held(destination=SITE, protocol: int = PROTOCOL, index: int = 7, table: int = 254, metric: int = 0) -> bytes:  # type: ignore[no-untyped-def]
    return codec.encode_route(destination, table, protocol, metric, index)


GATEWAY = nl.attribute(5, bytes(4))
BLACKHOLE = struct.pack("=BBBBBBBBI", 2, 16, 0, 0, 254, 87, 0, 6, 0) + nl.attribute(1, SITE.packed)


def test_only_our_routes_through_the_interface_are_read() -> None:
    connection = _Connection(
        {
            IPV4: [
                held(),
                held(OTHER, protocol=4),
                held(OTHER, index=8),
                held(OTHER, table=100),
                held() + GATEWAY,
                BLACKHOLE,
            ],
            IPV6: [held(SITE6, metric=1024)],
        }
    )
    assert read(connection, "wg0", 7) == [Route(SITE, "wg0"), Route(SITE6, "wg0", metric=1024)]
    assert Route(OTHER, "wg0", 4) in read_all(connection, "wg0", 7)


def test_a_table_without_routes_is_empty() -> None:
    connection = _Connection(dict.fromkeys((IPV4, IPV6), NetlinkError(errno.ENOENT)))
    assert read(connection, "wg0", 7) == []


def test_another_failure_is_not_an_empty_table() -> None:
    with pytest.raises(NetlinkError):
        read(_Connection({IPV4: NetlinkError(errno.EPERM)}), "wg0", 7)


def test_wanted_routes_have_the_metric_that_the_kernel_reports() -> None:
    assert (route(SITE, "wg0").metric, route(SITE6, "wg0").metric) == (0, 1024)


def test_planning_leaves_the_routes_of_others_alone() -> None:
    foreign = Route(OTHER, "wg0", 4)
    assert plan([route(SITE, "wg0"), foreign], []) == [Operation(route(SITE, "wg0"), None)]


def test_planning_from_the_planned_routes_is_empty() -> None:
    wanted = [route(SITE, "wg0"), route(SITE6, "wg0")]
    assert [operation.after for operation in plan([], wanted)] == wanted
    assert plan(wanted, wanted) == []


def test_adding_never_replaces() -> None:
    connection = _Connection()
    apply(connection, 7, plan([], [route(SITE, "wg0")]))
    assert connection.sent == [(codec.RTM_NEWROUTE, held(), nl.NLM_F_CREATE | nl.NLM_F_EXCL)]


def test_a_foreign_object_is_named_with_the_remedy() -> None:
    connection = _Connection(answers=[NetlinkError(errno.EEXIST)])
    with pytest.raises(RouteTaken, match=r"route to 10\.77\.0\.0/16 in the main table; remove it"):
        apply(connection, 7, plan([], [route(SITE, "wg0")]))


def test_removing_names_protocol_interface_and_metric() -> None:
    connection = _Connection()
    apply(connection, 7, plan([route(SITE6, "wg0")], []))
    assert connection.sent == [(codec.RTM_DELROUTE, held(SITE6, metric=1024), 0)]


def test_a_route_that_is_already_gone_is_ignored() -> None:
    apply(_Connection(answers=[NetlinkError(errno.ESRCH)]), 7, plan([route(SITE, "wg0")], []))
    with pytest.raises(NetlinkError):
        apply(_Connection(answers=[NetlinkError(errno.EPERM)]), 7, plan([route(SITE, "wg0")], []))


@pytest.mark.parametrize("operation", [NetlinkError(errno.EPERM), NetlinkError(errno.ENETUNREACH)])
def test_another_refusal_to_add_is_raised(operation: NetlinkError) -> None:
    with pytest.raises(NetlinkError):
        apply(_Connection(answers=[operation]), 7, plan([], [route(SITE, "wg0")]))


@pytest.mark.parametrize(
    ("answer", "taken"),
    [
        ([held(protocol=4, index=8)], True),
        ([held(protocol=12, index=8, metric=50)], True),
        ([held(index=8, metric=50)], False),
        ([held(parse_prefix("10.0.0.0/8"), protocol=4)], False),
        ([held(parse_prefix("0.0.0.0/0"), protocol=4)], False),
        ([held(protocol=4, table=100)], False),
        (NetlinkError(errno.ENETUNREACH), False),
        ([], False),
    ],
    ids=[
        "same place",
        "a learned route with a higher metric",
        "a managed route with another metric",
        "wider",
        "default",
        "another table",
        "no route",
        "no answer",
    ],
)
def test_a_foreign_route_is_refused_before_any_change(answer: object, taken: bool) -> None:
    connection = _Connection(answers=[answer])
    operations = plan([], [route(SITE, "wg0")])
    if taken:
        with pytest.raises(RouteTaken):
            refuse_taken(connection, operations)
    else:
        refuse_taken(connection, operations)
    assert [kind for kind, _payload, _flags in connection.sent] == [codec.RTM_GETROUTE]


def test_a_route_behind_a_foreign_one_is_added() -> None:
    refuse_taken(_Connection(answers=[[held(protocol=12, index=8, metric=50)]]), plan([], [route(SITE, "wg0", 100)]))


def test_deleted_routes_need_no_lookup() -> None:
    connection = _Connection()
    refuse_taken(connection, plan([route(SITE, "wg0")], []))
    assert connection.sent == []


class _Open(_Connection):
    def __enter__(self) -> _Open:
        return self

    def __exit__(self, *exc_info: object) -> None: ...


def look_up(monkeypatch: pytest.MonkeyPatch, answer: object) -> tuple[str, str] | None:
    monkeypatch.setattr(route_lookup, "open_connection", lambda: _Open(answers=[answer]))
    monkeypatch.setattr(route_lookup.socket, "if_indextoname", {7: "eth0"}.__getitem__)
    return route_lookup.lookup("192.0.2.1")


def test_a_lookup_names_interface_and_source(monkeypatch: pytest.MonkeyPatch) -> None:
    found = look_up(monkeypatch, [held() + nl.attribute(7, b"\x0a\0\0\1")])
    assert found == ("eth0", "10.0.0.1")


@pytest.mark.parametrize("code", [errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EACCES])
def test_no_route_is_none(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    assert look_up(monkeypatch, NetlinkError(code)) is None


def test_a_route_without_source_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert look_up(monkeypatch, [held()]) is None
