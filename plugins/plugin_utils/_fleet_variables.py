# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The variables and facts of all members of a fleet, as Ansible keeps them.

Unlike the other plugin utils, this one needs Ansible: the variable manager of the play, and templating.
This plugin util is private to the collection.
"""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible.inventory.host import Host
from ansible.inventory.manager import split_host_pattern
from ansible.module_utils.common.yaml import yaml_load
from ansible.playbook.play import Play
from ansible.playbook.task import Task
from ansible.template import Templar

from ._host_fact import FACT
from ._plain import to_plain
from ._refusal import unplanned
from ._shared_secrets import MasterSecrets
from ._topology.fleet import settings
from ._topology.fleet.overlay_rules import Scope
from ._topology.fleet.settings import SHARED, SHARED_PREFIX
from ._topology.plan_model.fleet import HostInput

_CONNECTION_ADDRESS = "ansible_host"


class FleetVariables:
    """The members of a fleet and all variables of each, not templated. Works on ansible-core 2.19 to 2.22.

    `hostvars` lacks role defaults and role parameters. So they come from the variable manager of the play, with the
    running task as context, exactly as the strategy gets them before it runs a task on a host.
    groups: by role in the fleet (hub, spoke), the group of its hosts; then these groups are the fleet, and only the
    first must have hosts. prefix: that of the role's variables.
    """

    def __init__(self, task: Task, group: str, groups: Mapping[str, str] | None = None, prefix: str = "") -> None:
        self._task = task
        self._play: Play = task.get_play()
        self._manager = task.get_variable_manager()
        # Ansible has no public interface from a task to the inventory.
        inventory = self._manager._inventory
        members = inventory.get_groups_dict()
        self._parts = {part: frozenset(members.get(name, ())) for part, name in (groups or {}).items()}
        needed = next(iter(groups.values())) if groups else group
        if needed and not members.get(needed):
            known = sorted(name for name, hosts in members.items() if hosts)
            variable = prefix + ("hubs_group" if groups else "group")
            raise unplanned(
                [f"{variable}: {needed!r} is not a group with hosts; groups with hosts: {', '.join(known)}"]
            )
        pattern: Any = [group]
        if groups:
            pattern = [name for name in groups.values() if members.get(name)]
        elif not group:
            pattern = self._play.hosts
        named = [pattern] if isinstance(pattern, str) else pattern
        words = split_host_pattern(list(named))
        self._groups = ",".join(sorted(set(words))) if all(word in members for word in words) else ""
        self._inventory = inventory
        # The fleet is the same under --limit and in every batch of `serial`: only the work is limited.
        hosts = inventory.get_hosts(pattern, ignore_limits=True, ignore_restrictions=True)
        self._hosts: dict[str, Host] = {str(host.name): host for host in hosts}
        if not self._hosts:
            raise unplanned([f"no host of the inventory matches {pattern}, so there is no fleet to plan"])

    def scope(self) -> Scope:
        """Return which hosts of the inventory the fleet is.

        A play may have a part of the fleet only, as with `hosts: "{{ target }}"`, `hosts: vpn:!maintenance` or another group.
        """
        every = frozenset(str(host.name) for host in self._inventory.get_hosts("all", True, True))
        return Scope(self._groups, every - self._hosts.keys())

    def parts_of(self, name: str) -> tuple[str, ...]:
        """Return the roles of a member in the fleet, by its groups."""
        return tuple(part for part, names in self._parts.items() if name in names)

    def by_host(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield each member's name and variables, one at a time: a thousand sets of them are large."""
        for name in self._hosts:
            yield name, self.variables_of(name)

    def variables_of(self, name: str) -> dict[str, Any]:
        """Return the variables of a member."""
        found: dict[str, Any] = self._manager.get_vars(
            play=self._play, host=self._hosts[name], task=self._task, include_hostvars=False
        )
        return found

    def host(self, name: str) -> Host:
        """Return a member as Ansible knows it."""
        return self._hosts[name]


class HostReader:
    """Reads the variables that the planner needs from those of a host. Secrets are not among them.

    Most values are not templates, and are the same objects for many hosts, because they come from one group or from the
    defaults of a role. So each is converted once, and recognised by its identity.
    """

    def __init__(
        self,
        templar: Templar,
        prefix: str,
        variables: Iterable[str] = settings.VARIABLES,
        probe_results: Iterable[str] = (),
    ) -> None:
        self._templar, self._prefix = templar, prefix
        self._probe_results = tuple(probe_results)
        self._names = [
            (variable, prefix + variable, SHARED_PREFIX + variable if variable in SHARED else "")
            for variable in variables
        ]
        # Holds a reference to the value, so that no other object can get its identity.
        self._constants: dict[int, tuple[object, object]] = {}
        self.secrets = MasterSecrets(prefix)

    def read(self, name: str, host_vars: dict[str, Any]) -> HostInput:
        """Return the input of the planner for a host."""
        self._templar.available_variables = host_vars
        values: dict[str, object] = {}
        unresolved: dict[str, str] = {}
        of_all_roles: set[str] = set()
        for variable, own, shared in self._names:
            raw = host_vars.get(own)
            if shared and (raw is None or raw == ""):
                raw = host_vars.get(shared)
                of_all_roles.add(variable)
            if raw is None:
                continue
            try:
                values[variable] = self._value(raw)
            except AnsibleError as error:
                unresolved[variable] = f"cannot be evaluated: {' '.join(str(error).split())}"
        # Facts come from hosts, so they are never templated. They are large, so they are not converted either.
        facts = host_vars.get("ansible_facts")
        fact = facts.get(FACT) if isinstance(facts, Mapping) else None
        return HostInput(
            name=name,
            variables=values,
            ansible_host=self._text(host_vars.get(_CONNECTION_ADDRESS)),
            fact=fact if isinstance(fact, Mapping) else None,
            unresolved=unresolved,
            shared=frozenset(of_all_roles),
            probe_results=[result for result in map(host_vars.get, self._probe_results) if isinstance(result, Mapping)],
        )

    def read_secrets(self, name: str, host_vars: dict[str, Any]) -> None:
        """Note the secrets of a host, which are no input of the planner."""
        self._templar.available_variables = host_vars

        def evaluate(raw: object) -> object:
            try:
                return self._value(raw)
            except AnsibleError:
                raise ValueError from None

        self.secrets.add(name, host_vars, evaluate)

    def _value(self, raw: object) -> object:
        known = self._constants.get(id(raw))
        if known is not None:
            return known[1]
        value: object = to_plain(self._templar.template(raw))
        if not self._templar.is_template(raw):
            self._constants[id(raw)] = (raw, value)
        return value

    def _text(self, raw: object) -> str:
        """Return a text, empty if there is none or if it cannot be evaluated."""
        try:
            value = None if raw is None else self._value(raw)
        except AnsibleError:
            return ""
        return value if isinstance(value, str) else ""


def variables_of_roles() -> set[str]:
    """Return the names of all variables of this collection's roles, from their argument specifications."""
    names: set[str] = set()
    for path in Path(__file__).parents[2].glob("roles/*/meta/argument_specs.yml"):
        specifications = yaml_load(path.read_text(encoding="utf-8"))["argument_specs"]
        names.update(name for one in specifications.values() for name in one.get("options", ()))
    return names


@contextmanager
def collector_paused() -> Iterator[None]:
    """Pause the cyclic garbage collector: its cost grows with the number of objects of a large inventory."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
