"""What accounts and employments were before they changed, so that a day can be shown as it was seen."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

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
