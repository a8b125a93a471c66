# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes that cut off a host from its controller, over OpenSSH: soon after the deadline it is reachable, and as before."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.keys import (
    decode_key,
    encode_key,
    public_key,
)
from managed_host import ManagedHost, key, wait_until
from ssh_host import CONTROLLER, HOST, OVERLAY, Outage, SshHost, ssh_host

pytestmark = pytest.mark.plays

TIMEOUT = 5
SECONDS = 2.0  # after the deadline until the host is back
SLOW = 10.0  # of a machine that is busy with other tests
UNDERLAY = {HOST: "192.0.2.11", CONTROLLER: "192.0.2.12"}


@dataclass(frozen=True)
class Lockout:
    """A change that cuts off the host, the address and source of the connection, and shell scripts before and after."""

    change: dict[str, Any]
    address: str = UNDERLAY[HOST]
    source: str = ""
    setup: str = ":"
    cleanup: str = ":"
    on_controller: str = ":"


def of_overlay(name: str, other: str) -> dict[str, Any]:
    """Return the interface that connects the host and the controller."""
    peer = {
        "public_key": public(other),
        "endpoint": f"{UNDERLAY[other]}:51820",
        "allowed_ips": [f"{OVERLAY[other]}/32"],
    }
    return {
        "name": "wg0",
        "userspace": True,
        "listen_port": 51820,
        "addresses": [f"{OVERLAY[name]}/24"],
        "peers": [peer],
    }


def public(name: str) -> str:
    return encode_key(public_key(decode_key(key(f"private wg0 {name}"))))


OVERLAY_OF_HOST = of_overlay(HOST, CONTROLLER)
PEER = OVERLAY_OF_HOST["peers"][0]
PSK, OTHER_PSK = key("preshared"), key("another preshared")


def through_overlay(**change: Any) -> Lockout:
    """Change the interface that carries the connection."""
    psk = change.pop("psk", PSK)
    wanted = {**OVERLAY_OF_HOST, **change}
    return Lockout({"interfaces": [wanted], "preshared_keys": {"wg0": {PEER["public_key"]: psk}}}, OVERLAY[HOST])


NOWHERE = {"table": 8888, "routes": [{"destination": "default", "type": "blackhole"}]}
RULES = {"priorities": "8870-8879", "rules": [{"priority": 8870, "to": "192.0.2.0/24", "table": 8888}]}
SWALLOWING = {
    "name": "wg1",
    "userspace": True,
    "private_key_file": "/etc/wireguard/wg1.key",
    "addresses": ["10.43.0.1/24"],
    "peers": [{"public_key": key("nobody"), "allowed_ips": [f"{UNDERLAY[CONTROLLER]}/32"]}],
}
NO_RULES = {**RULES, "rules": []}
# A firewall that allows a connection only where its replies take the interface by which it came.
ZONES = """
nft -f - <<'END'
table inet zones {
    chain input {
        type filter hook input priority filter; policy accept
        tcp dport 22 fib saddr . iif oif missing reject with tcp reset
    }
}
END
"""
LOCKOUTS = {
    "default route": Lockout(
        {"ip_routes": [{"table": "main", "routes": [{"destination": "default", "type": "blackhole", "metric": 5}]}]},
        source="198.51.100.1",
        setup=f"ip route add default via {UNDERLAY[CONTROLLER]} metric 100",
        cleanup="ip route del default metric 100",
        on_controller="ip address replace 198.51.100.1/32 dev lo",
    ),
    "rule": Lockout({"ip_routes": [NOWHERE], "ip_rules": RULES}),
    "prohibited by a rule": Lockout(
        {
            "ip_routes": [{"table": 8888, "routes": [{"destination": "default", "type": "prohibit"}]}],
            "ip_rules": RULES,
        }
    ),
    "IPsec policy": Lockout(
        {"xfrm_policies": {"policies": [{"dir": "out", "src": "0.0.0.0/0", "dst": "192.0.2.0/24", "action": "block"}]}}
    ),
    "allowed IPs": Lockout({"interfaces": [SWALLOWING]}),
    "a firewall that rejects": Lockout(
        {"interfaces": [SWALLOWING]}, setup=ZONES, cleanup="nft delete table inet zones"
    ),
    "packet filter": Lockout(
        {
            "interfaces": [{**SWALLOWING, "peers": []}],
            "nftables": {
                "wg1": {
                    "drop_plaintext": {
                        "directions": ["in", "out"],
                        "networks": ["10.44.0.0/16"],
                        "hosts": [UNDERLAY[CONTROLLER]],
                        "ports": [51820],
                        "mark": 0x100000,
                    }
                }
            },
        }
    ),
    "overlay: preshared key of one end": through_overlay(psk=OTHER_PSK),
    "overlay: private key of one end": through_overlay(private_key_file="/etc/wireguard/other.key"),
    "overlay: no address": through_overlay(addresses=["10.42.0.9/24"]),
    "overlay: allowed IPs": through_overlay(peers=[{**PEER, "allowed_ips": ["10.42.0.7/32"]}]),
    "overlay: no interface": Lockout({"interfaces": [{"name": "wg0", "state": "absent"}]}, OVERLAY[HOST]),
    "overlay: down": through_overlay(up=False),
    "overlay: peer removed": through_overlay(peers=[], purge=True),
}


