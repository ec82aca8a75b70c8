"""How often a trial broke and its last traceback; what a study has cost; measured latencies; an index of the best."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns and the table."""
    op.add_column("nas_studies", sa.Column("spent", sa.JSON(), nullable=True))
    op.add_column("nas_trials", sa.Column("failures", sa.Integer(), nullable=False, server_default=sa.text("0")))
    op.add_column("nas_trials", sa.Column("traceback", sa.Text(), nullable=True))
    op.create_index("ix_nas_trials_best", "nas_trials", ["study_id", "state", "kind", "val_accuracy"])
    op.create_table(
        "nas_latencies",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("machine", sa.String(255), nullable=False),
        sa.Column("device", sa.String(64), nullable=False),
        sa.Column("threads", sa.Integer(), nullable=False),
        sa.Column("batch", sa.Integer(), nullable=False),
        sa.Column("precision", sa.String(16), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("median", sa.Float(53), nullable=False),
        sa.Column("low", sa.Float(53), nullable=False),
        sa.Column("high", sa.Float(53), nullable=False),
        sa.Column("runs", sa.Integer(), nullable=False),
        sa.Column("measured_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_nas_latencies"),
        sa.UniqueConstraint(
            "machine", "device", "threads", "batch", "precision", "kind", "key", name="uq_nas_latencies_what"
        ),
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_table("nas_latencies")
    op.drop_index("ix_nas_trials_best", "nas_trials")
    op.drop_column("nas_trials", "traceback")
    op.drop_column("nas_trials", "failures")
    op.drop_column("nas_studies", "spent")
