# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The endpoint of a silent peer follows its name; an active peer, or a name that does not resolve, changes nothing."""

from __future__ import annotations

import base64

import pytest
from managed_host import wait_until
from named_peer import FIRST, INSTALLED, NAME, PORT, PSK, SECOND, UNUSED, NamedPeer


def test_traffic_follows_a_name_to_another_address(pair: NamedPeer) -> None:
    assert pair.apply().changed
    wait_until(pair.answers, "the tunnel works")
    before = pair.state_file()
    pair.move(SECOND)
    assert not pair.answers()
    pair.name_is(SECOND)
    wait_until(lambda: pair.dry_run("--stale=2") != [], "the peer is silent")
    assert pair.dry_run("--stale=2") == [
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
    assert not pair.apply().changed, "the desired endpoint is unchanged"
    assert pair.state_file() == before
    assert pair.refresh("--stale=2").stderr == ""


def test_a_peer_without_any_handshake_is_updated(pair: NamedPeer) -> None:
    pair.name_is(UNUSED)
    assert pair.apply().changed
    assert not pair.answers()
    pair.name_is(FIRST)
    assert pair.refresh().stderr == f"wg0: h2: {UNUSED}:{PORT} -> {FIRST}:{PORT}\n"
    wait_until(pair.answers, "the tunnel works")
    assert not pair.apply().changed


def test_a_peer_with_a_recent_handshake_is_kept(pair: NamedPeer) -> None:
    assert pair.apply().changed
    wait_until(pair.answers, "the tunnel works")
    pair.name_is(UNUSED)
    assert pair.dry_run("--stale=600") == []
    assert pair.refresh("--stale=600").stderr == ""
    assert pair.endpoint() == f"{FIRST}:{PORT}"
    assert pair.answers()
    wait_until(lambda: pair.dry_run("--stale=1") != [], "only the age of the handshake differs")


def test_an_endpoint_among_the_addresses_of_the_name_is_kept(pair: NamedPeer) -> None:
    assert pair.apply().changed
    pair.name_is(UNUSED, FIRST)
    assert pair.dry_run() == []
    pair.name_is("2001:db8:1::12", UNUSED)
    assert [change["after"] for change in pair.dry_run()] == [f"{UNUSED}:{PORT}"], "the family is kept if possible"
    pair.name_is("2001:db8:1::12")
    assert pair.refresh().stderr == f"wg0: h2: {FIRST}:{PORT} -> [2001:db8:1::12]:{PORT}\n"
    wait_until(pair.answers, "the tunnel works by the other family")


def test_a_name_that_does_not_resolve_is_logged_and_changes_nothing(pair: NamedPeer) -> None:
    assert pair.apply().changed
    pair.name_is()
    assert pair.refresh().stderr == f"{NAME} does not resolve, endpoint kept: h2 on wg0\n"
    assert pair.endpoint() == f"{FIRST}:{PORT}"


def test_a_name_with_addresses_of_both_families_gets_one_of_the_wanted_family(pair: NamedPeer) -> None:
    pair.name_is("2001:db8:1::12", FIRST)
    assert pair.apply(endpoint_family="ipv4").changed
    assert pair.endpoint() == f"{FIRST}:{PORT}"
    wait_until(pair.answers, "the tunnel works")
    assert not pair.apply(endpoint_family="ipv4").changed
    assert pair.apply(endpoint_family="ipv6").changed
    assert pair.endpoint() == f"[2001:db8:1::12]:{PORT}"
    pair.name_is(UNUSED, "2001:db8:1::13")
    assert [change["after"] for change in pair.dry_run("--stale=0.001")] == [f"[2001:db8:1::13]:{PORT}"]


@pytest.mark.parametrize(
    ("addresses", "why"),
    [
        (("0.0.0.0",), "0.0.0.0: unspecified"),  # noqa: S104   nothing is bound
        (("10.42.0.2",), "the tunnel"),
        (("192.0.2.11",), "192.0.2.11: an address of this host"),
        (("127.0.0.1", "::1"), "the loopback"),
        (("2001:db8:99::1",), "2001:db8:99::1: no route from this host"),
    ],
)
def test_a_name_without_a_usable_address_changes_nothing(pair: NamedPeer, addresses: tuple[str, ...], why: str) -> None:
    assert pair.apply().changed
    wait_until(pair.answers, "the tunnel works")
    pair.name_is(*addresses)
    refreshed = pair.refresh("--stale=0.001").stderr
    assert refreshed.startswith(f"{NAME} has no usable address (") and why in refreshed
    again = pair.apply(endpoint=f"{NAME}:{PORT + 1}")
    warning = str(again.data["warnings"])
    assert f"peer h2: {NAME} has no usable address" in warning and why in warning
    assert f"its endpoint stays {FIRST}:{PORT}" in warning
    assert pair.endpoint() == f"{FIRST}:{PORT}" and pair.answers()
    pair.name_is(*addresses, FIRST)
    pair.apply()
    assert pair.endpoint() == f"{FIRST}:{PORT}"
    assert pair.refresh("--stale=0.001").stderr == "", "one of its addresses is usable"


def test_an_endpoint_with_an_address_is_kept(pair: NamedPeer) -> None:
    assert pair.apply(f"{UNUSED}:{PORT}").changed
    assert (pair.dry_run(), pair.endpoint()) == ([], f"{UNUSED}:{PORT}")


def test_a_removed_peer_or_interface_is_not_added_again(pair: NamedPeer) -> None:
    assert pair.apply().changed
    pair.name_is(SECOND)
    assert len(pair.dry_run()) == 1
    pair.host.run("wg", "set", "wg0", "peer", pair.public_key, "remove")
    assert pair.refresh().stderr == ""
    assert pair.host.run("wg", "show", "wg0", "peers") == ""
    pair.host.run("ip", "link", "del", "wg0")
    wait_until(lambda: pair.host.run("wg", "show", "interfaces").strip() == "", "wg0 is gone")
    assert pair.refresh().stderr == ""


def test_no_secret_is_logged(pair: NamedPeer) -> None:
    assert pair.apply().changed
    pair.name_is(SECOND)
    pair.dry_run()
    pair.refresh()
    pair.name_is()
    pair.refresh()
    pair.host.write("/var/lib/wirewright.overlay/wg1.json", "{}")
    failed = pair.host.lab.run(pair.host.name, ["python3", "-I", INSTALLED], check=False)
    assert failed.returncode == 1 and "/var/lib/wirewright.overlay/wg1.json: KeyError" in failed.stderr
    output = "".join([*pair.output, failed.stdout, failed.stderr])
    assert "->" in output and "does not resolve" in output
    for secret in (pair.host.run("cat", "/etc/wireguard/wg0.key").strip(), PSK):
        assert secret not in output and base64.b64decode(secret).hex() not in output
