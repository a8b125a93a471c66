# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of xfrm_state: all errors are named, and no error shows a key."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.errors import InvalidOptions
from ansible_collections.wirewright.overlay.plugins.module_utils._xfrm import key_material, key_uses
from ansible_collections.wirewright.overlay.plugins.module_utils._xfrm import model as v
from ansible_collections.wirewright.overlay.plugins.module_utils._xfrm.ownership import OURS, parse_reqids
from ansible_collections.wirewright.overlay.plugins.module_utils._xfrm.state_options import parse_states

KEY = "c0ffee" * 10 + "beef"
CBC: dict[str, Any] = {
    "dst": "192.0.2.2",
    "spi": "0x1001",
    "enc": {"algorithm": "aes", "key": KEY},
    "auth": {"algorithm": "sha256", "key": KEY},
}
GCM = {"algorithm": "rfc4106(gcm(aes))", "key": KEY[:40]}


def errors_of(*entries: dict[str, Any], **options: Any) -> list[str]:
    with pytest.raises(InvalidOptions) as raised:
        parse_states({"states": list(entries), **options})
    assert "c0ffee" not in str(raised.value).lower()
    return list(raised.value.errors)


def without(*names: str, **more: Any) -> dict[str, Any]:
    return {**{name: value for name, value in CBC.items() if name not in names}, **more}


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (without("dst"), ("dst", "is required")),
        (without(dst="192.0.2.0/24"), ("dst", "without a length")),
        (without(dst="host.example"), ("dst", "not an IPv4 or IPv6 address")),
        (without(src="::1"), ("src", "one family")),
        (without(spi="0"), ("spi", "4294967295")),
        (without(spi="0x100000000"), ("spi", "4294967295")),
        (without("enc", "auth", proto="comp", comp={"algorithm": "deflate"}, spi="0x10000"), ("spi", "65535")),
        (without(mode="ro"), ("mode", "transport, tunnel, beet")),
        (without(mark="0x10/0x1"), ("mark", "outside of its mask")),
        (without(output_mark="-1"), ("output_mark", "4294967295")),
        (without(esn=True), ("replay_window", "1024 is usual")),
        (without(replay_window=4097), ("replay_window", "4096")),
        (without(dir="out", replay_window=32), ("replay_window", "outbound")),
        (without(flags=["fast"]), ("flags", "noecn")),
        (without("auth"), ("auth", "RFC 8221 section 4")),
        (without("enc", "auth"), ("aead", "requires aead")),
        (without("enc"), ("aead", "requires aead")),
        (without(aead=GCM), ("aead", "leave auth and enc out")),
        (without(comp={"algorithm": "deflate"}), ("comp", "proto comp")),
        (without(proto="ah"), ("auth", "no other algorithm")),
        (without(proto="comp"), ("comp", "no other algorithm")),
        (without(enc={"algorithm": "rfc4106(gcm(aes))", "key": KEY}), ("enc.algorithm", "'aead'")),
        (without(enc={"algorithm": "aes"}), ("enc.key", "is required")),
        (without(enc={"algorithm": "aes", "key": KEY, "key_file": "/k"}), ("enc.key_file", "beside key")),
        (without(enc={"algorithm": "aes", "key": KEY[:30]}), ("enc", "16 or 24 or 32 bytes", "not of 15")),
        (without(enc={"algorithm": "aes", "key": KEY[:31]}), ("enc.key", "even number of digits")),
        (without(enc={"algorithm": "aes", "key": KEY[:-1] + "g"}), ("enc.key", "key_format: base64")),
        (without(enc={"algorithm": "aes", "key": KEY + "=", "key_format": "base64"}), ("enc.key", "padded base64")),
        (without(enc={"algorithm": "ä", "key": KEY}), ("enc.algorithm", "no algorithm name")),
        (without(enc={"algorithm": "x" * 64, "key": KEY}), ("enc.algorithm", "no algorithm name")),
        (without(enc={"algorithm": "aes", "key_file": "key"}), ("enc.key_file", "absolute")),
        (without(enc={"algorithm": "aes", "key_file": "/nowhere/key"}), ("enc.key_file", "No such file")),
        (without(auth={"algorithm": "sha256", "key": KEY, "truncation_bits": 100}), ("auth", "96 or 128 or 256")),
        (without(auth={"algorithm": "hmac(none)", "key": KEY}), ("auth.truncation_bits", "is required")),
        (without(encap={"sport": 0, "dport": 4500}), ("encap.sport", "65535")),
        (without(encap={"dport": 4500}), ("encap.sport", "is required")),
        (without(sel={"sport": 80}), ("sel.sport", "set proto")),
        (without(limits={"time_soft": 9, "time_hard": 8}), ("limits.time_soft", "time_hard")),
        (without(tfcpad=9, mode="transport"), ("tfcpad", "tunnel mode")),
        (without(offload={"dev": "none0", "dir": "in"}), ("offload.dev", "none0")),
        (without(offload={"dev": "lo"}), ("offload.dir", "is required")),
        (without("enc", "auth", aead=GCM), ("aead.algorithm", "RFC 4106, RFC 8221 section 3", "allow_nonce_reuse")),
    ],
)
def test_wrong_option_is_named(entry: dict[str, Any], words: tuple[str, ...]) -> None:
    found = errors_of(entry)
    assert any(all(word in line for word in words) for line in found), found
    assert all(line.startswith("states[0]") for line in found)


