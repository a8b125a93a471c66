# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that brings back a node's IPsec closes first, and takes no key twice, wherever it is cut short."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[3] / "roles/node_encryption/files/wirewright-overlay-ipsec"
CLOSED, RECEIVE = "closed.batch", "receive.batch"
# `ip -force -batch FILE` notes the file and the epoch on disk; with a file of its own, the power fails.
IP = '#!/bin/sh\necho "$3 $(cut -d" " -f1 epoch)" >>"$NODE/log"\n[ ! -e "$NODE/dies-at-$3" ] || kill -KILL "$PPID"\n'


@dataclass(frozen=True)
class Node:
    """A node as far as the program sees it: its directory, and an `ip` that only takes notes."""

    home: Path

    def __post_init__(self) -> None:
        self.ipsec.mkdir()
        (self.home / "bin").mkdir()
        for name, text in (("ip", IP), ("sync", "#!/bin/sh\n")):
            (self.home / "bin" / name).write_text(text)
            (self.home / "bin" / name).chmod(0o755)
        for name in (CLOSED, RECEIVE, *(f"send-{number}.batch" for number in (6, 7, 8))):
            (self.ipsec / name).touch(0o600)
        self.write("5 an-earlier-boot\n")

    @property
    def ipsec(self) -> Path:
        """Where the files of the node are."""
        return self.home / "ipsec"

    def write(self, record: str) -> None:
        """Write the record of the epoch."""
        (self.ipsec / "epoch").write_text(record)

    def boot(self, dies_at: str = "") -> tuple[int, list[str], str]:
        """Return how the program ended, what it loaded, with the epoch that was on disk then, and what it said."""
        text = PROGRAM.read_text().replace("/etc/wirewright.overlay/ipsec", str(self.ipsec))
        text = text.replace("PATH=/usr/sbin:", f"PATH={self.home}/bin:/usr/sbin:")
        log, death = self.home / "log", self.home / f"dies-at-{dies_at}"
        log.write_text("")
        if dies_at:
            death.touch()
        environment = {"NODE": str(self.home)}
        done = subprocess.run(["sh", "-c", text], env=environment, capture_output=True, text=True, check=False)
        death.unlink(missing_ok=True)
        return done.returncode, log.read_text().splitlines(), done.stderr

    def power_off(self) -> None:
        """Let the boot that was recorded be an earlier one."""
        self.write((self.ipsec / "epoch").read_text().split()[0] + " an-earlier-boot\n")


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def test_it_closes_before_it_takes_a_number_and_takes_that_before_it_sends(node: Node) -> None:
    assert node.boot() == (0, [f"{CLOSED} 5", f"{RECEIVE} 6", "send-6.batch 6"], "")
    assert not (node.ipsec / "send-6.batch").exists()
    assert (node.ipsec / "epoch").stat().st_mode & 0o777 == 0o600
    assert node.boot() == (0, [], ""), "once in a boot"


@pytest.mark.parametrize("dies_at, following", [(CLOSED, 6), (RECEIVE, 7), ("send-6.batch", 7)])
def test_a_boot_that_was_cut_short_leaves_its_keys_to_nobody(node: Node, dies_at: str, following: int) -> None:
    assert node.boot(dies_at)[0] < 0
    node.power_off()
    assert node.boot()[1] == [
        f"{CLOSED} {following - 1}",
        f"{RECEIVE} {following}",
        f"send-{following}.batch {following}",
    ]


@pytest.mark.parametrize("record", ["", "\n", "five boot\n", "0x5 boot\n", "010 boot\n"])
def test_a_damaged_record_closes_all_the_same_and_takes_no_number(node: Node, record: str) -> None:
    node.write(record)
    code, loaded, said = node.boot()
    assert (code, [line.split()[0] for line in loaded]) == (1, [CLOSED])
    assert f"{node.ipsec}/epoch is damaged" in said and (node.ipsec / "epoch").read_text() == record


def test_a_record_without_the_end_of_its_line_is_none_that_is_damaged(node: Node) -> None:
    node.write("5 an-earlier-boot")
    assert node.boot()[1][-1] == "send-6.batch 6"


def test_without_keys_nothing_is_sent_and_all_is_closed(node: Node) -> None:
    node.write("8 an-earlier-boot\n")
    code, loaded, said = node.boot()
    assert (code, loaded) == (1, [f"{CLOSED} 8", f"{RECEIVE} 9"])
    assert "there are no keys for epoch 9" in said