def join_overlay(host: ManagedHost, psk: str = PSK) -> None:
    """Connect one of the two hosts to the other by wg0."""
    other = CONTROLLER if host.name == HOST else HOST
    for name in ("wg0", "wg1", "other"):
        host.make_key(name)
    ends: dict[str, Any] = {
        "interfaces": [of_overlay(host.name, other)],
        "preshared_keys": {"wg0": {public(other): psk}},
    }
    assert host.module("overlay_apply", **ends).rc == 0


def play(change: dict[str, Any], timeout: int = TIMEOUT) -> str:
    options = {**change, "allow_management_change": True, "confirm_timeout": timeout}
    return (
        json.dumps(
            [
                {
                    "hosts": HOST,
                    "gather_facts": False,
                    "tasks": [{"name": "Change", "wirewright.overlay.overlay_apply": options}],
                }
            ],
        )
        + "\n"
    )


@pytest.fixture(scope="module")
def ssh() -> Iterator[SshHost]:
    with ssh_host() as made:
        join_overlay(made.host)
        join_overlay(made.controller)
        yield made


@pytest.mark.sampled(4)
@pytest.mark.parametrize("name", LOCKOUTS)
def test_a_host_that_is_cut_off_comes_back(ssh: SshHost, name: str) -> None:
    lockout = LOCKOUTS[name]
    ssh.controller.shell(lockout.on_controller)
    ssh.host.shell(lockout.setup)
    try:
        ssh.inventory(lockout.address, lockout.source)
        before = ssh.state()
        with Outage(lambda: ssh.answers(lockout.address, lockout.source)) as outage:
            done = ssh.playbook(play(lockout.change))
        (result,) = done.results(host=HOST)
        assert done.rc == 2 and result["reverted"] and not result["changed"], done
        assert 0 < outage.seconds < TIMEOUT + SECONDS + SLOW
        assert ssh.state() == before
    finally:
        ssh.host.shell(lockout.cleanup)


@pytest.mark.slow
def test_a_host_comes_back_after_its_controller_was_killed(ssh: SshHost) -> None:
    ssh.inventory(UNDERLAY[HOST])
    before = ssh.state()
    with Outage(lambda: ssh.answers(UNDERLAY[HOST]), lambda: kill_controller(ssh)) as outage:
        done = ssh.playbook(play(LOCKOUTS["rule"].change))
        assert done.rc != 0 and not done.recap
        wait_until(lambda: ssh.answers(UNDERLAY[HOST]), "the host is back")
    assert 0 < outage.seconds < TIMEOUT + SECONDS + SLOW
    wait_until(lambda: ssh.state() == before, "the host is as before")


