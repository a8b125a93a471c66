# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Namespaces for tests that would change this machine, and reports of their steps.

`enter` runs a program in mount, network and process namespaces of its own, connected through a user-space network
(slirp4netns), which needs no rule, bridge or sysctl on the machine. When the program or its parent ends, all processes in
the namespaces end.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

MMDEBSTRAP = ["mmdebstrap", "--quiet", "--variant=minbase"]
PASSED = "passed"
SKIPPED = "skipped"
_NS_GET_MNTNS_ID = 0x8008B705  # linux/nsfs.h
_RESOLVER = "10.0.2.3"  # of slirp4netns, which forwards to the resolver of the machine


class Failed(Exception):
    """A step failed; the text names it."""


@dataclass
class Step:
    """One test of a report."""

    name: str
    seconds: float = 0.0
    outcome: str = "not reached"


@dataclass
class Report:
    """A junit report, written after each group."""

    path: Path
    suite: ElementTree.Element = field(default_factory=lambda: ElementTree.Element("testsuite"))

    def add(self, group: str, steps: list[Step]) -> None:
        for number, step in enumerate(steps, start=1):
            seconds = f"{step.seconds:.3f}"
            case = ElementTree.SubElement(self.suite, "testcase", classname=group, name=f"{number:02} {step.name}")
            case.set("time", seconds)
            if step.outcome.startswith(SKIPPED):
                ElementTree.SubElement(case, "skipped", message=step.outcome)
            elif step.outcome != PASSED:
                ElementTree.SubElement(case, "failure", message=step.outcome)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        ElementTree.ElementTree(self.suite).write(self.path)

    @property
    def failed(self) -> bool:
        return self.suite.find("testcase/failure") is not None


def check(argv: list[str], **options: object) -> None:
    """Run a command; raise Failed if it fails."""
    code = subprocess.run(argv, stdin=subprocess.DEVNULL, check=False, **options).returncode  # type: ignore[call-overload]
    if code:
        raise Failed(f"exit code {code}: {' '.join(argv)}")


def enter(argv: list[str]) -> int:
    """Run a program in new namespaces; return its exit code. The program has to call `settle_in` first."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    unshare = ["unshare", "--mount", "--propagation=private", "--net", "--pid", "--fork", "--kill-child"]
    with lowest_mount_namespace():
        inner = subprocess.Popen([*unshare, "--mount-proc", *argv], stdin=subprocess.DEVNULL)
    network = None
    try:
        path = f"/proc/{inner.pid}/ns/net"
        own = os.stat("/proc/self/ns/net").st_ino
        with contextlib.suppress(FileNotFoundError):
            while inner.poll() is None and os.stat(path).st_ino == own:
                time.sleep(0.02)
        network = subprocess.Popen(
            ["slirp4netns", "--configure", "--mtu=1500", "--netns-type=path", path, "tap0"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        return inner.wait()
    finally:
        for process in (inner, network):
            if process is not None and process.poll() is None:
                process.terminate()
                process.wait()


def settle_in() -> None:
    """Set up the namespaces as their first process: network, /run, /sys and /dev/shm."""
    os.sched_setaffinity(0, range(os.cpu_count() or 1))
    _reap_the_rest()
    for kind, options, place in (
        ("tmpfs", "mode=755", "/run"),
        ("tmpfs", "mode=1777", "/dev/shm"),  # noqa: S108   a mount point
        ("sysfs", "ro", "/sys"),
        ("cgroup2", "rw", "/sys/fs/cgroup"),
    ):
        check(["mount", "-t", kind, "-o", options, kind, place])
    resolver = Path("/run/resolv.conf")
    resolver.write_text(f"nameserver {_RESOLVER}\n")
    target = Path("/etc/resolv.conf").resolve()
    if target.is_relative_to("/run"):
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(resolver, target)
    else:
        check(["mount", "--bind", str(resolver), str(target)])
    check(["ip", "link", "set", "lo", "up"])
    for _attempt in range(100):
        if subprocess.run(["ip", "route", "show", "default"], capture_output=True, check=True).stdout:
            return
        time.sleep(0.1)
    raise Failed("slirp4netns gives no network")


@contextlib.contextmanager
def lowest_mount_namespace() -> Iterator[None]:
    """Run on the processor that gives the lowest numbers to mount namespaces.

    A mount namespace can be kept by a file (`unshare --mount=FILE`, as the lab does) only in one with a lower number,
    and since Linux 6.18 every processor has a range of numbers of its own.
    """

    def number(processor: int) -> int:
        os.sched_setaffinity(0, {processor})
        done = subprocess.run(["unshare", "--mount", sys.executable, "-c", program], capture_output=True, check=False)
        return int(done.stdout or 0)  # 0 on kernels without the ioctl, which number them in order

    program = (
        "import fcntl\nwith open('/proc/self/ns/mnt') as file:\n"
        f"  print(int.from_bytes(fcntl.ioctl(file, {_NS_GET_MNTNS_ID}, bytes(8)), '{sys.byteorder}'))"
    )
    processors = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(processors, key=number)})
        yield
    finally:
        os.sched_setaffinity(0, processors)


def _reap_the_rest() -> None:
    """Continue in a child: the first process of a PID namespace inherits orphans, and has to wait for them."""
    child = os.fork()
    while child:
        ended, status = os.wait()
        if ended == child:
            os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


def mmdebstrap(release: str, target: Path, *options: str) -> None:
    """Make an archive with the root of a small Debian system."""
    part = target.with_name(f"part-{target.name}")  # an interrupted run must not leave a partial archive
    check([*MMDEBSTRAP, *proxies(), *options, release, str(part)])
    part.replace(target)


def proxies() -> list[str]:
    """Return the proxies of this machine's apt, which mmdebstrap does not read."""
    dump = subprocess.run(["apt-config", "dump", "Acquire"], capture_output=True, text=True, check=True).stdout
    return [f"--aptopt={line}" for line in dump.splitlines() if re.match(r'Acquire::https?::Proxy "[^"]', line)]
