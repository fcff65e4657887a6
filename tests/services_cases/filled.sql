-- One of everything a dump has to carry.
do $$
begin
    if not exists (select from pg_roles where rolname = 'shop_owner') then
        create role shop_owner nologin;
        create role shop_reader nologin;
    end if;
end $$;

create extension pg_trgm;
create schema shop authorization shop_owner;
create type shop.state as enum ('new', 'paid', 'sent');

create table shop.customers (
    id integer generated always as identity primary key,
    name text not null check (name <> ''),
    name_length integer generated always as (length(name)) stored,
    settings jsonb not null default '{}'
);
insert into shop.customers (name, settings)
select 'customer ' || i, jsonb_build_object('number', i, 'tags', array['a', 'ü', null])
from generate_series(1, 2000) i;

create table shop.orders (
    id bigserial primary key,
    customer_id integer not null references shop.customers,
    state shop.state not null default 'new',
    amount numeric(12, 2) not null,
    paid_at timestamptz,
    document xml
);
insert into shop.orders (customer_id, state, amount, paid_at, document)
select 1 + i % 2000, (array['new', 'paid', 'sent'])[1 + i % 3]::shop.state, i * 1.25,
       timestamptz '2026-03-29 00:59Z' + i * interval '1 min', xmlelement(name line, i)
from generate_series(1, 10000) i;
create index on shop.orders using gin (((document::text)) gin_trgm_ops);

create table shop.events (at timestamptz not null, kind text, payload bytea) partition by range (at);
create table shop.events_1 partition of shop.events for values from ('2026-01-01') to ('2026-02-01');
create table shop.events_2 partition of shop.events for values from ('2026-02-01') to ('2026-03-01');
insert into shop.events
select timestamptz '2026-01-01 00:00Z' + i * interval '10 min', nullif(i % 7, 0)::text, decode(md5(i::text), 'hex')
from generate_series(0, 8000) i;

create materialized view shop.income as select state, sum(amount) from shop.orders group by state;
create function shop.paid(bigint) returns boolean language sql stable
    as 'select paid_at is not null from shop.orders where id = $1';
create sequence shop.tickets start 100 increment 5;
select setval('shop.tickets', 250);

create table "Odd ""name"" ü" ("a b" text, "Ünïcode" float8);
insert into "Odd ""name"" ü" values (E'line\nbreak\t\\', 'NaN'), ('', '-Infinity'), (null, 0.1);
create table empty ();
create table schema_migrations (version bigint primary key, dirty boolean not null);
insert into schema_migrations values (7, false);

select lo_from_bytea(0, decode(repeat(md5(i::text), 500), 'hex')) from generate_series(1, 20) i;

alter table shop.customers owner to shop_owner;
grant usage on schema shop to shop_reader;
grant select on all tables in schema shop to shop_reader;
comment on table shop.orders is 'what customers ordered';
