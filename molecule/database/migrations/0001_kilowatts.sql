alter table readings add column kilowatts double precision;
update readings set kilowatts = value / 1000;
insert into devices values (51, 'device of the new version');
