# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The name of an interface of another kind, such as eth0, is refused for all hosts at once, before a key or a change."""

from __future__ import annotations

import pytest
from mesh_lab import configurations, failure, mesh

KEYS = ["sh", "-c", "find /etc/wireguard -name '*.key' 2>/dev/null || true"]
# By kind, how h2 gets an interface n1 of it.
KINDS = {
    "bridge": "ip link add n1 type bridge",
    "veth": "ip link add n1 type veth peer name n2",
    "vlan": "ip link add link eth0 name n1 type vlan id 7",
    "bond": "ip link add n1 type bond",
    "tun": "ip tuntap add dev n1 mode tun",
}


def test_the_name_of_an_interface_of_another_kind_is_refused_for_all_hosts_at_once() -> None:
    with mesh("h1", "h2", "h3", converge=False) as lab:
        for check in ([], ["--check"]):
            # The lab's eth0 is a veth.
            message = failure(lab.playbook("site.yml", *check, "-e", "mesh_interface=eth0"))
            assert "hosts 'h1', 'h2', 'h3': mesh_interface: eth0 exists on this host" in message
            assert "not a WireGuard interface (kind veth); set mesh_interface to another name" in message
        assert "'lo' cannot name an interface" in failure(lab.playbook("site.yml", "-e", "mesh_interface=lo"))
        assert [lab.run(host, KEYS).stdout for host in lab.hosts] == ["", "", ""], (
            "no key is made for such an interface"
        )


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_one_host_with_an_interface_of_another_kind_stops_the_change_of_all(kind: str) -> None:
    with mesh("h1", "h2") as lab:
        before = configurations(lab)
        if lab.run("h2", ["sh", "-c", KINDS[kind]], check=False).returncode:
            pytest.skip(f"this kernel has no {kind}")
        message = failure(lab.playbook("site.yml", "-e", "mesh_interface=n1"))
        assert (
            f"host 'h2': mesh_interface: n1 exists on this host and is not a WireGuard interface (kind {kind})"
            in message
        )
        assert "'h1'" not in message.split("mesh_interface: n1")[0].rpartition("host")[2]
        assert configurations(lab) == before
        assert lab.run("h1", ["ip", "link", "show", "dev", "n1"], check=False).returncode != 0
        assert lab.run("h2", KEYS).stdout.split() == ["/etc/wireguard/wg0.key"]
