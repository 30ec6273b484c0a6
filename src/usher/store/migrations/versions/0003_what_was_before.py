"""What accounts and employments were before they changed, so that a day can be shown as it was seen."""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

from usher.domain.clock import to_text

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "past",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("what", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("document", sa.Text(), nullable=True),
        sa.Column("until", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_past"),
    )
    op.create_index("ix_past_what_until", "past", ["what", "until"])
    connection = op.get_bind()
    seen = (sa.select(sa.literal(1)).select_from(sa.table(name)).limit(1) for name in ("account", "employment"))
    if any(connection.execute(any_row).first() for any_row in seen):
        # Whatever these were before this instant was overwritten; a new database has nothing that it does not know.
        values = {"until": to_text(datetime.now(UTC))}
        connection.execute(sa.text("INSERT INTO past (what, subject, until) VALUES ('kept since', '', :until)"), values)
