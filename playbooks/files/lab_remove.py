# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Remove hosts or a whole lab, with every process in them."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import time
from typing import Any

from lab_model import NETNS, SWITCH, Lab, LabError, batch, is_namespace, port_name, run, show

# Seconds until SIGKILL follows SIGTERM, and seconds that SIGKILL may take.
GRACE_SECONDS = 2.0
KILL_SECONDS = 10.0


def down(lab: Lab, hosts: list[str] | None = None) -> dict[str, Any]:
    """Remove some hosts, or the whole lab; return what was removed."""
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
    """Remove hosts, whole or half-made, with every process in them; return the number of processes."""
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
        # Now, not when the kernel removes the namespace: the name may be needed again.
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
        raise LabError("this process is in the lab itself: leave the lab first")
    handles: dict[int, int] = {}
    ended = 0
    deadline = time.monotonic() + GRACE_SECONDS
    with contextlib.ExitStack() as stack:
        while True:
            # Each time: a process that was told to end may still start others.
            for pid in processes():
                if pid not in handles and lives_in(pid, namespaces):
                    with contextlib.suppress(ProcessLookupError):
                        # A descriptor names the process itself; its number could pass to another one meanwhile.
                        handle = os.pidfd_open(pid)
                        stack.callback(os.close, handle)
                        if lives_in(pid, namespaces):
                            handles[pid] = handle
                            signal.pidfd_send_signal(handle, signal.SIGTERM)
            if not handles:
                return ended
            if time.monotonic() > deadline + KILL_SECONDS:
                raise LabError(f"processes do not end: {' '.join(map(str, handles))}")
            if time.monotonic() > deadline:
                for handle in handles.values():
                    with contextlib.suppress(ProcessLookupError):
                        signal.pidfd_send_signal(handle, signal.SIGKILL)
            poll = select.poll()
            for handle in handles.values():
                poll.register(handle, select.POLLIN)
            # Readable when the last thread has ended (pidfd_open(2)), which may be after /proc/PID/ns is empty.
            readable = {handle for handle, _events in poll.poll(100)}
            ended += len(readable)
            handles = {pid: handle for pid, handle in handles.items() if handle not in readable}


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
    """Return whether a process is in one of these namespaces. If its first thread has ended, by another thread."""
    threads = [f"/proc/{pid}"]
    if namespace_id(f"/proc/{pid}/ns/net") is None:
        with contextlib.suppress(OSError):
            threads = [f"/proc/{pid}/task/{thread}" for thread in os.listdir(f"/proc/{pid}/task")]
    return any(
        namespace_id(f"{thread}/ns/{kind}") in namespaces for thread in threads for kind in ("net", "mnt", "uts")
    )
