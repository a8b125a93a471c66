# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Something else in place of each file and directory of the collection: refused by name, not followed, not removed."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._host.program_files import PATHS
from ansible_collections.wirewright.overlay.plugins.module_utils._overlay.lock import GUARD, LOCK
from managed_host import ManagedHost, key

KEY_FILE = "/etc/wireguard/wg0.key"
PEER = {"name": "alpha", "public_key": key("peer a"), "allowed_ips": ["10.42.0.2/32"]}
WG0: dict[str, Any] = {
    "name": "wg0",
    "userspace": True,
    "addresses": ["10.42.0.1/24"],
    "sysctls": {"net.ipv4.ip_forward": 1},
    "peers": [PEER],
}
ROUTING: dict[str, Any] = {
    "ip_routes": [{"table": 201, "purge": True, "routes": [{"destination": "10.9.0.0/16", "dev": "wg0"}]}],
    "ip_rules": {"priorities": "7000-7009", "purge": True, "rules": [{"priority": 7000, "fwmark": "0x100/0x100", "table": 201}]},
    "temporary_sysctls": {"net.ipv4.conf.eth0.rp_filter": 2},
    "nftables": {"wg0": {"clamp_mss": True}},
}  # fmt: skip
GONE: dict[str, Any] = {
    "interfaces": [{"name": "wg0", "state": "absent"}],
    "ip_routes": [{"table": 201, "purge": True, "routes": []}],
    "ip_rules": {"priorities": "7000-7009", "purge": True, "rules": []},
    "temporary_sysctls": {},
    "xfrm_boot": {"state": "absent"},
}
DOCUMENTS: dict[str, dict[str, Any]] = {
    "wg_quick": {"interfaces": [{**WG0, "persistence": "wg_quick"}], **ROUTING},
    "networkd": {"interfaces": [{**WG0, "persistence": "networkd"}], "ip_rules": ROUTING["ip_rules"]},
    "ipsec": {"xfrm_boot": {"epoch": 1, "ahead": {}, "index": 1, "nodes": {}, "slots": 4}},
}
PLACES = "/etc /var/lib /run/wirewright.overlay"
HEADER = "# Written by wirewright.overlay: changes made here are lost with the next run."

# Scripts that put something in place of $1.
FILES = {
    "link": 'ln -s /root/precious "$1"',
    "dangling link": 'ln -s /root/nothing "$1"',
    "pipe": 'mkfifo "$1"',
    "directory": 'mkdir "$1"',
    "foreign owner": f'echo "{HEADER}" >"$1"; chown 1234 "$1"',
    "foreign mode": f'echo "{HEADER}" >"$1"; chmod 666 "$1"',
}
DIRECTORIES = {
    "link": 'ln -s /root "$1"',
    "file": 'echo >"$1"',
    "pipe": 'mkfifo "$1"',
    "foreign owner": 'mkdir "$1"; chown 1234 "$1"',
    "foreign mode": 'mkdir -m 777 "$1"',
}
STATE = """
places="/etc/wireguard /etc/systemd /etc/sysctl.d /etc/wirewright.overlay /var/lib/wirewright.overlay /root/precious"
places="$places /usr/local/lib/wirewright.overlay"
find $places -printf '%p %y %m %U:%G %l\\n' 2>/dev/null | sort; ls -d /root/* | sort
find /run/wirewright.overlay -mindepth 1 ! -name lock 2>/dev/null | sort
find /root/precious /etc/wireguard -type f -exec sha256sum {} +; ip link; ip rule; ip route show table all
"""


@pytest.fixture
def host(host: ManagedHost) -> ManagedHost:
    host.make_key()
    host.shell("echo precious >/root/precious")
    return host


def written(host: ManagedHost, document: dict[str, Any]) -> list[tuple[str, str]]:
    """Return what a run writes, as type (d, f, l) and path, after it was removed again."""
    host.shell("touch -d '1 second ago' /run/began")
    before = set(host.shell(f"find {PLACES} 2>/dev/null || :").splitlines())
    assert host.module("overlay_apply", **document).changed
    found = [
        line.split(" ", 1) for line in host.shell(f"find {PLACES} -printf '%y %p\\n' 2>/dev/null || :").splitlines()
    ]
    assert host.module("overlay_apply", **GONE).changed
    return [(kind, path) for kind, path in found if path not in before]


