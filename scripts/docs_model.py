"""Reads and checks the two files that the documents are rendered from, so that a slip is one clear line."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError

ROOT = Path(__file__).resolve().parent.parent
STATEMENTS = 105

State = Literal["works", "partly", "not yet"]
Part = Literal["usher", "tally", "catalogue"]
Text = Annotated[str, Field(min_length=1)]
RowNumber = Annotated[int, Field(ge=1, le=STATEMENTS)]
Model = TypeVar("Model", bound=BaseModel)


class DocumentError(Exception):
    """The source of a document is wrong; the message names file, line and field: mend that file."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Row(_Strict):
    """One statement of the guide and what shows it here."""

    n: RowNumber
    statement: Text
    on: Annotated[tuple[Part, ...], Field(min_length=1)]
    behaviour: Text
    unknown: bool
    repeats: RowNumber | None = None
    state: State
    shows: tuple[str, ...]
    note: str

    @model_validator(mode="after")
    def _a_claim_has_something_to_show(self) -> Self:
        for shown in self.shows:
            if not shown.startswith("$ ") and "::" not in shown:
                raise ValueError(f"shows: expected a test id (path::name) or a command ('$ ...'), got {shown!r}")
        if self.repeats is not None and self.shows:
            raise ValueError(f"shows: expected [], because the row repeats row {self.repeats}")
        if self.repeats is None and self.state != "not yet" and not self.shows:
            raise ValueError(f"shows: expected at least one test or command, because the state is {self.state!r}")
        if self.repeats is None and self.state == "works" and not self.tests:
            raise ValueError("shows: expected at least one test id, because the state is 'works'")
        return self

    @property
    def tests(self) -> tuple[str, ...]:
        """The test ids among what the row shows."""
        return tuple(shown for shown in self.shows if not shown.startswith("$ "))

    @property
    def commands(self) -> tuple[str, ...]:
        """The documented commands among what the row shows, without their prompt."""
        return tuple(shown.removeprefix("$ ") for shown in self.shows if shown.startswith("$ "))


class Mission(_Strict):
    """All statements, numbered from 1 without a gap."""

    rows: tuple[Row, ...]

    @model_validator(mode="after")
    def _rows_are_complete(self) -> Self:
        for expected, row in enumerate(self.rows, start=1):
            if row.n != expected:
                raise ValueError(f"rows.{expected - 1}.n: expected {expected}, got {row.n}")
        if len(self.rows) != STATEMENTS:
            raise ValueError(f"rows: expected {STATEMENTS} of them, got {len(self.rows)}")
        for row in self.rows:
            if row.repeats is not None and self[row.repeats].state != row.state:
                raise ValueError(f"rows.{row.n - 1}.state: expected the state of row {row.repeats}, which it repeats")
        return self

    def __getitem__(self, n: int) -> Row:
        """Row number n, counted from 1."""
        return self.rows[n - 1]


class Line(_Strict):
    """One thing that the guide says, with our answer to it."""

    guide: Text
    usher: Text | None = None
    tally: Text | None = None
    catalogue: Text | None = None
    rows: Annotated[tuple[RowNumber, ...], Field(min_length=1)]


class Section(_Strict):
    """A section of the guide under its own heading."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]
    heading: Text
    quote: Annotated[str, Field(min_length=1, max_length=120)]
    lines: Annotated[tuple[Line, ...], Field(min_length=1)]


class TableRow(_Strict):
    """One line of the table in README.md."""

    heading: Text
    section: Text
    rows: Annotated[tuple[RowNumber, ...], Field(min_length=1)]
    page: Text | None = None
    command: str


class Guide(_Strict):
    """The guide in its own order, and the table made from it."""

    title: Text
    publisher: Text
    updated: date
    sections: tuple[Section, ...]
    table: tuple[TableRow, ...]

    @model_validator(mode="after")
    def _every_statement_has_its_place(self) -> Self:
        known = {section.id for section in self.sections}
        for index, row in enumerate(self.table):
            if row.section not in known:
                raise ValueError(f"table.{index}.section: expected the id of a section, got {row.section!r}")
        placed = {n for section in self.sections for line in section.lines for n in line.rows}
        for n in range(1, STATEMENTS + 1):
            if n not in placed:
                raise ValueError(f"sections: expected row {n} in one of their lines")
        return self


def load(path: Path, model: type[Model]) -> Model:
    """Read a YAML file into `model`.

    Raises DocumentError, whose text is `file:line: field: what was expected`.
    """
    try:
        data = YAML(typ="rt").load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DocumentError(f"{path.name}: expected this file, it does not exist") from None
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise DocumentError(f"{path.name}:{line}: expected YAML: {error.problem}") from None
    try:
        return model.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        field, text = _field_and_text(first["loc"], first["msg"].removeprefix("Value error, "))
        raise DocumentError(f"{path.name}:{_line_of(data, field)}: {'.'.join(field) or 'file'}: {text}") from None


def _field_and_text(loc: tuple[int | str, ...], message: str) -> tuple[tuple[str, ...], str]:
    """A message of ours begins with its field; one of pydantic's has it in `loc`."""
    head, _, rest = message.partition(": expected")
    field = tuple(str(part) for part in loc)
    if rest and " " not in head:
        return (*field, *head.split(".")), f"expected{rest}"
    return field, message


def _line_of(data: Any, field: tuple[str, ...]) -> int:
    line = 1
    for name in field:
        key: int | str = int(name) if isinstance(data, list) and name.isdigit() else name
        try:
            line = (data.lc.item(key) if isinstance(key, int) else data.lc.key(key))[0] + 1
            data = data[key]
        except (AttributeError, KeyError, IndexError, TypeError):
            break
    return line


def load_mission(root: Path = ROOT) -> Mission:
    """The rows of `docs/mission.yaml`."""
    return load(root / "docs" / "mission.yaml", Mission)


def load_guide(root: Path = ROOT) -> Guide:
    """The sections of `docs/guide.yaml`."""
    return load(root / "docs" / "guide.yaml", Guide)
