"""Every table of a workspace's database, in the part of SQL that SQLite and PostgreSQL share.

Instants are texts `YYYY-MM-DDTHH:MM:SS.mmmZ` (they sort), documents are JSON texts, ids are opaque texts of ours.
"""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

counter = Table("counter", metadata, Column("name", String, primary_key=True), Column("value", Integer, nullable=False))

configuration_version = Table(
    "configuration_version",
    metadata,
    Column("digest", String, primary_key=True),
    Column("document", Text, nullable=False),
    Column("applied_at", String, nullable=False),
)

operator = Table(
    "operator",
    metadata,
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False, unique=True),
    Column("public_key", String, nullable=False),
    Column("person_id", String),
    Column("user_names", Text, nullable=False),
    Column("added_at", String, nullable=False),
    Column("revoked_at", String),
    Column("email", String),
)

person = Table(
    "person",
    metadata,
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("status", String, nullable=False),
    Column("attributes", Text, nullable=False),
    Column("redirect_to", String),
    Column("first_seen", String, nullable=False),
    Column("updated_at", String, nullable=False),
)

person_key = Table(
    "person_key",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("person_id", String, ForeignKey("person.id"), nullable=False, index=True),
    Column("source", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("value", String, nullable=False),
    Column("folded", String, nullable=False),
    Column("valid_from", String),
    Column("valid_to", String),
    Index("ix_person_key_lookup", "kind", "folded"),
)

employment = Table(
    "employment",
    metadata,
    Column("id", String, primary_key=True),
    Column("person_id", String, ForeignKey("person.id"), nullable=False, index=True),
    Column("source", String, nullable=False),
    Column("source_key", String, nullable=False),
    Column("status", String, nullable=False),
    Column("status_since", String, nullable=False),
    Column("row", Text, nullable=False),
    Column("seen_at", String, nullable=False),
    Column("absent_since", String),
    UniqueConstraint("source", "source_key"),
)

snapshot = Table(
    "snapshot",
    metadata,
    Column("id", String, primary_key=True),
    Column("connection", String, nullable=False, index=True),
    Column("kind", String, nullable=False),
    Column("started_at", String, nullable=False),
    Column("finished_at", String, nullable=False),
    Column("accounts", Integer, nullable=False),
    Column("digest", String, nullable=False),
    Column("shape", String),
    Column("reasons", Text, nullable=False),
    Column("confirmed_by", String),
)

account = Table(
    "account",
    metadata,
    Column("id", String, primary_key=True),
    Column("connection", String, nullable=False),
    Column("native_id", String, nullable=False),
    Column("user_name", String, nullable=False),
    Column("state", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("document", Text, nullable=False),
    Column("digest", String, nullable=False),
    Column("first_seen", String, nullable=False),
    Column("last_seen", String, nullable=False),
    Column("ended_at", String),
    Index("ix_account_native", "connection", "native_id"),
)

account_grant = Table(
    "account_grant",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("account_id", String, ForeignKey("account.id"), nullable=False, index=True),
    Column("entitlement", String, nullable=False),
    Column("first_seen", String, nullable=False),
    Column("ended_at", String),
)

link = Table(
    "link",
    metadata,
    Column("id", String, primary_key=True),
    Column("account_id", String, ForeignKey("account.id"), nullable=False, index=True),
    Column("person_id", String, index=True),
    Column("situation", String, nullable=False),
    Column("evidence", Text, nullable=False),
    Column("decided_by", String, nullable=False),
    Column("valid_from", String, nullable=False),
    Column("valid_to", String),
)

signal = Table(
    "signal",
    metadata,
    Column("id", String, primary_key=True),
    Column("key", String, nullable=False, unique=True),
    Column("kind", String, nullable=False),
    Column("person_id", String, nullable=False, index=True),
    Column("source", String, nullable=False),
    Column("true_at", String),
    Column("said_at", String),
    Column("seen_at", String, nullable=False),
    Column("details", Text, nullable=False),
    Column("plan_id", String),
)

finding = Table(
    "finding",
    metadata,
    Column("id", String, primary_key=True),
    Column("key", String, nullable=False, index=True),
    Column("rule", String, nullable=False),
    Column("severity", String, nullable=False),
    Column("connection", String),
    Column("account_id", String),
    Column("person_id", String, index=True),
    Column("subject", String, nullable=False),
    Column("evidence", Text, nullable=False),
    Column("fix", Text, nullable=False),
    Column("opened_at", String, nullable=False),
    Column("closed_at", String),
    Column("closed_why", String),
)

plan = Table(
    "plan",
    metadata,
    Column("id", String, primary_key=True),
    Column("number", Integer, nullable=False, unique=True),
    Column("kind", String, nullable=False),
    Column("person_id", String, nullable=False, index=True),
    Column("requested_by", String, nullable=False),
    Column("signature", String, nullable=False),
    Column("document", Text, nullable=False),
    Column("digest", String, nullable=False),
    Column("state", String, nullable=False),
    Column("created_at", String, nullable=False),
    Column("expires_at", String, nullable=False),
    Column("note", String),
    Column("act_at", String),
    Column("lane", String, nullable=False, server_default="bulk"),
    Column("confidential", Boolean, nullable=False, server_default=false()),
    Column("undoes", String, index=True),
)

approval = Table(
    "approval",
    metadata,
    Column("id", String, primary_key=True),
    Column("plan_id", String, ForeignKey("plan.id"), nullable=False, index=True),
    Column("digest", String, nullable=False),
    Column("operator_id", String, ForeignKey("operator.id"), nullable=False),
    Column("decision", String, nullable=False),
    Column("signature", String, nullable=False),
    Column("at", String, nullable=False),
    Column("reason", String),
    UniqueConstraint("plan_id", "operator_id"),
)

run = Table(
    "run",
    metadata,
    Column("id", String, primary_key=True),
    Column("number", Integer, nullable=False, unique=True),
    Column("plan_id", String, ForeignKey("plan.id"), nullable=False, unique=True),
    Column("state", String, nullable=False),
    Column("started_at", String, nullable=False),
    Column("verified_at", String),
    Column("closed_at", String),
)

step = Table(
    "step",
    metadata,
    Column("id", String, primary_key=True),
    Column("run_id", String, ForeignKey("run.id"), nullable=False, index=True),
    Column("plan_id", String, ForeignKey("plan.id"), nullable=False, index=True),
    Column("ordinal", Integer, nullable=False),
    Column("connection", String, nullable=False, index=True),
    Column("verb", String, nullable=False),
    Column("document", Text, nullable=False),
    Column("state", String, nullable=False, index=True),
    Column("attempt", Integer, nullable=False),
    Column("native_id", String),
    Column("note", String),
    Column("updated_at", String, nullable=False),
    Column("verified_at", String),
)

intent = Table(
    "intent",
    metadata,
    Column("id", String, primary_key=True),
    Column("step_id", String, ForeignKey("step.id"), nullable=False, index=True),
    Column("attempt", Integer, nullable=False),
    Column("fence", Integer, nullable=False),
    Column("saw", Text, nullable=False),
    Column("recorded_at", String, nullable=False),
    Column("outcome", String),
    Column("resolved_at", String),
    UniqueConstraint("step_id", "attempt"),
)

receipt = Table(
    "receipt",
    metadata,
    Column("id", String, primary_key=True),
    Column("step_id", String, ForeignKey("step.id"), nullable=False, index=True),
    Column("kind", String, nullable=False),
    Column("document", Text, nullable=False),
    Column("at", String, nullable=False),
)

task = Table(
    "task",
    metadata,
    Column("id", String, primary_key=True),
    Column("number", Integer, nullable=False, unique=True),
    Column("step_id", String, ForeignKey("step.id"), nullable=False, unique=True),
    Column("assignee", String, nullable=False),
    Column("why", String, nullable=False),
    Column("document", Text, nullable=False),
    Column("opened_at", String, nullable=False),
    Column("due_at", String, nullable=False),
    Column("said_done_at", String),
    Column("said_done_by", String),
    Column("closed_at", String),
)

due = Table(
    "due",
    metadata,
    Column("id", String, primary_key=True),
    Column("kind", String, nullable=False),
    Column("subject", String, nullable=False, index=True),
    Column("connection", String, nullable=False),
    Column("at", String, nullable=False),
    Column("detail", Text, nullable=False),
    Column("state", String, nullable=False),
    Column("fence", Integer),
    Column("claimed_at", String),
    Column("lane", Integer, nullable=False, server_default="1"),
    Index("ix_due_state_at", "state", "at"),
)

lease = Table(
    "lease",
    metadata,
    Column("name", String, primary_key=True),
    Column("fence", Integer, nullable=False),
    Column("holder", String, nullable=False),
    Column("heartbeat_at", String, nullable=False),
    Column("released_at", String),
)

seal = Table(
    "seal",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("sealed", Boolean, nullable=False),
    Column("by", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("at", String, nullable=False),
)

quarantine = Table(
    "quarantine",
    metadata,
    Column("connection", String, primary_key=True),
    Column("since", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("finding_id", String, nullable=False),
    Column("probes", Integer, nullable=False),
)

ledger_leaf = Table(
    "ledger_leaf",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("position", Integer, unique=True),
    Column("event", String, nullable=False),
    Column("at", String, nullable=False),
    Column("ids", Text, nullable=False),
    Column("detail_digest", String, nullable=False),
)

ledger_detail = Table(
    "ledger_detail",
    metadata,
    Column("leaf_id", Integer, ForeignKey("ledger_leaf.id"), primary_key=True),
    Column("salt", String, nullable=False),
    Column("document", Text, nullable=False),
)

ledger_head = Table(
    "ledger_head",
    metadata,
    Column("size", Integer, primary_key=True),
    Column("document", Text, nullable=False),
    Column("peaks", Text, nullable=False),
    Column("at", String, nullable=False),
)
