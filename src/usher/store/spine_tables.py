"""Tables around a plan's way: what people release, override and delegate, whom to tell, and what an app's health is."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint

from usher.store.tables import metadata

release = Table(
    "release",
    metadata,
    Column("id", String, primary_key=True),
    Column("plan_id", String, ForeignKey("plan.id"), nullable=False, index=True),
    Column("digest", String, nullable=False),
    Column("row", Text, nullable=False),
    Column("shown", Text, nullable=False),
    Column("operator_id", String, ForeignKey("operator.id"), nullable=False),
    Column("signature", String, nullable=False),
    Column("reason", String),
    Column("at", String, nullable=False),
    UniqueConstraint("plan_id", "row"),
)
"""One row of a plan that the guard held and an operator released, signed over the plan's digest and the row."""

past = Table(
    "past",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("what", String, nullable=False),
    Column("subject", String, nullable=False),
    Column("document", Text),
    Column("until", String, nullable=False),
    Index("ix_past_what_until", "what", "until"),
)
"""What an account or an employment was until an instant (null: it was not there yet)."""

override = Table(
    "override",
    metadata,
    Column("id", String, primary_key=True),
    Column("plan_id", String, ForeignKey("plan.id"), nullable=False, unique=True),
    Column("digest", String, nullable=False),
    Column("operator_id", String, ForeignKey("operator.id"), nullable=False),
    Column("signature", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("at", String, nullable=False),
    Column("until", String, nullable=False),
    Column("used_at", String),
)
"""A second person's word that one plan may pass the guard's limits, once, before an instant."""

delegation = Table(
    "delegation",
    metadata,
    Column("id", String, primary_key=True),
    Column("from_operator", String, ForeignKey("operator.id"), nullable=False, index=True),
    Column("to_operator", String, ForeignKey("operator.id"), nullable=False, index=True),
    Column("connections", Text),
    Column("valid_from", String, nullable=False),
    Column("valid_to", String, nullable=False),
    Column("reason", String),
    Column("signature", String, nullable=False),
    Column("made_at", String, nullable=False),
    Column("revoked_at", String),
)
"""Who may sign for whom, as owner of which apps (null: all of his), from when to when."""

notice = Table(
    "notice",
    metadata,
    Column("id", String, primary_key=True),
    Column("key", String, nullable=False, unique=True),
    Column("kind", String, nullable=False),
    Column("operator_id", String),
    Column("address", String, nullable=False),
    Column("subject", String, nullable=False),
    Column("body", Text, nullable=False),
    Column("created_at", String, nullable=False),
    Column("sent_at", String),
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("error", String),
)
"""A mail to be sent, once for each key; what cannot be sent is kept with the error."""

object_quarantine = Table(
    "object_quarantine",
    metadata,
    Column("id", String, primary_key=True),
    Column("connection", String, nullable=False),
    Column("account", String, nullable=False),
    Column("since", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("finding_id", String),
    Column("lifted_at", String),
    Index("ix_object_quarantine_account", "connection", "account"),
)
"""One account that an app keeps failing on; it waits alone, so that it never holds up another."""

connection_health = Table(
    "connection_health",
    metadata,
    Column("connection", String, primary_key=True),
    Column("calls", Integer, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("recent", Text, nullable=False),
    Column("not_before", String),
    Column("updated_at", String, nullable=False),
)
"""How an app answered lately (`recent`: a JSON list of outcomes, oldest first), and until when it asked for rest."""

residual = Table(
    "residual",
    metadata,
    Column("id", String, primary_key=True),
    Column("account_id", String, ForeignKey("account.id"), nullable=False, index=True),
    Column("connection", String, nullable=False),
    Column("person_id", String, index=True),
    Column("kind", String, nullable=False),
    Column("state", String, nullable=False),
    Column("until", String),
    Column("basis", String, nullable=False),
    Column("seen_at", String, nullable=False),
    Column("step_id", String),
    UniqueConstraint("account_id", "kind"),
)
"""What outlives a closed account (sessions, tokens, ...): closed, open until an instant, or unknown, and why."""

mark = Table(
    "mark",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", String, nullable=False),
    Column("at", String, nullable=False),
)
"""Single remembered values, such as the latest instant that this workspace has seen."""
