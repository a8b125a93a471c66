# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The virtual machine's parts: Debian packages, a stock kernel, and a small initrd that boots it."""

from __future__ import annotations

import fcntl
import gzip
import lzma
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
CACHE = HERE.parents[2] / ".cache" / "vm"

# The initrd has the modules that reach the machine's file system; all others load from there on demand.
BOOT_MODULES = ["virtio_pci", "9pnet_virtio", "9p", "virtiofs", "overlay", "virtio_console"]
BUSYBOX_LINKS = ["sh", "mount", "mkdir", "insmod", "switch_root"]
VIRTIOFSD = ["/usr/libexec/virtiofsd", "/usr/lib/qemu/virtiofsd"]

# The guest uses the machine's programs.
PROGRAMS = ["qemu-system-x86_64", "modprobe", "ip", "wg", "ping"]


class Failed(Exception):
    """The virtual machine cannot be made or run; the text is the reason."""

    def __init__(self, message: str, code: int = 125):
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Files:
    """One kernel, ready to boot."""

    kernel: Path
    initrd: Path
    modules: Path  # lib/modules/VERSION


def say(message: str) -> None:
    print(f"kernel tier: {message}", file=sys.stderr, flush=True)


def build() -> Files:
    """Return the newest kernel of this Debian release, fetched and prepared unless it is in the cache."""
    missing = [program for program in PROGRAMS if not on_path(program)]
    if missing:
        raise Failed(f"missing: {' '.join(missing)}; run .ci/setup kernel")
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        kernel = find_or_fetch_kernel()
        (version,) = os.listdir(kernel / "lib/modules")
        modules = kernel / "lib/modules" / version
        initrd = kernel / "initrd.gz"
        if not initrd.exists() or initrd.stat().st_mtime < newest_source():
            make_initrd(version, kernel, initrd)
    return Files(kernel=kernel / f"boot/vmlinuz-{version}", initrd=initrd, modules=modules)


def newest_source() -> float:
    return max((HERE / name).stat().st_mtime for name in ("image.py", "init.sh"))


# Debian packages


