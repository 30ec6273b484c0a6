"""Builds everything from the settings; the only module that may import everything. Console scripts start here."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from usher.connectors.contract import Connector
    from usher.domain.connection import ConnectionConfig
    from usher.domain.profile import AppProfile
    from usher.services.connections import Factory
    from usher.services.post import Smtp
    from usher.services.workspace import Workspace
    from usher.settings import Settings
    from usher.store.configuration import Configuration
    from usher.store.keys import Keys
    from usher.store.secrets import KeptSecrets, Secrets


class WorkspaceOpener:
    """Opens workspaces as the settings of the moment say; see `entry.cli.context.Opener`."""

    def open(self, folder: Path | None) -> Workspace:
        """Open the workspace in a folder (None: USHER_WORKSPACE, else this folder or the nearest one above it)."""
        from usher.services.workspace import Refusal
        from usher.settings import Settings
        from usher.store.configuration import read_configuration
        from usher.store.keys import open_keys_or_sealed

        settings = Settings()
        home = _find(folder or settings.workspace)
        if home is None:
            where = folder or settings.workspace or Path.cwd()
            raise Refusal(f"{where} is not a workspace: make one with usher init, or name it with --workspace FOLDER")
        configuration = read_configuration(home)
        return build(configuration, open_keys_or_sealed(configuration.id, settings.keys_dir), settings)

    def open_copy(self, folder: Path) -> Workspace:
        """Open a workspace that is being restored, with the SQLite file in its folder, whatever the settings name."""
        from usher.settings import Settings
        from usher.store.configuration import read_configuration
        from usher.store.keys import open_keys_or_sealed

        settings = Settings().model_copy(update={"database_url": None, "engine_url": None})
        configuration = read_configuration(folder)
        return build(configuration, open_keys_or_sealed(configuration.id, settings.keys_dir), settings)

    def database_url(self) -> str | None:
        """The database that the settings name for a workspace; None: the SQLite file in its folder."""
        from usher.settings import Settings

        return Settings().database_url

    def init(self, folder: Path, name: str, zone: str) -> Path:
        """Make a workspace with its keys, or the missing keys of one that has none yet; returns the keys' folder."""
        from usher.settings import Settings
        from usher.store.configuration import is_workspace, read_configuration
        from usher.store.configurationinit import init_workspace
        from usher.store.keys import create_keys, key_folder

        settings = Settings()
        made = init_workspace(folder, name, zone, id=None if is_workspace(folder) else new_workspace_id(name))
        configuration = read_configuration(folder)
        keys = key_folder(configuration.id, settings.keys_dir)
        if not keys.exists():
            _refuse_second_keys(folder, made)
            create_keys(configuration.id, settings.keys_dir)
        self.open(folder).close()
        return keys

    def keep_secret(self, workspace_folder: Path, connection: str, field: str, value: str) -> None:
        """Encrypt a secret into the workspace's own store (source `kept`)."""
        from usher.store.configuration import read_configuration
        from usher.store.secrets import origin_of

        configuration = read_configuration(workspace_folder)
        kept = _kept_secrets(configuration)
        kept.keep(connection, field, value, origin_of(configuration.connections[connection]))

    def forget_secrets(self, workspace_folder: Path, connection: str) -> None:
        """Take every kept secret of a connection out of that store; there may be none."""
        from usher.store.configuration import read_configuration

        _kept_secrets(read_configuration(workspace_folder)).forget(connection)


def _kept_secrets(configuration: Configuration) -> KeptSecrets:
    from usher.settings import Settings
    from usher.store.keys import open_keys
    from usher.store.secrets import KeptSecrets

    keys = open_keys(configuration.id, Settings().keys_dir)
    return KeptSecrets(configuration.folder / "data" / "secrets.json", keys.box())


def new_workspace_id(name: str) -> str:
    """An id under which a new workspace's keys lie: two workspaces of one name never share keys."""
    from usher.domain.clock import SystemClock
    from usher.domain.ids import IdFactory

    return f"{name}-{IdFactory(SystemClock()).new('wsp')[-8:].lower()}"


