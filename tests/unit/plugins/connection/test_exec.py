# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The exec connection with real local prefixes: `env`, `sh -c` and failing ones."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ansible.plugins.loader")

import yaml
from ansible import constants
from ansible.errors import AnsibleConnectionFailure, AnsibleError, AnsibleFileNotFound
from ansible.playbook.play_context import PlayContext
from ansible.plugins.doc_fragments.connection_pipelining import ModuleDocFragment
from ansible.plugins.loader import become_loader
from ansible_collections.wirewright.overlay.plugins.connection.exec import DOCUMENTATION, Connection

Connect = Callable[..., Any]

# Reads standard input as a container engine does: everything the shell inside does not take is lost.
SHELL_PREFIX = ["sh", "-c", 'exec "$@"', "prefix"]
EVERY_BYTE = bytes(range(256)) * 300


@pytest.fixture(scope="session", autouse=True)
def documented_options() -> None:
    """Register the plugin's options with Ansible's configuration, as its loader does from the documentation."""
    options: dict[str, Any] = {}
    for text in (DOCUMENTATION, ModuleDocFragment.DOCUMENTATION):
        options.update(yaml.safe_load(text)["options"])
    constants.config.initialize_plugin_configuration_definitions("connection", Connection.transport, options)


@pytest.fixture
def connect() -> Connect:
    """Create a connection from options, as Ansible's task executor does."""

    def make(prefix: Any, **options: Any) -> Connection:
        connection = Connection(PlayContext())
        connection._load_name = Connection.transport
        connection.set_options(direct={"exec_prefix": prefix, **options})
        return connection

    return make


@pytest.mark.parametrize("prefix", ["env", "env MOOD='very good'", ["env"], SHELL_PREFIX])
def test_command_returns_code_and_both_streams(connect: Connect, prefix: Any) -> None:
    connection = connect(prefix)
    assert connection.exec_command("echo out; echo err >&2; exit 7") == (7, b"out\n", b"err\n")


def test_string_prefix_is_split_like_a_shell(connect: Connect) -> None:
    assert connect("env MOOD='very good'").exec_command("echo $MOOD")[1] == b"very good\n"


def test_list_prefix_is_used_unchanged(connect: Connect) -> None:
    assert connect(["env", "MOOD=it's $HOME"]).exec_command('echo "$MOOD"')[1] == b"it's $HOME\n"


def test_standard_input_reaches_the_command(connect: Connect) -> None:
    connection = connect(SHELL_PREFIX)
    assert connection.exec_command("cat", in_data=EVERY_BYTE) == (0, EVERY_BYTE, b"")
    assert connection.exec_command("cat") == (0, b"", b""), "no input is an empty input, never the terminal"


def test_command_may_ignore_its_input(connect: Connect) -> None:
    assert connect("env").exec_command("echo fine", in_data=b"x" * 1_000_000) == (0, b"fine\n", b"")


def test_pipelining_is_offered(connect: Connect) -> None:
    assert connect("env", pipelining=True).is_pipelining_enabled()
    assert not connect("env", pipelining=False).is_pipelining_enabled()


def test_executable_is_respected(connect: Connect) -> None:
    connection = connect("env", executable="/bin/bash")
    assert connection.exec_command("echo ${BASH_VERSION:+bash}")[1] == b"bash\n"


@pytest.mark.parametrize(
    ("code", "message"),
    [(1, "nsenter: cannot open /run/netns/h1: No such file or directory"), (125, "Error: no such container"), (0, "")],
)
def test_prefix_that_fails_before_the_shell_is_unreachable(connect: Connect, code: int, message: str) -> None:
    connection = connect(["sh", "-c", f"echo '{message}' >&2; exit {code}", "prefix"])
    with pytest.raises(AnsibleConnectionFailure, match=message or "no output"):
        connection.exec_command("true")


@pytest.mark.parametrize("code", [1, 125, 126, 127, 255])
def test_failing_command_is_not_unreachable(connect: Connect, code: int) -> None:
    command = f"echo 'Error: no such container' >&2; exit {code}"
    assert connect("env").exec_command(command) == (code, b"", b"Error: no such container\n")


