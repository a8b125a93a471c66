# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The IPsec boot program blocks plaintext first and uses no key twice, wherever it is interrupted."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[3] / "roles/node_encryption/files/wirewright-overlay-ipsec"
DROP, RECEIVE = "drop.batch", "receive.batch"
# `ip -force -batch FILE` records the file and the epoch on disk; a marker file simulates a power failure.
IP = '#!/bin/sh\necho "$3 $(cut -d" " -f1 epoch)" >>"$NODE/log"\n[ ! -e "$NODE/dies-at-$3" ] || kill -KILL "$PPID"\n'


@dataclass(frozen=True)
class Node:
    """The node of the program: its directory, and an `ip` that only records."""

    home: Path

    def __post_init__(self) -> None:
        self.ipsec.mkdir()
        (self.home / "bin").mkdir()
        for name, text in (("ip", IP), ("sync", "#!/bin/sh\n")):
            (self.home / "bin" / name).write_text(text)
            (self.home / "bin" / name).chmod(0o755)
        for name in (DROP, RECEIVE, *(f"send-{number}.batch" for number in (6, 7, 8))):
            (self.ipsec / name).touch(0o600)
        self.write("5 an-earlier-boot\n")

    @property
    def ipsec(self) -> Path:
        """The directory of the node's files."""
        return self.home / "ipsec"

    def write(self, record: str) -> None:
        """Write the record of the epoch."""
        (self.ipsec / "epoch").write_text(record)

    def boot(self, dies_at: str = "") -> tuple[int, list[str], str]:
        """Return the program's exit code, the files that it loaded, each with the epoch on disk, and its output."""
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
        """Make the recorded boot an earlier one."""
        self.write((self.ipsec / "epoch").read_text().split()[0] + " an-earlier-boot\n")


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def test_plaintext_is_blocked_before_the_epoch_is_stored_and_that_before_sending(node: Node) -> None:
    assert node.boot() == (0, [f"{DROP} 5", f"{RECEIVE} 6", "send-6.batch 6"], "")
    assert not (node.ipsec / "send-6.batch").exists()
    assert (node.ipsec / "epoch").stat().st_mode & 0o777 == 0o600
    assert node.boot() == (0, [], ""), "once in a boot"


@pytest.mark.parametrize("dies_at, following", [(DROP, 6), (RECEIVE, 7), ("send-6.batch", 7)])
def test_keys_of_an_interrupted_boot_are_not_used_again(node: Node, dies_at: str, following: int) -> None:
    assert node.boot(dies_at)[0] < 0
    node.power_off()
    assert node.boot()[1] == [
        f"{DROP} {following - 1}",
        f"{RECEIVE} {following}",
        f"send-{following}.batch {following}",
    ]


@pytest.mark.parametrize("record", ["", "\n", "five boot\n", "0x5 boot\n", "010 boot\n"])
def test_damaged_record_still_blocks_plaintext_and_stores_no_epoch(node: Node, record: str) -> None:
    node.write(record)
    code, loaded, said = node.boot()
    assert (code, [line.split()[0] for line in loaded]) == (1, [DROP])
    assert f"{node.ipsec}/epoch is damaged" in said and (node.ipsec / "epoch").read_text() == record


def test_record_without_a_final_newline_is_valid(node: Node) -> None:
    node.write("5 an-earlier-boot")
    assert node.boot()[1][-1] == "send-6.batch 6"


def test_without_keys_nothing_is_sent_and_plaintext_is_blocked(node: Node) -> None:
    node.write("8 an-earlier-boot\n")
    code, loaded, said = node.boot()
    assert (code, loaded) == (1, [f"{DROP} 8", f"{RECEIVE} 9"])
    assert "no keys for epoch 9" in said
