"""Read the accounts of an app from the newest CSV export in a folder: all of it, or nothing and one line why."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator

from usher.connectors.contract import Call, Connector, Page
from usher.connectors.csv_columns import DATES, HELD, INSTANTS, STATES, SYNONYMS, as_date, as_instant, plain
from usher.connectors.errors import Unreadable
from usher.connectors.table import Row, Table, read_table
from usher.domain.account import Account, AccountKind, AccountState
from usher.domain.connection import ConnectionConfig, Strict
from usher.domain.profile import AppProfile

ON_ACCOUNT = frozenset({"display_name", "given_name", "family_name", "employee_number", "external_id"})


class CsvOptions(Strict):
    """How this app's export differs from what is recognised without being told."""

    pattern: str = "*.csv"
    """Which files of the folder count; the newest one is read."""
    columns: dict[str, str] = Field(default_factory=dict)
    """Our name of a column -> its heading; a name of your own becomes an attribute."""
    states: dict[str, AccountState] = Field(default_factory=dict)
    """The app's word for a state -> the state, besides the usual words."""
    default_state: AccountState = AccountState.UNKNOWN
    """The state of every account in a file without a state column."""
    encoding: str | None = None
    """None: by byte order mark, else UTF-8, else Windows-1252."""
    delimiter: str | None = Field(default=None, min_length=1, max_length=1)
    """None: comma, semicolon or tab, whichever the line of headings holds most of."""
    separator: str = Field(default=";|", min_length=1)
    """Characters between several roles, groups or modules in one cell."""
    date_format: str | None = None
    """Form of days such as `%d/%m/%Y`; None: ISO 8601 only, because 03/04 can be read in two ways."""
    instant_format: str | None = None
    """Form of instants; None: ISO 8601."""
    timezone: str = "UTC"
    """Where instants without an offset are told."""

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError("a time zone such as Europe/Berlin") from error
        return value


class CsvConnector(Connector):
    """An app known from its exports: it can be read and never written. See CsvOptions for `options`."""

    app: ClassVar[str] = "csv"

    def __init__(self, config: ConnectionConfig, profile: AppProfile | None = None) -> None:
        self.config = config
        self.options = CsvOptions.model_validate(config.options)
        self._states = {**STATES, **{plain(word): state for word, state in self.options.states.items()}}
        self._zone = ZoneInfo(self.options.timezone)

    def check(self, call: Call) -> None:
        """Read the newest file as a whole; Unreadable where it is not one."""
        self._read(call)

    def accounts(self, cursor: str | None, call: Call) -> Page[Account]:
        """Return every account of the newest file, in its order, in one page."""
        return Page(self._read(call))

    def shape(self, call: Call) -> str:
        """Return a hash of the headings of the newest file: another hash is another kind of file."""
        return self._table(call).shape

    def _table(self, call: Call) -> Table:
        name = call.door.files.newest(self.options.pattern)
        content = call.door.files.read(name)
        shown = name or call.door.files.folder.name
        return read_table(content, shown, encoding=self.options.encoding, delimiter=self.options.delimiter)

    def _read(self, call: Call) -> tuple[Account, ...]:
        table = self._table(call)
        reader = _Reader(table, self._columns(table), self.options, self._states, self._zone)
        lines: dict[str, int] = {}
        accounts = []
        for row in table.rows:
            account = reader.account(row)
            if (earlier := lines.get(account.id)) is not None:
                problem = f"the id {account.id!r} is also on line {earlier}"
                raise reader.bad(row, "id", problem, "each id once")
            lines[account.id] = row.line
            accounts.append(account)
        return tuple(accounts)

    def _columns(self, table: Table) -> dict[str, str]:
        """Return our name of each column -> its heading in this file."""
        headings = {plain(heading): heading for heading in table.headings}
        columns: dict[str, str] = {}
        for name, heading in self.options.columns.items():
            if plain(heading) not in headings:
                raise _missing(table, heading, "the heading that options.columns names")
            columns[name] = headings[plain(heading)]
        taken = set(columns.values())
        for name, synonyms in SYNONYMS.items():
            found = next((headings[word] for word in synonyms if word in headings), None)
            if name not in columns and found is not None and found not in taken:
                columns[name] = found
        return self._with_keys(table, columns)

    def _with_keys(self, table: Table, columns: dict[str, str]) -> dict[str, str]:
        if "id" not in columns and self.config.part == "hr" and "employee_number" in columns:
            columns["id"] = columns["employee_number"]
        name = columns.get("user_name") or columns.get("email")
        if "id" not in columns and self.config.key == "mutable" and name is not None:
            columns["id"] = name  # declared: this app shows no id that lasts
        if "id" not in columns:
            raise _missing(table, "id", "a column with the app's own id (name it under options.columns)")
        columns.setdefault("user_name", name or columns["id"])
        return columns