def _refuse_second_keys(folder: Path, made: tuple[str, ...]) -> None:
    """A workspace that has worked with keys before must get those back, never others."""
    from usher.services.workspace import Refusal

    if not made and (folder / "data" / "usher.db").exists():
        raise Refusal(f"{folder} has data, and its keys are not here: bring them back from where they are kept")


def _find(folder: Path | None) -> Path | None:
    if folder is not None:
        return folder.resolve() if (folder / "usher.yaml").is_file() else None
    here = Path.cwd().resolve()
    return next((place for place in (here, *here.parents) if (place / "usher.yaml").is_file()), None)


def build(configuration: Configuration, keys: Keys, settings: Settings) -> Workspace:
    """Put a workspace together: database, connections, policies and keys; the database is brought up to date."""
    from usher.catalog.registry import profiles
    from usher.domain.clock import SystemClock
    from usher.domain.ids import IdFactory
    from usher.services.connections import OpenConnections
    from usher.services.workspace import Workspace
    from usher.store.database import Store
    from usher.store.keys import key_folder
    from usher.store.privatefiles import open_private_folder
    from usher.store.repository import dump
    from usher.store.secrets import KeptSecrets, Secrets

    folder = configuration.folder
    data = folder / "data"
    open_private_folder(data)
    clock = SystemClock()
    ids = IdFactory(clock)
    store = Store(settings.database_url or f"sqlite:///{data / 'usher.db'}", configuration.main.name, clock, ids)
    store.migrate()
    with store.begin() as unit:
        unit.keep_configuration(configuration.digest, dump(dict(configuration.texts)))
    kept = KeptSecrets(data / "secrets.json", keys.box())
    secrets = Secrets(folder, kept, os.environ)
    registry = profiles(folder / "apps")
    connections = OpenConnections(
        configuration.connections,
        lambda config: _profile(registry.get, registry.names(), config),
        {kind: _located(configuration, factory) for kind, factory in FACTORIES.items()},
        secrets,
        folder,
        data / "pictures",
    )
    directories = tuple(name for name, config in configuration.connections.items() if config.part == "idp")
    return Workspace(
        name=configuration.main.name,
        folder=folder,
        store=store,
        clock=clock,
        ids=ids,
        connections=connections,
        policies=configuration.policies,
        rules=configuration.main.rules,
        limits=configuration.main.limits,
        contracts=configuration.contracts,
        aliases=configuration.main.aliases,
        configuration=configuration.digest,
        people_from=configuration.people_from or directories,
        zone=configuration.main.zone,
        ledger_key=keys.ledger_key,
        ledger_public_key=keys.ledger_public_key,
        heads=(settings.heads_dir or key_folder(configuration.id, settings.keys_dir) / "heads"),
        pictures=data / "pictures",
        snapshots=data / "snapshots",
        watch_seconds=settings.watch_seconds,
        engine_url=settings.engine_url,
        reconfigured=Watch(configuration).changed,
        post=_post(settings, secrets),
        missing_keys=keys.missing or kept.missing_key(),
    )


def _post(settings: Settings, secrets: Secrets) -> Smtp | None:
    """The mail server of the settings; Refusal in one line where they contradict each other."""
    from usher.services.operators import checked_address
    from usher.services.post import LOOPBACK, Security, Smtp
    from usher.services.workspace import Refusal

    if settings.smtp_host is None:
        return None
    security = Security(settings.smtp_security)
    if security is Security.NONE and settings.smtp_host not in LOOPBACK:
        raise Refusal("USHER_SMTP_SECURITY: expected starttls or tls; none is for a mail server on this machine alone")
    if settings.smtp_from is None:
        raise Refusal("USHER_SMTP_FROM: expected the address that notices come from, since USHER_SMTP_HOST is set")
    if (settings.smtp_user is None) != (settings.smtp_password is None):
        raise Refusal("USHER_SMTP_USER and USHER_SMTP_PASSWORD: expected both, or neither of them")
    place = settings.smtp_password
    return Smtp(
        host=settings.smtp_host,
        port=settings.smtp_port or (465 if security is Security.TLS else 587),
        security=security,
        sender=checked_address(settings.smtp_from),
        user=settings.smtp_user,
        password=None if place is None else lambda: secrets.at("USHER_SMTP_PASSWORD", place),
        authorities=str(settings.smtp_ca) if settings.smtp_ca else None,
    )


