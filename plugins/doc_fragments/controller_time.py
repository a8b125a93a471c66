# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The option of modules that compare the clock of a host with that of the controller."""

from __future__ import annotations


class ModuleDocFragment:
    """The option."""

    DOCUMENTATION = r"""
options:
  controller_time:
    description:
      - The time on the controller in seconds since 1970, with which the clock of the host is compared; 0 to leave this out.
        The action plugin of M(wirewright.overlay.overlay_prepare) sets it, and the module compares the clock of a new host.
    type: float
    default: 0
"""
