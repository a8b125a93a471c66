# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans of files: boot files equal the running state, and files of other methods are removed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.reconcile import DELETE
from ansible_collections.wirewright.overlay.plugins.module_utils._host.files import BootFile
from ansible_collections.wirewright.overlay.plugins.module_utils._host.sysctls import Sysctl
from ansible_collections.wirewright.overlay.plugins.module_utils._interface.differences import differences
from ansible_collections.wirewright.overlay.plugins.module_utils._interface.options import WantedInterface
from ansible_collections.wirewright.overlay.plugins.module_utils._interface.plan import Current, Plan, plan
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard import state_file
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.keys import decode_predicted_key, encode_key

from ..samples import key, key_text
from .predicted import KEY_FILE, PRIVATE, after, again, converged, mesh, wanted_peer

CONF = "/etc/wireguard/wg0.conf"
UNIT = "/etc/systemd/system/multi-user.target.wants/wg-quick@wg0.service"
NETWORKD_KEY = "/etc/systemd/network/50-wirewright-wg0.key"
NETWORKD = {NETWORKD_KEY.replace(".key", f".{kind}") for kind in ("netdev", "network", "link", "key")}
SYSCTLS = "/etc/sysctl.d/90-wirewright-wg0.conf"
MEMORY = state_file.path_of("wg0")

PEERS = (wanted_peer(1, "192.0.2.1:51820", "10.42.0.1/32", "10.77.0.0/16", preshared_key=key(100)), wanted_peer(2))


def paths(current: Current) -> set[str]:
    return {file.path for file in current.files}


def changed(made: Plan) -> set[str]:
    return {operation.key() for operation in made.files if operation.action != DELETE}


def deleted(made: Plan) -> set[str]:
    return {operation.key() for operation in made.files if operation.action == DELETE}


@pytest.mark.parametrize(
    ("persistence", "systemd", "expected"),
    [
        ("none", True, {MEMORY}),
        ("wg_quick", True, {MEMORY, CONF, UNIT}),
        ("wg_quick", False, {MEMORY, CONF}),
        ("networkd", True, {MEMORY, *NETWORKD}),
    ],
)
def test_each_method_has_its_files(persistence: str, systemd: bool, expected: set[str]) -> None:
    assert paths(converged(mesh(*PEERS, persistence=persistence), systemd=systemd)) == expected


@pytest.mark.parametrize("before", ["none", "wg_quick", "networkd"])
@pytest.mark.parametrize("now", ["none", "wg_quick", "networkd"])
def test_files_of_another_method_are_removed(before: str, now: str) -> None:
    host = converged(mesh(*PEERS, persistence=before), systemd=True)
    wanted = mesh(*PEERS, persistence=now)
    made = again(host, wanted, systemd=True)
    assert paths(after(host, made)) == paths(converged(wanted, systemd=True))
    assert bool(made) == (before != now)
    assert not again(after(host, made), wanted, systemd=True)


def test_sysctls_persist_only_with_a_boot_method() -> None:
    forward = (Sysctl("net/ipv4/ip_forward", "1"),)
    host = converged(mesh(*PEERS, persistence="wg_quick", sysctls=forward))
    assert SYSCTLS in paths(host)
    assert SYSCTLS not in paths(converged(mesh(*PEERS, sysctls=forward)))
    assert deleted(again(host, mesh(*PEERS, persistence="wg_quick"))) == {SYSCTLS}


def test_foreign_files_are_kept() -> None:
    notes = BootFile(CONF, "[Interface]\n# by hand\n", 0o600, "root")
    host = replace(converged(mesh(*PEERS)), files=(*converged(mesh(*PEERS)).files, notes))
    assert not again(host, mesh(*PEERS))
    made = plan(host, WantedInterface("wg0", present=False), None)
    assert deleted(made) == {MEMORY}


def test_a_foreign_file_at_a_managed_path_is_in_the_plan() -> None:
    notes = BootFile(CONF, "[Interface]\n# by hand\n", 0o600, "root")
    made = again(Current(files=(notes,)), mesh(*PEERS, persistence="wg_quick"))
    (found,) = [operation.before for operation in made.files if operation.before is not None]
    assert found == notes
    assert not found.is_ours


