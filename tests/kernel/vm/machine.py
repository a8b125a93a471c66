# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Boot the virtual machine, run one job in it, and return its output and exit code. Every wait has a deadline."""

from __future__ import annotations

import argparse
import contextlib
import os
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator
from pathlib import Path

from . import image
from .image import Failed, Files

NAME = "wirewright-vm"
TIMED_OUT = 124
POLL = 0.1
OFF = "off"
HANGS = "the job hangs"
STACKS_LINES = 2000
STACKS_SECONDS = 60  # for the console to print them, at the speed of a serial line under emulation
# Quiet and deterministic. The guest runs only trusted code, and needs no self-tests of cryptography.
KERNEL_ARGUMENTS = (
    "console=ttyS0 quiet panic=-1 nokaslr mitigations=off tsc=reliable cryptomgr.notests=1 audit=0 "
    "init_on_alloc=0 hardened_usercopy=off randomize_kstack_offset=off psi=0 "
    # An NMI, sent when the job hangs, prints the stacks of all tasks.
    "unknown_nmi_panic panic_print=1"
)
# Under emulation a string instruction (rep movs) is slower than a loop. SMAP, SMEP and a fifth level of page tables cost time
# with each access.
EMULATED_CPU = "max,erms=off,fsrm=off,smap=off,smep=off,la57=off"
EMULATED_ARGUMENTS = "clearcpuid=rep_good"


class NotBooted(Failed):
    """The guest did not reach its job."""


class Hung(Failed):
    """The guest reached its job, and then did nothing, not even end a test that takes too long."""


def run(files: Files, job: str, options: argparse.Namespace, *, checkout: Path, interactive: bool) -> int:
    """Return the exit code of ``job``, a bash script, run as root in a fresh guest."""
    deadline = time.monotonic() + (float("inf") if interactive else options.vm_timeout)
    if interactive and not sys.stdin.isatty():
        raise Failed("an interactive shell needs a terminal; give --vm-shell a command")
    with contextlib.ExitStack() as stack:
        if options.vm_out:
            out = Path(options.vm_out).resolve()
            out.mkdir(parents=True, exist_ok=True)
        else:
            out = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="wirewright-vm-")))
        use_virtiofs = options.vm_fs != "9p" and os.geteuid() == 0 and image.virtiofsd() is not None
        if options.vm_fs == "virtiofs" and not use_virtiofs:
            raise Failed("virtiofs needs root and virtiofsd")
        while True:
            prepare(out, files, job, checkout=checkout, interactive=interactive)
            try:
                return boot(files, out, options, deadline, use_virtiofs=use_virtiofs, interactive=interactive)
            except (NotBooted, Hung) as failure:
                if not use_virtiofs or options.vm_fs == "virtiofs":
                    raise
                image.say(f"trying again with 9p: {failure}")
                use_virtiofs = False


def prepare(out: Path, files: Files, job: str, *, checkout: Path, interactive: bool) -> None:
    for stale in ("booted", "console", "status", "stdout", "stderr", "virtiofsd"):
        (out / stale).unlink(missing_ok=True)
    settings = {
        "CHECKOUT": checkout,
        "MODULES": files.modules,
        "NAME": NAME,
        "INTERACTIVE": "yes" if interactive else "no",
    }
    if interactive:
        columns, lines = shutil.get_terminal_size()
        job = f"stty columns {columns} rows {lines}\n{job}"
    (out / "settings").write_text("".join(f"{key}={shlex.quote(str(value))}\n" for key, value in settings.items()))
    (out / "job").write_text(job)
    shutil.copyfile(image.HERE / "guest.sh", out / "guest")


def boot(
    files: Files, out: Path, options: argparse.Namespace, deadline: float, *, use_virtiofs: bool, interactive: bool
) -> int:
    started = time.monotonic()
    with contextlib.ExitStack() as stack:
        monitor = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="wirewright-vm-"))) / "monitor"
        if use_virtiofs:
            root = stack.enter_context(virtiofs(options.vm_memory, out / "virtiofsd"))
        else:
            root = [
                "-fsdev", "local,id=machine,path=/,security_model=none,readonly=on,multidevs=remap",
                "-device", "virtio-9p-pci,fsdev=machine,mount_tag=machine",
            ]  # fmt: skip
        emulated = options.vm_accel == "tcg"
        words = [KERNEL_ARGUMENTS, EMULATED_ARGUMENTS] if emulated else [KERNEL_ARGUMENTS]
        words.append(f"LOWER={'virtiofs' if use_virtiofs else '9p'}")
        qemu = [
            "qemu-system-x86_64", "-nodefaults", "-no-reboot", "-display", "none", "-machine", "q35",
            "-accel", "tcg,thread=multi,tb-size=512" if emulated else "kvm",
            "-cpu", EMULATED_CPU if emulated else "max", "-smp", str(options.vm_cpus), "-m", options.vm_memory,
            "-kernel", str(files.kernel), "-initrd", str(files.initrd),
            "-append", " ".join(words),
            "-chardev", f"file,id=console,path={escaped(out / 'console')}", "-serial", "chardev:console",
            "-chardev", f"socket,id=monitor,path={escaped(monitor)},server=on,wait=off", "-mon", "chardev=monitor",
            "-fsdev", f"local,id=out,path={escaped(out)},security_model=none",
            "-device", "virtio-9p-pci,fsdev=out,mount_tag=out",
            *root,
        ]  # fmt: skip
        if interactive:
            stack.enter_context(terminal_restored())
            qemu += ["-chardev", "stdio,id=terminal,signal=off", "-device", "virtio-serial-pci"]
            qemu += ["-device", "virtconsole,chardev=terminal"]
        image.say(f"booting {files.modules.name} ({'virtiofs' if use_virtiofs else '9p'}, {options.vm_accel})")
        guest = stack.enter_context(child(qemu, stdin=None if interactive else subprocess.DEVNULL))
        boot_deadline = min(deadline, started + options.vm_boot_timeout)
        while not (out / "booted").exists():
            if guest.poll() is not None or time.monotonic() > boot_deadline:
                what = "did not boot in time" if guest.poll() is None else "ended while booting"
                raise NotBooted(f"the guest {what}; its console:\n{tail(out / 'console')}\n{tail(out / 'virtiofsd')}")
            time.sleep(POLL)
        image.say(f"booted in {time.monotonic() - started:.1f} s")
        silence = float("inf") if interactive else options.vm_silence
        ended = follow(guest, out, deadline, silence)
        if ended != OFF:
            print_stacks(guest, monitor)
    status = (out / "status").read_text().strip() if (out / "status").exists() else ""
    if status.isdigit():
        image.say(f"done in {time.monotonic() - started:.1f} s, exit code {status}")
        return int(status)
    if ended != OFF:
        kind = Hung if ended.startswith(HANGS) else Failed
        raise kind(f"{ended}; the console:\n{tail(out / 'console', STACKS_LINES)}", TIMED_OUT)
    raise Failed(f"the guest died; its console:\n{tail(out / 'console')}")


