# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the database is, and the fault of a migration: everything it did is taken back, and it ends with an error."""

from alembic import context
from app.revisions import engine
from app.settings import mine
from sqlalchemy import text

settings = mine()
with engine(settings.database).connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
        if settings.fault.bad_migration:
            connection.execute(text("select 1 from a_table_that_is_not_there"))
