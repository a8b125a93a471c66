# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The process that has a UDP port."""

from __future__ import annotations

import os
import socket

from ansible_collections.wirewright.overlay.plugins.module_utils._host.port_owner import inodes, owner

TABLE = """\
   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  100: 00000000:CA6C 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 12345 2 0000000000000000 0
  101: 00000000:CA6D 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 12346 2 0000000000000000 0
  102: 00000000:CA6C 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 0 2 0000000000000000 0
"""


def test_sockets_of_the_kernel_have_no_inode() -> None:
    assert inodes(TABLE, 51820) == ["12345"]
    assert inodes(TABLE, 1) == []


def test_the_process_with_the_port_is_named() -> None:
    for family in (socket.AF_INET, socket.AF_INET6):
        with socket.socket(family, socket.SOCK_DGRAM) as bound:
            bound.bind(("", 0))
            port = bound.getsockname()[1]
            assert owner(port).endswith(f"(process {os.getpid()})")
        assert owner(port) == ""
