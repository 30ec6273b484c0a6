"""Report: rows that an auditor can take away, with what they rest on: parameters, readings, the ledger, and a digest.

Whoever reads a report asks first whether it is all there, and whether it is what was handed over: so each states its
number of rows, the readings behind it, the ledger's size and root, and the digest of its rows.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from usher import __version__
from usher.domain.canonical import digest
from usher.services.pages import render
from usher.services.record import sequence
from usher.services.workspace import Workspace

Line = dict[str, Any]
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet would take for the beginning of a formula."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One report as it was made; `document()` is the whole of it as plain JSON."""

    name: str
    title: str
    parameters: Mapping[str, Any]
    columns: Sequence[str]
    rows: Sequence[Line]
    workspace: str
    generated_at: str
    snapshots: Mapping[str, str]
    """The last reading of each connection: its id."""
    ledger_size: int
    ledger_root: str

    @property
    def rows_digest(self) -> str:
        """`sha256:` over the canonical form of the rows."""
        return digest(f"usher.report.{self.name}/1", list(self.rows))

    def about(self) -> Line:
        """Everything but the rows."""
        return {
            "report": self.name,
            "title": self.title,
            "workspace": self.workspace,
            "generated_at": self.generated_at,
            "generator": f"usher {__version__}",
            "parameters": dict(self.parameters),
            "row_count": len(self.rows),
            "rows_digest": self.rows_digest,
            "snapshots": dict(self.snapshots),
            "ledger": {"size": self.ledger_size, "root": self.ledger_root},
            "columns": list(self.columns),
        }

    def document(self) -> Line:
        """The whole report."""
        return {**self.about(), "rows": list(self.rows)}


def make_report(
    workspace: Workspace,
    name: str,
    title: str,
    parameters: Mapping[str, Any],
    columns: Sequence[str],
    rows: Sequence[Line],
) -> Report:
    """Put rows together with what they rest on, as it stands now; the ledger is signed up to here where its key is."""
    sequence(workspace)
    with workspace.store.read() as unit:
        heads = unit.ledger.heads()
        last = {one: unit.accounts.last_snapshot(one, complete=False) for one in workspace.connections.names()}
    head: Mapping[str, Any] = heads[-1] if heads else {"size": 0, "root": ""}
    return Report(
        name=name,
        title=title,
        parameters=parameters,
        columns=columns,
        rows=rows,
        workspace=workspace.name,
        generated_at=workspace.now(),
        snapshots={one: row["id"] for one, row in sorted(last.items()) if row is not None},
        ledger_size=int(head["size"]),
        ledger_root=str(head["root"]),
    )


def as_csv(report: Report) -> str:
    """The rows of a report under their headings."""
    return table_of(report.columns, report.rows)


def table_of(columns: Sequence[str], rows: Sequence[Line]) -> str:
    """Rows as CSV under their headings; what a spreadsheet would run as a formula begins with an apostrophe."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows({name: _harmless(row[name]) for name in columns} for row in rows)
    return text.getvalue()


def _harmless(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def as_html(report: Report) -> str:
    """One page without scripts and addresses of others, that prints."""
    about = {
        "Workspace": report.workspace,
        **{name.capitalize().replace("_", " "): value for name, value in report.parameters.items()},
        "Rows": len(report.rows),
        "Made": f"{report.generated_at} by usher {__version__}",
        "Digest of the rows": report.rows_digest,
        "Ledger": f"{report.ledger_size} leaves, root {report.ledger_root or 'unsigned'}",
        "Readings": ", ".join(f"{name} {id}" for name, id in report.snapshots.items()) or "none",
    }
    return render("report.html", title=report.title, about=about, columns=report.columns, rows=report.rows)
