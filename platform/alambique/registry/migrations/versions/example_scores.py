"""What each test example adds to the score of a student."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "example_scores",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("seed", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("fractions", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name="fk_example_scores_job_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", "role", "seed", name="pk_example_scores"),
    )
