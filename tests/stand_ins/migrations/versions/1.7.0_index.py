# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit log is found by time."""

from alembic import op

revision, down_revision = "3", "2"


def upgrade() -> None:
    op.execute("create index audit_log_time on audit_log (time)")


def downgrade() -> None:
    op.execute("drop index audit_log_time")
