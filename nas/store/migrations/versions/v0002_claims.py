"""Claims: which process runs a study, and its latest sign of life."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "nas_claims",
        sa.Column("study_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("started", sa.String(64), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("study_id", name="pk_nas_claims"),
        sa.ForeignKeyConstraint(["study_id"], ["nas_studies.id"], name="fk_nas_claims_study_id_nas_studies"),
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("nas_claims")