@pytest.mark.parametrize(
    "drifted",
    [{"content": "# Written by somebody else\n"}, {"mode": 0o644}, {"content": ""}],
    ids=["content", "mode", "emptied"],
)
def test_a_changed_boot_file_is_written_again(drifted: dict[str, object]) -> None:
    wanted = mesh(*PEERS, persistence="wg_quick")
    host = converged(wanted)
    files = tuple(replace(file, **drifted) if file.path == CONF else file for file in host.files)  # type: ignore[arg-type]
    assert changed(again(replace(host, files=files), wanted)) == {CONF}


def test_a_change_is_in_the_kernel_and_in_the_boot_file() -> None:
    host = converged(mesh(*PEERS, persistence="wg_quick"))
    made = again(host, mesh(*PEERS, persistence="wg_quick", listen_port=51821))
    assert made.settings.listen_port == 51821
    assert changed(made) == {CONF}


def test_a_kept_peer_is_in_the_boot_file() -> None:
    host = converged(mesh(*PEERS, wanted_peer(3, "", "10.42.0.3/32"), persistence="wg_quick"))
    kept = mesh(*PEERS, persistence="wg_quick", unknown_peers=frozenset({"h3"}))
    assert not again(host, kept)
    (conf,) = [file.content for file in host.files if file.path == CONF]
    assert key_text(3) in conf
    assert "# h3" in conf


def test_a_roamed_endpoint_is_not_in_the_boot_file() -> None:
    wanted = mesh(*PEERS, persistence="wg_quick")
    host = converged(wanted)
    (conf,) = [file.content for file in host.files if file.path == CONF]
    assert "Endpoint = 192.0.2.1:51820" in conf


def test_an_allowed_ip_that_moved_is_in_the_boot_file_once() -> None:
    host = converged(mesh(*PEERS, persistence="wg_quick"))
    moved = mesh(wanted_peer(3, "", "10.77.0.0/16"), purge=False, persistence="wg_quick")
    then = converged(moved, host)
    (conf,) = [file.content for file in then.files if file.path == CONF]
    assert conf.count("10.77.0.0/16") == 2  # one AllowedIPs line, one route
    assert not again(then, moved)


def test_without_a_key_file_only_the_state_file_is_written() -> None:
    wanted = replace(mesh(*PEERS, persistence="wg_quick"), private_key_file=None)
    made = plan(Current(), wanted, None)
    assert changed(made) == {MEMORY}


def test_the_private_key_is_in_one_file_of_one_method() -> None:
    for persistence in ("none", "wg_quick", "networkd"):
        host = converged(mesh(*PEERS, persistence=persistence), systemd=True)
        holding = [file for file in host.files if encode_key(PRIVATE) in file.content or PRIVATE.hex() in file.content]
        assert {file.path for file in holding} == ({NETWORKD_KEY} if persistence == "networkd" else set())
        assert all(file.secret and file.mode == 0o640 and file.group == "systemd-network" for file in holding)


def test_files_with_preshared_keys_are_not_world_readable() -> None:
    for persistence in ("none", "wg_quick", "networkd"):
        for file in converged(mesh(*PEERS, persistence=persistence), systemd=True).files:
            if key_text(100) in file.content:
                assert file.mode & 0o007 == 0
            assert file.mode & 0o022 == 0 or file.target is not None


def test_removal_with_the_key_deletes_the_key_file() -> None:
    host = converged(mesh(*PEERS))
    secret = BootFile(KEY_FILE, encode_key(PRIVATE) + "\n", 0o600, "root", ours_by_path=True, secret=True)
    host = replace(host, files=(*host.files, secret))
    made = plan(host, WantedInterface("wg0", present=False, private_key_file=KEY_FILE), None)
    assert deleted(made) == {KEY_FILE, MEMORY}


@pytest.mark.parametrize("persistence", ["none", "wg_quick", "networkd"])
def test_a_key_that_is_not_generated_yet_is_predicted_as_a_change(persistence: str) -> None:
    """The real plan, with a key in place of the placeholder, has the same operations."""
    wanted = mesh(wanted_peer(1, "192.0.2.1:51820", "10.42.0.1/32"), persistence=persistence)
    for host in (Current(), converged(mesh(wanted_peer(2)))):
        predicted = plan(host, wanted, decode_predicted_key("the new key of h100"), systemd=True)
        real = plan(host, wanted, key(1001), systemd=True)
        assert encode_key(predicted.own_key) == "the new key of h100"
        assert differences(predicted) == differences(real) and predicted.counts() == real.counts()
        assert predicted.settings.private_key is not None
