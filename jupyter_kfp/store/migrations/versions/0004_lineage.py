"""Where steps come from, files that runs read, approvals and pins."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Columns that SQLite can add in place: see 0003.
    op.add_column("runs", sa.Column("pinned", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("artifacts", sa.Column("pinned", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("tasks", sa.Column("provenance", sa.Text(), nullable=True))
    op.create_index(op.f("ix_artifacts_uri"), "artifacts", ["uri"], unique=False)
    op.create_table(
        "environments",
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_environments")),
    )
    op.create_table(
        "input_files",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.String(64), nullable=False),
        sa.Column("task", sa.Text(), nullable=True),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("uri", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("version", sa.Text(), nullable=True),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["runs.id"], name=op.f("fk_input_files_run_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_input_files")),
    )
    for column in ("run_id", "uri", "sha256"):
        op.create_index(op.f(f"ix_input_files_{column}"), "input_files", [column], unique=False)
    op.create_table(
        "approvals",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("artifact_id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.String(64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("uri", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("approved_by", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("time", sa.String(40), nullable=False),
        sa.Column("previous", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_approvals")),
        sa.UniqueConstraint("previous", name=op.f("uq_approvals_previous")),
    )
    for column in ("artifact_id", "sha256"):
        op.create_index(op.f(f"ix_approvals_{column}"), "approvals", [column], unique=False)


def downgrade() -> None:
    for table in ("approvals", "input_files", "environments"):
        op.drop_table(table)
    op.drop_index(op.f("ix_artifacts_uri"), table_name="artifacts")
    op.drop_column("tasks", "provenance")
    op.drop_column("artifacts", "pinned")
    op.drop_column("runs", "pinned")
