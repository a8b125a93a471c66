# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""wg_key in twelve steps, and the safety of a private key file: its mode, its creation, and where the key is visible."""

from __future__ import annotations

import multiprocessing
import re
import stat
from typing import Any

import pytest
from host_state import observe, secrets_of
from managed_host import ManagedHost, ModuleResult, key, run_module
from twelve_steps import Case, assert_no_secret, take_twelve_steps

KEY_FILE = "/etc/wireguard/wg0.key"
KEY: dict[str, Any] = {"path": KEY_FILE}
GONE = {"path": KEY_FILE, "state": "absent"}
TOGETHER = 20

# Manual changes of the file between two runs.
MANUAL_CHANGES = {
    "removed": f"rm {KEY_FILE}",
    "readable by its group": f"chmod 640 {KEY_FILE}",
    "readable by all": f"chmod 644 {KEY_FILE}",
}


@pytest.mark.parametrize("script", MANUAL_CHANGES)
def test_key_takes_twelve_steps(host: ManagedHost, script: str) -> None:
    take_twelve_steps(host, Case("wg_key", KEY, KEY, GONE, manual_change=MANUAL_CHANGES[script]))


def test_key_in_a_missing_directory_takes_twelve_steps(host: ManagedHost) -> None:
    path = "/etc/wireguard/deep/er/some.key"
    wanted = {"path": path}
    case = Case("wg_key", wanted, wanted, {**wanted, "state": "absent"}, manual_change="rm -r /etc/wireguard/deep")
    take_twelve_steps(host, case)


def contents(host: ManagedHost, path: str = KEY_FILE) -> str:
    return host.run("cat", path)


def mode(host: ManagedHost, path: str = KEY_FILE) -> str:
    return host.run("stat", "-c", "%a %U:%G", path).strip()


def pubkey(host: ManagedHost, path: str = KEY_FILE) -> str:
    """Return the public key that `wg` computes from a private key file."""
    return host.run("sh", "-c", f"wg pubkey <{path}").strip()


def test_wg_accepts_the_key_and_its_public_key_is_returned(host: ManagedHost) -> None:
    made = host.module("wg_key", **KEY)
    assert made.changed and made.data["path"] == KEY_FILE
    assert re.fullmatch(r"[A-Za-z0-9+/]{43}=\n", contents(host)), "the format of wg genkey"
    assert mode(host) == "600 root:root"
    assert made.data["public_key"] == pubkey(host)


@pytest.mark.parametrize("text", [key("a key"), key("a key") + "\n", key("a key") + " \n\n", "/" * 42 + "8=\n"])
def test_an_existing_key_is_kept_unchanged(host: ManagedHost, text: str) -> None:
    host.write(KEY_FILE, text)
    before = observe(host)
    found = host.module("wg_key", **KEY)
    assert not found.changed
    assert observe(host) == before and contents(host) == text
    assert found.data["public_key"] == pubkey(host)


def test_a_readable_key_gets_mode_0600_and_a_warning(host: ManagedHost) -> None:
    host.write(KEY_FILE, key("exposed") + "\n", mode="644")
    closed = host.module("wg_key", **KEY)
    assert closed.changed and mode(host) == "600 root:root"
    assert contents(host) == key("exposed") + "\n"
    assert KEY_FILE in str(closed.data["warnings"])
    assert "warnings" not in host.module("wg_key", **KEY).data


@pytest.mark.parametrize(
    "text", ["", "canary", key("canary")[:-2], key("canary") * 2, " " + key("canary"), "_" + key("canary")[1:]]
)
def test_file_without_a_key_is_refused_by_path_and_not_quoted(host: ManagedHost, text: str) -> None:
    host.write(KEY_FILE, text)
    before = observe(host)
    for check_mode in (True, False):
        refused = host.module("wg_key", check_mode=check_mode, **KEY)
        assert KEY_FILE in refused.failure and "regenerate" in refused.failure
        assert not text or text.strip()[1:] not in refused.output
    assert observe(host) == before


