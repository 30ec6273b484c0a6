"""Do a clerk's work on a CSV file: change the row that a column finds, or add one; the file is replaced as a whole.

`change.py FILE email=ann@acme.test status=inactive` changes the one row, `change.py FILE --add id=X1 email=...` adds.
"""

from __future__ import annotations

import csv
import os
import sys
from pathlib import Path


def main(file: str, *words: str) -> int:
    """Return 0, or 2 with one line that names the file, the field and what was expected."""
    path, add = Path(file), "--add" in words
    pairs = [word.partition("=") for word in words if word != "--add"]
    with path.open(encoding="utf-8", newline="") as source:
        reader = csv.DictReader(source)
        header, rows = list(reader.fieldnames or ()), list(reader)
    unknown = [name for name, _, _ in pairs if name not in header]
    if not pairs or unknown:
        print(f"{file}: {(unknown or ['-'])[0]}: expected FIELD=VALUE, fields {', '.join(header)}", file=sys.stderr)
        return 2
    if add:
        rows.append({**dict.fromkeys(header, ""), **{name: value for name, _, value in pairs}})
    else:
        (key, _, wanted), *changes = pairs
        found = [row for row in rows if row[key] == wanted]
        if len(found) != 1:
            print(f"{file}: {key}: {len(found)} rows say {wanted!r}, expected one", file=sys.stderr)
            return 2
        found[0].update({name: value for name, _, value in changes})
    half = path.with_name(f".{path.name}.{os.getpid()}")
    with half.open("w", encoding="utf-8", newline="") as target:
        writer = csv.DictWriter(target, header, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    half.replace(path)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
