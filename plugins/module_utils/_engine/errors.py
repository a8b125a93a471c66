# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Errors of a run: invalid options, refused changes, a kernel state that differs from the desired one, signals.

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Sequence

_SHOWN = 10  # differences that a message lists; there can be thousands


class InvalidOptions(ValueError):
    """Options are invalid; nothing was changed. ``errors`` names each with its value and the remedy."""

    def __init__(self, errors: Sequence[str]) -> None:
        super().__init__(tuple(errors))
        self.errors = tuple(errors)

    def __str__(self) -> str:
        return "; ".join(self.errors)


class Refused(ValueError):
    """The run would change a foreign object or do harm; nothing was changed. ``errors`` has each reason."""

    def __init__(self, *errors: str) -> None:
        super().__init__(*errors)
        self.errors = errors

    def __str__(self) -> str:
        return "; ".join(self.errors)


class NotConverged(RuntimeError):
    """The kernel accepted every request, and its state still differs; ``pending`` has each difference."""

    def __init__(self, *pending: str) -> None:
        super().__init__(*pending)
        self.pending = pending

    def __str__(self) -> str:
        shown = "; ".join(self.pending[:_SHOWN])
        more = f"; and {len(self.pending) - _SHOWN} more" if len(self.pending) > _SHOWN else ""
        return (
            f"the kernel accepted every change, and these are still needed: {shown}{more}. It ignores what it does not "
            "know: leave that option out, or use a newer kernel"
        )


class KernelError(OSError):
    """The kernel refused a request."""


class Interrupted(Exception):
    """A signal interrupted the run; ``signal`` is its name."""

    def __init__(self, signal: str) -> None:
        super().__init__(signal)
        self.signal = signal

    def __str__(self) -> str:
        return f"the run was interrupted by {self.signal}"


def add_note(error: BaseException, text: str) -> None:
    """Add a note to an error (PEP 678, Python 3.11)."""
    vars(error).setdefault("__notes__", []).append(text)


def notes(error: BaseException) -> tuple[str, ...]:
    """Return the notes of an error."""
    return tuple(getattr(error, "__notes__", ()))


def message_with_notes(message: str, error: BaseException) -> str:
    """Return a message, followed by the notes of its error."""
    return "; ".join((message, *notes(error)))


def os_error_text(error: OSError) -> str:
    """Return the text of a system error, with its file name and without its number."""
    return str(error) if error.filename is not None or not error.strerror else error.strerror
