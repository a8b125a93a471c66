# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gates that run plays from the installed archive against lab hosts, with `wg` and `ping` as witnesses."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from lab_hosts import Lab

from gate import copies
from gate.pythons import (
    NEWEST_TARGET,
    OLDEST_TARGET,
    Version,
    choose,
    environment,
    newest_core,
    text,
)
from gate.session import CACHE, DEVELOPMENT, ROOT, GateFailed, GateSkipped, Session

RECAP = re.compile(r"^(\S+) +: ok=\d+ +changed=(\d+) +unreachable=(\d+) +failed=(\d+)", re.MULTILINE)

# The defaults of ansible-core, those of a later release included, with all deprecation warnings.
SETTINGS = {
    "ANSIBLE_DEPRECATION_WARNINGS": "true",
    "ANSIBLE_HOME": str(CACHE / "ansible-home"),
    "ANSIBLE_INJECT_FACT_VARS": "false",
}


class Player:
    """ansible-playbook of one virtual environment, in one directory."""

    def __init__(self, session: Session, programs: Path, *options: str | Path, cwd: Path, **settings: str) -> None:
        self._session = session
        self._argv = [programs / "ansible-playbook", *options]
        self._cwd = cwd
        path = f"{programs}:{os.environ['PATH']}"
        self._settings = {**SETTINGS, "PATH": path, **settings}

    def play(self, playbook: str, *options: str) -> int:
        """Run a playbook and return how many tasks changed something. A deprecation warning is a failure."""
        output = self._session.run(*self._argv, playbook, *options, cwd=self._cwd, env=self._settings)
        deprecated = [line for line in output.splitlines() if "DEPRECATION WARNING" in line]
        if deprecated:
            raise GateFailed(f"{playbook}: {deprecated[0]}")
        recap = RECAP.findall(output)
        if not recap:
            raise GateFailed(f"{playbook} ran on no host")
        return sum(int(changed) for _host, changed, _unreachable, _failed in recap)

    def play_and_change(self, playbook: str, *options: str) -> None:
        """Run a playbook, which must change something."""
        if self.play(playbook, *options) == 0:
            raise GateFailed(f"{playbook} changed nothing on new hosts")

    def play_until_unchanged(self, playbook: str, *options: str) -> None:
        """Run a playbook, which must change something, and again, which must change nothing."""
        self.play_and_change(playbook, *options)
        again = self.play(playbook, *options)
        if again:
            raise GateFailed(f"{playbook}: the second run has changed={again}")


def directory() -> Path:
    """Return the directory to run plays in. The one setting in it is about the time that waiting for hosts takes."""
    place = CACHE / "plays"
    place.mkdir(parents=True, exist_ok=True)
    (place / "ansible.cfg").write_text("[defaults]\ninternal_poll_interval = 0.01\n")
    return place


def new_lab(purpose: str) -> Lab:
    if os.geteuid() != 0:
        raise GateSkipped("lab hosts are network namespaces, and those need root")
    return Lab(f"gate{os.getpid()}{purpose}")


def witness_mesh(session: Session, lab: Lab, hosts: list[str], interface: str) -> None:
    """Ping from every host to every other one through an interface, and check the handshakes with wg."""
    show = ("ip", "-o", "-4", "addr", "show", "dev", interface, "scope", "global")
    addresses = {}
    for host in hosts:
        match = re.search(r" inet ([\d.]+)", session.run(*lab.enter(host), *show))
        if match is None:
            raise GateFailed(f"{host} has no address on {interface}")
        addresses[host] = match[1]
    for host in hosts:
        for other in hosts:
            if other != host:
                ping = ("ping", "-c", "2", "-i", "0.2", "-w", "10", "-I", interface, addresses[other])
                session.run(*lab.enter(host), *ping)
        times = session.run(*lab.enter(host), "wg", "show", interface, "latest-handshakes").split()[1::2]
        if len(times) != len(hosts) - 1 or "0" in times:
            raise GateFailed(f"{host}: wg has handshakes {times} on {interface}")


def site_with_core(series: str, oldest: Version, newest: Version) -> Callable[[Session], None]:
    """Return the gate for a series of ansible-core, which these versions of Python can run."""

    def gate(session: Session) -> None:
        version = choose(oldest, newest)
        _site(session, environment(session, f"ansible-core-{series}", version, f"ansible-core~={series}.0"))

    return gate


def site_with_newest_core(session: Session) -> None:
    _site(session, newest_core(session), all_again=bool(os.environ.get("WIREWRIGHT_LONG")))


