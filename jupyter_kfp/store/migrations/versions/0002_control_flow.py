"""Tasks that hold others, the order of tasks that come to be during a run, and outputs that are lists."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("tasks") as tasks:
        tasks.add_column(sa.Column("kind", sa.String(16), nullable=False, server_default="TASK"))
        tasks.add_column(sa.Column("position", sa.Text(), nullable=False, server_default=""))
    with op.batch_alter_table("run_outputs") as outputs:
        outputs.add_column(sa.Column("is_list", sa.Boolean(), nullable=False, server_default=sa.false()))


def downgrade() -> None:
    with op.batch_alter_table("run_outputs") as outputs:
        outputs.drop_column("is_list")
    with op.batch_alter_table("tasks") as tasks:
        tasks.drop_column("position")
        tasks.drop_column("kind")
