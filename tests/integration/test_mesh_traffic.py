# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packets on the underlay, and the cost of a run: remote calls, kernel requests, file writes."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from external_programs import program
from lab_hosts import Lab
from mesh_lab import NETWORK, Capture, addresses, assert_full_mesh, assert_ok, exists, mesh, peers, ping

WIREGUARD = "udp port 51820"
# Neighbour discovery of the underlay.
NEIGHBOURS = "arp or (icmp6 and ip6[40] >= 133 and ip6[40] <= 137) or (ip6 and ip6[6] = 0 and ip6[40] = 58)"


def test_underlay_carries_wireguard_only(mesh_of_three: Lab, tmp_path: Path) -> None:
    lab = mesh_of_three
    with Capture(lab, tmp_path / "underlay.pcap") as capture:
        assert_full_mesh(lab)
    assert len(capture.lines(WIREGUARD)) >= 2 * 2 * 6
    assert capture.lines(f"not ({WIREGUARD}) and not ({NEIGHBOURS})") == []


@pytest.mark.slow
def test_tshark_dissects_handshakes_and_transport_data(mesh_of_three: Lab, tmp_path: Path) -> None:
    """A second dissector, which knows the message types (whitepaper, 5.4)."""
    lab = mesh_of_three
    lab.run(
        "h1", ["wg", "set", "wg0", "peer", lab.run("h2", ["wg", "show", "wg0", "public-key"]).stdout.strip(), "remove"]
    )
    assert_ok(lab.playbook("site.yml", "--limit", "h1"))
    with Capture(lab, tmp_path / "underlay.pcap") as capture:
        assert_full_mesh(lab)
    argv = [*program("tshark"), "-r", str(tmp_path / "underlay.pcap"), "-Y", "udp.port == 51820"]
    done = subprocess.run([*argv, "-T", "fields", "-e", "wg.type"], capture_output=True, text=True, check=True)
    types = done.stdout.split("\n")[:-1]
    assert len(types) == len(capture.lines(WIREGUARD))
    assert {"1", "2", "4"} <= set(types) <= {"1", "2", "3", "4"}


def test_capture_sees_plaintext(mesh_of_three: Lab, tmp_path: Path) -> None:
    lab = mesh_of_three
    with Capture(lab, tmp_path / "underlay.pcap") as capture:
        assert ping(lab, "h1", "192.0.2.12")
    assert capture.lines(f"not ({WIREGUARD}) and not ({NEIGHBOURS})") != []


@pytest.mark.slow
def test_ipv6_only_underlay_carries_both_families() -> None:
    with Lab() as lab:
        lab.up({"h1": ["2001:db8:1::11/64"], "h2": ["2001:db8:1::12/64"]})
        lab.inventory(mesh_network=NETWORK)
        assert_ok(lab.playbook("site.yml"))
        assert_full_mesh(lab)
        assert all(peer.endpoint.startswith("[2001:db8:1::") for peer in peers(lab, "h1").values())
        assert lab.run("h1", ["cat", "/sys/class/net/wg0/mtu"]).stdout == "1420\n"


def test_packet_of_interface_mtu_passes_unfragmented() -> None:
    with Lab() as lab:
        lab.up(["h1", "h2"], mtu=1400)
        lab.inventory(mesh_network=NETWORK)
        assert_ok(lab.playbook("site.yml"))
        assert lab.run("h1", ["cat", "/sys/class/net/wg0/mtu"]).stdout == "1340\n"
        second = next(address for address in addresses(lab, "h2") if "." in address)
        assert ping(lab, "h1", second, "-M", "do", "-s", str(1340 - 28))
        assert not ping(lab, "h1", second, "-w", "20", "-M", "do", "-s", str(1340 - 27))


def test_two_remote_calls_per_host_with_and_without_changes() -> None:
    """Without the confirmation of changes, see `test_a_mesh_is_confirmed_by_default`."""
    with mesh("h1", "h2", "h3", converge=False) as lab:
        for expect_change in (True, False):
            play = assert_ok(lab.playbook("site.yml", "-vvv"))
            assert (play.changed > 0) is expect_change
            assert play.remote_calls == {"h1": 2, "h2": 2, "h3": 2}


