/**
 * What tdf keeps in PostgreSQL: one installation a database, its rows as JSON documents, its blobs in parts, and the
 * daemons that share it. The schema `tdf_ledger` is ours alone; people read the views in `tdf` (see views.ts).
 */

/** Of these tables. An older build refuses what a newer one made; the rows have a number of their own. */
export const FORMAT = 1

/** Raised by `beat` and `apply` when the epoch or the number of a write is not the one that is stored. */
export const FENCED_STATE = 'TF001'

/** Two keys of an advisory lock: "tdf" in ASCII, and which of ours. */
const LOCK_CLASS = 0x746466
export const SERVING_LOCK = `${LOCK_CLASS}, 1`
export const PREPARING_LOCK = `${LOCK_CLASS}, 2`

/**
 * `installation` has one row. It is updated by every write: pages that are half full let PostgreSQL do so in place (heap-only tuples).
 * `began` is the number of the newest write when its holder took over, `pruned` the newest of which marks of removed rows are gone.
 *
 * `apply` makes one write durable in one round trip. The answer to a COMMIT may be lost and the write asked for again: its
 * number says that it is there. The beat of that case waits for the synchronous standby as a new write would, for a transaction that
 * changes nothing does not, and the first COMMIT may have been cut off while it still waited. `publish` puts the parts of an
 * upload in the place of the blob; asked again, it finds none and has nothing to do.
 */
export const SCHEMA = `
create table tdf_ledger.installation (
  one boolean primary key default true check (one),
  format int not null,
  id text not null,
  key_check text,
  epoch bigint not null default 0,
  seq bigint not null default 0,
  beat bigint not null default 0,
  began bigint not null default 0,
  pruned bigint not null default 0,
  holder text,
  heir text,
  heir_until timestamptz
) with (fillfactor = 50);
create table tdf_ledger.rows (
  tbl text collate "C" not null,
  pk text collate "C" not null,
  data text,
  seq bigint not null,
  primary key (tbl, pk)
) with (fillfactor = 80);
create index rows_seq on tdf_ledger.rows (seq);
create index rows_gone on tdf_ledger.rows (seq) where data is null;
create table tdf_ledger.blobs (
  name text collate "C" not null,
  part int not null,
  made text not null,
  bytes bytea not null,
  primary key (name, part)
);
alter table tdf_ledger.blobs alter column bytes set storage external;
create table tdf_ledger.members (
  name text primary key,
  process text not null,
  url text not null,
  version text not null,
  started_at timestamptz not null default now(),
  seen_at timestamptz not null default now(),
  key_check text,
  skew_ms double precision
);
create function tdf_ledger.beat(e bigint, n bigint) returns void language plpgsql as $$
declare
  stored tdf_ledger.installation;
begin
  update tdf_ledger.installation set beat = beat + 1 where epoch = e and seq = n;
  if not found then
    select * into stored from tdf_ledger.installation;
    raise exception 'the database is at epoch % and write %, this daemon at epoch % and write %', stored.epoch, stored.seq, e, n
      using errcode = '${FENCED_STATE}';
  end if;
end
$$;
create function tdf_ledger.apply(e bigint, n bigint, tables text[], keys text[], data text[]) returns void language plpgsql as $$
begin
  update tdf_ledger.installation set seq = n where epoch = e and seq = n - 1;
  if not found then
    perform tdf_ledger.beat(e, n);
    return;
  end if;
  insert into tdf_ledger.rows as r (tbl, pk, data, seq)
    select c.tbl, c.pk, c.data, n from unnest(tables, keys, data) c (tbl, pk, data)
    on conflict (tbl, pk) do update set data = excluded.data, seq = excluded.seq;
end
$$;
create function tdf_ledger.publish(e bigint, upload text, target text) returns void language plpgsql as $$
begin
  if not exists (select 1 from tdf_ledger.installation where epoch = e) then
    raise exception 'the database is at another epoch than %', e using errcode = '${FENCED_STATE}';
  end if;
  if exists (select 1 from tdf_ledger.blobs where name = upload) then
    delete from tdf_ledger.blobs where name = target;
    update tdf_ledger.blobs set name = target where name = upload;
  end if;
end
$$;
`

/** What tables of the same format lack that an older build made: older builds go on with it. */
export const LATER_COLUMNS =
  'alter table tdf_ledger.members add column if not exists key_check text, add column if not exists skew_ms double precision'
