# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which connections are replaced, and when."""

from __future__ import annotations

import ipaddress
import os
import pickle
import signal
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.reconcile import Operation
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.rollback import Rollback, roll_back
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.stage import Stage
from ansible_collections.wirewright.overlay.plugins.module_utils._host.files import UnsafeFile
from ansible_collections.wirewright.overlay.plugins.module_utils._ip.longest_match import networks
from ansible_collections.wirewright.overlay.plugins.module_utils._ip.prefix import Prefix, parse_prefix
from ansible_collections.wirewright.overlay.plugins.module_utils._netlink.conntrack import Ends, TrackedConnection
from ansible_collections.wirewright.overlay.plugins.module_utils._netlink.table_route import TableRoute
from ansible_collections.wirewright.overlay.plugins.module_utils._nftables.stage import NftMissing
from ansible_collections.wirewright.overlay.plugins.module_utils._overlay import lock, masqueraded, stages
from ansible_collections.wirewright.overlay.plugins.module_utils._overlay.converge import converge_host
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


def test_a_connection_with_another_port_is_concerned() -> None:
    """kube-proxy masquerades the connection of a node to a service to the node's own address."""
    one = connection("10.0.0.1", "10.244.3.10", "10.0.0.1")
    around = networks([parse_prefix("10.244.3.0/24")])
    assert not masqueraded.is_concerned(one, around)
    assert masqueraded.is_concerned(one._replace(reply=one.reply._replace(destination_port=b"\x77\x01")), around)


def stage(log: list[object], *routes: str) -> Stage:
    operations = [Operation(None, TableRoute(parse_prefix(text), 7100)) for text in routes]

    def note(what: str) -> int:
        log.append(what)
        return 1

    return Stage(operations, list, lambda: note("apply"), lambda: note("delete"), list, None)  # type: ignore[arg-type]


def test_connections_are_replaced_once_before_the_first_change(monkeypatch: pytest.MonkeyPatch) -> None:
    log: list[object] = []

    def replaced(networks: list[Prefix]) -> str:
        log.append(sorted(map(str, networks)))
        return "a warning"

    monkeypatch.setattr(masqueraded, "replace_masqueraded", replaced)
    quiet, first, second = stage(log), stage(log, "10.0.0.2/32"), stage(log, "10.244.3.0/24")
    kept = masqueraded.with_connections_kept({"a": quiet, "b": first, "c": second})
    assert kept["a"] is quiet and log == []
    assert kept["b"].apply() + kept["c"].apply() + kept["c"].delete() == 3
    assert log == [["10.0.0.2/32", "10.244.3.0/24"], "apply", "apply", "delete"]
    assert [one.result().warnings for one in kept.values()] == [(), ("a warning",), ()]


@pytest.mark.parametrize("keeps", [False, True])
def test_connections_are_replaced_before_routes_through_a_new_interface(
    monkeypatch: pytest.MonkeyPatch, keeps: bool
) -> None:
    """These are planned again once the interface exists, as in a rotation of the key."""
    log: list[object] = []
    monkeypatch.setattr(masqueraded, "replace_masqueraded", lambda _networks: log.append("replace") or "")
    monkeypatch.setattr(stages, "fib_stages", lambda *_: {SectionKey("ip_routes", "7100"): stage(log, "10.0.0.2/32")})
    options = {"ip_routes": [{"table": "7100", "routes": []}], "keep_masqueraded": keeps}
    (again,) = stages.routes_again(None, options, Interfaces((), ())).values()  # type: ignore[arg-type]
    again.apply()
    assert log == (["replace", "apply"] if keeps else ["apply"])


NETWORKS = [parse_prefix("10.0.0.0/24")]


