# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The packet filter of a host's interfaces as stages: our own table, its files for the next boot, and the openings of
other firewalls that are asked for.

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..host import firewall_openings, firewalls, systemd
from ..host.files import BootFile
from ..host.firewall_openings import Finding, Needs
from ..nftables import boot_files
from ..nftables.converge import read, sections_stage
from ..nftables.options import forwarded, parse
from ..nftables.table import Section, WantedSections, after
from ..reconcile import Operation, counts
from ..stage import Stage
from . import file_stage
from .boot_files import NONE
from .desired import WantedInterface
from .wanted_sections import BOOT_NAME, NFTABLES, OPEN

if TYPE_CHECKING:
    from ..take_back import Back


def parse_filter(options: Mapping[str, Any]) -> WantedSections:
    """Return what the option nftables asks for, with nothing left of interfaces that go. Raises InvalidOptions."""
    raw = [one for one in options.get("interfaces") or () if isinstance(one, Mapping)]
    gone: dict[str, Any] = {str(one.get("name")): {} for one in raw if one.get("state") == "absent"}
    return parse({**gone, **(options.get(NFTABLES) or {})})


def stages(
    wanted: WantedSections, options: Mapping[str, Any], interfaces: Collection[WantedInterface]
) -> dict[str, Stage]:
    """Return the stages by the names of results: the table, its files, and openings where they are asked for.

    Raises NoNftables, ForeignFile, and OSError.
    """
    found = {}
    if wanted.interfaces:
        found = {
            NFTABLES: sections_stage(wanted),
            "nftables_files": _files_stage(wanted, interfaces, str(options.get(BOOT_NAME) or "")),
        }
    if options.get(OPEN) or options.get(NFTABLES):
        found[OPEN] = _openings_stage(options, interfaces)
    return found


def _files_stage(wanted: WantedSections, interfaces: Collection[WantedInterface], boot_name: str) -> Stage:
    kept = {one.name for one in interfaces if one.present and one.persistence != NONE} | {boot_name}
    here = {boot_files.rules_path(name) for name in wanted.interfaces}

    def plan() -> list[Operation[BootFile]]:
        paths: list[str] = []
        new: dict[str, BootFile] = {}
        listed = file_stage.listed(boot_files.DIRECTORY)
        others = [path for path in listed if path.endswith(".nft") and path not in here]
        for name in sorted(wanted.interfaces):
            paths += boot_files.paths(name)
            own = _sections(wanted, name) if name in kept else []
            found = boot_files.files(name, own, others, systemd=systemd.is_running())
            new.update({file.path: file for file in found})
        return file_stage.plan_files(paths, new.values())

    # A new unit is started, so that a restart of nftables.service reaches it from now on.
    return file_stage.stage(plan, boot_files.UNIT, start=True)


def _sections(wanted: WantedSections, interface: str) -> list[Section]:
    """Return what boots, which is what the interface has after the run."""
    if any(name == interface for name, _purpose in wanted.kept):
        return after(read(needed=bool(wanted.sections)), wanted, interface)
    return [section for section in wanted.sections if section.interface == interface]


def _openings_stage(options: Mapping[str, Any], interfaces: Collection[WantedInterface]) -> Stage:
    opened = bool(options.get(OPEN))

    def look() -> list[Finding]:
        seen = firewalls.look()
        return [
            finding
            for one in interfaces
            if one.present
            for finding in firewall_openings.findings(
                seen, Needs(one.name, one.listen_port or 0, tuple(forwarded(options.get(NFTABLES) or {}, one.name)))
            )
        ]

    found = look()
    operations = firewall_openings.plan_openings(found) if opened else []

    def make() -> int:
        firewall_openings.apply(operations)
        return len(operations)

    return Stage(
        operations,
        diff=lambda: {"before": [], "after": _commands(operations)},
        make=make,
        remove=lambda: 0,
        left=lambda: _commands(firewall_openings.plan_openings(look())) if opened else [],
        back=lambda: _openings_back(operations, look),
        counts=counts(operations),
        warnings=tuple(firewall_openings.warnings(found, opened=opened)),
    )


def _openings_back(done: Sequence[Operation[Finding]], look: Callable[[], list[Finding]]) -> Back:
    """Return the way back. What is found is what is closed, so what is found no more was opened by this run."""
    from ..take_back import back_of

    def read() -> list[Finding]:
        closed = {finding.key() for finding in look()}
        return [one.after for one in done if one.after is not None and one.after.key() not in closed]

    def label(finding: Finding) -> str:
        return f"the opening of {finding.firewall} for {finding.what}"

    return back_of(read, lambda: done, firewall_openings.close, label)


def _commands(operations: Sequence[Operation[Finding]]) -> list[str]:
    return [" ".join(command) for command in firewall_openings.open_commands(operations)]
