# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Boot files of IPsec: lines for `ip`, file modes, and their facts."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.errors import InvalidOptions, Refused
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.stage import apply, delete
from ansible_collections.wirewright.overlay.plugins.module_utils._host import files
from ansible_collections.wirewright.overlay.plugins.module_utils._overlay import ipsec_boot
from ansible_collections.wirewright.overlay.plugins.module_utils._overlay import options as sections
from ansible_collections.wirewright.overlay.plugins.module_utils._xfrm import boot_facts, boot_files, kernel, key_uses
from ansible_collections.wirewright.overlay.plugins.module_utils._xfrm import model as v
from ansible_collections.wirewright.overlay.plugins.module_utils._xfrm.ip_batch import add_state, set_policy
from ansible_collections.wirewright.overlay.plugins.module_utils._xfrm.policy_options import parse_policies

GCM = "rfc4106(gcm(aes))"
STATE = {
    "src": "10.0.0.1", "dst": "10.0.0.2", "spi": "0x4b001000", "reqid": 7100, "replay_window": 1024, "esn": True,
    "key_survives_reboot": False, "aead": {"algorithm": GCM, "key_name": "one", "icv_bits": 128},
}  # fmt: skip
KEYS = {"one": "0x" + "ab" * 20, "two": "0x" + "cd" * 20}
THIS_BOOT = "3f7ad1c0-1a0b-4c62-8d36-4a0f2d7e7a11"


def parsed(**options: Any) -> v.State:
    errors: list[str] = []
    found = sections.parse_states({"states": [{**STATE, **options}]}, KEYS, errors)
    assert found is not None, errors
    return found.states[0]


def test_line_of_a_state() -> None:
    line = "xfrm state add src 10.0.0.1 dst 10.0.0.2 proto esp spi 0x4b001000 reqid 7100 mode tunnel"
    line += f" replay-window 1024 flag esn aead {GCM} {KEYS['one']} 128"
    assert add_state(parsed()) == line
    marked = add_state(parsed(mark="0x3e00/0xff00", output_mark="0xe00/0xf00", flags=["af-unspec"], esn=False))
    assert " flag af-unspec mark 0x3e00 mask 0xff00 aead " in marked
    assert marked.endswith(" 128 output-mark 0xe00 mask 0xf00") and "esn" not in marked


@pytest.mark.parametrize(
    "change",
    [
        {"if_id": 7},
        {"extra_flags": 1},
        {"limits": v.Limits(byte_hard=9)},
        {"tfc_padding": 4},
        {"direction": 1},
        {"encap": v.Encap(2, 4500, 4500)},
        {"offload": v.Offload(1, 0)},
        {"aead": None},
    ],
)
def test_states_that_cannot_be_written_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="a state for the next boot") as caught:
        add_state(replace(parsed(), **change))
    assert "ab" * 20 not in str(caught.value)


def test_lines_of_policies() -> None:
    tunnel = {"src": "10.0.0.1", "dst": "10.0.0.2", "reqid": 7100}
    options = [
        {"dir": "out", "src": "10.1.0.0/16", "dst": "10.2.0.0/16", "priority": 1000, "templates": [tunnel]},
        {"dir": "in", "src": "fd00::/64", "dst": "fd01::1/128", "proto": "ipv6-icmp", "type": 135, "priority": 900},
        {"dir": "out", "src": "0.0.0.0/0", "dst": "10.0.0.0/8", "action": "block", "mark": "0xe00/0xf00"},
        {"dir": "in", "src": "10.1.0.0/16", "dst": "10.2.0.1/32", "proto": "tcp", "dport": 22},
    ]
    template = {"dst": "10.0.0.2", "reqid": 7100, "level": "use", "spi": "0x3"}
    options.append({"dir": "fwd", "src": "10.1.0.0/16", "dst": "10.2.0.0/16", "templates": [template]})
    assert [set_policy(policy) for policy in parse_policies({"policies": options}).policies] == [
        "xfrm policy update src 10.1.0.0/16 dst 10.2.0.0/16 dir out priority 1000 "
        "tmpl src 10.0.0.1 dst 10.0.0.2 proto esp reqid 7100 mode tunnel",
        "xfrm policy update src fd00::/64 dst fd01::1/128 proto 58 type 135 dir in priority 900",
        "xfrm policy update src 0.0.0.0/0 dst 10.0.0.0/8 dir out mark 0xe00 mask 0xf00 priority 0 action block",
        "xfrm policy update src 10.1.0.0/16 dst 10.2.0.1/32 proto 6 dport 22 dir in priority 0",
        "xfrm policy update src 10.1.0.0/16 dst 10.2.0.0/16 dir fwd priority 0 "
        "tmpl src 0.0.0.0 dst 10.0.0.2 proto esp spi 0x00000003 reqid 7100 mode tunnel level use",
    ]
    (policy,) = parse_policies({"policies": [{**options[0], "if_id": "7"}]}).policies
    with pytest.raises(ValueError, match="a policy for the next boot cannot have if_id"):
        set_policy(policy)


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("DIRECTORY", "EPOCH", "DROP", "RECEIVE", "NODES"):
        path = getattr(boot_files, name)
        monkeypatch.setattr(boot_files, name, str(tmp_path / Path(path).name) if name != "DIRECTORY" else str(tmp_path))
    monkeypatch.setattr(ipsec_boot, "boot_id", lambda: THIS_BOOT)
    monkeypatch.setattr(boot_facts, "boot_id", lambda: THIS_BOOT)
    return tmp_path


