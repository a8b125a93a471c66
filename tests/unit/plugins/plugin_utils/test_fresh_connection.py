# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The connection on which a change is confirmed: no TCP connection that was there before."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from typing import Any

import pytest
from ansible.playbook.play_context import PlayContext
from ansible.plugins.connection import ConnectionBase
from ansible.plugins.loader import connection_loader
from ansible_collections.wirewright.overlay.plugins.plugin_utils._fresh_connection import fresh


def ssh(**options: str) -> Any:
    connection = connection_loader.get("ssh", PlayContext(), None)
    connection.set_options(var_options={"ansible_host": "192.0.2.1", **options})
    connection.host = "192.0.2.1"
    return connection


def command(connection: Any) -> list[str]:
    return [word.decode() for word in connection._build_command("ssh", "ssh", "192.0.2.1", "true")]


def settings(argv: list[str]) -> dict[str, str]:
    """Return what ssh(1) makes of a command."""
    if shutil.which("ssh") is None:
        pytest.skip("needs ssh (openssh-client)")
    shown = subprocess.run(["ssh", "-G", *argv[1:]], capture_output=True, text=True, check=True)
    return dict(line.split(" ", 1) for line in shown.stdout.splitlines() if " " in line)


SHARING = {
    "defaults": {},
    "a path of the user": {"ansible_ssh_common_args": "-o ControlMaster=auto -o ControlPath=/tmp/of-user-%C"},
    "an option of the plugin": {"ansible_control_path": "/tmp/of-plugin-%%C"},  # noqa: S108
    "arguments of the user": {"ansible_ssh_args": "-o ControlMaster=yes -o ControlPersist=1h -o ControlPath=/tmp/a"},
}


@pytest.mark.parametrize("sharing", SHARING)
def test_ssh_shares_no_connection_in_the_block_and_does_so_after_it(sharing: str) -> None:
    connection = ssh(**SHARING[sharing])
    before = command(connection)
    with fresh(connection):
        argv = command(connection)
        found = settings(argv)
        assert found.get("controlpath", "none") == "none" and found["controlmaster"] == "false", shlex.join(argv)
    assert command(connection) == before
    assert settings(before).get("controlpath", "none") != "none"


class Resettable(ConnectionBase):
    transport = "some.where"
    calls: list[str]

    def __init__(self) -> None:
        self.calls = []

    def reset(self) -> None:
        self.calls.append("reset")

    def _connect(self) -> None: ...
    def exec_command(self, *_args: Any, **_kwargs: Any) -> None: ...
    def put_file(self, *_args: Any) -> None: ...
    def fetch_file(self, *_args: Any) -> None: ...
    def close(self) -> None: ...


def test_other_connections_are_reset_where_they_can_be() -> None:
    connection = Resettable()
    with fresh(connection):
        assert connection.calls == ["reset"]

    class Plain(Resettable):
        reset = ConnectionBase.reset

    with fresh(Plain()):
        pass
