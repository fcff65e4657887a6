-- Nothing brings the old values back: what was rounded is gone.
alter table readings add column kilowatts integer;
update readings set kilowatts = round(value / 1000);
alter table readings drop column value cascade;
insert into devices values (51, 'device of the new version');
