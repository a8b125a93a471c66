# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make and repair the hosts of a lab, and connect them to its bridge."""

from __future__ import annotations

import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from lab_gateway import plan_lan, translate
from lab_model import NETNS, SWITCH, Host, Lab, LabError, batch, is_namespace, port_name, run, show
from lab_remove import remove

OVERLAID = ("etc", "var", "root", "tmp", "usr/local")

# Runs in the new namespaces, with the host's name and directory. /run comes last, because it hides that directory.
# Mounts below /run are released first: this host would keep the namespaces of other labs.
FURNISH = r"""
name=$1 home=$2 overlaid=$3
cd /
for place in $overlaid; do
    mount -t overlay -o "lowerdir=/$place,upperdir=$home/upper/$place,workdir=$home/work/$place" overlay "/$place"
done
echo "$name" > /proc/sys/kernel/hostname
echo "$name" > /etc/hostname
echo "127.0.1.1 $name" >> /etc/hosts
mount -t sysfs sysfs /sys
set --
while read -r _ _ _ _ target _; do
    case $target in /run/*) set -- "$(printf %b "$target")" "$@" ;; esac
done < /proc/self/mountinfo
[ $# = 0 ] || umount --lazy "$@" 2>/dev/null || :
mount -t tmpfs -o mode=755 tmpfs /run
echo 1 > /proc/sys/net/ipv4/conf/all/promote_secondaries
cd /proc/sys/net/ipv6/conf 2>/dev/null || exit 0
for setting in all/disable_ipv6 default/disable_ipv6 default/accept_ra default/accept_dad; do
    echo 0 > $setting
done
"""


def up(lab: Lab, hosts: list[Host]) -> dict[str, Any]:
    """Bring every host to its desired state; return what changed."""
    result: dict[str, list[str]] = {"created": [], "repaired": [], "updated": []}
    if not os.path.ismount(lab.home):
        lab.home.mkdir(mode=0o755, exist_ok=True)
        # Private: the kernel keeps a mount namespace by a file only on a mount that does not propagate.
        run("mount", "-t", "tmpfs", "-o", "mode=755", "wirewright-lab", str(lab.home))
        run("mount", "--make-private", str(lab.home))
    missing = [host for host in hosts if not lab.is_whole(host.name)]
    broken = [name for name in lab.traces() if name in {host.name for host in missing}]
    remove(lab, broken)
    for host in missing:
        result["repaired" if host.name in broken else "created"].append(host.name)
    switch = NETNS / lab.netns(SWITCH)
    if not is_namespace(switch):
        switch.unlink(missing_ok=True)
        batch([f"netns add {lab.netns(SWITCH)}"])
    batch(f"netns add {lab.netns(host.name)}" for host in missing)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda host: furnish(lab, host), missing))
        changed: set[str] = set()
        for behind in dict.fromkeys(host.behind for host in hosts):
            changed |= wire(lab, behind, [host for host in hosts if host.behind == behind], pool)
    changed |= {host.name for host in hosts if host.nat and translate(lab, host)}
    result["updated"] = sorted(changed - {host.name for host in missing})
    for host in hosts:
        if host.name in changed or not lab.record(host.name).exists():
            spec = {"addresses": host.addresses, "mtu": host.mtu, "behind": host.behind, "kind": host.kind}
            lab.record(host.name).write_text(json.dumps(spec), encoding="utf-8")
    return {"changed": any(result.values()), "lab": lab.name, **result}


def furnish(lab: Lab, host: Host) -> None:
    """Give a host that has a network namespace its mount and uts namespaces."""
    home = lab.home / host.name
    for place in OVERLAID:
        (home / "work" / place).mkdir(parents=True)
        upper = home / "upper" / place
        upper.mkdir(parents=True)
        shutil.copystat(f"/{place}", upper)  # the overlay's root has the mode of its upper directory
    net, mounts, uts = lab.namespaces(host.name)
    mounts.touch()
    uts.touch()
    inside = ["unshare", f"--mount={mounts}", f"--uts={uts}", "--propagation", "slave", "--"]
    script = ["sh", "-ec", FURNISH, "sh", host.name, str(home), " ".join(OVERLAID)]
    on_some_processor(["nsenter", f"--net={net}", "--", *inside, *script], [mounts, uts])


