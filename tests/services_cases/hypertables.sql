-- What TimescaleDB adds to a dump: hypertables, their chunks in another schema, and the catalogue that ties them.
create extension timescaledb;
create table devices (id integer primary key, name text not null);
insert into devices select i, 'device ' || i from generate_series(1, 50) i;

create table readings (
    at timestamptz not null,
    device_id integer not null references devices,
    value double precision
);
select create_hypertable('readings', by_range('at', interval '1 day'));
create unique index on readings (device_id, at);
insert into readings
select timestamptz '2026-01-01 00:00Z' + i * interval '1 min', 1 + i % 50, i / 7.0
from generate_series(0, 40000) i;

create table alarms (id bigint generated always as identity, at timestamptz not null, what text);
select create_hypertable('alarms', by_range('at', interval '7 days'));
insert into alarms (at, what)
select timestamptz '2026-01-01 00:00Z' + i * interval '1 hour', 'alarm ' || i from generate_series(0, 600) i;

create view latest as select device_id, max(at) as at from readings group by device_id;
