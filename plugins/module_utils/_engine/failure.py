# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The message with which a module fails. Only a run that fails needs it.

This module is private to the collection.
"""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import missing_required_lib

from .errors import (
    Interrupted,
    InvalidOptions,
    KernelError,
    NotConverged,
    Refused,
    message_with_notes,
    notes,
    os_error_text,
)
from .option_names import spoken


def failure_of(error: Exception, untouched: str, variables: Mapping[str, str]) -> dict[str, Any] | None:
    """Return the message for an error and what belongs to it; None for an error of the program.

    untouched: what the message says where the options are refused. variables: as in spoken().
    """
    message = _message(error, untouched)
    if message is None:
        return None
    found: dict[str, Any] = {"msg": spoken(message, variables)}
    if isinstance(error, (InvalidOptions, Refused)):
        found["errors"] = [spoken(text, variables) for text in error.errors]
    if isinstance(error, ImportError):
        found["exception"] = traceback.format_exc()
    return found


def _message(error: Exception, untouched: str) -> str | None:
    if isinstance(error, ValueError):  # refused before the first change, unless a note says more
        noted = notes(error)
        return f"{noted[0] if noted else untouched}: {error}"
    if isinstance(error, (NotConverged, Interrupted)):
        return message_with_notes(str(error), error)
    if isinstance(error, ImportError):
        return message_with_notes(missing_required_lib("pyroute2"), error)
    if _is_from_pyroute2(error):
        denied = _denied_hint() if getattr(error, "code", None) == errno.EPERM else ""
        return message_with_notes(f"the kernel refused: {error}{denied}", error)
    if not isinstance(error, OSError):
        return None
    hint = ""
    if error.errno in (errno.EPERM, errno.EACCES):  # an error of netlink is no PermissionError
        hint = _denied_hint()
    elif error.errno == errno.ENODEV:
        hint = "; `ip link` lists the interfaces there are"
    refused_by = "kernel" if isinstance(error, KernelError) else "system"
    return message_with_notes(f"the {refused_by} refused: {os_error_text(error)}{hint}", error)


def _denied_hint() -> str:
    """Return what to do about a permission that this process lacks."""
    if os.geteuid():
        return "; run the task as root (become: true)"
    return "; this is root without that right, as in a container without the capability NET_ADMIN"


def _is_from_pyroute2(error: Exception) -> bool:
    """Return whether pyroute2 raised the error. It is imported only by runs that change links or addresses."""
    exceptions = sys.modules.get("pyroute2.netlink.exceptions")
    return exceptions is not None and isinstance(error, exceptions.NetlinkError)
