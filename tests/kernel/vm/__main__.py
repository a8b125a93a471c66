# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""``tests/kernel/run``: pytest on this machine's kernel if it has what the tests need, else in the virtual machine."""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import types
from pathlib import Path

from . import image, machine

CHECKOUT = Path(__file__).resolve().parents[3]
DEFAULT_TESTS = ["tests/kernel", "tests/integration"]
DEFAULT_MARKS = "kernel or both"
GUEST_REPORT = "report.xml"
PASSED_ON = ("ANSIBLE_", "COVERAGE_", "HYPOTHESIS_", "PYTEST_", "PYTHON", "WIREWRIGHT_")

# The features that the tests need, tried in a temporary network namespace.
PROBE = """
ip link add probe0 type wireguard
ip xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 0x100 mode tunnel \
  aead 'rfc4106(gcm(aes))' 0x000102030405060708090a0b0c0d0e0f10111213 128
"""


def parse_arguments() -> tuple[argparse.Namespace, list[str]]:
    def default(name: str, fallback: str) -> str:
        return os.environ.get(f"WIREWRIGHT_VM_{name}", fallback)

    parser = argparse.ArgumentParser(
        prog="tests/kernel/run",
        allow_abbrev=False,
        description="Everything that is not listed here goes to pytest, which runs at the top of the checkout. "
        f"If no path is among it: {' '.join(DEFAULT_TESTS)} -m '{DEFAULT_MARKS}'. Each --vm-NAME that takes a value "
        "can also be set as WIREWRIGHT_VM_NAME.",
    )
    parser.add_argument("--vm", action="store_true", help="use the virtual machine even if this kernel suffices")
    parser.add_argument("--vm-memory", default=default("MEMORY", "3G"), help="default: %(default)s")
    # With a second one, emulation costs a quarter more, and tests run one after the other.
    parser.add_argument("--vm-cpus", type=int, default=default("CPUS", "1"), help="default: %(default)s")
    seconds = default("TIMEOUT", "14400" if os.environ.get("WIREWRIGHT_LONG") else "3600")
    parser.add_argument("--vm-timeout", type=float, default=seconds, help="total, in s (%(default)s)")
    parser.add_argument(
        "--vm-silence",
        type=float,
        default=default("SILENCE", "3600" if os.environ.get("WIREWRIGHT_LONG") else "600"),
        help="a job without output for this long hangs, in s (%(default)s)",
    )
    parser.add_argument(
        "--vm-boot-timeout", type=float, default=default("BOOT_TIMEOUT", "240"), help="in s (%(default)s)"
    )
    parser.add_argument("--vm-fs", choices=["auto", "virtiofs", "9p"], default=default("FS", "auto"))
    parser.add_argument(
        "--vm-accel",
        choices=["tcg", "kvm"],
        default=default("ACCEL", "tcg"),
        help="tcg emulates and works everywhere; kvm is much faster, where it works (%(default)s)",
    )
    parser.add_argument(
        "--vm-out", metavar="DIR", default=default("OUT", ""), help="keep the files of the guest in /out"
    )
    parser.add_argument("--junit", metavar="FILE", default="", help="write pytest's report to this file")
    parser.add_argument("--vm-setup", action="store_true", help="only fetch a kernel, unless this machine's suffices")
    parser.add_argument(
        "--vm-shell",
        metavar="COMMAND",
        nargs="?",
        const="",
        help="in the machine, run this shell command, or without one an interactive shell, instead of pytest",
    )
    return parser.parse_known_args()


# The host does not exist: Ansible packs a module before it connects.
PACK = """
from lab_hosts import Lab
with Lab() as lab:
    lab.hosts["nobody"] = {"addresses": ["192.0.2.1/32"]}
    lab.inventory({"nobody": {"ansible_exec_prefix": ["false"]}})
    lab.playbook('''
- hosts: all
  gather_facts: false
  ignore_unreachable: true
  tasks:
    - wirewright.overlay.overlay_prepare: {interface: wg0}
    - wirewright.overlay.overlay_apply: {interfaces: []}
''')
"""


def pytest_command(arguments: list[str], silence: float) -> list[str]:
    python = os.environ.get("WIREWRIGHT_PYTHON", str(CHECKOUT / ".venv/bin/python"))
    if not shutil.which(python):
        raise machine.Failed(f"no Python at {python}: make the project's venv first, or set WIREWRIGHT_PYTHON")
    command = [python, "-m", "pytest", "--backend=kernel", "-p", "vm.tier", "-p", "no:cacheprovider"]
    command += ["-p", "no:hypothesispytest"]  # 10 s to load in the guest; @given does without
    command += ["-p", "no:xdist"]  # seconds too, and one guest is one worker
    # A test that hangs ends the run, with the stacks of all threads, before the machine is taken to hang.
    command += ["-o", f"faulthandler_timeout={silence * 2 / 3:.0f}", "-o", "faulthandler_exit_on_timeout=true"]
    if names_tests(arguments):
        return [*command, "--long", *arguments]
    command += ["--long"] if os.environ.get("WIREWRIGHT_LONG") else []
    return [*command, *DEFAULT_TESTS, "-m", DEFAULT_MARKS, *arguments]


