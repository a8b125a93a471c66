# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A silent peer is found again where its name says; one that talks, or whose name says nothing, is left alone."""

from __future__ import annotations

import base64

from managed_host import wait_until
from named_peer import FIRST, INSTALLED, NAME, NOBODY, PORT, PSK, SECOND, NamedPeer


def test_traffic_follows_a_name_to_another_address(pair: NamedPeer) -> None:
    assert pair.apply().changed
    wait_until(pair.answers, "the tunnel works")
    before = pair.memory()
    pair.move(SECOND)
    assert not pair.answers()
    pair.name_is(SECOND)
    wait_until(lambda: pair.would("--stale=2") != [], "the peer is silent")
    assert pair.would("--stale=2") == [
        {
            "interface": "wg0",
            "peer": "h2",
            "public_key": pair.public_key,
            "host": NAME,
            "before": f"{FIRST}:{PORT}",
            "after": f"{SECOND}:{PORT}",
        }
    ]
    assert pair.endpoint() == f"{FIRST}:{PORT}", "a dry run changes nothing"
    assert pair.refresh("--stale=2").stderr == f"wg0: h2: {FIRST}:{PORT} -> {SECOND}:{PORT}\n"
    wait_until(pair.answers, "the tunnel works again")
    assert pair.endpoint() == f"{SECOND}:{PORT}"
    assert not pair.apply().changed, "for Ansible, nothing has happened"
    assert pair.memory() == before
    assert pair.refresh("--stale=2").stderr == ""


def test_a_peer_that_never_answered_is_found(pair: NamedPeer) -> None:
    pair.name_is(NOBODY)
    assert pair.apply().changed
    assert not pair.answers()
    pair.name_is(FIRST)
    assert pair.refresh().stderr == f"wg0: h2: {NOBODY}:{PORT} -> {FIRST}:{PORT}\n"
    wait_until(pair.answers, "the tunnel works")
    assert not pair.apply().changed


def test_a_peer_with_a_young_handshake_is_left_alone(pair: NamedPeer) -> None:
    assert pair.apply().changed
    wait_until(pair.answers, "the tunnel works")
    pair.name_is(NOBODY)
    assert pair.would("--stale=600") == []
    assert pair.refresh("--stale=600").stderr == ""
    assert pair.endpoint() == f"{FIRST}:{PORT}"
    assert pair.answers()
    wait_until(lambda: pair.would("--stale=1") != [], "its age is the only reason")


def test_an_endpoint_that_is_any_of_the_name_s_stays(pair: NamedPeer) -> None:
    assert pair.apply().changed
    pair.name_is(NOBODY, FIRST)
    assert pair.would() == []
    pair.name_is("2001:db8:1::12", NOBODY)
    assert [change["after"] for change in pair.would()] == [f"{NOBODY}:{PORT}"], "the family stays if it can"
    pair.name_is("2001:db8:1::12")
    assert pair.refresh().stderr == f"wg0: h2: {FIRST}:{PORT} -> [2001:db8:1::12]:{PORT}\n"
    wait_until(pair.answers, "the tunnel works by the other family")


def test_a_name_that_does_not_resolve_is_told_and_changes_nothing(pair: NamedPeer) -> None:
    assert pair.apply().changed
    pair.name_is()
    assert pair.refresh().stderr == f"{NAME} does not resolve: h2 on wg0 stays as it is\n"
    assert pair.endpoint() == f"{FIRST}:{PORT}"


def test_an_endpoint_that_is_an_address_is_left_alone(pair: NamedPeer) -> None:
    assert pair.apply(f"{NOBODY}:{PORT}").changed
    assert (pair.would(), pair.endpoint()) == ([], f"{NOBODY}:{PORT}")


def test_a_peer_or_an_interface_that_is_gone_stays_away(pair: NamedPeer) -> None:
    assert pair.apply().changed
    pair.name_is(SECOND)
    assert len(pair.would()) == 1
    pair.host.run("wg", "set", "wg0", "peer", pair.public_key, "remove")
    assert pair.refresh().stderr == ""
    assert pair.host.run("wg", "show", "wg0", "peers") == ""
    pair.host.run("ip", "link", "del", "wg0")
    wait_until(lambda: pair.host.run("wg", "show", "interfaces").strip() == "", "wg0 is gone")
    assert pair.refresh().stderr == ""


def test_no_secret_is_said(pair: NamedPeer) -> None:
    assert pair.apply().changed
    pair.name_is(SECOND)
    pair.would()
    pair.refresh()
    pair.name_is()
    pair.refresh()
    pair.host.write("/var/lib/wirewright.overlay/wg1.json", "{}")
    failed = pair.host.lab.run(pair.host.name, ["python3", "-I", INSTALLED], check=False)
    assert failed.returncode == 1 and "/var/lib/wirewright.overlay/wg1.json: KeyError" in failed.stderr
    said = "".join([*pair.said, failed.stdout, failed.stderr])
    assert "->" in said and "does not resolve" in said
    for secret in (pair.host.run("cat", "/etc/wireguard/wg0.key").strip(), PSK):
        assert secret not in said and base64.b64decode(secret).hex() not in said