def options(number: int = 5, **more: Any) -> dict[str, Any]:
    inbound = {**STATE, "src": "10.0.0.2", "dst": "10.0.0.1", "receive_only": True}
    inbound["aead"] = {**STATE["aead"], "key_name": "two"}
    ahead = {str(later): [{**STATE, "spi": str(0x4B001000 + later)}] for later in (number + 1, number + 2)}
    boot = {"epoch": number, "index": 1, "ahead": ahead, "nodes": {"n1": {"index": 1, "epoch": number}}, **more}
    return {
        "xfrm_states": {"states": [STATE, inbound]},
        "xfrm_policies": {"policies": []},
        "xfrm_keys": KEYS,
        "xfrm_boot": {**boot, "slots": {"receive": [0], "send": [0]}},
    }


def write(given: dict[str, Any]) -> bool:
    wanted = sections.parse_sections(given, lambda name: 1)
    stages = [ipsec_boot.boot_stage(ipsec_boot.parse_boot(given), wanted)]
    apply(stages[0], [])
    delete(stages[0])
    assert stages[0].pending() == []
    shown = str(stages[0].diff())
    assert not any(key[2:] in shown for key in KEYS.values())
    return bool(stages[0].operations)


def test_states_whose_other_end_stays_are_not_replaced(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = options(outside={"10.0.0.2": "n2"})
    wanted = sections.parse_sections(given, lambda name: 1)
    assert wanted.states is not None
    existing = list(wanted.states.states)
    monkeypatch.setattr(kernel, "open_connection", nullcontext)
    monkeypatch.setattr(kernel, "keys_hidden", lambda: False)
    monkeypatch.setattr(kernel, "read_states", lambda _connection: existing)
    ipsec_boot.boot_stage(ipsec_boot.parse_boot(given), wanted)
    existing[:] = [replace(existing[0], aead=replace(existing[0].aead, key=b"\1" * 20)), *existing[1:]]
    with pytest.raises(Refused, match="states shared with n2 would be replaced on this host only"):
        ipsec_boot.boot_stage(ipsec_boot.parse_boot(given), wanted)
    given["xfrm_boot"]["outside"] = {}
    ipsec_boot.boot_stage(ipsec_boot.parse_boot(given), wanted)


def test_files_of_the_next_boots(places: Path) -> None:
    assert write(options()) and not write(options())
    names = {path.name for path in places.iterdir()}
    batches = {"drop.batch", "receive.batch", "send-6.batch", "send-7.batch"}
    assert names == {*batches, "epoch", "nodes.json"}
    assert {path.stat().st_mode & 0o777 for path in places.iterdir()} == {0o600}
    assert (places / "epoch").read_text() == f"5 {THIS_BOOT}\n"
    assert KEYS["two"] in (places / "receive.batch").read_text()
    assert KEYS["one"] not in (places / "receive.batch").read_text(), "what it sends by now is never used again"
    assert (places / "send-6.batch").read_text().startswith(files.HEADER)
    # Where the next epoch has come, the file of it is gone.
    assert write(options(6))
    assert {path.name for path in places.iterdir()} - names == {"send-8.batch"}
    assert not (places / "send-6.batch").exists()
    assert write({**options(), "xfrm_boot": {"state": "absent"}})
    assert list(places.iterdir()) == []


@pytest.mark.parametrize(
    ("record", "refused"),
    [(f"4 {THIS_BOOT}", False), (f"6 {THIS_BOOT}", True), ("5 another", True), ("4 another", False)],
)
def test_epoch_that_was_used_is_refused(places: Path, record: str, refused: bool) -> None:
    (places / "epoch").write_text(record)
    if refused:
        with pytest.raises(Refused, match=r"xfrm_boot.epoch: 5 is planned.*run again"):
            write(options())
    else:
        assert write(options())


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"epoch": None}, "epoch: a number"),
        ({"ahead": None}, "ahead: a mapping"),
        ({"ahead": {"5": []}}, "ahead.5: a number above 5"),
        ({"ahead": {"6": [{**STATE, "aead": {"algorithm": GCM, "key_name": "gone"}}]}}, "'gone' is not in xfrm_keys"),
        ({"when": 1}, "unknown when"),
    ],
)
def test_wrong_options_are_reported(wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidOptions, match="xfrm_boot") as caught:
        ipsec_boot.parse_boot(options(**wrong))
    assert told in str(caught.value)
    with pytest.raises(InvalidOptions, match="a mapping"):
        ipsec_boot.parse_boot({"xfrm_boot": []})


