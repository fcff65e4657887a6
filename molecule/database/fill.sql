-- More than a year of readings, over two million rows in hypertables, and what they refer to.
create extension timescaledb;
create table devices (id integer primary key, name text not null);
insert into devices select i, 'device ' || i from generate_series(1, 50) i;

create table readings (
    at timestamptz not null,
    device_id integer not null references devices,
    value double precision not null
);
select create_hypertable('readings', by_range('at', interval '30 days'));
insert into readings
select timestamptz '2025-01-01 00:00Z' + i * interval '20 s', 1 + i % 50, i / 7.0
from generate_series(1, 2000000) i;

create table alarms (id bigint generated always as identity, at timestamptz not null, what text not null);
select create_hypertable('alarms', by_range('at', interval '90 days'));
insert into alarms (at, what)
select timestamptz '2025-01-01 00:00Z' + i * interval '1 min', 'alarm ' || i from generate_series(1, 100000) i;

create index on readings (device_id, at desc);
create view latest as select device_id, max(at) as at from readings group by device_id;