def follow(guest: subprocess.Popen[bytes], out: Path, deadline: float, silence: float) -> str:
    """Copy the output of the job until the guest is off. Return OFF, or why to stop waiting: deadline, or seconds of silence."""
    heard = time.monotonic()
    with contextlib.ExitStack() as stack:
        streams = []
        for name, copy in (("stdout", sys.stdout.buffer), ("stderr", sys.stderr.buffer)):
            (out / name).touch()
            streams.append((stack.enter_context(open(out / name, "rb")), copy))
        while True:
            off = guest.poll() is not None
            if not off and (out / "status").exists():
                # All output is written, so a guest that cannot switch itself off does not matter.
                with contextlib.suppress(subprocess.TimeoutExpired):
                    guest.wait(timeout=10)
                off = True
            for source, copy in streams:
                if output := source.read():
                    heard = time.monotonic()
                    copy.write(output)
                    copy.flush()
            if off:
                return OFF
            if time.monotonic() > deadline:
                return "time-out: the job has not ended"
            if time.monotonic() > heard + silence:
                return f"{HANGS}: no output for {silence:.0f} s"
            time.sleep(POLL)


def print_stacks(guest: subprocess.Popen[bytes], monitor: Path) -> None:
    """Let the kernel of the guest print the stacks of all tasks to its console, which ends the guest."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(monitor))
        connection.sendall(b"nmi\n")
        with contextlib.suppress(subprocess.TimeoutExpired):
            guest.wait(STACKS_SECONDS)


@contextlib.contextmanager
def virtiofs(memory: str, log: Path) -> Iterator[list[str]]:
    """Serve this machine's / to the guest, and yield qemu's arguments for it."""
    daemon = image.virtiofsd()
    if daemon is None:
        raise Failed("there is no virtiofsd")
    with tempfile.TemporaryDirectory(prefix="wirewright-vm-") as directory, open(log, "wb") as messages:
        path = os.path.join(directory, "socket")
        with socket.socket(socket.AF_UNIX) as listener:
            # The socket listens before the daemon starts, so that qemu need not wait.
            listener.bind(path)
            listener.listen(1)
            listener.set_inheritable(True)
            shown = subprocess.run([daemon, "--help"], capture_output=True, text=True, check=False).stdout
            serve = [daemon, f"--fd={listener.fileno()}", "--thread-pool-size=1"]
            if "--shared-dir" in shown:  # the one in Rust, Debian 13
                serve += ["--shared-dir=/", "--cache=always", "--sandbox=chroot", "--log-level=error"]
                # An announced submount cannot be reached through the overlay.
                serve += [flag for flag in ("--readonly", "--no-announce-submounts") if flag in shown]
            else:  # the one in C, Debian 12
                serve += ["-f", "-o", "source=/,cache=always,sandbox=chroot,log_level=err"]
            # The daemon itself sees / read-only, so that no guest can write to it.
            private = ["unshare", "--mount", "--propagation", "private", "sh", "-c"]
            private += ['mount -o remount,bind,ro / && exec "$@"', "sh"]
            streams = {"stdin": subprocess.DEVNULL, "stdout": messages, "stderr": messages}
            with child([*private, *serve], pass_fds=(listener.fileno(),), **streams):
                listener.close()
                yield [
                    "-object", f"memory-backend-memfd,id=memory,size={memory},share=on",
                    "-numa", "node,memdev=memory",
                    "-chardev", f"socket,id=machine,path={escaped(path)}",
                    "-device", "vhost-user-fs-pci,chardev=machine,tag=machine",
                ]  # fmt: skip


@contextlib.contextmanager
def child(command: list[str], **options: object) -> Iterator[subprocess.Popen[bytes]]:
    """Start a process that ends with the block, or with this process."""
    process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "--", *command], **options)  # type: ignore[call-overload]
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def terminal_restored() -> Iterator[None]:
    """Restore the terminal afterwards: qemu makes it raw, and leaves it raw when killed."""
    before = termios.tcgetattr(sys.stdin)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def escaped(path: Path | str) -> str:
    """Return a value for qemu's command line, in which a comma is doubled."""
    return str(path).replace(",", ",,")


def tail(console: Path, lines: int = 40) -> str:
    text = console.read_text(errors="replace") if console.exists() else ""
    return "\n".join(text.splitlines()[-lines:]) or "(empty)"
