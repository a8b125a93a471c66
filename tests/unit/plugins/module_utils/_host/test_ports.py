# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""UDP ports in use."""

from __future__ import annotations

import socket

from ansible_collections.wirewright.overlay.plugins.module_utils._host.ports import bound_ports, in_use

TABLE = """\
   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  100: 00000000:CA6C 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 1 2 0000000000000000 0
 1731: 0100007F:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000   101        0 2 2 0000000000000000 0

"""


def test_ports_of_a_table_of_the_kernel() -> None:
    assert bound_ports(TABLE) == {51820, 53}
    assert bound_ports("") == set()


def test_a_port_is_in_use_while_a_socket_has_it() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind(("127.0.0.1", 0))
        assert bound.getsockname()[1] in in_use()