def names_tests(arguments: list[str]) -> bool:
    return any((CHECKOUT / argument.split("::")[0]).exists() for argument in arguments if argument[:1] != "-")


def narrowed(command: list[str]) -> list[str]:
    """Return pytest's command with the files that have selected tests, instead of the directories.

    Collecting all files takes the guest a minute. Modules that are imported here are compiled for the guest as well.
    """
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [*command, "--collect-only", "-q"],
        cwd=CHECKOUT,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    files = re.findall(r"^(tests/\S+\.py): \d+$", done.stdout, re.MULTILINE)
    if done.returncode or not files:
        return command  # the guest reports the error
    first = command.index(DEFAULT_TESTS[0])
    return command[:first] + files + command[first + len(DEFAULT_TESTS) :]


def own_kernel_suffices() -> bool:
    if os.geteuid() != 0 or not shutil.which("ip"):
        return False
    probe = ["unshare", "--net", "bash", "-e", "-c", PROBE]
    return subprocess.run(probe, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode == 0


def compile_bytecode(python: str) -> None:
    """Compile here: the guest cannot keep .pyc files, and compiles slowly."""

    def compile_all(*arguments: str) -> None:  # some packages ship files that do not compile
        command = [python, "-m", "compileall", "-q", *arguments]
        subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)

    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    packages = Path(subprocess.run([python, "-c", where], capture_output=True, text=True, check=True).stdout.strip())
    stamp = image.CACHE / "compiled"
    # A package that comes or goes changes the directory's own time.
    if not stamp.exists() or stamp.read_text() != f"{packages} {packages.stat().st_mtime_ns}":
        compile_all("-j0", str(packages))
        stamp.write_text(f"{packages} {packages.stat().st_mtime_ns}")
    for tree in ("plugins", "tests"):
        compile_all(str(CHECKOUT / tree))


def pack_modules(python: str) -> None:
    """Pack modules for the plays of the guest, where packing takes half a minute each."""
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT / "tests/integration")}
    subprocess.run([python, "-c", PACK], cwd=CHECKOUT, env=environment, stdin=subprocess.DEVNULL, check=False)


def guest_job(command: str) -> str:
    """Return a bash script that runs the command with the variables of this terminal."""
    keep = {name: value for name, value in os.environ.items() if name.startswith(PASSED_ON)}
    keep.update(COLUMNS=str(shutil.get_terminal_size().columns), TERM=os.environ.get("TERM", "dumb"))
    lines = [f"export {name}={shlex.quote(value)}" for name, value in sorted(keep.items())]
    return "\n".join([*lines, f"cd {shlex.quote(str(CHECKOUT))}", command, ""])


def main() -> int:
    options, arguments = parse_arguments()
    if options.vm_setup:
        if not own_kernel_suffices():
            image.build()
        return 0
    in_shell = options.vm_shell is not None
    command = [] if in_shell else pytest_command(arguments, options.vm_silence)
    if not in_shell and not options.vm and own_kernel_suffices():
        print("kernel tier: on this machine's own kernel", file=sys.stderr, flush=True)
        command += [f"--junitxml={Path(options.junit).absolute()}"] if options.junit else []
        return subprocess.run(command, cwd=CHECKOUT, check=False).returncode

    files = image.build()
    if command:
        compile_bytecode(command[0])
        if not names_tests(arguments):
            command = narrowed(command)
        pack_modules(command[0])
    with tempfile.TemporaryDirectory() as directory:
        options.vm_out = options.vm_out or directory
        if options.junit:
            command.append(f"--junitxml=/out/{GUEST_REPORT}")
        job = guest_job(options.vm_shell if in_shell else shlex.join(command))
        code = machine.run(files, job, options, checkout=CHECKOUT, interactive=in_shell and not options.vm_shell)
        written = Path(options.vm_out) / GUEST_REPORT
        if options.junit and written.exists():
            shutil.copy(written, options.junit)
    return code


def stop(number: int, frame: types.FrameType | None) -> None:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, stop)
    try:
        sys.exit(main())
    except machine.Failed as failure:
        print(f"kernel tier: {failure}", file=sys.stderr)
        sys.exit(failure.code)
    except KeyboardInterrupt:
        sys.exit(130)