def _site(session: Session, programs: Path, *, all_again: bool = False) -> None:
    """Run the lab's and the site's playbooks by their full names, with nothing of the checkout but an inventory.

    The site is run again and must change nothing then; with ``all_again`` the lab and the removal are, too.
    """
    collections = str(copies.installed(session))
    with new_lab("site") as lab:
        options = ("-i", ROOT / "inventories/lab", "-e", f"lab_name={lab.name}")
        player = Player(session, programs, *options, cwd=directory(), ANSIBLE_COLLECTIONS_PATH=collections)
        around = player.play_until_unchanged if all_again else player.play_and_change
        around("wirewright.overlay.lab_up")
        player.play_until_unchanged("wirewright.overlay.site")
        witness_mesh(session, lab, ["h1", "h2", "h3"], "wg0")
        around("wirewright.overlay.remove", "-e", "overlay_remove_keys=true overlay_remove_confirm=vpn")
        around("wirewright.overlay.lab_down")


def importing_project(session: Session) -> None:
    """A project of somebody else uses the role beside its own roles, without collisions.

    Its runs keep the archives of modules, with bytecode: other gates show that each run can make them.
    """
    hosts = ["cart", "front", "stock"]
    project = CACHE / "importing_project"
    shutil.rmtree(project, ignore_errors=True)
    shutil.copytree(ROOT / "tests/importing_project", project)
    (project / "dist").mkdir()
    shutil.copy2(copies.artefact(session), project / "dist/wirewright-overlay.tar.gz")
    install = ("collection", "install", "--offline", "-r", "requirements.yml", "-p", "collections")
    session.run(DEVELOPMENT / "ansible-galaxy", *install, cwd=project, env=SETTINGS)
    with new_lab("import") as lab:
        lab.up(hosts)
        kept = {
            "ANSIBLE_CALLBACK_PLUGINS": str(ROOT / "tests/integration/callback_plugins"),
            "ANSIBLE_CALLBACKS_ENABLED": "kept_archives",
            "WIREWRIGHT_ARCHIVES": str(project / "archives"),
        }
        player = Player(session, DEVELOPMENT, "-e", f"lab_name={lab.name}", cwd=project, **kept)
        player.play_until_unchanged("two_networks.yml")
        witness_mesh(session, lab, hosts, "wg0")
        witness_mesh(session, lab, hosts, "wg1")
        player.play_until_unchanged("one_by_one.yml")
        witness_mesh(session, lab, hosts, "wg2")

        marker = [*lab.enter("front"), "cat", "/etc/shop-tagged.conf"]
        link = [*lab.enter("front"), "wg", "show", "wg3"]
        player.play("tagged.yml", "--skip-tags", "vpn")
        session.run(*marker)
        session.run(*link, accept=(1,))
        session.run(*lab.enter("front"), "rm", "/etc/shop-tagged.conf")
        player.play_until_unchanged("tagged.yml", "--tags", "vpn")
        session.run(*marker, accept=(1,))
        witness_mesh(session, lab, hosts, "wg3")


def pyroute2_versions(session: Session) -> None:
    """Hosts with the oldest and the newest pyroute2, on the oldest and the newest Python, are one mesh.

    Unless WIREWRIGHT_LONG is set, the oldest Python has the oldest pyroute2, and the newest the newest one.
    """
    all_pairs = bool(os.environ.get("WIREWRIGHT_LONG"))
    pythons = {choose(OLDEST_TARGET, NEWEST_TARGET, prefer_newest=newest) for newest in (False, True)}
    with new_lab("pyroute2") as lab:
        per_host: dict[str, dict[str, str]] = {}
        for version in sorted(pythons):
            for wanted in ("pyroute2==0.7.2", "pyroute2"):
                if not all_pairs and (version == min(pythons)) != ("==" in wanted):
                    continue
                programs = environment(session, wanted.replace("==", "-"), version, wanted)
                found = session.run(programs / "python", "-c", "import pyroute2 as p; print(p.__version__)").strip()
                per_host[f"h{len(per_host) + 1}"] = {"ansible_python_interpreter": str(programs / "python")}
                session.note(f"h{len(per_host)}: Python {text(version)}, pyroute2 {found}")
        lab.up(list(per_host))
        inventory = lab.inventory(per_host, mesh_network="10.42.0.0/24")
        collections = str(copies.installed(session))
        player = Player(session, DEVELOPMENT, "-i", inventory, cwd=directory(), ANSIBLE_COLLECTIONS_PATH=collections)
        player.play_until_unchanged("wirewright.overlay.site")
        witness_mesh(session, lab, list(per_host), "wg0")
        modules = str(Path(__file__).parent / "single_modules.yml")
        player.play_until_unchanged(modules, "-e", "state=present")
        for host in per_host:
            shown = session.run(*lab.enter(host), "ip", "-o", "addr", "show", "dev", "wg1")
            peers = session.run(*lab.enter(host), "wg", "show", "wg1", "allowed-ips")
            if "10.99.0.1/24" not in shown or "fd99::1/64" not in shown or "10.99.0.2/32" not in peers:
                raise GateFailed(f"{host}: wg1 differs from its options")
        player.play_until_unchanged(modules, "-e", "state=absent")
        for host in per_host:
            session.run(*lab.enter(host), "ip", "link", "show", "wg1", accept=(1,))
