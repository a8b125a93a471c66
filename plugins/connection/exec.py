# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: E402   # documentation stands before imports, as ansible-test asks
"""Connection plugin for hosts behind a local command prefix: namespaces and containers."""

from __future__ import annotations

DOCUMENTATION = r"""
name: exec
author:
  - wirewright contributors (@wirewright)
version_added: 0.1.0
short_description: Reach a host through a local command prefix
description:
  - Runs every command as I(prefix) C(/bin/sh -c COMMAND) on the controller, and transfers files through the same prefix.
    Any host that a local command can enter is managed this way, without SSH and without a daemon.
  - A network namespace with its own mounts,
    C(ansible_exec_prefix=nsenter --net=/run/netns/h1 --mount=/run/lab/h1/mnt --).
  - A container, C(ansible_exec_prefix=podman exec -i h1) or C(ansible_exec_prefix=docker exec -i h1).
  - The host counts as unreachable when the prefix cannot be started or ends before the shell inside the host starts.
    The shell writes a marker to standard error before each command; the plugin removes it from the output.
    This distinguishes a missing namespace or container from a failed command, with every kind of prefix and without a
    further remote command.
options:
  exec_prefix:
    description:
      - The command that enters the host. A string is split as in a shell; a list is used unchanged.
      - It must pass on standard input, as C(podman exec) does with C(-i), and must not allocate a terminal.
    type: raw
    required: true
    vars:
      - name: ansible_exec_prefix
  executable:
    description: The shell that runs commands inside the host.
    type: str
    default: /bin/sh
    ini:
      - section: defaults
        key: executable
    env:
      - name: ANSIBLE_EXECUTABLE
    vars:
      - name: ansible_shell_executable
  command_timeout:
    description:
      - Maximum seconds of one command or file transfer. After that, the prefix and all its local descendants are killed,
        and the host counts as unreachable. V(0) means no limit.
      - The task keyword C(timeout) works too, and kills the same processes.
      - Processes that a container engine started for the prefix are not descendants, and are left to the engine.
    type: int
    default: 0
    ini:
      - section: exec_connection
        key: command_timeout
    env:
      - name: ANSIBLE_EXEC_COMMAND_TIMEOUT
    vars:
      - name: ansible_exec_command_timeout
extends_documentation_fragment:
  - ansible.builtin.connection_pipelining
notes:
  - Privilege escalation works without a password; a become password is refused.
  - The remote user is that of the prefix; C(ansible_user) is not used.
"""

import contextlib
import os
import secrets
import shlex
import signal
import subprocess
from collections.abc import Sequence
from typing import IO, Any

from ansible.errors import AnsibleConnectionFailure, AnsibleError, AnsibleFileNotFound
from ansible.module_utils.common.text.converters import to_bytes, to_native, to_text
from ansible.plugins.connection import ConnectionBase, ensure_connect
from ansible.utils.display import Display

display = Display()


