# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Why something is not made: it was asked for wrongly, it would do harm, or the kernel did not come to hold it.

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Sequence

_NAMED = 10  # how many reasons a message names where they may be thousands


class InvalidOptions(ValueError):
    """Options that cannot be meant; nothing was touched. ``errors`` names each with its value and the remedy."""

    def __init__(self, errors: Sequence[str]) -> None:
        super().__init__(tuple(errors))
        self.errors = tuple(errors)

    def __str__(self) -> str:
        return "; ".join(self.errors)


class Refused(ValueError):
    """What is asked for would touch what is not ours, or do harm; nothing was touched. ``errors`` has each reason."""

    def __init__(self, *errors: str) -> None:
        super().__init__(*errors)
        self.errors = errors

    def __str__(self) -> str:
        return "; ".join(self.errors)


class NotConverged(RuntimeError):
    """The kernel took every request and still holds something else than was asked for; ``left`` has each difference."""

    def __init__(self, *left: str) -> None:
        super().__init__(*left)
        self.left = left

    def __str__(self) -> str:
        shown = "; ".join(self.left[:_NAMED])
        more = f"; and {len(self.left) - _NAMED} more" if len(self.left) > _NAMED else ""
        return (
            f"the kernel accepted every change, and these are still needed: {shown}{more}. It ignores what it does not "
            "know: leave that option out, or use a newer kernel"
        )


class Ended(Exception):
    """A signal asked the run to end; its name is said."""

    def __init__(self, signal: str) -> None:
        super().__init__(signal)
        self.signal = signal

    def __str__(self) -> str:
        return f"the run was ended by {self.signal}"


def add_note(error: BaseException, text: str) -> None:
    """Say more of an error (PEP 678, which Python has from 3.11 on)."""
    vars(error).setdefault("__notes__", []).append(text)


def notes(error: BaseException) -> tuple[str, ...]:
    """Return what else was said of an error."""
    return tuple(getattr(error, "__notes__", ()))


def with_notes(message: str, error: BaseException) -> str:
    """Return a message with what else was said of its error."""
    return "; ".join((message, *notes(error)))


def of_the_system(error: OSError) -> str:
    """Return what an error of the system says, with the file that it speaks of, and without the number."""
    return str(error) if error.filename is not None or not error.strerror else error.strerror
