# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two hosts ping each other through ESP that the modules set up; only ESP is on the wire, and it holds the pings.

The `cryptography` library and tshark decrypt the packets; both share no code with the kernel or the collection.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from external_programs import program
from ipsec_host import Hosts, IpsecHost
from variants import CHACHA, GCM, key

INNER = {4: ("10.1.0.1", "10.2.0.1"), 6: ("fd01::1", "fd02::1")}
OUTER = {4: ("192.0.2.1", "192.0.2.2"), 6: ("2001:db8::1", "2001:db8::2")}
PATTERN = "77697265777269676874"  # the payload of pings
SPI_THERE, SPI_BACK = 0x1001, 0x1002
ESP, AH = 50, 51


def gcm(direction: str) -> dict[str, Any]:
    return {"aead": {"algorithm": GCM, "key": key(f"gcm {direction}", 36)}}


def chacha(direction: str) -> dict[str, Any]:
    return {"aead": {"algorithm": CHACHA, "key": key(f"chacha {direction}", 36)}}


def cbc(direction: str) -> dict[str, Any]:
    return {
        "enc": {"algorithm": "cbc(aes)", "key": key(f"cbc {direction}", 32)},
        "auth": {"algorithm": "hmac(sha256)", "key": key(f"sha256 {direction}", 32)},
    }


def raw(options: dict[str, Any], name: str) -> bytes:
    return bytes.fromhex(options[name]["key"][2:])


@pytest.fixture(scope="module")
def wire(namespaces: Hosts) -> Iterator[IpsecHost]:
    """The two hosts joined by a bridge in a third namespace, with inner addresses on their loopbacks.

    Captures are made on the bridge: on a host's own interface they also show decrypted packets.
    """
    switch = IpsecHost.make(f"wwx{os.getpid()}-wire")
    ip_batch(switch, "link add br0 type bridge", "link set br0 up")
    for index, host in enumerate(namespaces):
        port = f"p{index}"
        ip_batch(
            switch,
            f"link add {port} type veth peer name eth0 netns {host.name}",
            f"link set {port} master br0 up",
        )
        lines = ["link set eth0 up"]
        for family, plen in ((4, 24), (6, 64)):
            nodad = " nodad" if family == 6 else ""
            lines += [
                f"addr add {OUTER[family][index]}/{plen} dev eth0{nodad}",
                f"addr add {INNER[family][index]}/{32 if family == 4 else 128} dev lo{nodad}",
                f"route add {INNER[family][1 - index]} via {OUTER[family][1 - index]} src {INNER[family][index]}",
            ]
        ip_batch(host, *lines)
    yield switch
    switch.remove()


def ip_batch(host: IpsecHost, *lines: str) -> None:
    batch = ["ip", "-n", host.name, "-batch", "-"]
    subprocess.run(batch, input="\n".join(lines) + "\n", text=True, check=True)


def set_up(host: IpsecHost, side: int, family: int, there: dict[str, Any], back: dict[str, Any], **more: Any) -> None:
    """Create policies, inbound state, outbound state, in this order: matching packets are never sent in plaintext."""
    ends, inner = OUTER[family], INNER[family]
    way = ((0, 1), (1, 0))

    def policy(direction: str, a: int, b: int) -> dict[str, Any]:
        template = {"src": ends[a], "dst": ends[b], "reqid": 7100, "proto": more.get("proto", "esp")}
        return {"dir": direction, "src": inner[a], "dst": inner[b], "templates": [template]}

    out, back_way = way[side], way[1 - side]
    done = host.module("xfrm_policy", policies=[policy("out", *out), policy("in", *back_way), policy("fwd", *back_way)])
    assert done.changed
    states = [
        {"src": ends[0], "dst": ends[1], "spi": str(SPI_THERE), **there},
        {"src": ends[1], "dst": ends[0], "spi": str(SPI_BACK), **back},
    ]
    common = {"key_survives_reboot": False, "replay_window": 64, **more}
    done = host.module("xfrm_state", states=[{**state, **common} for state in states])
    assert done.changed


