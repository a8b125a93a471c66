# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The packets on a cluster's underlay, classified: encrypted, or plaintext of pods or of nodes."""

from __future__ import annotations

import ipaddress
import struct
import subprocess
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from managed_host import wait_until

ESP, WIREGUARD = "esp", "wireguard"
PLAIN_POD, PLAIN_HOST, OTHER = "plaintext pod", "plaintext host", "other"

_UDP, _ESP, _ICMPV6, _HOP_BY_HOP = 17, 50, 58, 0
_NEIGHBOUR_DISCOVERY = range(130, 144)  # with multicast listener reports, RFC 4861 and RFC 3810


@dataclass(frozen=True)
class Packet:
    """One IP packet: its kind, its outer addresses, protocol and length; ``spi`` of ESP, else 0."""

    kind: str
    source: str
    destination: str
    protocol: int
    length: int
    spi: int = 0
    more_fragments: bool = False


@dataclass(frozen=True)
class Classifier:
    """Classifies packets by the addresses of nodes, the networks of pods and the UDP ports of WireGuard."""

    nodes: frozenset[str]
    pod_networks: tuple[str, ...]
    wireguard_ports: frozenset[int] = frozenset((51820, 51821, 51871))

    def packets(self, frames: Iterable[bytes]) -> list[Packet]:
        """Return the IP packets among Ethernet frames, without neighbour discovery, which is never encrypted."""
        found = (self.packet(frame) for frame in frames)
        return [packet for packet in found if packet is not None]

    def packet(self, frame: bytes) -> Packet | None:
        """Return the IP packet in a frame; None for other frames and for neighbour discovery."""
        (kind,) = struct.unpack_from("!H", frame, 12)
        ip = frame[14:]
        fragment = False
        if kind == 0x0800:
            protocol, payload = ip[9], ip[(ip[0] & 15) * 4 :]
            ends = (str(ipaddress.IPv4Address(ip[12:16])), str(ipaddress.IPv4Address(ip[16:20])))
            (length,) = struct.unpack_from("!H", ip, 2)
            fragment = bool(struct.unpack_from("!H", ip, 6)[0] & 0x3FFF)
        elif kind == 0x86DD:
            protocol, payload = ip[6], ip[40:]
            ends = (str(ipaddress.IPv6Address(ip[8:24])), str(ipaddress.IPv6Address(ip[24:40])))
            length = struct.unpack_from("!H", ip, 4)[0] + 40
            if protocol == _HOP_BY_HOP or (protocol == _ICMPV6 and payload[0] in _NEIGHBOUR_DISCOVERY):
                return None
        else:
            return None
        spi = struct.unpack_from("!I", payload)[0] if protocol == _ESP else 0
        return Packet(self._kind(protocol, payload, ends), *ends, protocol, length, spi, fragment)

    def _kind(self, protocol: int, payload: bytes, ends: tuple[str, str]) -> str:
        if protocol == _ESP:
            return ESP
        networks = [ipaddress.ip_network(network) for network in self.pod_networks]
        if any(ipaddress.ip_address(end) in network for end in ends for network in networks):
            return PLAIN_POD
        # One port may be a random port of another socket, but not both.
        if protocol == _UDP and self.wireguard_ports.issuperset(struct.unpack_from("!HH", payload)):
            return WIREGUARD
        return PLAIN_HOST if self.nodes.issuperset(ends) else OTHER


class Capture:
    """Capture packets on the bridge of a network namespace with tcpdump, while the context lasts.

    ``mark`` sends a packet with the given payload. Once it is in the file, all earlier packets are in it as well.
    """

    def __init__(self, netns: str, interface: str, file: Path, classifier: Classifier, mark: Callable[[bytes], None]):
        self._command = ["ip", "netns", "exec", netns, "tcpdump", "-Z", "root", "-U", "-n", "--immediate-mode"]
        # 64 MB hold 1024 packets that tcpdump has not read yet. The default holds eight, and an emulated machine needs more
        # than 256.
        self._command += ["-s", "65535", "-B", "65536", "-i", interface, "-w", str(file)]
        self._file, self._classifier, self._mark = file, classifier, mark
        self._marks = 0

    def __enter__(self) -> Capture:
        self._tcpdump = subprocess.Popen(self._command, stderr=subprocess.PIPE, text=True)
        assert self._tcpdump.stderr is not None
        while "listening on" not in self._tcpdump.stderr.readline():
            assert self._tcpdump.poll() is None, "tcpdump does not listen"
        return self

    def __exit__(self, error: object, *_: object) -> None:
        self._tcpdump.terminate()
        _output, summary = self._tcpdump.communicate(timeout=20)
        if error is None:  # a dropped packet could be plaintext
            assert "\n0 packets dropped by kernel" in summary, summary

    def packets(self) -> list[Packet]:
        """Return all packets so far, without the marks."""
        return self._classifier.packets(self.frames())

    def frames(self) -> list[bytes]:
        """Return all frames so far, without the marks."""
        self._marks += 1
        mark = b"end of capture %d\n" % self._marks
        self._mark(mark)
        wait_until(lambda: mark in self._file.read_bytes(), "the last packet is in the capture")
        return [frame for frame in frames_of(self._file.read_bytes()) if b"end of capture " not in frame]

    def kinds(self) -> Counter[str]:
        """Return the number of packets of each kind so far."""
        return Counter(packet.kind for packet in self.packets())


def frames_of(content: bytes) -> list[bytes]:
    """Return the whole frames in a capture file (pcap, microseconds, this machine's byte order)."""
    frames, start = [], 24
    while start + 16 <= len(content):
        (size,) = struct.unpack_from("=I", content, start + 8)
        frame = content[start + 16 : start + 16 + size]
        if len(frame) < size:
            break
        frames.append(frame)
        start += 16 + size
    return frames
