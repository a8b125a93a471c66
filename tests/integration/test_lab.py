# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab is built, built again, repaired and removed without a trace; the exec connection enters it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from lab_hosts import PROGRAM, Lab, environment, shipped_playbook
from managed_host import wait_until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="namespaces need root")


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab() as made:
        yield made


def traces(name: str) -> list[str]:
    """Return all traces of a lab on this machine: namespaces, mounts, files, processes."""
    found = [
        line
        for command in (["ip", "netns", "list"], ["cat", "/proc/self/mounts"], ["ps", "-eo", "stat,args"])
        for line in subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
        if name in line and not line.startswith("Z")
    ]
    home = Path("/run/wirewright-lab") / name
    return found + ([str(home)] if home.exists() else [])


def is_running(pid: int) -> bool:
    """Return whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def stay_inside(lab: Lab, host: str, command: str = "") -> int:
    """Start a process in a host that outlives this call, and return its process id."""
    script = f"echo $$; exec 1>&- 2>&- 0<&-; {command or 'exec sleep 600'}"
    with subprocess.Popen(
        [*lab.enter(host), "setsid", "sh", "-c", script], stdout=subprocess.PIPE, text=True
    ) as started:
        assert started.stdout is not None
        pid = int(started.stdout.readline())
        started.stdout.close()
        started.returncode = 0  # it outlives this block; the lab ends it
    return pid


def ping(lab: Lab, source: str, address: str, *options: str) -> bool:
    return lab.run(source, ["ping", "-n", "-c", "1", "-w", "4", *options, address], check=False).returncode == 0


def test_hosts_reach_each_other_at_once_over_ipv4_and_ipv6(lab: Lab) -> None:
    assert lab.up(["h1", "h2", "h3"])["created"] == ["h1", "h2", "h3"]
    addresses = json.loads(lab.run("h1", ["ip", "-j", "addr", "show", "dev", "eth0"]).stdout)[0]["addr_info"]
    assert not any(entry.get("tentative") and entry["scope"] == "global" for entry in addresses)
    for address in ("192.0.2.12", "2001:db8:1::13"):
        assert ping(lab, "h1", address)


def test_up_again_changes_nothing(lab: Lab) -> None:
    assert lab.up(["h1", "h2"])["changed"] is True
    again = lab.up(["h1", "h2"])
    assert again == {"changed": False, "lab": lab.name, "created": [], "repaired": [], "updated": []}


def test_machine_network_is_left_alone(lab: Lab) -> None:
    before = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True).stdout
    lab.up(["h1", "h2"])
    assert subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True).stdout == before


def test_hosts_have_own_files_names_and_sysfs(lab: Lab) -> None:
    lab.up(["h1", "h2"])
    for directory in ("/etc", "/var", "/root", "/tmp", "/run"):  # noqa: S108
        marker = f"{directory}/{lab.name}"
        lab.run("h1", ["touch", marker])
        assert not Path(marker).exists()
        assert lab.run("h2", ["test", "-e", marker], check=False).returncode == 1
        machine, inside = (["stat", "-c", "%a %u %g", directory] for _place in range(2))
        if directory != "/run":
            seen = lab.run("h1", inside).stdout
            assert seen == subprocess.run(machine, capture_output=True, text=True, check=True).stdout
    assert lab.run("h1", ["hostname"]).stdout == "h1\n"
    assert lab.run("h1", ["cat", "/etc/hostname"]).stdout == "h1\n"
    assert lab.run("h1", ["ls", "/sys/class/net"]).stdout.split() == ["eth0", "lo"]
    assert "ww-" not in lab.run("h1", ["cat", "/proc/self/mounts"]).stdout, "a host holds no other host's namespace"


def test_sysctls_are_per_host(lab: Lab) -> None:
    lab.up(["h1", "h2"])
    lab.run("h1", ["sysctl", "-qw", "net.ipv4.ip_forward=1"])
    assert lab.run("h2", ["sysctl", "-n", "net.ipv4.ip_forward"]).stdout == "0\n"


def test_host_is_added_to_a_running_lab(lab: Lab) -> None:
    lab.up(["h1", "h2"])
    pid = stay_inside(lab, "h1")
    assert lab.up(["h3"])["created"] == ["h3"]
    assert is_running(pid)
    assert ping(lab, "h3", "192.0.2.11")


def test_a_shell_exits_with_0_and_a_command_with_its_status(lab: Lab) -> None:
    lab.up(["h1"])

    def enter(host: str, *argv: str) -> int:
        command = [sys.executable, str(PROGRAM), "enter", "--lab", lab.name, host, *argv]
        return subprocess.run(command, input="false\n", text=True, check=False, capture_output=True).returncode

    assert enter("h1") == 0
    assert enter("h1", "false") == 1
    assert enter("h9") == 2


def test_one_host_is_removed(lab: Lab) -> None:
    lab.up(["h1", "h2", "h3"])
    staying, leaving = stay_inside(lab, "h1"), stay_inside(lab, "h3")
    result = lab.down("h3")
    assert (result["changed"], result["removed"], result["ended"]) == (True, ["h3"], 1)
    assert is_running(staying) and not is_running(leaving)
    assert not [line for line in traces(lab.name) if "h3" in line]
    assert lab.down("h3")["changed"] is False
    assert ping(lab, "h1", "192.0.2.12")


def test_addresses_and_mtu_change_without_a_rebuild(lab: Lab) -> None:
    lab.up({"h1": ["192.0.2.11/24"], "h2": ["192.0.2.12/24"]})
    pid = stay_inside(lab, "h1")
    lab.run("h1", ["ip", "addr", "add", "198.51.100.1/24", "dev", "eth0"])
    result = lab.up({"h1": ["192.0.2.21/24", "2001:db8:1::21/64"]}, mtu=1400)
    assert result["updated"] == ["h1"] and is_running(pid)
    (link,) = json.loads(lab.run("h1", ["ip", "-j", "addr", "show", "dev", "eth0"]).stdout)
    present = {entry["local"] for entry in link["addr_info"] if entry["scope"] == "global"}
    assert present == {"192.0.2.21", "2001:db8:1::21", "198.51.100.1"}, "a foreign address is not ours to remove"
    assert link["mtu"] == 1400
    assert ping(lab, "h2", "192.0.2.21", "-M", "do", "-s", str(1400 - 28))


@pytest.mark.parametrize(
    "manual_change",
    [
        "umount /run/wirewright-lab/{lab}/h1/mnt",
        "umount /run/wirewright-lab/{lab}/h1/uts",
        "rm /run/wirewright-lab/{lab}/h1/host.json",
        "ip netns del ww-{lab}-h1",
        "ip netns del ww-{lab}-h1 && touch /run/netns/ww-{lab}-h1",
    ],
)
def test_incomplete_host_is_detected_and_rebuilt(lab: Lab, manual_change: str) -> None:
    lab.up(["h1", "h2"])
    other = stay_inside(lab, "h2")
    subprocess.run(["sh", "-c", manual_change.format(lab=lab.name)], check=True)
    listed = subprocess.run(
        [sys.executable, str(PROGRAM), "list", "--lab", lab.name, "--json"], capture_output=True, text=True, check=True
    )
    assert {host["host"]: host["whole"] for host in json.loads(listed.stdout)} == {"h1": False, "h2": True}
    assert lab.up(["h1", "h2"])["repaired"] == ["h1"]
    assert lab.up(["h1", "h2"])["changed"] is False
    assert ping(lab, "h1", "192.0.2.12") and ping(lab, "h2", "2001:db8:1::11")
    assert is_running(other)


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    "manual_change",
    [
        "ip -n ww-{lab}-h1 link del eth0",
        "ip -n ww-{lab}-h1 link set eth0 down name card",
        "ip -n ww-{lab}-net link del p-h1",
        "ip -n ww-{lab}-net link set p-h1 nomaster",
        "ip -n ww-{lab}-net link del p-h1 && ip -n ww-{lab}-net link del p-h2 && ip -n ww-{lab}-net link del br0",
        "ip -n ww-{lab}-h1 link set eth0 down",
        "ip -n ww-{lab}-h1 addr flush dev eth0",
    ],
)
def test_incomplete_link_is_repaired_in_place(lab: Lab, manual_change: str) -> None:
    lab.up(["h1", "h2"])
    pid = stay_inside(lab, "h1")
    subprocess.run(["sh", "-c", manual_change.format(lab=lab.name)], check=True)
    assert "h1" in lab.up(["h1", "h2"])["updated"]
    assert lab.up(["h1", "h2"])["changed"] is False
    assert is_running(pid) and ping(lab, "h1", "192.0.2.12") and ping(lab, "h2", "2001:db8:1::11")


def test_down_removes_everything(lab: Lab) -> None:
    lab.up(["h1", "h2"])
    obedient = stay_inside(lab, "h1")
    stubborn = stay_inside(lab, "h2", "trap : TERM; while :; do sleep 600; done")
    assert traces(lab.name)
    result = lab.down()
    assert result["changed"] and result["removed"] == ["h1", "h2"] and result["ended"] >= 2
    assert not is_running(obedient) and not is_running(stubborn)
    assert traces(lab.name) == []
    assert lab.down() == {"changed": False, "lab": lab.name, "removed": [], "ended": 0}


# Its first thread ends, and /proc/PID/ns is empty from then on; the second one goes on.
LEADERLESS = """
import ctypes, os, platform, threading, time
threading.Thread(target=time.sleep, args=(600,)).start()
ctypes.CDLL(None).syscall({"x86_64": 60, "aarch64": 93}[platform.machine()], 0)
"""


@pytest.mark.skipif(os.uname().machine not in ("x86_64", "aarch64"), reason="the number of exit(2) is not known here")
def test_down_ends_a_process_whose_first_thread_has_ended(lab: Lab) -> None:
    lab.up(["h1"])
    pid = stay_inside(lab, "h1", f"exec python3 -c '{LEADERLESS}'".replace('"', '\\"').replace("'", '"'))
    wait_until(lambda: " (zombie)" in Path(f"/proc/{pid}/status").read_text(), "its first thread has ended")
    threads = {name for name in os.listdir(f"/proc/{pid}/task") if name != str(pid)}
    assert len(threads) == 1
    assert lab.down()["ended"] == 1
    assert not any(is_running(int(thread)) for thread in threads)


@pytest.mark.slow
def test_hosts_are_made_in_a_mount_namespace_of_another_processor(lab: Lab) -> None:
    """Linux 6.18 refuses to keep a mount namespace by a file if it was made on a processor with lower numbers."""
    document = json.dumps({"lab": lab.name, "hosts": {"h1": {"addresses": ["192.0.2.1/24"]}}})
    processors = os.sched_getaffinity(0)

    def made_on(around: int, inside: int) -> subprocess.CompletedProcess[str]:
        start = f"import os, sys; os.sched_setaffinity(0, {{{inside}}}); os.execv(sys.argv[1], sys.argv[1:])"
        argv = ["unshare", "--mount", "--propagation", "private", sys.executable, "-c", start]
        argv += [sys.executable, str(PROGRAM), "up"]
        os.sched_setaffinity(0, {around})
        try:
            return subprocess.run(argv, input=document, capture_output=True, text=True, check=False)
        finally:
            os.sched_setaffinity(0, processors)

    for around in processors:
        for inside in processors:
            done = made_on(around, inside)
            assert done.returncode == 0, done.stderr
            for kind in ("net", "h1"):
                subprocess.run(["ip", "netns", "del", f"ww-{lab.name}-{kind}"], check=True)


def test_down_of_an_incomplete_lab_removes_everything(lab: Lab) -> None:
    lab.up(["h1", "h2"])
    subprocess.run(["ip", "netns", "del", f"ww-{lab.name}-net"], check=True)
    subprocess.run(["umount", f"/run/wirewright-lab/{lab.name}/h1/mnt"], check=True)
    lab.down()
    assert traces(lab.name) == []


def test_long_names_get_ports_of_their_own(lab: Lab) -> None:
    names = [f"{'very-' * 8}long-name-{number}" for number in range(3)]
    lab.up(names)
    assert ping(lab, names[0], "192.0.2.13")


def test_all_errors_are_reported_and_nothing_is_built() -> None:
    wanted = {
        "h1": {"addresses": ["192.0.2.1/24", "192.0.2.999/24"]},
        "h2": {"addresses": ["192.0.2.1/24"], "mtu": 70000},
        "net": {},
        "a/b": {},
    }
    done = subprocess.run(
        [sys.executable, str(PROGRAM), "up"],
        input=json.dumps({"lab": "mistaken", "hosts": wanted}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2 and done.stdout == ""
    for part in ("192.0.2.999", "192.0.2.1 belongs to h1", "mtu 70000", "'net'", "'a/b'"):
        assert part in done.stderr
    assert traces("mistaken") == []


def reach(lab: Lab, *options: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, str(PROGRAM), "reach", "--lab", lab.name, *options]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


def test_reach_reports_missing_interfaces(lab: Lab) -> None:
    lab.up(["h1", "h2"])
    done = reach(lab)
    assert done.returncode == 1
    assert 'h1: Device "wg0" does not exist' in done.stdout


@pytest.mark.slow
def test_reach_measures_and_detects_a_lost_peer(lab: Lab) -> None:
    lab.up(["h1", "h2"])
    keys = {}
    for number, host in enumerate(("h1", "h2"), 1):
        # All three streams apart, because wireguard-go keeps them for as long as it runs.
        lab.run(host, ["sh", "-c", "wireguard-go wg0 < /dev/null > /dev/null 2>&1"])
        lab.run(host, ["sh", "-c", "umask 077; wg genkey > /root/key; wg set wg0 private-key /root/key"])
        lab.run(host, ["wg", "set", "wg0", "listen-port", "51820"])
        for address in (f"10.42.0.{number}/24", f"fd42:42::{number}/64"):
            lab.run(host, ["ip", "address", "add", address, "dev", "wg0"])
        lab.run(host, ["ip", "link", "set", "wg0", "mtu", "1420", "up"])
        keys[host] = lab.run(host, ["wg", "show", "wg0", "public-key"]).stdout.strip()
    for host, peer, number in (("h1", "h2", 2), ("h2", "h1", 1)):
        allowed = f"10.42.0.{number}/32,fd42:42::{number}/128"
        endpoint = f"192.0.2.{10 + number}:51820"
        lab.run(host, ["wg", "set", "wg0", "peer", keys[peer], "endpoint", endpoint, "allowed-ips", allowed])

    done = reach(lab, "--json")
    directions = json.loads(done.stdout)
    assert done.returncode == 0 and len(directions) == 4
    for direction in directions:
        assert direction["mtu"] == 1420 and direction["round_trip_ms"] > 0 and direction["handshake_age"] < 60

    lab.run("h2", ["wg", "set", "wg0", "peer", keys["h1"], "remove"])
    done = reach(lab, "--deadline", "1")
    assert done.returncode == 1 and done.stdout.count("no answer within 1 s") == 4


@pytest.mark.slow
@pytest.mark.plays
def test_playbooks_distinguish_unreachable_from_failed_hosts(lab: Lab) -> None:
    lab.up(["h1", "h2"])
    inventory = lab.inventory(group="vpn")
    lab.down("h2")
    assert "h2" in inventory.read_text()
    play = lab.playbook(
        """