class Connection(ConnectionBase):
    """Runs commands behind a local command prefix."""

    transport = "wirewright.overlay.exec"
    has_pipelining = True
    # No terminal for become plugins.
    has_tty = False

    _connected: bool
    _prefix: list[str]

    def _connect(self) -> Connection:
        """Read the prefix; no process starts before the first command."""
        if not self._connected:
            self._prefix = split_prefix(self.get_option("exec_prefix"))
            self._connected = True
        return self

    @ensure_connect
    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        """Run `cmd` in the host's shell; return its exit code, standard output and standard error."""
        super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        if sudoable and self.become and self.become.expect_prompt():
            raise AnsibleError(
                f"The connection {self.transport} cannot answer a become password prompt. "
                "Remove the become password and allow the user to become without one."
            )
        display.vvv(f"EXEC {to_text(cmd)}", host=self._host)
        return self._run(to_text(cmd), in_data or b"")

    @ensure_connect
    def put_file(self, in_path: str, out_path: str) -> None:
        """Copy the controller's `in_path` to `out_path` in the host, byte by byte."""
        super().put_file(in_path, out_path)
        display.vvv(f"PUT {in_path} TO {out_path}", host=self._host)
        local = to_bytes(in_path, errors="surrogate_or_strict")
        if not os.path.exists(local):
            raise AnsibleFileNotFound(f"file or module does not exist: {in_path}")
        with open(local, "rb") as source:
            code, _stdout, stderr = self._run(f"cat > {shlex.quote(out_path)}", source)
        if code:
            raise AnsibleError(f"failed to transfer file to {out_path}: {to_native(stderr).strip()}")

    @ensure_connect
    def fetch_file(self, in_path: str, out_path: str) -> None:
        """Copy `in_path` in the host to the controller's `out_path`; a failed copy leaves no file."""
        super().fetch_file(in_path, out_path)
        display.vvv(f"FETCH {in_path} TO {out_path}", host=self._host)
        local = to_bytes(out_path, errors="surrogate_or_strict")
        complete = False
        try:
            with open(local, "wb") as target:
                code, _stdout, stderr = self._run(f"cat < {shlex.quote(in_path)}", b"", stdout=target)
            complete = code == 0
        finally:
            if not complete and os.path.lexists(local):
                os.unlink(local)
        if code:
            raise AnsibleError(f"failed to fetch file {in_path}: {to_native(stderr).strip()}")

    def reset(self) -> None:
        """Drop the prefix, so that the next command reads it again; no process is open between commands."""
        self.close()

    def close(self) -> None:
        """Mark the connection as closed: no process is open between commands."""
        self._connected = False

    @property
    def _host(self) -> str | None:
        return self._play_context.remote_addr

    def _run(
        self, command: str, stdin: bytes | IO[bytes], stdout: int | IO[bytes] = subprocess.PIPE
    ) -> tuple[int, bytes, bytes]:
        """Run a shell command through the prefix, and verify that the shell has started."""
        # The marker proves that the shell inside has started. Exit codes cannot: nsenter fails with 1 and podman with
        # 125 to 127, and so may any command.
        marker = f"{self.transport}:{secrets.token_hex(8)}\n"
        script = f"echo {marker.rstrip()} >&2; {command}"
        argv = [*self._prefix, self.get_option("executable"), "-c", script]
        limit = self.get_option("command_timeout") or None
        feed = stdin if isinstance(stdin, bytes) else None
        try:
            process = subprocess.Popen(
                [to_bytes(part, errors="surrogate_or_strict") for part in argv],
                stdin=subprocess.PIPE if isinstance(stdin, bytes) else stdin,
                stdout=stdout,
                stderr=subprocess.PIPE,
            )
        except OSError as error:
            raise AnsibleConnectionFailure(
                f"cannot start ansible_exec_prefix {shlex.join(self._prefix)!r}: {error.strerror}"
            ) from error
        try:
            out, err = process.communicate(feed, timeout=limit)
        except subprocess.TimeoutExpired as error:
            raise AnsibleConnectionFailure(
                f"command did not end within command_timeout ({limit} s) and was stopped"
            ) from error
        finally:
            # Also on a task's timeout or an interrupt, which are exceptions here.
            if process.returncode is None:
                end_process_tree(process)

        before, found, after = err.partition(to_bytes(marker))
        if not found:
            raise AnsibleConnectionFailure(
                f"ansible_exec_prefix {shlex.join(self._prefix)!r} ended with {process.returncode} "
                f"before {self.get_option('executable')} started: {to_native(err).strip() or 'no output'}"
            )
        return process.returncode, out or b"", before + after


def split_prefix(value: Any) -> list[str]:
    """Return the prefix as an argument list. Raises AnsibleConnectionFailure for any other value."""
    if isinstance(value, str):
        try:
            prefix = shlex.split(value)
        except ValueError as error:
            raise AnsibleConnectionFailure(f"ansible_exec_prefix {value!r}: {error}") from error
    elif isinstance(value, Sequence) and all(isinstance(part, str) for part in value):
        prefix = [str(part) for part in value]
    else:
        raise AnsibleConnectionFailure("ansible_exec_prefix must be a string or a list of strings")
    if not prefix:
        raise AnsibleConnectionFailure("ansible_exec_prefix is empty")
    return prefix


def end_process_tree(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and all its descendants, and close our ends of its pipes.

    They share Ansible's process group, so that an interrupt of Ansible ends them too; so they are found by parent.
    """
    tree: list[int] = []
    grown = [process.pid]
    # A stopped process neither forks nor loses children, so the loop ends with the whole tree.
    while len(grown) > len(tree):
        tree = grown
        signal_all(tree, signal.SIGSTOP)
        grown = with_descendants(tree)
    signal_all(tree, signal.SIGKILL)
    process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            # Closing flushes, and the reader of the remaining data is dead.
            with contextlib.suppress(OSError):
                pipe.close()


def signal_all(pids: list[int], number: int) -> None:
    """Send a signal to every process that still exists."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def with_descendants(pids: list[int]) -> list[int]:
    """Return these processes and their descendants; without /proc, only the processes."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc") if os.path.isdir("/proc") else []:
        if entry.isdigit():
            # A process may end meanwhile.
            with contextlib.suppress(OSError), open(f"/proc/{entry}/stat", "rb") as stat:
                children.setdefault(int(stat.read().rpartition(b")")[2].split()[1]), []).append(int(entry))
    found = list(pids)
    for member in found:
        found.extend(pid for pid in children.get(member, []) if pid not in found)
    return found
