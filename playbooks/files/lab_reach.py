# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure which hosts reach each other over an overlay interface: handshake age, round-trip time, path MTU."""

from __future__ import annotations

import ipaddress
import json
import re
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import combinations

from lab_model import Lab, LabError, run

ROUND_TRIP = re.compile(r"time=([\d.]+) ms")
SMALLEST_MTU = {4: 576, 6: 1280}
# How long a packet of a certain size may take, once smaller ones have come through.
SIZE_SECONDS = 2
HEADERS = {4: 20 + 8, 6: 40 + 8}  # IP and ICMP echo


@dataclass(frozen=True)
class End:
    """One host's end of the overlay, as the host itself reports it."""

    host: str
    addresses: tuple[str, ...] = ()
    mtu: int = 0
    public_key: str = ""
    problem: str = ""


@dataclass(frozen=True)
class Direction:
    """From one host to one address of another one; it works if `problem` is empty."""

    source: str
    target: str
    address: str
    handshake_age: int | None = None
    round_trip_ms: float | None = None
    mtu: int | None = None
    problem: str = ""


def measure(lab: Lab, interface: str, deadline: int) -> list[Direction]:
    """Probe every host's overlay addresses from every other host, many at the same time."""
    hosts = lab.managed()
    if len(hosts) < 2:
        raise LabError(f"lab {lab.name} has {len(hosts)} hosts; two are needed")
    with ThreadPoolExecutor(64) as pool:
        ends = list(pool.map(lambda host: read_end(lab, host, interface), hosts))
        directions: list[Direction] = []
        # Not both at once: handshake initiations that cross can cost WireGuard's retry of five seconds.
        for pairs in (combinations(ends, 2), combinations(reversed(ends), 2)):
            jobs = [(source, target, address) for source, target in pairs for address in target.addresses or ("-",)]
            directions += pool.map(lambda job: probe(lab, *job, deadline=deadline), jobs)
        # Afterwards, because the probes start the handshakes.
        ages = dict(zip(hosts, pool.map(lambda host: handshake_ages(lab, host, interface), hosts)))
    keys = {end.host: end.public_key for end in ends}
    directions.sort(key=lambda direction: (hosts.index(direction.source), hosts.index(direction.target)))
    return [judge(direction, ages[direction.source], keys[direction.target]) for direction in directions]


def read_end(lab: Lab, host: str, interface: str) -> End:
    """Read the interface of a host. Not with `wg show dump`, which prints its private key."""
    inside = lab.enter(host)
    try:
        (link,) = json.loads(run(*inside, "ip", "-j", "address", "show", "dev", interface))
        key = run(*inside, "wg", "show", interface, "public-key").strip()
    except LabError as error:
        return End(host, problem=str(error).rpartition(": ")[2])
    addresses = tuple(entry["local"] for entry in link["addr_info"] if entry["scope"] == "global")
    return End(host, addresses, link["mtu"], key, "" if addresses else f"{interface} has no address")


def probe(lab: Lab, source: End, target: End, address: str, *, deadline: int) -> Direction:
    """Ping an address and find the largest packet that passes there unfragmented."""
    direction = Direction(source.host, target.host, address)
    for end in (source, target):
        if end.problem:
            return replace(direction, problem=f"{end.host}: {end.problem}")
    # The first of two answers waits for the handshake; the other one has the round-trip time.
    times = ping(lab, source.host, address, deadline, "-c", "2", "-i", "0.05")
    if not times:
        return replace(direction, problem=f"no answer within {deadline} s")
    mtu = path_mtu(lab, source, address)
    return replace(direction, round_trip_ms=min(times), mtu=mtu, problem="" if mtu else "only small packets pass")


def path_mtu(lab: Lab, source: End, address: str) -> int | None:
    """Return the size of the largest packet that passes; a single ping if that is the interface's MTU."""
    family = ipaddress.ip_address(address).version

    def passes(size: int) -> bool:
        payload = str(size - HEADERS[family])
        return bool(ping(lab, source.host, address, SIZE_SECONDS, "-c", "1", "-i", "0.2", "-M", "do", "-s", payload))

    low, high = SMALLEST_MTU[family], source.mtu
    if passes(high):
        return high
    if not passes(low):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if passes(middle) else (low, middle)
    return low


def ping(lab: Lab, host: str, address: str, deadline: int, *options: str) -> list[float]:
    """Return the round-trip times of the answers before the deadline."""
    argv = [*lab.enter(host), "ping", "-n", "-w", str(deadline), *options, address]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    return [float(found) for found in ROUND_TRIP.findall(done.stdout)]


def handshake_ages(lab: Lab, host: str, interface: str) -> dict[str, int | None]:
    """Return the seconds since the last handshake by peer's public key, None for no handshake yet."""
    try:
        shown = run(*lab.enter(host), "wg", "show", interface, "latest-handshakes").split()
    except LabError:
        return {}
    now = time.time()
    return {key: max(0, round(now - int(when))) if int(when) else None for key, when in zip(shown[::2], shown[1::2])}


def judge(direction: Direction, ages: dict[str, int | None], key: str) -> Direction:
    """Add the age of the handshake. A direction to a host that is no peer leads over another host, and has none."""
    if direction.problem or key not in ages:
        return direction
    if ages[key] is None:
        return replace(direction, problem="answers arrive outside the tunnel: no handshake")
    return replace(direction, handshake_age=ages[key])


def table(directions: list[Direction]) -> str:
    """Return an aligned table."""
    rows = [("FROM", "TO", "ADDRESS", "HANDSHAKE", "ROUND TRIP", "MTU", "")]
    for direction in directions:
        age = "-" if direction.handshake_age is None else f"{direction.handshake_age} s ago"
        trip = "-" if direction.round_trip_ms is None else f"{direction.round_trip_ms:.2f} ms"
        rows.append(
            (
                direction.source,
                direction.target,
                direction.address,
                age,
                trip,
                str(direction.mtu or "-"),
                direction.problem or "ok",
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
