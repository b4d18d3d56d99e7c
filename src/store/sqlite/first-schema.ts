/** The first step of the schema, as it was released: never changed again. What came since is in `migrations.ts`. */

export const FIRST_SCHEMA = `
  create table meta (key text primary key, value text not null) strict, without rowid;

  create table tasks (
    id text primary key,
    number integer not null unique,
    attempt integer not null,
    spec text not null,
    idempotency_key text unique,
    idempotency_hash text,
    created_at integer not null
  ) strict;

  create table attempts (
    task_id text not null references tasks (id) on delete cascade,
    attempt integer not null,
    rev integer not null,
    wakes integer not null,
    live integer not null,
    status text not null,
    step text,
    step_entered_at integer not null,
    step_attempt integer not null,
    wake_at integer,
    deadline_at integer,
    absolute_at integer,
    waiting_for text,
    parked_until integer,
    placement integer not null,
    node_name text,
    workspace_id text,
    session_id text,
    facts text not null,
    verdict text,
    result text,
    usage text,
    error text,
    cleanup text,
    engine_version integer,
    created_at integer not null,
    started_at integer,
    completed_at integer,
    updated_at integer not null,
    primary key (task_id, attempt),
    check ((live = 1) = (step is not null) and (live = 1) = (wake_at is not null))
  ) strict, without rowid;
  create index attempts_live on attempts (live) where live = 1;

  create table workspaces (
    id text primary key,
    task_id text not null,
    attempt integer not null,
    placement integer not null,
    node_name text not null,
    status text not null,
    created_at integer not null,
    released_at integer,
    unique (task_id, attempt, placement)
  ) strict, without rowid;
  create index workspaces_slot on workspaces (node_name) where released_at is null;

  create table reservations (
    task_id text not null,
    attempt integer not null,
    node_name text not null,
    created_at integer not null,
    primary key (task_id, attempt)
  ) strict, without rowid;
  create index reservations_node on reservations (node_name);

  create table inbox (
    id integer primary key autoincrement,
    task_id text not null,
    attempt integer not null,
    kind text not null,
    dedupe text not null unique,
    payload text not null,
    at integer not null,
    consumed integer not null default 0
  ) strict;
  create index inbox_open on inbox (task_id, attempt) where consumed = 0;

  create table events (
    seq integer primary key autoincrement,
    at integer not null,
    type text not null,
    task_id text,
    attempt integer,
    node_name text,
    step text,
    data text not null
  ) strict;
  create index events_task on events (task_id) where task_id is not null;

  create table tokens (
    hash text primary key,
    scope text not null,
    subject text not null,
    task_id text,
    attempt integer
  ) strict, without rowid;
  create index tokens_task on tokens (task_id) where task_id is not null;

  create table outbox (
    id text primary key,
    kind text not null,
    payload text not null,
    due_at integer not null,
    tries integer not null default 0
  ) strict, without rowid;
  create index outbox_due on outbox (kind, due_at);

  create table cleanups (
    task_id text not null,
    attempt integer not null,
    kind text not null,
    node_name text not null,
    subject text not null,
    state text not null,
    tries integer not null default 0,
    due_at integer not null,
    error text,
    primary key (subject, kind)
  ) strict, without rowid;
  create index cleanups_task on cleanups (task_id, attempt);
  create index cleanups_due on cleanups (due_at) where state = 'pending';
  create index cleanups_node on cleanups (node_name) where state = 'pending';

  create table bundles (
    sha256 text primary key,
    bytes integer not null,
    commit_id text not null,
    ref text not null,
    created_at integer not null,
    used_at integer not null
  ) strict, without rowid;
  create index bundles_commit on bundles (commit_id);

  create table nodes (
    name text primary key,
    provider text not null,
    status text not null,
    rev integer not null,
    wakes integer not null,
    size text,
    location text,
    address text,
    auto_provisioned integer not null,
    max_workspaces integer not null,
    state_id text,
    cursor integer not null,
    wake_at integer,
    deadline_at integer,
    waiting_for text,
    warm_until integer,
    price_per_hour real,
    facts text not null,
    created_at integer not null,
    ready_at integer,
    updated_at integer not null
  ) strict, without rowid;

  create table heartbeats (
    node_name text primary key,
    at integer not null,
    cpu_percent real,
    memory_percent real,
    disk_percent real
  ) strict, without rowid;`
