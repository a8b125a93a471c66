# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A ping that runs during a change, and returns its packets without an answer."""

from __future__ import annotations

import re
import signal
import subprocess
import threading
from collections.abc import Sequence

from managed_host import wait_until

_ANSWER = re.compile(r"icmp_seq=(\d+) ttl=")


class SteadyPing:
    """ping(8) under a command prefix, answered already when the context is entered.

    with SteadyPing(prefix, "10.244.2.10") as ping:
        change()
        assert ping.lost() == []
    """

    def __init__(self, prefix: Sequence[str], address: str, *, interval: float = 0.1, size: int = 56) -> None:
        self._argv = [*prefix, "ping", "-n", "-O", "-i", str(interval), "-s", str(size), address]
        self._answered: set[int] = set()
        # All other output of ping: with -O, each packet without an answer when the next one is sent.
        self.said: list[str] = []

    def __enter__(self) -> SteadyPing:
        self._process = subprocess.Popen(self._argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        try:
            self.answers_again()
        except AssertionError:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGINT)
        self._process.wait(timeout=20)
        self._reader.join(timeout=20)

    def _read(self) -> None:
        for line in self._process.stdout or ():
            found = _ANSWER.search(line)
            if found:
                self._answered.add(int(found.group(1)))
            else:
                self.said.append(line)

    def answers_again(self, more: int = 3, seconds: float = 30) -> None:
        """Wait for answers to packets sent from now on, or later than those in flight."""
        least = max(self._answered, default=0) + more
        wait_until(lambda: max(self._answered, default=0) >= least, f"answers: {self._argv} {self.said[-5:]}", seconds)

    @property
    def count(self) -> int:
        """The number of answers."""
        return len(self._answered)

    def lost(self) -> list[int]:
        """Return the numbers of the packets without an answer, when later ones have been answered."""
        self.answers_again(5)
        # A reordered answer may still come.
        self.answers_again(2)
        answered = sorted(self._answered)
        return sorted(set(range(answered[0], answered[-1] - 1)) - set(answered))
