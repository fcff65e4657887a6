# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit log names the client."""

from alembic import op

revision, down_revision = "2", "1"


def upgrade() -> None:
    op.execute("alter table audit_log add client text")


def downgrade() -> None:
    op.execute("alter table audit_log drop client")
