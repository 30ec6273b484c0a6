"""Connect: writes a connection, or a whole app that only people can change, after trying what can be tried."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from ruamel.yaml.comments import CommentedMap

from usher.connectors.contract import Call, read_all
from usher.connectors.door import Door
from usher.connectors.errors import Unreadable
from usher.connectors.person import PersonConnector
from usher.domain.connection import ConnectionConfig
from usher.domain.located import ConfigurationError, problems_of
from usher.domain.profile import AppProfile
from usher.services.disconnect import watched_again
from usher.services.workspace import Refusal, Workspace
from usher.store.configuration import write_connection
from usher.store.yamlfiles import to_text, write_text

GUIDE: Mapping[str, tuple[str, ...]] = {
    "create": ("Open {title} as an administrator.", "Add the person with the name and address of the plan.",
               "Choose the role that the plan names.", "Save.", "Export the list of users over {path}."),
    "update": ("Open {title} as an administrator.", "Find the account by the address of the plan.",
               "Set what the plan names.", "Save.", "Export the list of users over {path}."),
    "deactivate": ("Open {title} as an administrator.", "Find the account by the address of the plan.",
                   "Switch it off; do not delete it.", "Save.", "Export the list of users over {path}."),
    "reactivate": ("Open {title} as an administrator.", "Find the account among the inactive ones.",
                   "Switch it on.", "Save.", "Export the list of users over {path}."),
    "grant": ("Open {title} as an administrator.", "Find the account by the address of the plan.",
              "Give what the plan names.", "Save.", "Export the list of users over {path}."),
    "revoke": ("Open {title} as an administrator.", "Find the account by the address of the plan.",
               "Take away what the plan names.", "Save.", "Export the list of users over {path}."),
}  # fmt: skip
"""Five lines for each verb, to begin with: the owner of the app puts the app's own words in their place."""


def config_of(values: Mapping[str, Any]) -> ConnectionConfig:
    """Check the values of a connection; ConfigurationError names each field as if the file were written already."""
    given = {name: value for name, value in values.items() if value is not None}
    try:
        return ConnectionConfig.model_validate(given)
    except ValidationError as error:
        file = f"connections/{values.get('name')}.yaml"
        raise ConfigurationError(problems_of(file, error, CommentedMap(given), ConnectionConfig)) from error


def connect(workspace: Workspace, config: ConnectionConfig, recipes: Iterable[str]) -> Path:
    """Write a new connection; Refusal where there is one of that name, or no recipe for a browser (`recipes`)."""
    free(workspace, config.name)
    names = sorted(recipes)
    if config.speaks == "browser" and config.app not in names:
        raise Refusal(
            f"a browser needs the recipe of its app, and there is none for {config.app!r}; known: {', '.join(names)}"
        )
    with workspace.store.begin() as unit:
        watched_again(unit, config.name)
    return write_connection(workspace.folder, config)


def free(workspace: Workspace, name: str) -> None:
    """Refuse a name that a connection has already."""
    path = workspace.folder / "connections" / f"{name}.yaml"
    if name in workspace.connections.names() or path.exists():
        raise Refusal(f"there is a connection {name!r} already: edit {path}")


def try_file(config: ConnectionConfig, folder: Path) -> tuple[ConnectionConfig, int]:
    """Read the export of a by-person app; returns the connection as it can be read, and how many accounts.

    An export without a column for the app's own id is keyed by its user name or address, which is marked as mutable.
    Raises Unreadable where it cannot be read in either way.
    """
    try:
        return config, _count(config, folder)
    except Unreadable as error:
        if error.column != "id" or error.line != 1 or config.key == "mutable":
            raise
    keyed = config.model_copy(update={"key": "mutable"})
    return keyed, _count(keyed, folder)


def _count(config: ConnectionConfig, folder: Path) -> int:
    assert config.path is not None, "a by-person app names a path"
    door = Door(connection=config.name, folder=folder / config.path)
    return sum(1 for _ in read_all(PersonConnector(config), Call(door=door)))


def add_app(workspace: Workspace, config: ConnectionConfig, title: str) -> tuple[Path, Path, int]:
    """Write an app that people change by hand, and its connection; returns both files and how many accounts it has.

    Nothing is written where the export cannot be read, or where app or connection are there already.
    """
    free(workspace, config.name)
    profile = workspace.folder / "apps" / f"{config.app}.yaml"
    if profile.exists():
        raise Refusal(f"there is an app {config.app!r} already: edit {profile}")
    config, accounts = try_file(config, workspace.folder)
    write_text(profile, _guide(config, title))
    return profile, write_connection(workspace.folder, config), accounts


def _guide(config: ConnectionConfig, title: str) -> str:
    guide = {
        verb: {"steps": [line.format(title=title, path=config.path) for line in lines]} for verb, lines in GUIDE.items()
    }
    values: dict[str, Any] = {"app": config.app, "title": title, "speaks": config.speaks}
    values |= {"key": config.key} if config.key != "immutable" else {}
    AppProfile.model_validate(values | {"guide": guide})
    return (
        f"# How a person does each verb in {title}. Put the app's own words here: plans and tasks show these lines.\n"
        "# A verb may also carry watch_outs, minutes and link.\n" + to_text(CommentedMap(values | {"guide": guide}))
    )