def test_foreign_and_damaged_files_are_reported(places: Path) -> None:
    (places / "receive.batch").write_text("xfrm state add\n")
    with pytest.raises(files.ForeignFile, match=r"receive\.batch"):
        write(options())
    (places / "receive.batch").unlink()
    (places / "epoch").write_text("five\n")
    with pytest.raises(ValueError, match="epoch is damaged"):
        write(options())
    (places / "nodes.json").write_text("[]")
    with pytest.raises(ValueError, match="damaged"):
        boot_files.read_nodes()


def test_facts(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = [parsed()]
    monkeypatch.setattr(kernel, "read_states", lambda connection: held)
    empty = {"boot_id": THIS_BOOT, "record": None, "epochs_left": 0, "nodes": {}, "slots": {}, "lost": 0}
    unworn = {"key_age_days": 0, "sequence_percent": 0, "hosts": None, "ports": None}
    assert boot_facts.gather() == {**empty, **unworn}
    write(options())
    told = {
        "boot_id": THIS_BOOT,
        "record": {"epoch": 5, "boot_id": THIS_BOOT, "index": 1},
        "epochs_left": 2,
        "nodes": {"n1": {"index": 1, "epoch": 5}},
        "slots": {"receive": [0], "send": [0]},
        "lost": 0,
        **unworn,
    }
    assert boot_facts.gather() == told
    held.clear()
    assert boot_facts.gather()["lost"] == 1
    # What was sent by in an earlier boot is gone by right; what this boot made for its own epoch is not.
    (places / "epoch").write_text("5 another\n")
    assert boot_facts.gather()["lost"] == 0
    (places / "epoch").write_text(f"6 {THIS_BOOT}\n")
    assert (boot_facts.gather()["lost"], boot_facts.gather()["epochs_left"]) == (1, 1)
    held.append(parsed(spi=str(0x4B001006)))
    assert boot_facts.gather()["lost"] == 0


def test_age_and_sequence_numbers_of_states() -> None:
    now, day = 1_800_000_000, 86400
    long, short = parsed(), parsed(esn=False, replay_window=32)
    assert boot_facts.wear([], now) == {"key_age_days": 0, "sequence_percent": 0}
    old = [replace(long, added=now - 3 * day + 1), replace(long, added=now - day)]
    assert boot_facts.wear(old, now)["key_age_days"] == 2
    assert boot_facts.wear([replace(long, added=now + day)], now)["key_age_days"] == 0, "the clock was wrong"
    half = [replace(short, sequence=(2**31 - 1, 0)), replace(short, sequence=(7, 2**32 - 1))]
    assert boot_facts.wear(half, now)["sequence_percent"] == 49
    assert boot_facts.wear([replace(short, sequence=(2**31, 0))], now)["sequence_percent"] == 50
    assert boot_facts.wear([replace(long, sequence=(2**33, 0))], now)["sequence_percent"] == 0


def test_a_failed_run_rolls_the_files_back_unless_keys_of_its_epoch_have_counted(
    places: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = str(places / "key_uses.json")
    monkeypatch.setattr(key_uses, "PATH", memory)
    files = {path: path.read_bytes() for path in sorted(places.iterdir())}
    for used in (False, True):
        given = options()
        wanted = sections.parse_sections(given, lambda name: 1)
        stage = ipsec_boot.boot_stage(ipsec_boot.parse_boot(given), wanted)
        apply(stage, [])
        if used and wanted.states is not None:
            key_uses.write(key_uses.with_uses({}, wanted.states.states, THIS_BOOT), memory)
        undo = stage.rollback()
        assert undo.needed
        undo.apply()
        undo.delete()
        pending = undo.pending()
        assert not any(key[2:] in str(pending) for key in KEYS.values())
        if used:
            assert boot_files.read_record() == boot_files.Record(5, THIS_BOOT)
            assert f"{boot_files.EPOCH} (not removed)" in pending
        else:
            assert not pending and {path: path.read_bytes() for path in sorted(places.iterdir())} == files
