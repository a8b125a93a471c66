# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Known secrets are planted, everything runs with maximum verbosity, and no output or file may contain them."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from lab_hosts import Lab
from mesh_lab import NETWORK, assert_ok, failure, mesh, peers

MASTER = "canary-master-secret-31415926535"
LOUD = ("-vvvv", "--diff")
# Records the arguments and the environment of every program that is started, on the controller and in the hosts. With
# -D it is no parent of the command, which does not wait for it while wireguard-go runs.
PROGRAMS = [
    "strace",
    "-D",
    "-f",
    "--seccomp-bpf",
    "-qq",
    "-e",
    "signal=none",
    "-v",
    "-s",
    "100000",
    "-e",
    "trace=execve,execveat",
]


def forms(secret: str) -> Iterator[str]:
    """The encodings in which a secret could be written."""
    yield secret
    try:
        raw = base64.b64decode(secret, validate=True)
    except ValueError:
        raw = secret.encode()
    yield raw.hex()
    yield base64.urlsafe_b64encode(raw).decode().rstrip("=")
    yield base64.b64encode(secret.encode()).decode().rstrip("=")


def leaks(secrets: Iterable[str], text: str) -> list[str]:
    return [f"{form[:6]}..." for secret in secrets for form in forms(secret) if form in text]


def secrets_of(lab: Lab) -> set[str]:
    found = {MASTER}
    for host in lab.hosts:
        found.add(lab.run(host, ["cat", "/etc/wireguard/wg0.key"]).stdout.strip())
        found |= {peer.preshared_key for peer in peers(lab, host).values()}
    assert "(none)" not in found
    return found


@pytest.mark.sampled(2)
@pytest.mark.parametrize("persistence", ["none", "wg_quick"])
def test_no_secret_in_output_caches_logs_arguments_or_readable_files(tmp_path: Path, persistence: str) -> None:
    log, cache, trace = tmp_path / "ansible.log", tmp_path / "facts", tmp_path / "trace"
    loud = {
        "ANSIBLE_LOG_PATH": str(log),
        "ANSIBLE_CACHE_PLUGIN": "jsonfile",
        "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(cache),
    }
    with mesh("h1", "h2", "h3", converge=False, overlay_psk_master=MASTER, overlay_persistence=persistence) as lab:
        outputs = [assert_ok(lab.playbook("site.yml", *LOUD, env=loud, under=[*PROGRAMS, "-o", str(trace)]))]
        outputs.append(assert_ok(lab.playbook("site.yml", *LOUD, env=loud, from_archives=True)))
        lab.inventory(mesh_network=NETWORK, overlay_psk_master=MASTER, overlay_psk_epoch=2)
        secrets = secrets_of(lab)
        outputs.append(assert_ok(lab.playbook("site.yml", *LOUD, "--check", env=loud, from_archives=True)))
        outputs.append(assert_ok(lab.playbook("site.yml", *LOUD, env=loud, from_archives=True)))
        secrets |= secrets_of(lab)
        for play in outputs:
            assert leaks(secrets, play.stdout + play.stderr) == []
            assert leaks(secrets, str(play.events)) == []
        assert leaks(secrets, log.read_text()) == []
        cached = list(cache.iterdir())
        assert len(cached) == 3
        for file in cached:
            assert leaks(secrets, file.read_text()) == []
        for host in lab.hosts:
            assert readable_files_with(lab, host, secrets) == []
        assert leaks(secrets, trace.read_text()) == []
        started = trace.read_text()
        assert "ansible-playbook" in started and "nsenter" in started and 'wireguard-go", "wg0"' in started


def readable_files_with(lab: Lab, host: str, secrets: set[str]) -> list[str]:
    """Return files written in a host that contain a secret, apart from the private ones that must."""
    # Files written by a host are in the upper directories of its overlays, except for these two paths.
    upper = Path("/run/wirewright-lab") / lab.name / host / "upper"
    names = [f"/{path.relative_to(upper)}" for path in upper.rglob("*") if path.is_file()]
    assert "/etc/wireguard/wg0.key" in names
    names += lab.run(host, ["find", "/run", "/dev/shm", "-xdev", "-type", "f"]).stdout.splitlines()  # noqa: S108
    patterns = "\n".join(form for secret in secrets for form in forms(secret))
    found = grep(lab, host, names, patterns)
    allowed = re.compile(r"/etc/wireguard/wg0\.(key|conf)$")
    return [name for name in found if not (allowed.search(name) and mode_of(lab, host, name) == "600")]


def grep(lab: Lab, host: str, names: list[str], patterns: str) -> list[str]:
    program = (
        "import sys\n"
        "patterns, names = (part.encode().split(b'\\n') for part in sys.stdin.read().split('\\n\\n'))\n"
        "for name in names:\n"
        "    try:\n"
        "        data = open(name, 'rb').read()\n"
        "    except OSError:\n"
        "        continue\n"
        "    if any(pattern in data for pattern in patterns):\n"
        "        print(name.decode())\n"
    )
    argv = ["/usr/bin/python3", "-c", program]
    return lab.run(host, argv, input=patterns + "\n\n" + "\n".join(names)).stdout.splitlines()


def mode_of(lab: Lab, host: str, name: str) -> str:
    return lab.run(host, ["stat", "-c", "%a", name]).stdout.strip()


def test_mistyped_secrets_are_refused_without_being_quoted() -> None:
    key = base64.b64encode(bytes(range(32))).decode()
    broken = [key[:-2], key + "A", key.replace("A", "-"), "short", key + "\n" + key]
    with mesh("h1", "h2") as lab:
        phones = [
            {
                "name": f"phone{number}",
                "public_key": base64.b64encode(bytes([9 + number] * 32)).decode(),
                "allowed_ips": [f"10.42.0.{90 + number}/32"],
                "preshared_key": secret,
            }
            for number, secret in enumerate(broken)
        ]
        lab.inventory({"h1": {"mesh_static_peers": phones}}, mesh_network=NETWORK)
        play = lab.playbook("site.yml", *LOUD, from_archives=True)
        message = failure(play)
        assert all(f"preshared key of static peer '{phone['name']}'" in message for phone in phones)
        for secret in broken:
            assert secret not in play.stdout + play.stderr
        lab.run("h1", ["sh", "-c", "cat > /etc/wireguard/wg0.key"], input=key[:-3] + "\n")
        lab.inventory(mesh_network=NETWORK)
        play = lab.playbook("site.yml", *LOUD, from_archives=True)
        assert "holds no WireGuard private key" in failure(play)
        assert key[:-3] not in play.stdout + play.stderr