def _missing(table: Table, column: str, expected: str) -> Unreadable:
    return Unreadable(
        f"there is no such column among {', '.join(table.headings)}",
        file=table.file,
        line=1,
        column=column,
        expected=expected,
    )


class _Reader:
    """Turns the rows of one file into accounts."""

    def __init__(
        self,
        table: Table,
        columns: Mapping[str, str],
        options: CsvOptions,
        states: Mapping[str, AccountState],
        zone: ZoneInfo,
    ) -> None:
        self._file = table.file
        self._columns = columns
        self._options = options
        self._states = states
        self._zone = zone

    def account(self, row: Row) -> Account:
        """Return the account of a row; raises Unreadable."""
        cells = {name: row.cells[heading] for name, heading in self._columns.items()}
        for name in ("id", "user_name"):
            if not cells[name]:
                raise self.bad(row, name, "the cell is empty", "a value in every row")
        dates = {name: text for name in DATES if name in cells and (text := self._date(row, name, cells[name]))}
        special = {"id", "user_name", "email", "state", "kind", *ON_ACCOUNT, *DATES, *INSTANTS, *HELD}
        others = {name: text for name, text in cells.items() if text and name not in special}
        status = {"status": cells["state"]} if cells.get("state") else {}
        return Account(
            id=cells["id"],
            user_name=cells["user_name"],
            emails=(cells["email"],) if cells.get("email") else (),
            state=self._state(row, cells.get("state")),
            kind=self._kind(row, cells.get("kind", "")),
            created=self._instant(row, "created", cells.get("created", "")),
            last_login=self._instant(row, "last_login", cells.get("last_login", "")),
            entitlements=frozenset(self._held(cells)),
            attributes={**others, **dates, **status},
            raw=dict(row.cells),
            **{name: cells[name] for name in ON_ACCOUNT if cells.get(name)},
        )

    def bad(self, row: Row, name: str, problem: str, expected: str) -> Unreadable:
        """Return the error that names the file, the line and the heading."""
        return Unreadable(problem, file=self._file, line=row.line, column=self._columns[name], expected=expected)

    def _state(self, row: Row, word: str | None) -> AccountState:
        if word is None:
            return self._options.default_state
        state = self._states.get(plain(word))
        if state is None:
            known = ", ".join(sorted(self._states))
            raise self.bad(row, "state", f"{word!r} is no known state", f"one of {known}, or a line in options.states")
        return state

    def _kind(self, row: Row, word: str) -> AccountKind:
        if not word:
            return AccountKind.PERSON
        return _KINDS.get(plain(word), AccountKind.PERSON)

    def _date(self, row: Row, name: str, text: str) -> str | None:
        form = self._options.date_format
        try:
            return as_date(text, form)
        except ValueError:
            raise self.bad(row, name, f"{text!r} is no day", f"a day as {form or 'YYYY-MM-DD'}") from None

    def _instant(self, row: Row, name: str, text: str) -> Any:
        form = self._options.instant_format
        try:
            return as_instant(text, form, self._zone)
        except ValueError:
            raise self.bad(row, name, f"{text!r} is no instant", f"an instant as {form or 'ISO 8601'}") from None

    def _held(self, cells: Mapping[str, str]) -> list[str]:
        between = f"[{re.escape(self._options.separator)}]"
        return [
            f"{kind}:{part.strip()}"
            for name, kind in HELD.items()
            for part in re.split(between, cells.get(name, ""))
            if part.strip()
        ]


_KINDS = {
    "service": AccountKind.SERVICE,
    "service account": AccountKind.SERVICE,
    "shared": AccountKind.SHARED,
    "guest": AccountKind.GUEST,
    "external": AccountKind.EXTERNAL,
    "contractor": AccountKind.EXTERNAL,
}
