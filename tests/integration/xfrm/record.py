# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Record what iproute2 sends for each variant, as golden bytes for the unit tests.

    python3 tests/integration/xfrm/record.py        # as root, with strace; the kernel's answer does not matter

Keeps the payload of each request: the bytes after the netlink header.
"""

from __future__ import annotations

import json
import re
import shlex
import struct
import subprocess
import tempfile
from pathlib import Path

from variants import POLICIES, STATES

ROOT = Path(__file__).parents[3]
GOLDEN = ROOT / "tests/unit/plugins/module_utils/_xfrm/xfrm_iproute2.json"
XFRM_MSG_NEWSA, XFRM_MSG_NEWPOLICY = 0x10, 0x13


def sent_by(words: list[str]) -> bytes:
    """Return the payload of the only request of a command."""
    with tempfile.NamedTemporaryFile() as trace:
        strace = ["strace", "-o", trace.name, "-e", "trace=sendmsg", "-e", "write=all", "-s", "0", *words]
        subprocess.run(["unshare", "--net", *strace], capture_output=True, check=False)
        lines = Path(trace.name).read_text().splitlines()
    # The hexdump of `-e write=all`: " | 00010  xx xx ...  text |"
    dumped = [re.match(r" \| [0-9a-f]+  ((?:[0-9a-f]{2}  ?)+)", line) for line in lines]
    raw = bytes.fromhex("".join(match[1] for match in dumped if match))
    start = 0
    while start + 16 <= len(raw):
        length, kind = struct.unpack_from("=IH", raw, start)
        if kind in (XFRM_MSG_NEWSA, XFRM_MSG_NEWPOLICY):
            return raw[start + 16 : start + length]
        start += (length + 3) & ~3  # it asked for an interface's index before
    raise SystemExit(f"nothing was sent by {shlex.join(words)}:\n" + "\n".join(lines))


def main() -> None:
    recorded = {
        kind: {
            name: {
                "words": variant.words,
                "options": variant.options,
                "payload": sent_by(["ip", "xfrm", command, "add", *shlex.split(variant.words)]).hex(),
            }
            for name, variant in variants.items()
        }
        for kind, command, variants in (("states", "state", STATES), ("policies", "policy", POLICIES))
    }
    GOLDEN.write_text(json.dumps(recorded, indent=1) + "\n")
    print({kind: len(found) for kind, found in recorded.items()})


if __name__ == "__main__":
    main()