def on_path(command: str) -> str | None:
    return shutil.which(command, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def virtiofsd() -> str | None:
    return next((path for path in VIRTIOFSD if os.access(path, os.X_OK)), None)


def apt_get(*arguments: str, cwd: Path | None = None) -> None:
    """Run apt-get; if it fails, refresh its lists (missing on a fresh machine, stale on an old one) and try again."""
    # Root may download into a directory that the user _apt cannot write to; apt would only warn.
    base = ["apt-get", "-y", "-q", "-o", "DPkg::Lock::Timeout=300", "-o", "APT::Sandbox::User=root"]

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
        return subprocess.run(
            [*base, *words],
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    if not on_path("apt-get"):
        raise Failed(f"apt-get {' '.join(arguments)} is needed, and this is not Debian")
    done = run(*arguments)
    if done.returncode and os.geteuid() == 0:
        run("update")
        done = run(*arguments)
    if done.returncode:
        raise Failed(f"apt-get {' '.join(arguments)} failed:\n{done.stdout[-2000:]}")


def fetch(package: str, target: Path) -> None:
    """Unpack a Debian package without installing it; apt verifies what it downloads."""
    with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
        apt_get("download", package, cwd=Path(scratch))
        (archive,) = Path(scratch).glob("*.deb")
        subprocess.run(["dpkg-deb", "-x", str(archive), str(target)], check=True)


# The kernel


def find_or_fetch_kernel() -> Path:
    """Return a directory with boot/vmlinuz-*, lib/modules/* and busybox in it, named after package and version."""
    cached = sorted(CACHE.glob("linux-image-*"), key=lambda path: path.stat().st_mtime)
    wanted = newest_kernel()
    if wanted is None and not cached:
        apt_get("update")
        wanted = newest_kernel()
    if wanted is None:
        if not cached:
            raise Failed("apt knows no linux-image-amd64, and the cache holds no kernel")
        return cached[-1]

    name = "_".join(wanted)
    if CACHE / name in cached:
        return CACHE / name
    say(f"fetching {' '.join(wanted)}")
    try:
        fetched = fetch_kernel(wanted[0], CACHE / name)
    except Failed as failure:
        if not cached:
            raise
        say(f"continuing with {cached[-1].name}: {failure}")
        return cached[-1]
    for old in cached[:-1]:  # the last one may still run
        shutil.rmtree(old)
    return fetched


def newest_kernel() -> tuple[str, str] | None:
    """Return package and version of linux-image-amd64, from apt: the full kernel, as the cloud kernel has no 9p."""

    def apt_cache(*words: str) -> str:
        return subprocess.run(["apt-cache", *words], capture_output=True, text=True, check=False).stdout

    package = re.search(r"Depends: (linux-image-[0-9]\S+)", apt_cache("depends", "linux-image-amd64"))
    if not package:
        return None
    version = re.search(r"^Version: (\S+)", apt_cache("show", "--no-all-versions", package[1]), re.M)
    return (package[1], version[1].replace(":", "")) if version else None


def fetch_kernel(package: str, target: Path) -> Path:
    with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
        root = Path(scratch) / "root"
        fetch(package, root)
        if (root / "usr/lib/modules").is_dir():  # Debian 13
            (root / "usr/lib").rename(root / "lib")
        shutil.rmtree(root / "usr")
        (root / "usr").symlink_to(".")  # kmod looks below lib or usr/lib, depending on its version
        for unused in ("drivers/gpu", "drivers/media", "sound"):
            for tree in root.glob(f"lib/modules/*/kernel/{unused}"):
                shutil.rmtree(tree)
        (version,) = os.listdir(root / "lib/modules")
        subprocess.run([on_path("depmod") or "depmod", "-b", str(root), version], check=True)
        fetch("busybox-static", Path(scratch) / "busybox")
        (found,) = (path for path in Path(scratch).glob("busybox/**/bin/busybox") if not path.is_symlink())
        found.rename(root / "busybox")
        root.rename(target)
    return target


# The initrd


def make_initrd(version: str, kernel: Path, target: Path) -> None:
    with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
        root = Path(scratch) / "root"
        for directory in ("bin", "dev", "proc", "modules", "lower", "changes", "root"):
            (root / directory).mkdir(parents=True)
        shutil.copy(kernel / "busybox", root / "bin/busybox")
        for link in BUSYBOX_LINKS:
            (root / "bin" / link).symlink_to("busybox")
        for number, module in enumerate(load_order(version, kernel)):
            (root / "modules" / f"{number:02}.ko").write_bytes(decompressed(module))
        shutil.copy(HERE / "init.sh", root / "init")
        (root / "init").chmod(0o755)
        names = sorted(str(path.relative_to(root)) for path in root.rglob("*"))
        cpio = [str(kernel / "busybox"), "cpio", "-o", "-H", "newc"]
        archive = subprocess.run(
            cpio,
            cwd=root,
            input="\n".join(names).encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=True,
        ).stdout
        written = Path(scratch) / "initrd.gz"
        written.write_bytes(gzip.compress(archive, compresslevel=1))
        written.rename(target)


def load_order(version: str, kernel: Path) -> list[Path]:
    """Return the boot modules and their dependencies, each after those it needs."""
    order: dict[Path, None] = {}
    for module in BOOT_MODULES:
        command = [on_path("modprobe") or "modprobe", "-d", str(kernel), "-S", version, "--show-depends", module]
        shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        for line in shown.splitlines():
            kind, _space, path = line.partition(" ")
            if kind == "insmod":
                order[Path(path.strip())] = None
    return list(order)


def decompressed(module: Path) -> bytes:
    if module.suffix == ".xz":
        return lzma.decompress(module.read_bytes())
    if module.suffix == ".ko":
        return module.read_bytes()
    raise Failed(f"cannot unpack {module.name}")