@pytest.mark.parametrize(
    ("name", "size", "rfc"),
    [
        ("rfc4106(gcm(aes))", 20, "RFC 4106"),
        ("rfc4309(ccm(aes))", 19, "RFC 4309"),
        ("rfc7539esp(chacha20,poly1305)", 36, "RFC 7634"),
        ("rfc4543(gcm(aes))", 20, "RFC 4543"),
        ("echainiv(new)", 20, "RFC 8221"),
        ("rfc3686(ctr(aes))", 20, "RFC 3686"),
    ],
)
def test_counter_mode_keys_may_not_survive_a_reboot(name: str, size: int, rfc: str) -> None:
    algorithm = {"algorithm": name, "key": "ab" * size}
    option = "enc" if "ctr" in name else "aead"
    if "new" in name:
        algorithm["icv_bits"] = "128"
    entry = without("enc", "auth", **{option: algorithm})
    if option == "enc":
        entry["auth"] = CBC["auth"]
    found = errors_of(entry)
    assert len(found) == 1 and rfc in found[0]
    assert parse_states({"states": [{**entry, "key_survives_reboot": False}]}).states
    assert parse_states({"states": [entry], "allow_nonce_reuse": True}).states


def test_key_of_a_receive_only_state_may_survive_a_reboot() -> None:
    entry = without("enc", "auth", aead=GCM, receive_only=True)
    wanted = parse_states({"states": [entry]})
    assert wanted.receive_only == {state.key() for state in wanted.states}
    # One key for two states is two senders that count the same nonces.
    (found,) = errors_of(entry, {**entry, "spi": "7"})
    assert "RFC 8221" in found


def test_counter_mode_key_is_for_one_state() -> None:
    entry = without("enc", "auth", aead=GCM, key_survives_reboot=False)
    (found,) = errors_of(entry, {**entry, "spi": "7"})
    assert found.startswith("states[1].aead") and "states[0]" in found
    assert len(parse_states({"states": [entry, {**entry, "spi": "7"}], "allow_nonce_reuse": True}).states) == 2


def test_all_errors_are_reported_at_once() -> None:
    found = errors_of({"spi": "0"}, without(mark="x", esn=True), CBC, CBC, owned_reqids="0-9")
    assert [line.split(":")[0] for line in found] == [
        "states[0].spi", "states[0].dst", "states[1].mark", "states[1].replay_window", "states[3]",
        "owned_reqids",
    ]  # fmt: skip


def test_defaults_are_those_of_the_documentation() -> None:
    (state,) = parse_states({"states": [CBC]}).states
    assert (state.protocol, state.mode, state.reqid, state.source) == (v.ESP, v.TUNNEL, OURS.first, v.ANY_IPV4)
    assert state.auth is not None and state.auth.tag_bits == 128
    assert state.enc is not None and state.enc.name == "cbc(aes)"


def test_the_same_key_in_all_forms() -> None:
    raw = bytes.fromhex(KEY)
    assert key_material.parse_key("0x" + KEY, "hex") == raw
    assert key_material.parse_key(KEY.upper() + "\n", "hex") == raw
    assert key_material.parse_key(base64.b64encode(raw).decode(), "base64") == raw
    assert len(key_material.fingerprint(raw)) == 16 and KEY[:8] not in key_material.fingerprint(raw)


def test_key_file(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(KEY + "\n")
    file.chmod(0o640)
    with pytest.raises(ValueError, match="chmod 600"):
        key_material.read_key_file(str(file), "hex")
    file.chmod(0o600)
    assert key_material.read_key_file(str(file), "hex") == bytes.fromhex(KEY)
    with pytest.raises(ValueError, match="not a regular file"):
        key_material.read_key_file(str(tmp_path), "hex")
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(ValueError, match="not a regular file"):
        key_material.read_key_file(str(tmp_path / "pipe"), "hex")
    file.write_text("c0ffee!")
    with pytest.raises(ValueError) as raised:
        key_material.read_key_file(str(file), "hex")
    assert "c0ffee" not in str(raised.value)


def test_the_record_of_key_uses_survives_a_power_loss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A use that is forgotten could be repeated: the new name of the file has to reach the disk, too."""
    synced: list[str] = []
    monkeypatch.setattr(key_uses.file_changes, "sync_directory", synced.append)
    key_uses.write({"key": "boot"}, str(tmp_path / "uses.json"))
    assert synced == [str(tmp_path)]


def test_record_of_key_uses(tmp_path: Path) -> None:
    path = str(tmp_path / "state" / "uses.json")
    assert key_uses.read(path) == {}
    entry = without("enc", "auth", aead=GCM, key_survives_reboot=False)
    states = parse_states({"states": [entry]}).states
    uses = key_uses.with_uses({}, [*states, *parse_states({"states": [CBC]}).states], "boot 1")
    key_uses.write(uses, path)
    assert key_uses.read(path) == uses and list(uses.values()) == ["boot 1"]
    text = Path(path).read_text()
    assert "c0ffee" not in text and (os.stat(path).st_mode & 0o777) == 0o600
    for broken in ("{", "[]", '{"uses": 3}', '{"uses": {"a": 1}}'):
        Path(path).write_text(broken)
        with pytest.raises(key_uses.UnreadableUses, match="move it away"):
            key_uses.read(path)


@pytest.mark.parametrize("text", ["", "x", "9-1", "0-5", "1-4294967296", "1-2-3"])
def test_invalid_ranges(text: str) -> None:
    with pytest.raises(ValueError, match="no range of reqids"):
        parse_reqids(text)


def test_ranges() -> None:
    assert 7100 in parse_reqids("7100") and 7101 not in parse_reqids("7100")
    assert str(parse_reqids("7100-7199")) == str(OURS) == "7100-7199" and 7199 in OURS and 7200 not in OURS