@pytest.mark.parametrize("thing", ["mkdir", "mkfifo", "ln -s wg0.key"])
def test_a_path_of_another_type_is_refused_and_kept(host: ManagedHost, thing: str) -> None:
    host.shell(f"mkdir -p /etc/wireguard; {thing} {KEY_FILE}")
    before = observe(host)
    assert KEY_FILE in host.module("wg_key", **KEY).failure
    assert observe(host) == before


def test_a_broken_file_is_replaced_on_request(host: ManagedHost) -> None:
    host.write(KEY_FILE, "broken\n")
    made = host.module("wg_key", **KEY, regenerate=True)
    assert made.changed and made.data["public_key"] == pubkey(host)
    assert "broken" not in made.output


def test_a_regenerated_key_is_used_once_the_interface_is_applied(host: ManagedHost) -> None:
    interface = {"interface": "wg0", "userspace": True, "private_key_file": KEY_FILE}
    old = host.module("wg_key", **KEY).data["public_key"]
    host.module("wg_interface", **interface)
    held = secrets_of(host)

    predicted = host.module("wg_key", check_mode=True, **KEY, regenerate=True)
    assert predicted.changed and pubkey(host) == old
    made = host.module("wg_key", **KEY, regenerate=True)
    assert made.changed and made.diff == predicted.diff
    assert made.data["public_key"] == pubkey(host) != old
    assert mode(host) == "600 root:root"
    assert host.run("wg", "show", "wg0", "public-key").strip() == old, "the tunnel keeps the old key"

    applied = host.module("wg_interface", **interface)
    assert applied.changed
    assert host.run("wg", "show", "wg0", "public-key").strip() == pubkey(host)
    assert_no_secret((predicted, made, applied), held | secrets_of(host))


def test_the_key_survives_a_replacement_on_a_full_disk(host: ManagedHost) -> None:
    host.shell("mkdir -p /etc/wireguard/small; mount -t tmpfs -o size=8k small /etc/wireguard/small")
    try:
        path = "/etc/wireguard/small/wg0.key"
        old = host.module("wg_key", path=path).data["public_key"]
        host.shell("cat /dev/zero >/etc/wireguard/small/filler 2>/dev/null || :")
        refused = host.module("wg_key", path=path, regenerate=True)
        assert "No space left" in refused.failure
        assert pubkey(host, path) == old
        assert host.run("ls", "-A", "/etc/wireguard/small").split() == ["filler", "wg0.key"]
    finally:
        host.shell("umount /etc/wireguard/small; rm -r /etc/wireguard/small")


def run_together(times: int, arguments: dict[str, Any]) -> list[ModuleResult]:
    """Run wg_key several times in parallel: all processes start at the same time."""
    fork = multiprocessing.get_context("fork")
    start = fork.Barrier(times)
    results = fork.SimpleQueue()

    def one() -> None:
        start.wait(60)
        results.put(run_module("wg_key", arguments, False))

    processes = [fork.Process(target=one) for _number in range(times)]
    for process in processes:
        process.start()
    found = [results.get() for _process in processes]
    for process in processes:
        process.join()
    return found


def test_twenty_runs_at_once_make_one_key(host: ManagedHost) -> None:
    for _time in range(3):
        host.shell("rm -rf /etc/wireguard/*")
        results = host.call(run_together, TOGETHER, KEY)
        assert {result.rc for result in results} == {0}
        assert {result.data["public_key"] for result in results} == {pubkey(host)}
        assert [result.changed for result in results].count(True) == 1
        assert host.run("ls", "-A", "/etc/wireguard").split() == ["wg0.key"]
        assert mode(host) == "600 root:root"


def test_twenty_replacements_at_once_leave_one_whole_key(host: ManagedHost) -> None:
    results = host.call(run_together, TOGETHER, {**KEY, "regenerate": True})
    assert {result.rc for result in results} == {0}
    made = [result.data["public_key"] for result in results]
    assert len(set(made)) == TOGETHER or made.count(pubkey(host)) >= 1
    assert pubkey(host) in made
    assert host.run("ls", "-A", "/etc/wireguard").split() == ["wg0.key"]