class Watch:
    """Sees that the files of a workspace have changed, and says so only once all of them are right."""

    def __init__(self, configuration: Configuration) -> None:
        self._folder = configuration.folder
        self._digest = configuration.digest
        self._seen = self._signature()

    def changed(self) -> bool:
        """True where the files have another digest than at the start; a mistake in them is logged once, and waits."""
        from usher.domain.located import ConfigurationError
        from usher.store.configuration import read_configuration

        signature = self._signature()
        if signature == self._seen:
            return False
        self._seen = signature
        try:
            return read_configuration(self._folder).digest != self._digest
        except ConfigurationError as error:
            logging.getLogger("usher.configuration").error("the changed files are not used: %s", error)
            return False

    def _signature(self) -> frozenset[tuple[str, int, int]]:
        files = [self._folder / "usher.yaml", *self._folder.glob("*/*.yaml")]
        stats = [(str(file), file.stat()) for file in files if file.exists()]
        return frozenset((name, stat.st_mtime_ns, stat.st_size) for name, stat in stats)


def _profile(get: Callable[[str], AppProfile], names: tuple[str, ...], config: ConnectionConfig) -> AppProfile:
    """The app's guide; a generic way of speaking needs none, and then the app is known by its connection's name."""
    from usher.domain.profile import AppProfile

    if config.app in names:
        return get(config.app)
    if config.speaks == "browser":
        return get(config.app)
    return AppProfile(app=config.app, title=config.name.replace("-", " ").capitalize(), speaks=config.speaks)


def _scim(config: ConnectionConfig, profile: AppProfile) -> Connector:
    from usher.connectors.scim import ScimConnector

    return ScimConnector(config, profile)


def _ldap(config: ConnectionConfig, profile: AppProfile) -> Connector:
    from usher.connectors.ldap import LdapConnector

    return LdapConnector(config, profile)


def _csv(config: ConnectionConfig, profile: AppProfile) -> Connector:
    from usher.connectors.csv_folder import CsvConnector

    return CsvConnector(config, profile)


def _person(config: ConnectionConfig, profile: AppProfile) -> Connector:
    from usher.connectors.person import PersonConnector

    return PersonConnector(config, profile)


def _browser(config: ConnectionConfig, profile: AppProfile) -> Connector:
    from usher.connectors.browser.connector import BrowserConnector

    return BrowserConnector(config, profile)


FACTORIES: dict[str, Factory] = {"scim": _scim, "ldap": _ldap, "csv": _csv, "person": _person, "browser": _browser}


def _located(configuration: Configuration, factory: Factory) -> Factory:
    """Options that a connector refuses are a mistake in a file: name the file, the line and the field."""

    def make(config: ConnectionConfig, profile: AppProfile) -> Connector:
        from pydantic import ValidationError

        from usher.domain.located import ConfigurationError, problems_of
        from usher.store.yamlfiles import parse

        try:
            return factory(config, profile)
        except ValidationError as error:
            name = f"connections/{config.name}.yaml"
            tree = parse(configuration.texts[name], name)
            raise ConfigurationError(problems_of(name, error, tree, at=("options",))) from error

    return make


def main() -> None:
    """The `usher` command."""
    from usher.entry.cli.app import run
    from usher.entry.cli.context import Context

    os.umask(0o077)  # people's data, pictures of consoles, logs: for the one who runs usher alone
    run(Context(WorkspaceOpener()))


if __name__ == "__main__":
    main()
