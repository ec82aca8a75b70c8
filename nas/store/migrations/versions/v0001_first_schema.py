"""The first schema: studies, architectures, recipes, trials, epochs, curves."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go from an empty database to this revision."""
    op.create_table(
        "nas_studies",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True)),
        sa.Column("spec", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_nas_studies"),
        sa.UniqueConstraint("name", name="uq_nas_studies_name"),
    )
    for table in ("nas_architectures", "nas_recipes"):
        op.create_table(
            table,
            sa.Column("key", sa.String(64), nullable=False),
            sa.Column("document", sa.JSON(), nullable=False),
            sa.PrimaryKeyConstraint("key", name=f"pk_{table}"),
        )
    op.create_table(
        "nas_trials",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("name", sa.String(255)),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("architecture_key", sa.String(64), nullable=False),
        sa.Column("graph_key", sa.String(64)),
        sa.Column("point", sa.JSON()),
        sa.Column("evaluator_key", sa.String(255), nullable=False),
        sa.Column("recipe_key", sa.String(64), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("params", sa.BigInteger()),
        sa.Column("flops", sa.BigInteger()),
        sa.Column("activations", sa.BigInteger()),
        sa.Column("memory", sa.BigInteger()),
        sa.Column("metrics", sa.JSON()),
        sa.Column("val_accuracy", sa.Float(53)),
        sa.Column("epochs", sa.Integer(), nullable=False),
        sa.Column("asked", sa.Integer()),
        sa.Column("told", sa.Integer()),
        sa.Column("reused_from", sa.Integer()),
        sa.Column("worker", sa.Text()),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True)),
        sa.Column("finished_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name="pk_nas_trials"),
        sa.UniqueConstraint("study_id", "number", name="uq_nas_trials_study_id_number"),
        sa.UniqueConstraint("study_id", "asked", name="uq_nas_trials_study_id_asked"),
        sa.UniqueConstraint("study_id", "told", name="uq_nas_trials_study_id_told"),
        sa.ForeignKeyConstraint(["study_id"], ["nas_studies.id"], name="fk_nas_trials_study_id_nas_studies"),
        sa.ForeignKeyConstraint(
            ["architecture_key"],
            ["nas_architectures.key"],
            name="fk_nas_trials_architecture_key_nas_architectures",
        ),
        sa.ForeignKeyConstraint(["recipe_key"], ["nas_recipes.key"], name="fk_nas_trials_recipe_key_nas_recipes"),
        sa.ForeignKeyConstraint(["reused_from"], ["nas_trials.id"], name="fk_nas_trials_reused_from_nas_trials"),
    )
    op.create_index(
        "ix_nas_trials_known",
        "nas_trials",
        ["graph_key", "evaluator_key", "recipe_key", "seed", "state", "id"],
    )
    op.create_index(
        "ix_nas_trials_tally",
        "nas_trials",
        ["study_id", "state", "number", "kind", "val_accuracy", "reused_from"],
    )
    op.create_table(
        "nas_epochs",
        sa.Column("trial_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("epoch", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("metrics", sa.JSON(), nullable=False),
        sa.Column("val_accuracy", sa.Float(53)),
        sa.Column("seconds", sa.Float(53)),
        sa.PrimaryKeyConstraint("trial_id", "epoch", name="pk_nas_epochs"),
        sa.ForeignKeyConstraint(["trial_id"], ["nas_trials.id"], name="fk_nas_epochs_trial_id_nas_trials"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "nas_curves",
        sa.Column("study_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("step", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("values", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("study_id", "step", name="pk_nas_curves"),
        sa.ForeignKeyConstraint(["study_id"], ["nas_studies.id"], name="fk_nas_curves_study_id_nas_studies"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Go back to an empty database."""
    for table in (
        "nas_curves",
        "nas_epochs",
        "nas_trials",
        "nas_recipes",
        "nas_architectures",
        "nas_studies",
    ):
        op.drop_table(table)