class Host:
    """A host with two masqueraded connections. table: whether it is there. failing: what nft raises to add or remove it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, directory: Path) -> None:
        self.table = False
        self.failing: dict[str, Exception] = {}
        self.replace: Callable[[], object] = list
        found = [connection("10.244.1.10", "10.0.0.2", "10.0.0.1"), connection("10.244.1.11", "10.0.0.3", "10.0.0.1")]
        monkeypatch.setattr(lock, "CONNECTIONS", str(directory / "run" / "connections"))
        monkeypatch.setattr(lock, "LOCK", str(directory / "run" / "lock"))
        monkeypatch.setattr(lock, "GUARD", str(directory / "run" / "guard"))
        monkeypatch.setattr(masqueraded, "run_nft", self.nft)
        monkeypatch.setattr(masqueraded, "Connection", self.connection)
        monkeypatch.setattr(masqueraded, "_translated", lambda _connection: found)
        monkeypatch.setattr(masqueraded, "_replace", lambda _connection, _one: self.replace())

    def nft(self, *_arguments: str, text: str) -> str:
        adds = "chain" in text
        assert self.noted, "before the table is there, and until it is removed"
        error = self.failing.get("add" if adds else "remove")
        if error:
            raise error
        self.table = adds
        return ""

    def connection(self, _family: int) -> Any:
        return nullcontext()

    @property
    def noted(self) -> bool:
        """Whether the note of the table is there."""
        return os.path.lexists(lock.CONNECTIONS)


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Host:
    """A host without a table or a note."""
    return Host(monkeypatch, tmp_path)


def killed(host: Host) -> None:
    """Leave what a process leaves that is killed while it replaces connections."""
    process = os.fork()
    if not process:
        host.replace = lambda: os.kill(os.getpid(), signal.SIGKILL)
        masqueraded.replace_masqueraded(NETWORKS)
        os._exit(1)
    assert os.WTERMSIG(os.waitpid(process, 0)[1]) == signal.SIGKILL
    host.table = True


def test_packets_are_dropped_only_while_connections_are_replaced(host: Host) -> None:
    seen: list[tuple[bool, bool]] = []
    host.replace = lambda: seen.append((host.table, host.noted))
    assert masqueraded.replace_masqueraded(NETWORKS) == ""
    assert seen == [(True, True)] * 2 and (host.table, host.noted) == (False, False)


@pytest.mark.parametrize("error", [NftMissing("this host has no nft: install nftables"), OSError("nft -f -: no")])
def test_connections_stay_masqueraded_where_nft_fails_and_a_warning_says_so(host: Host, error: Exception) -> None:
    host.failing["add"] = error
    host.replace = lambda: pytest.fail("nothing drops the packets")
    said = masqueraded.replace_masqueraded(NETWORKS)
    assert said == f"2 connections to destinations of routes that change stay masqueraded, and may be reset: {error}"
    assert not host.noted


def test_the_next_run_removes_the_table_of_a_killed_one_and_says_so(host: Host) -> None:
    killed(host)
    assert host.noted
    (said,) = [text for one in converge_host({}, check_mode=True).sections.values() for text in one.warnings]
    assert said.endswith("the next run without check mode removes it") and host.table and host.noted
    done = converge_host({}, check_mode=False)
    (said,) = [text for one in done.sections.values() for text in one.warnings]
    assert "inet wirewright_overlay_connections" in said and said.endswith("it was removed")
    assert (host.table, host.noted, done.changed) == (False, False, False)
    assert not converge_host({}, check_mode=False).sections


def test_a_table_that_cannot_be_removed_is_reported_by_each_run(host: Host) -> None:
    killed(host)
    host.failing["remove"] = NftMissing("this host has no nft: install nftables")
    for _run in range(2):
        (said,) = [text for one in converge_host({}, check_mode=False).sections.values() for text in one.warnings]
        assert "cannot be removed (this host has no nft: install nftables); mend that, or run nft delete table" in said
    assert host.noted


def test_what_is_in_place_of_the_note_is_refused_by_name(host: Host) -> None:
    os.mkdir(os.path.dirname(lock.CONNECTIONS))
    os.symlink("/nowhere", lock.CONNECTIONS)
    with pytest.raises(UnsafeFile, match=f"{lock.CONNECTIONS} is a symbolic link and not a regular file: move it away"):
        converge_host({}, check_mode=False)


def of_stage(path: str) -> Rollback:
    """Return a rollback that notes that it happens."""
    return Rollback(False, partial(Path(path).write_text, "restored"), lambda: None, tuple)


@pytest.mark.parametrize("fails", [False, True])
def test_a_rollback_removes_the_table_first_also_by_another_process(host: Host, tmp_path: Path, fails: bool) -> None:
    notes = partial(of_stage, str(tmp_path / "notes"))
    log: list[object] = []
    wrapped = masqueraded.with_connections_kept({"a": replace(stage(log, "10.0.0.2/32"), rollback=notes)})
    rollback = pickle.loads(pickle.dumps(wrapped["a"].rollback))  # noqa: S301   as the checkpoint of a run
    assert not rollback().needed
    killed(host)
    host.failing = {"remove": OSError("nft -f -: no")} if fails else {}
    error = RuntimeError("why")
    roll_back(error, [rollback])
    assert (tmp_path / "notes").read_text() == "restored" and host.noted is host.table is fails
    left = "; could not restore: table inet wirewright_overlay_connections of nftables (not removed)" if fails else ""
    assert error.__notes__ == [f"rolled back{left}"]  # type: ignore[attr-defined]
