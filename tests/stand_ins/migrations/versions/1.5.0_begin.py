# SPDX-License-Identifier: GPL-3.0-or-later
"""Measurements and predictions of the last week and the next day, every quarter of an hour; the audit log."""

from alembic import op

revision, down_revision = "1", None
TIMES = "generate_series(now() - interval '7 days', now() + interval '1 day', interval '15 minutes') as time"
POWER = "500 + 400 * sin(extract(epoch from time) / 13751)"
VOLTAGE = "230 + 5 * sin(extract(epoch from time) / 7919)"


def upgrade() -> None:
    op.execute("create table audit_log (time timestamptz not null, action text not null, response_status int not null)")
    op.execute("create table solar_measurements (time timestamptz not null, power_kw float not null)")
    op.execute("create table voltage_measurements (time timestamptz not null, voltage float not null)")
    op.execute("create table predictions (time timestamptz not null, model_type text not null, value float not null)")
    op.execute(f"insert into solar_measurements select time, {POWER} from {TIMES}")
    op.execute(f"insert into voltage_measurements select time, {VOLTAGE} from {TIMES}")
    op.execute("insert into predictions select time, 'solar', power_kw * 1.02 from solar_measurements")
    op.execute("insert into predictions select time, 'voltage', voltage + 0.4 from voltage_measurements")


def downgrade() -> None:
    for table in ("predictions", "voltage_measurements", "solar_measurements", "audit_log"):
        op.execute(f"drop table {table}")