@contextmanager
def captured(host: IpsecHost, file: Path) -> Iterator[Callable[[], list[bytes]]]:
    """Capture the bridge; yields a function that returns the frames so far."""
    command = [
        "ip",
        "netns",
        "exec",
        host.name,
        "tcpdump",
        "-U",
        "-n",
        "--immediate-mode",
        "-i",
        "p0",
        "-w",
        str(file),
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tcpdump:
        assert tcpdump.stderr is not None
        while "listening on" not in tcpdump.stderr.readline():
            assert tcpdump.poll() is None
        try:
            yield lambda: frames_of(file)
        finally:
            tcpdump.terminate()
            tcpdump.communicate()


def frames_of(file: Path) -> list[bytes]:
    """Return the frames of a capture file (pcap, microseconds)."""
    content = file.read_bytes()
    frames, start = [], 24
    while start + 16 <= len(content):
        (size,) = struct.unpack_from("<I", content, start + 8)
        frames.append(content[start + 16 : start + 16 + size])
        start += 16 + size
    return frames


def packets(frames: list[bytes], family: int) -> list[tuple[int, bytes]]:
    """Return protocol and payload of IP packets, without neighbour discovery."""
    found = []
    for frame in frames:
        (kind,) = struct.unpack_from("!H", frame, 12)
        if kind == 0x0800 and family == 4:
            found.append((frame[23], frame[14 + (frame[14] & 15) * 4 : 14 + struct.unpack_from("!H", frame, 16)[0]]))
        elif kind == 0x86DD and family == 6:
            protocol, payload = frame[20], frame[54:]
            if not (protocol == 58 and payload[0] in range(130, 144)) and protocol != 0:
                found.append((protocol, payload))
    return found


def ping(host: IpsecHost, family: int, side: int = 0, count: int = 3) -> bool:
    """Return whether all pings between the inner addresses come back."""
    words = ["ping", "-n", "-c", str(count), "-i", "0.2", "-W", "4", "-p", PATTERN]
    words += ["-I", INNER[family][side], INNER[family][1 - side]]
    return f"{count} received" in host.run(*words, check=False)


def decrypt(payload: bytes, options: dict[str, Any]) -> bytes:
    """Return the inner packet of an ESP packet (RFC 4303 with RFC 4106, RFC 7634, or RFC 3602 and RFC 4868)."""
    header, body = payload[:8], payload[8:]
    if "aead" in options:
        secret = raw(options, "aead")
        cipher = AESGCM(secret[:-4]) if options["aead"]["algorithm"] == GCM else ChaCha20Poly1305(secret[:-4])
        plain = cipher.decrypt(secret[-4:] + body[:8], body[8:], header)
    else:
        sealed, tag = payload[:-16], body[-16:]
        assert hmac.compare_digest(hmac.new(raw(options, "auth"), sealed, hashlib.sha256).digest()[:16], tag)
        decryptor = Cipher(algorithms.AES(raw(options, "enc")), modes.CBC(body[:16])).decryptor()
        plain = decryptor.update(body[16:-16]) + decryptor.finalize()
    padding = plain[-2]
    assert plain[-2 - padding : -2] == bytes(range(1, padding + 1))
    return plain[: -2 - padding]


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("suite", [gcm, *(pytest.param(one, marks=pytest.mark.long) for one in (chacha, cbc))])
def test_pings_are_sent_as_esp_only(
    wire: IpsecHost, hosts: Hosts, tmp_path: Path, suite: Callable[[str], dict[str, Any]], family: int
) -> None:
    left, right = hosts
    there, back = suite(f"there {family}"), suite(f"back {family}")
    set_up(left, 0, family, there, back)
    set_up(right, 1, family, there, back)
    with captured(wire, tmp_path / "wire.pcap") as frames:
        assert ping(left, family) and ping(right, family, 1)
        time.sleep(0.3)
        seen = packets(frames(), family)
    assert len(seen) >= 12 and {protocol for protocol, _payload in seen} == {ESP}
    for _protocol, payload in seen:
        (spi,) = struct.unpack_from("!I", payload)
        inner = decrypt(payload, there if spi == SPI_THERE else back)
        assert inner[0] >> 4 == family and bytes.fromhex(PATTERN) in inner
        assert bytes.fromhex(PATTERN) not in payload
    reported = left.module("xfrm_info").data["states"]
    assert {state["counters"]["packets"] for state in reported} == {6}
    # Counters are not compared.
    assert not left.module(
        "xfrm_state",
        states=[
            {
                "src": OUTER[family][0], "dst": OUTER[family][1], "spi": str(SPI_THERE), **there,
                "key_survives_reboot": False, "replay_window": 64,
            }
        ],
    ).changed  # fmt: skip


def test_tshark_decrypts_the_pings(wire: IpsecHost, hosts: Hosts, tmp_path: Path) -> None:
    left, right = hosts
    there, back = cbc("tshark there"), cbc("tshark back")
    set_up(left, 0, 4, there, back)
    set_up(right, 1, 4, there, back)
    with captured(wire, tmp_path / "wire.pcap"):
        assert ping(left, 4)
        time.sleep(0.3)
    words = [*program("tshark"), "-r", str(tmp_path / "wire.pcap"), "-o", "esp.enable_encryption_decode:TRUE"]
    for spi, options in ((SPI_THERE, there), (SPI_BACK, back)):
        association = (
            f'"IPv4","*","*","{spi:#010x}","AES-CBC [RFC3602]","{options["enc"]["key"]}",'
            f'"HMAC-SHA-256-128 [RFC4868]","{options["auth"]["key"]}"'
        )
        words += ["-o", f"uat:esp_sa:{association}"]
    reported = subprocess.run([*words, "-Y", "icmp"], capture_output=True, text=True, check=False)
    lines = [line for line in reported.stdout.splitlines() if "Echo (ping)" in line]
    assert len(lines) == 6 and all("10.1.0.1" in line for line in lines), reported


def test_pings_are_authenticated_by_ah(wire: IpsecHost, hosts: Hosts, tmp_path: Path) -> None:
    left, right = hosts
    there, back = ({"auth": cbc(way)["auth"]} for way in ("ah there", "ah back"))
    set_up(left, 0, 4, there, back, proto="ah")
    set_up(right, 1, 4, there, back, proto="ah")
    with captured(wire, tmp_path / "wire.pcap") as frames:
        assert ping(left, 4)
        time.sleep(0.3)
        seen = packets(frames(), 4)
    assert len(seen) >= 6 and {protocol for protocol, _payload in seen} == {AH}
    assert all(bytes.fromhex(PATTERN) in payload for _protocol, payload in seen), "AH hides nothing (RFC 4302)"
    assert not right.module("xfrm_state", states=[state_of(1, back), state_of(0, there)]).changed
    assert right.module("xfrm_state", states=[state_of(0, {"auth": cbc("wrong")["auth"]})]).changed
    assert not ping(left, 4, count=1)


def state_of(way: int, options: dict[str, Any]) -> dict[str, Any]:
    """Return the state of set_up() for a direction with AH: 0 is forth, 1 is back."""
    ends = OUTER[4][way], OUTER[4][1 - way]
    spi = (SPI_THERE, SPI_BACK)[way]
    return {"src": ends[0], "dst": ends[1], "spi": str(spi), "proto": "ah", "replay_window": 64, **options}


def test_wrong_key_drops_packets(wire: IpsecHost, hosts: Hosts) -> None:
    left, right = hosts
    set_up(left, 0, 4, gcm("there"), gcm("back"))
    set_up(right, 1, 4, gcm("another"), gcm("back"))
    assert not ping(left, 4, count=1)
    failed = [state["counters"]["failed_integrity"] for state in right.module("xfrm_info").data["states"]]
    assert sum(failed) > 0


def test_policy_without_a_state_drops_packets(wire: IpsecHost, hosts: Hosts, tmp_path: Path) -> None:
    left, _right = hosts
    policy = {"dir": "out", "src": INNER[4][0], "dst": INNER[4][1]}
    left.module("xfrm_policy", policies=[{**policy, "templates": [{"src": OUTER[4][0], "dst": OUTER[4][1]}]}])
    with captured(wire, tmp_path / "wire.pcap") as frames:
        assert not ping(left, 4, count=1)
        assert packets(frames(), 4) == []


def test_new_spi_beside_the_old_one_loses_nothing(wire: IpsecHost, hosts: Hosts) -> None:
    """The receiver gets the new state first, then the sender, which uses the newest; then the old ones are deleted."""
    left, right = hosts
    there, back = gcm("old there"), gcm("old back")
    set_up(left, 0, 4, there, back)
    set_up(right, 1, 4, there, back)
    assert ping(left, 4, count=1)
    new = {
        "src": OUTER[4][0], "dst": OUTER[4][1], "spi": "0x2001", **gcm("new there"),
        "key_survives_reboot": False, "replay_window": 64,
    }  # fmt: skip
    words = ["ip", "netns", "exec", left.name, "ping", "-n", "-q", "-i", "0.05", "-w", "12", "-I", INNER[4][0]]
    with subprocess.Popen([*words, INNER[4][1]], stdout=subprocess.PIPE, text=True) as running:
        assert right.module("xfrm_state", states=[new]).changed
        assert left.module("xfrm_state", states=[new]).changed
        old = {"dst": OUTER[4][1], "spi": str(SPI_THERE), "state": "absent"}
        assert left.module("xfrm_state", states=[old]).changed
        time.sleep(1)
        assert right.module("xfrm_state", states=[old]).changed
        summary, _errors = running.communicate()
    assert " 0% packet loss" in summary, summary