@pytest.mark.parametrize(
    "path",
    [
        *(
            "wg0.key",
            "./wg0.key",
            "/",
            "/etc/wireguard/",
            "//etc/wg0.key",
            "/etc/../wg0.key",
            "/etc/wireguard/./wg0.key",
        ),
        *(
            "/dev/null",
            "/dev/wg0.key",
            "/proc/self/mem",
            "/sys/wg0.key",
            "/etc/a b.key",
            "/etc/wg0.key\n",
            "/etc/%i.key",
        ),
        *("/etc/`id`.key", "/etc/wg0.key;id", "/etc/\u2028.key", "/" + "a" * 256, "/a" * 2048, key("secret")),
    ],
)
def test_an_odd_path_is_refused_and_nothing_is_made(host: ManagedHost, path: str) -> None:
    before = host.run("find", "/etc/wireguard", "-ls")
    for options in ({}, {"regenerate": True}, {"state": "absent"}, {"check_mode": True}):
        result = host.module("wg_key", path=path, **options)
        assert result.rc and "path: not " in result.failure and key("secret") not in result.output, result.output
    assert host.run("find", "/etc/wireguard", "-ls") == before


FILE_CALLS = (
    "execve,open,openat,creat,write,fsync,fchmod,chmod,fchmodat,chown,fchown,rename,renameat,renameat2,link,linkat"
)


def calls_on(trace: str, directory: str) -> list[tuple[str, str]]:
    """Return name and arguments of the calls that succeeded on a directory or a file in it, in order."""
    subject = rf'(?:\d+<|(?:AT_FDCWD<[^>]*>, )?"){re.escape(directory)}[/">]'
    call = re.compile(rf"^\d+ +(\w+)\(({subject}.*)\) += (?!-1)", re.MULTILINE)
    return call.findall(trace)


@pytest.mark.sampled(6)
@pytest.mark.parametrize("umask", ["000", "022", "077", "377"])
@pytest.mark.parametrize("regenerate", [False, True], ids=["first", "replaced"])
def test_the_key_file_is_never_readable_or_incomplete(host: ManagedHost, umask: str, regenerate: bool) -> None:
    if regenerate:
        host.write(KEY_FILE, key("old") + "\n")
    result, trace = host.traced_module("wg_key", FILE_CALLS, umask=umask, **KEY, regenerate=regenerate)
    assert result.changed
    assert mode(host) == "600 root:root"
    calls = calls_on(trace, "/etc/wireguard")
    made = [arguments for name, arguments in calls if "O_CREAT" in arguments]
    assert len(made) == 1 and "O_EXCL" in made[0] and made[0].endswith(", 0600"), calls
    into_place = "rename" if regenerate else "link"
    order = [name for name, _arguments in calls if name not in ("open", "openat", "chmod", "fchmod")]
    assert order == ["write", "fsync", into_place, "fsync"], calls
    rights = [int(arguments.rpartition(" ")[2], 8) for name, arguments in calls if name in ("chmod", "fchmod")]
    assert not any(right & (stat.S_IRWXG | stat.S_IRWXO) for right in rights), calls


def test_directories_have_mode_0700_with_any_umask(host: ManagedHost) -> None:
    path = "/etc/wireguard/one/two/wg0.key"
    result, _trace = host.traced_module("wg_key", FILE_CALLS, umask="000", path=path)
    assert result.changed
    modes = host.run("stat", "-c", "%a", "/etc/wireguard/one", "/etc/wireguard/one/two").split()
    assert modes == ["700", "700"]


def test_key_is_in_no_argument_environment_or_result(host: ManagedHost) -> None:
    result, trace = host.traced_module("wg_key", "execve", **KEY)
    secrets = secrets_of(host)
    assert len(secrets) == 1
    assert_no_secret([result], secrets)
    assert trace.count("execve(") == 1, "no other program is run"
    assert not any(secret.rstrip("=") in trace for secret in secrets)
