# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state file of a host's peers: it round-trips, and corrupt files are refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard import state_file as room
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.state_file import (
    CorruptStateFile,
    KnownPeer,
    StateFile,
    dump,
    load,
    parse,
)
from hypothesis import given
from hypothesis import strategies as st

from ..samples import key_text

texts = st.text(max_size=20)
peers = st.builds(KnownPeer, texts, st.lists(texts, max_size=3).map(tuple), texts)
memories = st.builds(
    StateFile,
    texts,
    texts,
    st.lists(texts, max_size=3).map(tuple),
    st.dictionaries(texts, peers, max_size=4),
    st.dictionaries(texts, texts, max_size=3),
    st.dictionaries(texts, texts, max_size=3),
)

MEMORY = StateFile(
    "alpha",
    key_text(0),
    ("10.42.0.1/24",),
    {
        key_text(2): KnownPeer("beta", ("10.42.0.2",), "192.0.2.2:51820"),
        key_text(1): KnownPeer("beta", (), ""),
        key_text(3): KnownPeer("alpha twin", (), "vpn.example.org:51820"),
    },
    {key_text(9): "gone"},
)


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(room, "DIRECTORY", str(tmp_path))
    return tmp_path


@given(memories)
def test_state_files_round_trip(memory: StateFile) -> None:
    assert parse(dump(memory)) == memory


@given(memories)
def test_text_does_not_depend_on_the_order_of_peers(memory: StateFile) -> None:
    turned = StateFile(
        memory.inventory_name,
        memory.public_key,
        memory.addresses,
        dict(reversed(list(memory.peers.items()))),
        dict(reversed(list(memory.revoked.items()))),
        dict(reversed(list(memory.notes.items()))),
    )
    assert dump(turned) == dump(memory)


def test_text_has_one_peer_a_line_sorted_by_name() -> None:
    first, second = sorted((key_text(1), key_text(2)))
    lines = dump(MEMORY).splitlines()
    assert lines[0:2] == ["{", '  "version": 1,']
    assert [line.split('"')[1] for line in lines[6:9]] == [key_text(3), first, second]
    assert dump(MEMORY).endswith("}\n")


def test_a_file_without_notes_has_no_key_for_them() -> None:
    assert "notes" not in dump(MEMORY)


def test_a_file_round_trips(directory: Path) -> None:
    (directory / "wg0.json").write_text(dump(MEMORY))
    assert load("wg0") == MEMORY
    assert room.interfaces() == ["wg0"]


def test_a_missing_file_is_an_empty_state() -> None:
    assert load("wg0") == StateFile()


def test_a_missing_directory_has_no_interfaces(monkeypatch: pytest.MonkeyPatch, directory: Path) -> None:
    monkeypatch.setattr(room, "DIRECTORY", str(directory / "missing"))
    assert room.interfaces() == []


def test_foreign_files_are_ignored(directory: Path) -> None:
    for name in ("wg1.json", "wg0.json", "wg0.json.12.new", "notes"):
        (directory / name).touch()
    assert room.interfaces() == ["wg0", "wg1"]


WHOLE = json.loads(dump(MEMORY))
DAMAGED = {
    "empty": "",
    "cut short": dump(MEMORY)[:-10],
    "another kind": "[]",
    "another version": json.dumps({**WHOLE, "version": 2}),
    "a field less": json.dumps({key: WHOLE[key] for key in WHOLE if key != "revoked"}),
    "peers as a list": json.dumps({**WHOLE, "peers": []}),
    "a peer without a name": json.dumps({**WHOLE, "peers": {key_text(1): {"addresses": [], "endpoint": ""}}}),
    "a peer that is a text": json.dumps({**WHOLE, "peers": {key_text(1): "beta"}}),
    "addresses that are none": json.dumps({**WHOLE, "addresses": None}),
    "no json": "# Written by somebody else\n",
}


@pytest.mark.parametrize("text", DAMAGED.values(), ids=DAMAGED.keys())
def test_a_corrupt_file_is_named_with_the_remedy(text: str, directory: Path) -> None:
    (directory / "wg0.json").write_text(text)
    with pytest.raises(CorruptStateFile, match=r"wg0\.json is damaged: remove it"):
        load("wg0")


def test_a_binary_file_is_corrupt(directory: Path) -> None:
    (directory / "wg0.json").write_bytes(b"\xff\xfe")
    with pytest.raises(CorruptStateFile):
        load("wg0")


def test_truncated_files_are_refused(directory: Path) -> None:
    text = dump(MEMORY).rstrip()
    for end in range(len(text)):
        (directory / "wg0.json").write_text(text[:end])
        with pytest.raises(CorruptStateFile):
            load("wg0")
