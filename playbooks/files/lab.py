# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build a lab of hosts from Linux namespaces, inspect it, and remove it without a trace.

A lab host has its own network, mount and uts namespace. It sees the machine's files through an overlay on /etc, /var,
/root, /tmp and /usr/local, and an empty /run; what it writes stays in the lab. veth pairs connect the hosts to a bridge in a
network namespace of the lab; the machine's own network is not touched.

    echo '{"lab": "demo", "hosts": {"h1": {"addresses": ["192.0.2.11/24"], "mtu": 1500}}}' | lab.py up
    lab.py list
    lab.py reach --lab demo --interface wg0
    lab.py enter h1 wg show
    lab.py down --lab demo --host h1
    lab.py down --lab demo

`up` adds what is missing and repairs what is broken; hosts that are not in the document stay as they are.
`up` and `down` print one line of JSON with `changed`, and report on standard error what they did.
Files: one tmpfs per lab on /run/wirewright-lab/LAB, network namespaces /run/netns/ww-LAB-HOST. Needs root, Python
3.9, iproute2 and util-linux.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import asdict
from typing import Any

from lab_build import up
from lab_model import RUN, Lab, LabError, locked, named_lab, parse
from lab_reach import measure, table
from lab_remove import count_processes, down


def main() -> int:
    options = arguments().parse_args()
    if os.geteuid() != 0:
        print("lab.py: namespaces need root", file=sys.stderr)
        return 2
    try:
        return int(options.run(options))
    except LabError as error:
        print(f"lab.py: {error}", file=sys.stderr)
        return 2


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="lab.py", description=__doc__.split("\n", maxsplit=1)[0])
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser("up", help="make or repair the hosts of a JSON document")
    command.add_argument("file", nargs="?", type=argparse.FileType(), default=sys.stdin, help="default: stdin")
    command.set_defaults(run=run_up)

    command = commands.add_parser("down", help="remove a lab, or some hosts of it")
    command.add_argument("--lab", default="demo")
    command.add_argument("--host", action="append", help="only this host; may be repeated")
    command.set_defaults(run=run_down)

    command = commands.add_parser("reach", help="show which hosts reach each other; exit code 1 if one does not")
    command.add_argument("--lab", default="demo")
    command.add_argument("--interface", default="wg0")
    command.add_argument("--deadline", type=int, default=8, help="seconds to wait for an answer (8)")
    command.add_argument("--json", action="store_true")
    command.set_defaults(run=run_reach)

    command = commands.add_parser("enter", help="run a command in a host, by default a shell")
    command.add_argument("--lab", default="demo")
    command.add_argument("host")
    command.add_argument("argv", nargs=argparse.REMAINDER, metavar="COMMAND")
    command.set_defaults(run=run_enter)

    command = commands.add_parser("list", help="show labs, their hosts, and the command prefix that enters each")
    command.add_argument("--lab")
    command.add_argument("--json", action="store_true")
    command.set_defaults(run=run_list)
    return parser


def run_up(options: argparse.Namespace) -> int:
    try:
        document = json.load(options.file)
    except ValueError as error:
        raise LabError(f"the lab is no JSON document: {error}") from error
    lab, hosts = parse(document)
    with locked():
        result = up(lab, hosts)
    return report(result)


def run_down(options: argparse.Namespace) -> int:
    with locked():
        result = down(named_lab(options.lab), options.host)
    return report(result)


def report(result: dict[str, Any]) -> int:
    """Print the result for programs, and a summary for people."""
    for done, hosts in result.items():
        if isinstance(hosts, list) and hosts:
            print(f"lab {result['lab']}: {done} {' '.join(hosts)}", file=sys.stderr)
    print(json.dumps(result))
    return 0


def run_reach(options: argparse.Namespace) -> int:
    directions = measure(named_lab(options.lab), options.interface, options.deadline)
    print(json.dumps([asdict(direction) for direction in directions]) if options.json else table(directions))
    return 1 if any(direction.problem for direction in directions) else 0


def run_enter(options: argparse.Namespace) -> int:
    lab = named_lab(options.lab)
    if not lab.is_whole(options.host):
        raise LabError(f"lab {lab.name} has no host {options.host}; it has: {' '.join(lab.hosts()) or 'none'}")
    # A shell ends with the exit code of its last command, which is no failure of "enter".
    shell = ["sh", "-c", '"$1"; exit 0', "sh", os.environ.get("SHELL", "/bin/sh")]
    argv = [*lab.enter(options.host), *(options.argv or shell)]
    os.execvp(argv[0], argv)  # noqa: S606


def run_list(options: argparse.Namespace) -> int:
    labs = [named_lab(options.lab)] if options.lab else [Lab(path.name) for path in sorted(RUN.glob("*"))]
    hosts = [describe(lab, host) for lab in labs for host in lab.hosts()]
    if options.json:
        print(json.dumps(hosts))
        return 0
    for host in hosts:
        state = f"{host['processes']} processes" if host["whole"] else "half-made"
        print(f"{host['lab']}  {host['host']}  {' '.join(host['addresses']) or '-'}  mtu {host['mtu']}  {state}")
        print(f"    {' '.join(host['enter'])}")
    return 0


def describe(lab: Lab, host: str) -> dict[str, Any]:
    record = lab.read_record(host)
    return {
        "lab": lab.name,
        "host": host,
        "whole": lab.is_whole(host),
        "addresses": record.get("addresses", []),
        "mtu": record.get("mtu"),
        "processes": count_processes(lab, host),
        "enter": lab.enter(host),
    }


if __name__ == "__main__":
    sys.exit(main())
