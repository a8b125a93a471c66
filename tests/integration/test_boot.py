# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""wg-quick restores the running state from our files."""

from __future__ import annotations

import pytest
from boot_states import ALPHA, CHANGES, apply, running, take_away
from managed_host import ManagedHost, wait_until

# As the unit of wg-quick does, apart from the streams: wireguard-go would keep them open.
BOOT = "sysctl -q -p /etc/sysctl.d/90-wirewright-wg0.conf; wg-quick up wg0 </dev/null >/run/wg-quick.log 2>&1"


def boot(host: ManagedHost) -> None:
    take_away(host)
    host.shell(f"{{ {BOOT}; }} || {{ cat /run/wg-quick.log; exit 1; }}")


@pytest.mark.sampled(2)
@pytest.mark.parametrize("change", CHANGES)
def test_wg_quick_restores_the_running_state(host: ManagedHost, change: str) -> None:
    host.make_key()
    assert apply(host, "wg_quick")
    if CHANGES[change]:
        assert apply(host, "wg_quick", **CHANGES[change])
    before = running(host)
    boot(host)
    assert running(host) == before
    assert host.run("cat", "/proc/sys/net/ipv4/ip_forward") == "1\n"
    assert not apply(host, "wg_quick", **CHANGES[change]), "and the next run has nothing to do"


def test_wg_quick_starts_with_an_unresolvable_endpoint(host: ManagedHost) -> None:
    host.make_key()
    late = {"peers": [{**ALPHA, "endpoint": "late.test:51820"}]}
    host.shell("cp /etc/hosts /run/hosts; echo 192.0.2.78 late.test >>/etc/hosts")
    try:
        assert apply(host, "wg_quick", **late)
        before = running(host)
        boot(host)
        # The name is resolved in the background; the boot does not wait for it.
        wait_until(lambda: running(host) == before, "the endpoint is there")
        host.shell("cat /run/hosts >/etc/hosts")
        boot(host)
        assert running(host)["addresses"] == before["addresses"], "without its peer's address it boots all the same"
    finally:
        host.shell("cat /run/hosts >/etc/hosts")


def test_wg_quick_sets_a_name_that_did_not_resolve_in_its_first_run(host: ManagedHost) -> None:
    host.make_key()
    late = {"peers": [{**ALPHA, "endpoint": "late.test:51820"}]}
    host.shell("cp /etc/hosts /run/hosts")
    try:
        assert apply(host, "wg_quick", **late)
        assert "192.0.2.78" not in str(running(host))
        host.shell("echo 192.0.2.78 late.test >>/etc/hosts")
        boot(host)
        wait_until(lambda: "192.0.2.78:51820" in str(running(host)), "the endpoint is there")
        assert not apply(host, "wg_quick", **late), "and the next run has nothing to do"
    finally:
        host.shell("cat /run/hosts >/etc/hosts")


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_wg_quick_takes_the_address_that_the_run_took(host: ManagedHost, family: str) -> None:
    host.make_key()
    named = {"peers": [{**ALPHA, "endpoint": "many.test:51820", "endpoint_family": family}]}
    bad = ("0.0.0.0", "127.0.0.1", "192.0.2.11", "10.42.0.2", "fe80::1")  # noqa: S104   nothing is bound
    lines = "".join(f"{address} many.test\n" for address in (*bad, "2001:db8:1::78", "192.0.2.78"))
    host.shell("cp /etc/hosts /run/hosts; cat >>/etc/hosts", input=lines)
    try:
        assert apply(host, "wg_quick", **named)
        before = running(host)
        assert {"ipv4": "192.0.2.78:51820", "ipv6": "[2001:db8:1::78]:51820"}[family] in str(before)
        boot(host)
        wait_until(lambda: running(host) == before, "the endpoint is there")
    finally:
        host.shell("cat /run/hosts >/etc/hosts")


def test_wg_quick_file_has_no_private_key_and_mode_0600(host: ManagedHost) -> None:
    path = host.make_key()
    assert apply(host, "wg_quick")
    private_key = host.run("cat", path).strip()
    assert private_key not in host.run("cat", "/etc/wireguard/wg0.conf")
    assert host.run("stat", "-c", "%a %U:%G", "/etc/wireguard/wg0.conf") == "600 root:root\n"
