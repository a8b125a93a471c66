# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How an action refuses what it was given: all reasons at once, each printed once.

Unlike most plugin utils, this one needs Ansible. It is private to the collection.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from ansible.errors import AnsibleActionFail

from ._problems import host_list
from ._written_keys import hosts_with_written_keys

UNPLANNED = "Planning failed, and this plan has changed no host"


def refusal(summary: str, key: str, reasons: Iterable[str]) -> AnsibleActionFail:
    """Return the failure of an action, with the reasons under a key of the result.

    ansible-core prints the text of the exception, and then the result, whose `msg` is that text again. So the reasons are not
    in it. A list is printed with one line for each entry.
    """
    return AnsibleActionFail(summary, result={key: list(reasons), "_ansible_verbose_always": True})


def unplanned(problems: Iterable[str]) -> AnsibleActionFail:
    """Return the failure of a plan with problems."""
    return refusal(_unplanned(hosts_with_written_keys()), "problems", problems)


def _unplanned(keyed: Collection[str]) -> str:
    """Return what a failed plan has left. keyed: the hosts on which earlier tasks of this run have written keys.

    Other plays and batches of the run may have changed hosts, so it says nothing of the whole run.
    """
    if not keyed:
        return UNPLANNED
    return f"{UNPLANNED}; before it, this run has written private key files on {host_list(keyed)}"