- hosts: vpn
  gather_facts: false
  tasks:
    - name: Write the name
      ansible.builtin.shell: hostname > /etc/written
      args: {creates: /etc/written}
    - name: Copy bytes
      ansible.builtin.copy: {src: /bin/true, dest: /root/copied, mode: "0755"}
    - name: Become
      ansible.builtin.command: id -un
      become: true
      become_method: su
      changed_when: false
    - name: Fail
      ansible.builtin.command: "false"
""",
        "-vvv",
    )
    assert play.rc != 0
    assert play.recap["h2"]["unreachable"] == 1, play
    assert play.recap["h1"]["failures"] == 1 and play.recap["h1"]["unreachable"] == 0, play
    assert play.results(host="h1", task="Become")[0]["stdout"] == "root"
    assert play.executions("h1") == {
        "ansible.builtin.shell": 1,
        "ansible.builtin.copy": 1,
        "ansible.builtin.command": 2,
    }
    assert play.remote_calls["h1"] >= 4
    assert lab.run("h1", ["cat", "/etc/written"]).stdout == "h1\n"
    assert lab.run("h1", ["cmp", "/bin/true", "/root/copied"]).returncode == 0


@pytest.mark.slow
@pytest.mark.plays
def test_lab_playbooks_are_idempotent(lab: Lab, tmp_path: Path) -> None:
    """The shipped inventory under another lab's name, so that a running demo stays as it is."""
    run = partial(shipped_playbook, lab, "inventories/lab")

    for playbook in ("lab_up", "lab_down"):
        assert "changed=1 " in run(playbook)
        assert "changed=0 " in run(playbook)
    assert traces(lab.name) == []


@pytest.mark.slow
@pytest.mark.plays
def test_lab_playbooks_report_the_error() -> None:
    argv = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", "inventories/lab", "-e", "lab_name=Bad-Name"]
    for playbook in ("lab_up", "lab_down"):
        command = [*argv, f"wirewright.overlay.{playbook}"]
        done = subprocess.run(
            command, cwd=PROGRAM.parents[2], env=environment(), capture_output=True, text=True, check=False
        )
        assert done.returncode == 2
        assert "cannot be a lab" in done.stdout and "from_json" not in done.stdout
