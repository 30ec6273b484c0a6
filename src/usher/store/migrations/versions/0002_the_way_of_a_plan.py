"""Plans with a time, a lane and an inverse; releases, overrides, delegations, notices, health, residual access."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    _columns()
    _answers()
    _notices()
    _health()


def _text(name: str, *, null: bool = False, long: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text() if long else sa.String(), nullable=null)


def _columns() -> None:
    with op.batch_alter_table("plan") as table:
        table.add_column(_text("act_at", null=True))
        table.add_column(sa.Column("lane", sa.String(), nullable=False, server_default="bulk"))
        table.add_column(sa.Column("confidential", sa.Boolean(), nullable=False, server_default=sa.false()))
        table.add_column(_text("undoes", null=True))
        table.create_index("ix_plan_undoes", ["undoes"])
    with op.batch_alter_table("due") as table:
        table.add_column(sa.Column("lane", sa.Integer(), nullable=False, server_default="1"))
    with op.batch_alter_table("operator") as table:
        table.add_column(_text("email", null=True))


def _answers() -> None:
    op.create_table(
        "release",
        _text("id"),
        _text("plan_id"),
        _text("digest"),
        _text("row", long=True),
        _text("shown", long=True),
        _text("operator_id"),
        _text("signature"),
        _text("reason", null=True),
        _text("at"),
        sa.ForeignKeyConstraint(["plan_id"], ["plan.id"], name="fk_release_plan_id"),
        sa.ForeignKeyConstraint(["operator_id"], ["operator.id"], name="fk_release_operator_id"),
        sa.PrimaryKeyConstraint("id", name="pk_release"),
        sa.UniqueConstraint("plan_id", "row", name="uq_release_plan_id_row"),
    )
    op.create_index("ix_release_plan_id", "release", ["plan_id"])
    op.create_table(
        "override",
        _text("id"),
        _text("plan_id"),
        _text("digest"),
        _text("operator_id"),
        _text("signature"),
        _text("reason"),
        _text("at"),
        _text("until"),
        _text("used_at", null=True),
        sa.ForeignKeyConstraint(["plan_id"], ["plan.id"], name="fk_override_plan_id"),
        sa.ForeignKeyConstraint(["operator_id"], ["operator.id"], name="fk_override_operator_id"),
        sa.PrimaryKeyConstraint("id", name="pk_override"),
        sa.UniqueConstraint("plan_id", name="uq_override_plan_id"),
    )
    op.create_table(
        "delegation",
        _text("id"),
        _text("from_operator"),
        _text("to_operator"),
        _text("connections", null=True, long=True),
        _text("valid_from"),
        _text("valid_to"),
        _text("reason", null=True),
        _text("signature"),
        _text("made_at"),
        _text("revoked_at", null=True),
        sa.ForeignKeyConstraint(["from_operator"], ["operator.id"], name="fk_delegation_from_operator"),
        sa.ForeignKeyConstraint(["to_operator"], ["operator.id"], name="fk_delegation_to_operator"),
        sa.PrimaryKeyConstraint("id", name="pk_delegation"),
    )
    op.create_index("ix_delegation_from_operator", "delegation", ["from_operator"])
    op.create_index("ix_delegation_to_operator", "delegation", ["to_operator"])


def _notices() -> None:
    op.create_table(
        "notice",
        _text("id"),
        _text("key"),
        _text("kind"),
        _text("operator_id", null=True),
        _text("address"),
        _text("subject"),
        _text("body", long=True),
        _text("created_at"),
        _text("sent_at", null=True),
        sa.Column("tries", sa.Integer(), nullable=False, server_default="0"),
        _text("error", null=True),
        sa.PrimaryKeyConstraint("id", name="pk_notice"),
        sa.UniqueConstraint("key", name="uq_notice_key"),
    )
    op.create_table(
        "mark",
        _text("name"),
        _text("value"),
        _text("at"),
        sa.PrimaryKeyConstraint("name", name="pk_mark"),
    )


def _health() -> None:
    op.create_table(
        "object_quarantine",
        _text("id"),
        _text("connection"),
        _text("account"),
        _text("since"),
        _text("reason"),
        sa.Column("failures", sa.Integer(), nullable=False),
        _text("finding_id", null=True),
        _text("lifted_at", null=True),
        sa.PrimaryKeyConstraint("id", name="pk_object_quarantine"),
    )
    op.create_index("ix_object_quarantine_account", "object_quarantine", ["connection", "account"])
    op.create_table(
        "connection_health",
        _text("connection"),
        sa.Column("calls", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        _text("recent", long=True),
        _text("not_before", null=True),
        _text("updated_at"),
        sa.PrimaryKeyConstraint("connection", name="pk_connection_health"),
    )
    op.create_table(
        "residual",
        _text("id"),
        _text("account_id"),
        _text("connection"),
        _text("person_id", null=True),
        _text("kind"),
        _text("state"),
        _text("until", null=True),
        _text("basis"),
        _text("seen_at"),
        _text("step_id", null=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_residual_account_id"),
        sa.PrimaryKeyConstraint("id", name="pk_residual"),
        sa.UniqueConstraint("account_id", "kind", name="uq_residual_account_id_kind"),
    )
    op.create_index("ix_residual_account_id", "residual", ["account_id"])
    op.create_index("ix_residual_person_id", "residual", ["person_id"])
