"""Results that are used again, and what a dead engine left to be done."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Only columns that SQLite can add in place, so without foreign keys: to make a table anew it is dropped, and
    # that would delete what refers to it.
    op.add_column("runs", sa.Column("interrupted", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("tasks", sa.Column("interrupted", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("tasks", sa.Column("cache_key", sa.String(64), nullable=True))
    op.add_column("tasks", sa.Column("reused_from", sa.Integer(), nullable=True))
    op.create_index(op.f("ix_tasks_cache_key"), "tasks", ["cache_key"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_tasks_cache_key"), table_name="tasks")
    op.drop_column("tasks", "reused_from")
    op.drop_column("tasks", "cache_key")
    op.drop_column("tasks", "interrupted")
    op.drop_column("runs", "interrupted")
