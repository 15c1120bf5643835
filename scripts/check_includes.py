#!/usr/bin/env python3
"""Checks that includes between the folders go one way, down the table in CONTRIBUTING.md ("Folders").

    scripts/check_includes.py          one line for each include that goes up; exit code 1 where there is one
    scripts/check_includes.py --graph  who includes whom, with counts
"""

import collections
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
ROW = re.compile(r"^\| `([a-z/]+)` \| (.*?) \|")
INCLUDE = re.compile(r'^#include "([a-z]+)/')


def read_rules():
    """Folder -> those that it may include, from the table."""
    text = (ROOT / "CONTRIBUTING.md").read_text().split("\n## Folders\n")[1].split("\n## ")[0]
    rows = filter(None, map(ROW.match, text.splitlines()))
    return {row[1]: set(re.findall(r"`([a-z]+)`", row[2])) for row in rows}


def main():
    rules, edges, errors = read_rules(), collections.Counter(), []
    for folder in [*(ROOT / "src").iterdir(), ROOT / "layers"]:
        name = folder.name
        if name not in rules:
            errors.append(f"{folder.relative_to(ROOT)}: has no row in CONTRIBUTING.md, \"Folders\"")
            continue
        for path in sorted(path for path in folder.rglob("*") if path.suffix in (".h", ".cpp", ".cu")):
            for number, line in enumerate(path.read_text().splitlines(), 1):
                found = INCLUDE.match(line)
                if found and found[1] != name:
                    edges[name, found[1]] += 1
                    if found[1] not in rules[name]:
                        errors.append(f"{path.relative_to(ROOT)}:{number}: {name} must not include {found[1]}; "
                                      f"allowed: {', '.join(sorted(rules[name])) or 'none'}")
    if "--graph" in sys.argv[1:]:
        for (who, whom), count in sorted(edges.items()):
            print(f"{who} -> {whom} {count}")
    for error in errors:
        print(error)
    return bool(errors)


if __name__ == "__main__":
    sys.exit(main())
