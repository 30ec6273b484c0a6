"""Reads the folder of a workspace as one configuration: all of it is right, or every mistake is named."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, Field, ValidationError
from ruamel.yaml.comments import CommentedMap

from usher.domain.canonical import digest
from usher.domain.connection import ConnectionConfig, Strict
from usher.domain.guard import Limits
from usher.domain.located import ConfigurationError, Expected, Problem, field_text, line_of, problems_of
from usher.domain.located import Path as Place
from usher.domain.policyfiles import Policies, PolicyFile, Rules, gather
from usher.domain.profile import AppProfile
from usher.domain.seats import Contract
from usher.store.yamlfiles import amend, parse, plain, read_text, to_text, write_text

MAIN_FILE = "usher.yaml"
CONFIGURATION_SCHEMA = "usher.configuration/1"
Model = TypeVar("Model", bound=BaseModel)


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Expected("a time zone such as Europe/Berlin") from None
    return name


Zone = Annotated[str, AfterValidator(_zone)]


class MainFile(Strict):
    """What `usher.yaml` may say."""

    name: str = Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")
    """Short name of the workspace."""
    id: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_-]{1,60}$")
    """Opaque id under which its keys lie; None: the name."""
    zone: Zone = "UTC"
    """Time zone of the company: a last day without a time ends there."""
    people_from: tuple[str, ...] = ()
    """Connections that say who works here; none named: every connection whose part is hr."""
    aliases: dict[str, str] = Field(default_factory=dict)
    """Address -> the address that it stands for."""
    rules: Rules = Field(default_factory=Rules)
    limits: Limits = Field(default_factory=Limits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """Everything that the files of a workspace say. `digest` names exactly these files; `texts` are their contents."""

    folder: Path
    main: MainFile
    connections: Mapping[str, ConnectionConfig]
    policies: Policies
    contracts: Mapping[str, Contract]
    apps: Mapping[str, AppProfile]
    digest: str
    texts: Mapping[str, str] = field(repr=False)

    @property
    def id(self) -> str:
        """The id under which the keys of this workspace lie."""
        return self.main.id or self.main.name

    @property
    def people_from(self) -> tuple[str, ...]:
        """The connections that say who works here."""
        hr = tuple(sorted(name for name, config in self.connections.items() if config.part == "hr"))
        return self.main.people_from or hr


@dataclass(frozen=True, slots=True)
class _File:
    """One file that was read: its name in the workspace, its text and its tree."""

    name: str
    text: str
    tree: CommentedMap

    def problem(self, path: Place, expected: str, got: str) -> Problem:
        return Problem(self.name, line_of(self.tree, path), field_text(path), expected, got)


def is_workspace(folder: Path) -> bool:
    """Say whether the folder holds a workspace."""
    return (folder / MAIN_FILE).is_file()


def written_at(folder: Path) -> list[datetime]:
    """When each file of a workspace's configuration was last written."""
    files = (folder / MAIN_FILE, *(file for kind in FOLDERS for file in (folder / kind).glob("*.yaml")))
    return [datetime.fromtimestamp(file.stat().st_mtime, UTC) for file in files if file.is_file()]


def read_configuration(folder: Path) -> Configuration:
    """Read all files of a workspace; raises ConfigurationError with every problem of every file."""
    problems: list[Problem] = []
    files = list(_files(folder, problems))
    checked: dict[str, list[tuple[_File, BaseModel]]] = {}
    for file in files:
        kind = file.name.partition("/")[0]
        content = _checked(file, _MODELS[kind], problems)
        if content is not None:
            checked.setdefault(kind, []).append((file, content))
    mains = [content for _, content in checked.get(MAIN_FILE, []) if isinstance(content, MainFile)]
    connections = _by_name(checked.get("connections", []), "name", problems)
    apps = _by_name(checked.get("apps", []), "app", problems)
    contracts = _contracts(checked.get("contracts", []), problems)
    named = {
        file.name.partition("/")[2].removesuffix(".yaml") for file in files if file.name.startswith("connections/")
    }
    known = named | connections.keys()
    problems += _cross_checks(checked, frozenset(known))
    if problems or not mains:
        raise ConfigurationError(problems)
    policies = [
        (f.name, content, f.tree) for f, content in checked.get("policies", []) if isinstance(content, PolicyFile)
    ]
    return Configuration(
        folder=folder,
        main=mains[0],
        connections={name: one for name, one in connections.items() if isinstance(one, ConnectionConfig)},
        policies=gather(policies),
        contracts=contracts,
        apps={name: one for name, one in apps.items() if isinstance(one, AppProfile)},
        digest=_digest(files),
        texts={file.name: file.text for file in files},
    )