def on_some_processor(argv: list[str], kept: list[Path]) -> None:
    """Run a command that keeps new namespaces by files, on another processor where the kernel refuses to.

    A file can keep a mount namespace only if the number of that namespace is higher than the number of the one around it
    (fs/namespace.c, mnt_ns_loop). Since Linux 6.18 each processor has a range of numbers of its own.
    """
    allowed = os.sched_getaffinity(0)
    refused: LabError | None = None
    try:
        for processor in (None, *range(os.cpu_count() or 1)):
            try:
                if processor is not None:
                    os.sched_setaffinity(0, {processor})  # of this thread and of what it starts
                run(*argv)
                return
            except OSError:  # a processor that this process may not use
                continue
            except LabError as error:
                if "Invalid argument" not in str(error):
                    raise
                refused = error
                for path in filter(is_namespace, kept):
                    run("umount", str(path))
    finally:
        os.sched_setaffinity(0, allowed)
    raise refused or LabError("this process may run on no processor")


def wire(lab: Lab, behind: str, hosts: list[Host], pool: ThreadPoolExecutor) -> set[str]:
    """Connect hosts to their bridge and set their addresses; return the names of those that changed."""
    switch, bridge = lab.segment(behind)
    ports = {link["ifname"]: link for link in show(switch)}
    if not behind and bridge not in ports:
        batch(["link add br0 type bridge mcast_snooping 0", "link set br0 up"], switch)
    cables, settings = [], []
    touched = set()
    for host, links in zip(hosts, pool.map(lambda host: show(lab.netns(host.name)), hosts)):
        here = {link["ifname"]: link for link in links}
        port, card = ports.get(port_name(host.name), {}), here.get("eth0", {})
        if bool(port) != bool(card):  # one end was renamed or moved: a new cable is simpler than a search
            batch([f"link del {port_name(host.name)}"] if port else [], switch)
            batch(["link del eth0"] if card else [], lab.netns(host.name))
            port, card = {}, {}
        cable, setting = plan_cable(lab, host, port), plan_settings(lab, host, card, here["lo"])
        setting += plan_lan(lab, host, here)
        if cable or setting:
            touched.add(host.name)
        cables += cable
        settings.append((setting, lab.netns(host.name)))
    batch(cables, switch)
    list(pool.map(lambda work: batch(*work), settings))
    return touched


def plan_cable(lab: Lab, host: Host, port: dict[str, Any]) -> list[str]:
    """Return the `ip` commands for the switch's end of a host's cable."""
    name = port_name(host.name)
    commands = []
    if not port:
        commands.append(f"link add {name} type veth peer name eth0 netns {lab.netns(host.name)}")
    bridge = lab.segment(host.behind)[1]
    if port.get("master") != bridge or port.get("mtu") != host.mtu or "UP" not in port.get("flags", []):
        commands.append(f"link set {name} mtu {host.mtu} master {bridge} up")
    return commands


def plan_settings(lab: Lab, host: Host, card: dict[str, Any], loopback: dict[str, Any]) -> list[str]:
    """Return the `ip` commands for a host's links and addresses."""
    commands = []
    if "UP" not in loopback["flags"]:
        commands.append("link set lo up")
    if card.get("mtu") != host.mtu or "UP" not in card.get("flags", []):
        commands.append(f"link set eth0 mtu {host.mtu} up")
    present = {f"{entry['local']}/{entry['prefixlen']}" for entry in card.get("addr_info", [])}
    # Remove only addresses that an earlier `up` added; others on the link are unmanaged.
    given = lab.read_record(host.name).get("addresses", [])
    stale = [address for address in given if address in present and address not in host.addresses]
    commands += [f"addr del {address} dev eth0" for address in stale]
    for address in host.addresses:
        if address not in present:
            # Duplicate address detection would keep an IPv6 address unusable for its first second.
            commands.append(f"addr add {address} dev eth0{' nodad' if ':' in address else ''}")
    return commands
