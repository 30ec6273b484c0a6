"""Settings of a usher process, read from the environment by bootstrap only; all else gets values as arguments."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Every field is an environment variable with the prefix USHER_."""

    model_config = SettingsConfigDict(env_prefix="USHER_", extra="ignore")

    workspace: Path | None = None
    """Folder of the workspace; without it, this folder or the nearest one above that holds usher.yaml."""
    keys_dir: Path = Field(default_factory=lambda: Path.home() / ".config" / "usher" / "keys")
    """Where the keys of workspaces lie: outside the workspace and outside its backups."""
    heads_dir: Path | None = None
    """Where signed heads of the ledger are exported (None: beside the keys). Put it on another machine or disk."""
    database_url: str | None = None
    """Database of the workspace (None: SQLite below the workspace's data folder)."""
    engine_url: str | None = None
    """Database of the durable runtime (None: SQLite below the workspace's data folder, made anew at each start)."""
    watch_seconds: tuple[float, ...] = (3_600.0, 86_400.0)
    """Seconds after its verification at which a step is looked at again; the last look closes it."""
    smtp_host: str | None = None
    """Mail server that sends notices to operators (None: none is sent)."""
    smtp_port: int | None = Field(default=None, ge=1, le=65535)
    """Its port (None: 465 with `tls`, else 587)."""
    smtp_security: Literal["starttls", "tls", "none"] = "starttls"
    """How the connection is protected, certificates always verified; `none` only for a server on this machine."""
    smtp_user: str | None = None
    """Whom usher signs in as at the mail server (None: it does not)."""
    smtp_password: str | None = None
    """Where the password for that is: `env:NAME` or `file:PATH`, never the password itself."""
    smtp_from: str | None = None
    """The address that notices come from; needed with a mail server."""
    smtp_ca: Path | None = None
    """A file of certificates (PEM) that the mail server's is checked with, beside those of the system."""
    debug: bool = False
    """Show tracebacks of internal failures."""