@pytest.mark.parametrize(
    ("prefix", "message"),
    [
        ("/nonexistent/prefix", "No such file"),
        ("/etc/passwd", "Permission denied"),
        ("", "is empty"),
        ([], "is empty"),
        ("env 'A=1", "No closing quotation"),
        (["env", 1], "list of strings"),
        ({"env": "A"}, "list of strings"),
    ],
)
def test_unusable_prefix_is_unreachable(connect: Connect, prefix: Any, message: str) -> None:
    with pytest.raises(AnsibleConnectionFailure, match=message):
        connect(prefix).exec_command("true")


def test_prefix_may_write_before_the_shell(connect: Connect) -> None:
    connection = connect(["sh", "-c", 'echo warning >&2; exec "$@"', "prefix"])
    assert connection.exec_command("echo err >&2")[2] == b"warning\nerr\n"


def test_files_are_transferred_unchanged(connect: Connect, tmp_path: Path) -> None:
    source, remote, back = (tmp_path / name for name in ("source", "it's $remote", "back"))
    source.write_bytes(EVERY_BYTE)
    connection = connect(SHELL_PREFIX)
    connection.put_file(str(source), str(remote))
    connection.fetch_file(str(remote), str(back))
    assert remote.read_bytes() == back.read_bytes() == EVERY_BYTE


def test_missing_files_are_named(connect: Connect, tmp_path: Path) -> None:
    connection = connect("env")
    with pytest.raises(AnsibleFileNotFound, match="absent"):
        connection.put_file(str(tmp_path / "absent"), str(tmp_path / "remote"))
    with pytest.raises(AnsibleError, match="absent"):
        connection.fetch_file(str(tmp_path / "absent"), str(tmp_path / "back"))
    assert not (tmp_path / "back").exists(), "a failed fetch leaves no empty file"


def test_transfer_to_a_missing_host_is_unreachable(connect: Connect, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(EVERY_BYTE)
    connection = connect("false")
    with pytest.raises(AnsibleConnectionFailure):
        connection.put_file(str(source), str(tmp_path / "remote"))
    with pytest.raises(AnsibleConnectionFailure):
        connection.fetch_file(str(source), str(tmp_path / "back"))


def test_timeout_kills_the_process_tree(connect: Connect, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    # The inner shell shrugs off SIGTERM, and starts a new child for each one that is ended.
    stubborn = f"trap : TERM; echo $$ >> {pids}; while :; do sleep 60 & echo $! >> {pids}; wait; done"
    with pytest.raises(AnsibleConnectionFailure, match="command_timeout"):
        connect("env", command_timeout=1).exec_command(f"echo $$ > {pids}; sh -c '{stubborn}' & wait")
    left = [int(pid) for pid in pids.read_text().split()]
    assert len(left) >= 3
    deadline = time.monotonic() + 5
    while left := [pid for pid in left if is_running(pid)]:
        assert time.monotonic() < deadline, f"processes {left} were left behind"
        time.sleep(0.01)


def test_no_process_and_no_descriptor_leaks(connect: Connect) -> None:
    def held() -> tuple[int, list[str]]:
        """Return the number of descriptors, and the children, zombies included: other tests may have some."""
        return len(os.listdir("/proc/self/fd")), Path("/proc/thread-self/children").read_text().split()

    connection = connect("env")
    before = held()
    for _time in range(3):
        connection.exec_command("true")
    assert held() == before


def test_become_without_password_passes(connect: Connect) -> None:
    connection = connect("env")
    connection.set_become_plugin(become("sudo"))
    assert connection.exec_command("echo fine")[0] == 0


def test_become_password_is_refused_with_the_remedy(connect: Connect) -> None:
    connection = connect("env")
    connection.set_become_plugin(become("sudo", become_pass="secret"))  # noqa: S106
    with pytest.raises(AnsibleError, match="Remove the become password") as failure:
        connection.exec_command("echo fine")
    assert "secret" not in str(failure.value)


def become(name: str, **options: Any) -> Any:
    """Return a become plugin with its command built, as in a running task."""
    plugin = become_loader.get(name)
    plugin.set_options(direct=options)
    plugin.build_become_command("true", _Shell())
    return plugin


class _Shell:
    SHELL_FAMILY = "sh"
    ECHO = "echo"
    COMMAND_SEP = ";"
    executable = "/bin/sh"


def is_running(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as line:
            return line.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