def planted(
    host: ManagedHost, path: str, script: str, module: str, arguments: dict[str, Any], *, may_pass: bool = False
) -> None:
    """Put something in place of a path and run a module: it is refused by name, and all stays as it is.

    may_pass: whether the run may have nothing to do with the path.
    """
    prepare = 'mkdir -p "$(dirname "$1")"; rm -rf "$1"; '
    host.run("sh", "-ec", prepare + script, "sh", path)
    before = host.shell(STATE)
    try:
        for check_mode in (True, False):
            result = host.module(module, check_mode=check_mode, **arguments)
            if not (may_pass and result.rc == 0):
                assert path in result.failure, (path, script, result.output)
            assert host.shell(STATE) == before, (path, script)
    finally:
        host.run("rm", "-rf", path)  # other tests use this host


@pytest.mark.sampled(8)
@pytest.mark.parametrize("part", range(3))
@pytest.mark.parametrize("name", DOCUMENTS)
def test_what_is_in_place_of_a_file_is_refused_by_name_and_kept(host: ManagedHost, name: str, part: int) -> None:
    paths = written(host, DOCUMENTS[name])
    assert len([path for kind, path in paths if kind == "f"]) >= 4, paths
    paths = paths[part::3]
    for kind, path in paths:
        for script in (DIRECTORIES if kind == "d" else FILES).values():
            planted(host, path, script, "overlay_apply", DOCUMENTS[name])
    for kind, path in paths:
        if kind == "f" and "/run/" not in path:
            planted(host, path, FILES["link"], "overlay_apply", GONE, may_pass=True)
    assert host.module("overlay_apply", **DOCUMENTS[name]).changed, "all is as before"


def test_what_is_in_place_of_a_key_is_refused_by_name_and_kept(host: ManagedHost) -> None:
    path = "/etc/wireguard/deep/some.key"
    for script in FILES.values():
        for arguments in ({}, {"regenerate": True}, {"state": "absent"}):
            planted(host, path, script, "wg_key", {"path": path, **arguments})
    for script in DIRECTORIES.values():
        planted(host, "/etc/wireguard/deep", script, "wg_key", {"path": path})
    planted(host, path, 'echo precious >"$1"', "wg_key", {"path": path, "state": "absent"})
    gone = {"name": "wg0", "state": "absent", "remove_private_key": True, "private_key_file": path}
    for script in (*FILES.values(), 'echo precious >"$1"'):
        planted(host, path, script, "overlay_apply", {"interfaces": [gone]})


@pytest.mark.slow
def test_what_is_in_place_of_a_file_of_a_program_is_refused_by_name_and_kept(host: ManagedHost) -> None:
    arguments: dict[str, Any] = {"interfaces": ["wg1"], "programs": sorted(PATHS)}
    paths = [f"/{path}".replace("*", "wgdirect") for listed in PATHS.values() for path in listed]
    for path in paths:
        # An enabled unit is a link to the unit, whatever has its place.
        for script in (*FILES.values(), 'echo foreign >"$1"' if not path.endswith(".json") else FILES["pipe"]):
            planted(host, path, script, "overlay_prepare", arguments)
    for directory in ("/usr/local/lib/wirewright.overlay", "/etc/wirewright.overlay"):
        for script in DIRECTORIES.values():
            planted(host, directory, script, "overlay_prepare", arguments)
    assert host.module("overlay_prepare", **arguments).changed, "the key is made when nothing is in place of the files"


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    "arguments", [{}, {"confirm_timeout": 60, "confirm_token": "t" * 32}], ids=["plain", "confirmed"]
)
def test_what_is_in_place_of_the_files_of_the_guard_is_refused_by_name_and_kept(
    host: ManagedHost, arguments: dict[str, Any]
) -> None:
    document = {"temporary_sysctls": ROUTING["temporary_sysctls"], **arguments}
    for script in DIRECTORIES.values():
        planted(host, GUARD, script, "overlay_apply", document)
    for name in ("run.json", "process", "reverted.json", "confirmed.json", "checkpoint", "checkpoint.new", "code.zip"):
        for script in FILES.values():
            planted(host, f"{GUARD}/{name}", script, "overlay_apply", document)
    for script in FILES.values():
        planted(host, LOCK, script, "overlay_apply", document)