def test_second_run_changes_neither_kernel_nor_files(mesh_of_three: Lab) -> None:
    lab = mesh_of_three
    trace = "/root/trace"
    strace = f"strace -f -ff --seccomp-bpf -o {trace} -s 64 -v -e trace={','.join('?' + call for call in CHANGING)}"
    wrapper = f'#!/bin/sh\nexec {strace} /usr/bin/python3 "$@"\n'
    lab.run("h1", ["sh", "-c", "cat > /root/python; chmod 755 /root/python"], input=wrapper)
    lab.inventory({"h1": {"ansible_python_interpreter": "/root/python"}}, mesh_network=NETWORK)
    assert assert_ok(lab.playbook("site.yml", "--limit", "h1")).changed == 0
    calls = lab.run("h1", ["sh", "-c", f"cat {trace}.*"]).stdout
    assert kernel_writes(calls) == []
    assert file_writes(calls) == []
    # Counter-proof: the trace of a run with changes shows them.
    lab.run(
        "h1",
        [
            "sh",
            "-c",
            f"rm {trace}.*; ip address flush dev wg0 scope global; rm /var/lib/wirewright.overlay/wg0.json",
        ],
    )
    assert assert_ok(lab.playbook("site.yml", "--limit", "h1")).changed == 1
    calls = lab.run("h1", ["sh", "-c", f"cat {trace}.*"]).stdout
    assert kernel_writes(calls) != []
    assert file_writes(calls) != []


# System calls that send, or that create, change, move or remove files; `?` lets strace accept unknown ones.
CHANGING = (
    *("sendto", "sendmsg", "sendmmsg", "open", "openat", "openat2", "creat", "truncate", "ftruncate"),
    *("rename", "renameat", "renameat2", "unlink", "unlinkat", "mkdir", "mkdirat", "rmdir"),
    *("link", "linkat", "symlink", "symlinkat", "chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "fchown"),
)


def kernel_writes(calls: str) -> list[str]:
    """Netlink requests that are not reads, and requests to wireguard-go that set."""
    netlink = re.findall(r"^(?:sendto|sendmsg)\(.*?(?:nlmsg_type|type)=(?:RTM_(?!GET)\w+).*$", calls, re.MULTILINE)
    return netlink + re.findall(r'^send\w*\(.*"set=1.*$', calls, re.MULTILINE)


def file_writes(calls: str) -> list[str]:
    """Files opened for writing, made, renamed or removed, apart from Ansible's own temporary ones."""
    opened = re.findall(r"^(?:open|openat|creat)\(.*O_(?:WRONLY|RDWR|CREAT).*$", calls, re.MULTILINE)
    moved = re.findall(r"^(?:rename|unlink|mkdir|link|symlink|chmod|fchmod|truncate)\w*\(.*$", calls, re.MULTILINE)
    own = re.compile(r'_payload\.zip|"(?:/tmp/|/root/\.ansible/|/dev/null|/dev/shm)')
    return [
        line for line in opened + moved if " = -1 " not in line and not own.search(line) and "AT_REMOVEDIR" not in line
    ]


def test_minimal_play() -> None:
    play = (
        "- hosts: vpn\n  gather_facts: false\n  roles: [{role: wirewright.overlay.mesh, mesh_network: 10.42.0.0/24}]\n"
    )
    with Lab() as lab:
        lab.up(["h1", "h2"])
        lab.inventory()
        assert_ok(lab.playbook(play))
        assert_full_mesh(lab)
        again = assert_ok(lab.playbook(play, "-vvv"))
        assert again.changed == 0
        assert again.remote_calls == {"h1": 2, "h2": 2}


@pytest.mark.slow
def test_two_meshes_on_the_same_hosts_in_one_play() -> None:
    play = """
- hosts: vpn
  gather_facts: false
  roles:
    - {role: wirewright.overlay.mesh, mesh_network: 10.42.0.0/24}
    - {role: wirewright.overlay.mesh, mesh_interface: wg1, mesh_port: 51821, mesh_network: 10.43.0.0/24}
"""
    with Lab() as lab:
        lab.up(["h1", "h2", "h3"])
        lab.inventory()
        assert_ok(lab.playbook(play))
        assert_full_mesh(lab, "wg0")
        assert_full_mesh(lab, "wg1")
        assert assert_ok(lab.playbook(play)).changed == 0


def test_hosts_outside_the_group_are_not_touched(mesh_of_three: Lab) -> None:
    lab = mesh_of_three
    lab.up(["h9"])
    assert_ok(lab.playbook("site.yml"))
    assert not exists(lab, "h9")
    lab.down("h9")
