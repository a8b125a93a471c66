# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Take hosts or a whole lab away, with every process that lives in them."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import time
from typing import Any

from lab_model import NETNS, SWITCH, Lab, LabError, batch, is_namespace, port_name, run, show

# How long processes may take to obey SIGTERM before they get SIGKILL, and how long SIGKILL may take.
GRACE_SECONDS = 2.0
KILL_SECONDS = 10.0


def down(lab: Lab, hosts: list[str] | None = None) -> dict[str, Any]:
    """Remove some hosts, or the whole lab; return what was there."""
    present = lab.traces()
    going = present if hosts is None else [name for name in present if name in hosts and name != SWITCH]
    ended = remove(lab, going)
    if hosts is None and lab.home.is_dir():
        if os.path.ismount(lab.home):
            run("umount", "--recursive", str(lab.home))
        lab.home.rmdir()
    removed = [name for name in going if name != SWITCH]
    return {"changed": bool(going), "lab": lab.name, "removed": removed, "ended": ended}


def remove(lab: Lab, names: list[str]) -> int:
    """Take hosts away, whole or half-made, with every process in them; return the number of processes."""
    kept = [path for name in names for path in lab.namespaces(name) if is_namespace(path)]
    ended = end_processes(set().union(*(identities(lab, name) for name in names)))
    joined: dict[str, list[str]] = {}
    for name in names:
        joined.setdefault(lab.read_record(name).get("behind", ""), []).append(name)
    for behind, cabled in joined.items():
        netns = lab.segment(behind)[0]
        if (behind or SWITCH) in names or not is_namespace(NETNS / netns):
            continue
        ports = {link["ifname"] for link in show(netns)}
        # At once, and not when the kernel gets round to it: the name may be wanted again.
        batch((f"link del {port_name(name)}" for name in cabled if port_name(name) in ports), netns)
    if kept:
        run("umount", "--lazy", *map(str, kept))
    for name in names:
        (NETNS / lab.netns(name)).unlink(missing_ok=True)
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(lab.home / name)
    return ended


def identities(lab: Lab, host: str) -> set[tuple[int, int]]:
    """Return what identifies the namespaces that a host has."""
    kept = [path.stat() for path in lab.namespaces(host) if is_namespace(path)]
    return {(found.st_dev, found.st_ino) for found in kept}


def count_processes(lab: Lab, host: str) -> int:
    namespaces = identities(lab, host)
    return sum(lives_in(pid, namespaces) for pid in processes())


def end_processes(namespaces: set[tuple[int, int]]) -> int:
    """End every process in these namespaces; return how many there were."""
    own = {namespace_id(f"/proc/self/ns/{kind}") for kind in ("net", "mnt", "uts")}
    if own & namespaces:
        raise LabError("this process lives in the lab itself: leave the lab first")
    seen: set[int] = set()
    deadline = time.monotonic() + GRACE_SECONDS
    while True:
        # Look again until none is left: what is asked to end may still start others.
        members = [pid for pid in processes() if lives_in(pid, namespaces)]
        if not members:
            return len(seen)
        late = time.monotonic() > deadline
        if time.monotonic() > deadline + KILL_SECONDS:
            raise LabError(f"processes do not end: {' '.join(map(str, members))}")
        with contextlib.ExitStack() as stack:
            poll = select.poll()
            for pid in members:
                with contextlib.suppress(ProcessLookupError):
                    # A descriptor names the process itself; its number could pass to another one meanwhile.
                    handle = os.pidfd_open(pid)
                    stack.callback(os.close, handle)
                    if lives_in(pid, namespaces):
                        if pid not in seen or late:
                            signal.pidfd_send_signal(handle, signal.SIGKILL if late else signal.SIGTERM)
                        poll.register(handle, select.POLLIN)
                        seen.add(pid)
            poll.poll(100)  # returns as soon as one of them has ended


def processes() -> list[int]:
    return [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]


def namespace_id(path: str) -> tuple[int, int] | None:
    """Return what identifies a namespace, or None when its process has ended."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def lives_in(pid: int, namespaces: set[tuple[int, int]]) -> bool:
    return any(namespace_id(f"/proc/{pid}/ns/{kind}") in namespaces for kind in ("net", "mnt", "uts"))
