"""An app as its guide describes it: `app.yaml`, facts and steps for people, and the recipe where one exists."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from usher.domain.connection import Strict
from usher.domain.residual import Kind, ResidualFact

Grade = Literal["live", "twin", "documented", "guide only"]


class GuideVerb(Strict):
    """How a person does one verb in this app's console."""

    steps: tuple[str, ...]
    """Numbered steps, in the words of the console."""
    watch_outs: tuple[str, ...] = ()
    """Caveats that matter in production; shown inside plans at the step they concern."""
    minutes: int | None = None
    """Minutes of a person's time, where known."""
    link: str | None = None
    """Path below the console's address where this verb begins."""


class AppFacts(Strict):
    """What the planner obeys and cites; None means unknown, which is not the same as no."""

    can_delete: bool | None = None
    seat_released: str | None = None
    sso_required: bool | None = None
    crm_reprovisions: bool | None = None
    module_needs_vendor: bool | None = None


class AppProfile(Strict):
    """One app of the catalogue (`catalog/<app>/app.yaml`) or of the workspace (`apps/<app>.yaml`)."""

    app: str = Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")
    title: str
    speaks: Literal["scim", "ldap", "csv", "browser", "person"]
    grade: Grade = "guide only"
    """How far it was verified: run against the real software, on a twin, from documents, or only a guide."""
    key: Literal["immutable", "mutable"] = "immutable"
    facts: AppFacts = Field(default_factory=AppFacts)
    guide: dict[Literal["create", "update", "deactivate", "reactivate", "delete", "grant", "revoke"], GuideVerb] = (
        Field(default_factory=dict)
    )
    residual: dict[Kind, ResidualFact] = Field(default_factory=dict)
    """What outlives an account that is closed in this app: kind -> when it ends, and who says so."""
    recipe: dict[str, Any] | None = None
    """The browser recipe, checked by the browser runner's own schema."""
