# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Whether systemd runs this host, and names of units.

This module is private to the collection.
"""

from __future__ import annotations

import os

# Units that start pods: plaintext is dropped before they start.
KUBELETS = "kubelet.service k3s.service k3s-agent.service rke2-server.service rke2-agent.service"

# Present while systemd is the init system (sd_booted(3)).
_MARK = "/run/systemd/system"


def is_running() -> bool:
    """Return whether systemd runs this host."""
    return os.path.isdir(_MARK)