@pytest.mark.slow
def test_a_preshared_key_that_both_ends_get_is_confirmed(ssh: SshHost) -> None:
    """The other end gets it a moment later, as in a run over both."""
    ssh.inventory(OVERLAY[HOST])
    with Outage(lambda: ssh.answers(OVERLAY[HOST]), lambda: join_overlay(ssh.controller, OTHER_PSK)) as outage:
        done = ssh.playbook(play(through_overlay(psk=OTHER_PSK).change, timeout=30))
    (result,) = done.results(host=HOST)
    assert done.rc == 0 and result["confirmed"], done
    assert outage.seconds > 0
    join_overlay(ssh.controller, PSK)
    join_overlay(ssh.host, PSK)


@pytest.mark.slow
def test_without_its_guard_the_host_does_not_come_back(ssh: SshHost) -> None:
    """So the tests above show that the guard works. The next run that gets to the host reverts the change."""
    ssh.inventory(UNDERLAY[HOST])
    before = ssh.state()
    with Outage(lambda: ssh.answers(UNDERLAY[HOST]), lambda: kill_guards(ssh)) as outage:
        done = ssh.playbook(play(LOCKOUTS["rule"].change))
    assert done.recap[HOST]["unreachable"] == 1, done
    ended = outage.seen[-1][0]
    assert not outage.seen[-1][1] and ended - outage.began > TIMEOUT + SECONDS
    again = ssh.host.module("overlay_apply", ip_rules={**RULES, "rules": []})
    assert again.rc == 0 and "reverted" in again.output
    assert ssh.answers(UNDERLAY[HOST])
    assert ssh.state() == before


def test_a_change_is_confirmed_by_a_connection_of_its_own(ssh: SshHost) -> None:
    """Of one host's tasks, which share a connection. A run that changes nothing needs no second one."""
    harmless = through_overlay(peers=[{**PEER, "endpoint": "192.0.2.99:51820", "persistent_keepalive": 25}]).change
    for change, connections in ((harmless, 2), (harmless, 1), (LOCKOUTS["rule"].change | {"ip_rules": NO_RULES}, 2)):
        ssh.inventory(OVERLAY[HOST])
        before = len(ssh.client_ports())
        done = ssh.playbook(play(change, timeout=60))
        assert done.rc == 0, done
        assert len(set(ssh.client_ports()[before:])) == connections
    # WireGuard has learned the endpoint again from the packets of the peer.
    assert f"{UNDERLAY[CONTROLLER]}:51820" in ssh.host.run("wg", "show", "wg0", "endpoints")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            # The kernel removes all IPv6 addresses of the link.
            {"temporary_sysctls": {"net.ipv6.conf.eth0.disable_ipv6": 1}},
            "net/ipv6/conf/eth0/disable_ipv6 = 1, and a run that fails cannot restore them",
        ),
        (through_overlay(mtu=68).change, "mtu: 68 is not a number from 576 to 65535"),
    ],
)
def test_what_no_rollback_restores_is_refused(ssh: SshHost, change: dict[str, Any], reason: str) -> None:
    ssh.inventory("2001:db8:1::11")
    before = ssh.state()
    (result,) = ssh.playbook(play(change)).results(host=HOST)
    assert reason in result["msg"] and "nothing was changed" in result["msg"]
    assert ssh.state() == before


def kill_controller(ssh: SshHost) -> None:
    """Kill ansible-playbook with its workers, which run the action plugin."""
    pid = (ssh.lab.path / "controller.pid").read_text().strip()
    subprocess.run(["pkill", "-KILL", "-P", pid], check=True)
    os.kill(int(pid), signal.SIGKILL)


def kill_guards(ssh: SshHost) -> None:
    found = ssh.host.shell("pgrep -f _overlay[.]guard").split()
    own = subprocess.run(["ip", "netns", "pids", ssh.host.netns], capture_output=True, text=True, check=True).stdout
    for pid in set(found) & set(own.split()):
        os.kill(int(pid), signal.SIGKILL)
