"""A configured connection to one app: what `connections/NAME.yaml` may say, checked field by field."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from usher.domain.located import Expected
from usher.domain.residual import Kind, ResidualFact

_SECRET_PLACE = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*|file:.+|kept")
LOOPBACK = ("127.0.0.1", "::1", "localhost")
_NEEDS = {"scim": "url", "ldap": "url", "browser": "url", "csv": "path", "person": "path"}


def _place_not_value(place: str) -> str:
    if not _SECRET_PLACE.fullmatch(place):
        raise Expected("env:NAME, file:PATH or kept, never the secret itself")
    return place


class Strict(BaseModel):
    """Base of every configuration model: unknown fields are errors, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class ObserveSettings(Strict):
    """When and how a connection is read, and what counts as its usual size."""

    every_minutes: int = Field(default=60, ge=1)
    """Minutes between scheduled readings."""
    min_accounts: int = Field(default=1, ge=0)
    """Fewer accounts than this make a reading partial: nothing can be missing from it."""
    shrink_percent: int = Field(default=20, ge=0, le=100)
    """A reading that is smaller than the last complete one by more than this is partial until a person confirms it; so
    is one that says something new of more accounts than this."""
    sentinels: tuple[str, ...] = ()
    """User names that every complete reading must hold (for example the connector's own account)."""


class ConnectionConfig(Strict):
    """One app as this company has it."""

    name: str = Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")
    """Short name used in commands, plans and the ledger."""
    app: str
    """Name of the app in the catalogue or under apps/ of the workspace (scim, ldap and csv are generic)."""
    speaks: Literal["scim", "ldap", "csv", "browser", "person"]
    """How usher reaches it. `person`: usher reads a CSV of its users, and people carry the steps out."""
    part: Literal["hr", "idp", "crm", "app"] = "app"
    """Its part in the company: leavers are deactivated in the idp first; hr and idp statuses are signals."""
    owner: str
    """Name of the operator who signs for this app."""
    key: Literal["immutable", "mutable"] = "immutable"
    """Whether the app's own account id can never change or be given to somebody else."""
    url: str | None = Field(default=None, validate_default=True)
    """Base address (scim: the SCIM base; ldap: the server; browser: the console)."""
    path: str | None = Field(default=None, validate_default=True)
    """File or folder of CSV exports (csv, person); relative to the workspace."""
    secrets: dict[str, Annotated[str, AfterValidator(_place_not_value)]] = Field(default_factory=dict)
    """Secret name -> where it comes from: `env:NAME`, `file:PATH` or `kept` (in the workspace's own store)."""
    lag_seconds: float = Field(default=2.0, ge=0)
    """Seconds until a write is visible to a reading of this app, as declared."""
    timeout_seconds: float = Field(default=20.0, gt=0)
    """Seconds after which a call counts as unanswered."""
    requests_per_minute: int | None = Field(default=None, ge=1)
    """Budget of calls; None: no limit of ours."""
    observe: ObserveSettings = Field(default_factory=ObserveSettings)
    protect: tuple[str, ...] = ()
    """User names or ids that can never be a step: last admin, break-glass, the connector's own account."""
    ignore: tuple[str, ...] = ()
    """User names of built-in system accounts: listed, never linked, never a finding."""
    residual: dict[Kind, ResidualFact] = Field(default_factory=dict)
    """What outlives an account that is closed here, beside what the app's guide says: kind -> when it ends."""
    options: dict[str, Any] = Field(default_factory=dict)
    """What the connector itself takes (column names of a CSV, groups to manage, admin path, ...)."""

    @field_validator("url")
    @classmethod
    def _safe_address(cls, url: str | None, info: ValidationInfo) -> str | None:
        if url is None:
            return None
        parts = urlsplit(url)
        if info.data.get("speaks") == "ldap":
            if parts.scheme not in ("ldap", "ldaps"):
                raise Expected("an ldaps:// address, or ldap://, which is encrypted before anything else is sent")
        elif parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
            raise Expected("an https:// address (http:// only for this machine)")
        if not parts.hostname or parts.username or parts.password:
            raise Expected("an address with a host, without a user name or password in it")
        return url

    @field_validator("url", "path")
    @classmethod
    def _reachable(cls, value: str | None, info: ValidationInfo) -> str | None:
        speaks = info.data.get("speaks")
        if value is None and speaks is not None and _NEEDS[speaks] == info.field_name:
            raise Expected(f"a value, because the connection speaks {speaks}")
        return value