def write_connection(folder: Path, config: ConnectionConfig) -> Path:
    """Write `connections/NAME.yaml` as a whole and keep the comments of the file that is there; returns its path."""
    name = f"connections/{config.name}.yaml"
    path = folder / name
    values = config.model_dump(mode="json", exclude_defaults=True)
    tree = parse(read_text(path, name), name) if path.exists() else None
    if tree is None:
        tree = CommentedMap()
    amend(tree, values, _defaults(config))
    text = to_text(tree)
    again = ConnectionConfig.model_validate(plain(parse(text, name)))
    assert again == config, "what is written is what was asked for"
    write_text(path, text)
    return path


def remove_connection(folder: Path, name: str) -> None:
    """Take `connections/NAME.yaml` away; the store keeps what it said in the versions that were applied."""
    (folder / "connections" / f"{name}.yaml").unlink()


_MODELS: Mapping[str, type[BaseModel]] = {
    MAIN_FILE: MainFile,
    "connections": ConnectionConfig,
    "policies": PolicyFile,
    "contracts": Contract,
    "apps": AppProfile,
}
FOLDERS = tuple(name for name in _MODELS if name != MAIN_FILE)


def _files(folder: Path, problems: list[Problem]) -> Iterator[_File]:
    if not is_workspace(folder):
        problems.append(Problem(MAIN_FILE, 1, "-", f"a workspace in {folder} (usher init makes one)", "no such file"))
        return
    names = [MAIN_FILE]
    for kind in FOLDERS:
        for path in sorted((folder / kind).glob("*")):
            name = f"{kind}/{path.name}"
            if path.suffix == ".yml":
                problems.append(Problem(name, 1, "-", "a file name that ends in .yaml", ".yml"))
            elif path.suffix == ".yaml" and not path.name.startswith("."):
                names.append(name)
    for name in names:
        try:
            text = read_text(folder / name, name)
            tree = parse(text, name)
        except ConfigurationError as error:
            problems += error.problems
            continue
        if tree is not None:
            yield _File(name, text, tree)
        elif name == MAIN_FILE:
            problems.append(Problem(name, 1, "name", "a value", "nothing"))


def _checked(file: _File, model: type[Model], problems: list[Problem]) -> Model | None:
    try:
        return model.model_validate(plain(file.tree))
    except ValidationError as error:
        problems += problems_of(file.name, error, file.tree, model)
    except ValueError as error:
        problems.append(Problem(file.name, 1, "-", "a file of reasonable size", str(error)))
    return None


def _by_name(files: list[tuple[_File, BaseModel]], name_field: str, problems: list[Problem]) -> dict[str, BaseModel]:
    """Key contents by the name inside, which is the name of the file too, so that none is there twice."""
    found = {}
    for file, content in files:
        name = getattr(content, name_field)
        stem = file.name.partition("/")[2].removesuffix(".yaml")
        if name != stem:
            problems.append(file.problem((name_field,), f"{stem!r}, the name of the file", repr(name)))
        found[name] = content
    return found


def _contracts(files: list[tuple[_File, BaseModel]], problems: list[Problem]) -> dict[str, Contract]:
    found: dict[str, Contract] = {}
    for file, content in files:
        if isinstance(content, Contract):
            if content.connection in found:
                problems.append(file.problem(("connection",), "one contract for each connection", "a second one"))
            found[content.connection] = content
    return found


def _cross_checks(checked: Mapping[str, list[tuple[_File, BaseModel]]], known: frozenset[str]) -> Iterator[Problem]:
    """Yield each name that one file uses and no other file defines, and each role that is defined twice."""
    expected = f"one of the connections {', '.join(sorted(known)) or '(there are none)'}"
    roles: dict[str, str] = {}
    for file, content in (pair for pairs in checked.values() for pair in pairs):
        for path, name in _uses(content):
            if name not in known:
                yield file.problem(path, expected, repr(name))
        for index, role in enumerate(content.roles if isinstance(content, PolicyFile) else ()):
            first = roles.setdefault(role.name.casefold(), file.name)
            if first != file.name:
                yield file.problem(("roles", index, "name"), "one role of each name", f"{role.name!r}, also in {first}")


def _uses(content: BaseModel) -> Iterator[tuple[Place, str]]:
    """Yield each name of a connection that a file uses, with its place."""
    if isinstance(content, MainFile):
        yield from ((("people_from", index), name) for index, name in enumerate(content.people_from))
    elif isinstance(content, Contract):
        yield ("connection",), content.connection
    elif isinstance(content, PolicyFile):
        for number, role in enumerate(content.roles):
            yield from ((("roles", number, "give", index, "app"), give.app) for index, give in enumerate(role.give))
        for number, pair in enumerate(content.separation):
            for index, text in enumerate(pair.never_together):
                yield ("separation", number, "never_together", index), text.partition("/")[0]


def _defaults(config: ConnectionConfig) -> dict[str, object]:
    return config.model_dump(mode="json")


def _digest(files: list[_File]) -> str:
    each = {file.name: hashlib.sha256(file.text.encode()).hexdigest() for file in files}
    return digest(CONFIGURATION_SCHEMA, each)
