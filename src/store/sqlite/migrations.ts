/**
 * The schema as numbered steps that only grow; what they add up to is test/golden/schema.sql. A step is additive:
 * columns are added and never given another meaning. Times are Unix milliseconds, JSON sits in text columns.
 */

import { FIRST_SCHEMA } from './first-schema.ts'

export const MIGRATIONS: readonly string[] = [
  FIRST_SCHEMA,
  `
  create table limits (
    credential text primary key,
    until integer not null,
    at integer not null
  ) strict, without rowid;
  `,
  `
  create table pushes (
    task_id text primary key,
    attempt integer not null,
    remote text not null,
    branch text not null,
    commit_id text not null,
    wants_pr integer not null,
    state text not null,
    pushed_commit text,
    pr_url text,
    tries integer not null default 0,
    due_at integer not null,
    until integer not null,
    error text,
    updated_at integer not null
  ) strict, without rowid;
  create index pushes_due on pushes (due_at) where state = 'pending';
  `,
  `
  create index attempts_ended on attempts (status, completed_at) where live = 0;
  create index tasks_retried on tasks (attempt) where attempt > 1;
  `,
  `
  alter table attempts add column continued text; alter table attempts add column continued_key text;
  create unique index attempts_continued on attempts (task_id, continued_key) where continued_key is not null;
  `,
  'alter table bundles add column source text',
  `
  create table landings (
    task_id text primary key,
    attempt integer not null,
    number integer not null,
    source text not null,
    onto text not null,
    squash integer not null,
    check_command text,
    state text not null,
    tip text,
    merged text,
    check_task text,
    tries integer not null default 0,
    due_at integer not null,
    code text,
    why text,
    updated_at integer not null
  ) strict, without rowid;
  create index landings_open on landings (number) where state in ('waiting', 'checking', 'ready');
  `,
  `
  create table watches (
    task_id text primary key, url text not null, goal text not null,
    rounds integer not null, round integer not null default 0, state text not null,
    head text not null, seen text, seen_at integer not null,
    given text not null default '[]', told text not null default '[]', still text not null default '[]',
    attempt integer, unchanged integer not null default 0, waiting_for text, checks text, cache text,
    due_at integer not null, tries integer not null default 0, error text,
    rev integer not null default 0, updated_at integer not null
  ) strict, without rowid;
  create index watches_due on watches (due_at) where state in ('watching', 'reacting');
  `,
  `
  alter table landings add column resolve integer not null default 0; alter table landings add column resolved_in integer;
  drop index landings_open;
  create index landings_open on landings (number) where state in ('waiting', 'resolving', 'checking', 'ready');
  `,
  `
  create table edges (
    task_id text not null references tasks (id) on delete cascade,
    predecessor text not null references tasks (id),
    position integer not null,
    gives text,
    met integer,
    primary key (task_id, predecessor)
  ) strict, without rowid;
  create index edges_predecessor on edges (predecessor);
  `,
  `
  create table task_groups (
    name text primary key,
    kind text not null,
    at_most integer,
    created_at integer not null
  ) strict, without rowid;
  create table members (
    task_id text primary key references tasks (id) on delete cascade,
    group_name text not null references task_groups (name),
    key text,
    position integer not null,
    turn text,
    unique (group_name, key)
  ) strict, without rowid;
  create index members_turn on members (group_name, turn, position);
  `,
  `
  create table reply_codes (
    hash text primary key,
    notice text not null,
    task_id text not null,
    attempt integer not null,
    about text not null,
    verb text not null,
    state text not null,
    created_at integer not null,
    expires_at integer not null
  ) strict, without rowid;
  create index reply_codes_task on reply_codes (task_id, state);
  create index reply_codes_notice on reply_codes (notice);
  create index reply_codes_expiry on reply_codes (expires_at);
  `,
  `
  create table spending (
    task_id text not null,
    attempt integer not null,
    agent text not null,
    model text not null,
    node text not null,
    at integer not null,
    labels text not null,
    input_tokens integer not null,
    output_tokens integer not null,
    cost_usd real,
    machine_cost real not null,
    primary key (task_id, attempt, agent, model, node, at)
  ) strict, without rowid;
  create index spending_at on spending (at);
  alter table nodes add column paid_from integer; alter table nodes add column paid_until integer;
  insert into spending
    select a.task_id, a.attempt, coalesce(json_extract(t.spec, '$.agent.name'), ''),
      coalesce(json_extract(t.spec, '$.agent.model'), ''), coalesce(a.node_name, ''),
      coalesce(a.completed_at, a.updated_at) / 900000 * 900000, coalesce(json_extract(t.spec, '$.labels'), '{}'),
      coalesce(json_extract(a.usage, '$.inputTokens'), 0), coalesce(json_extract(a.usage, '$.outputTokens'), 0),
      json_extract(a.usage, '$.costUsd'), 0
    from attempts a join tasks t on t.id = a.task_id
    where case when json_valid(a.usage) and json_valid(t.spec) then a.usage is not null else 0 end;
  `,
  `
  alter table task_groups add column winner text;
  `,
  `
  create table schedules (
    id text primary key, name text not null unique, cron text not null, zone text not null,
    catch_up text not null, overlap text not null, jitter_ms integer not null,
    keep_going integer not null, until_green integer not null, request text not null,
    state text not null, why text, planned_at integer not null, due_at integer not null, streak integer not null,
    rev integer not null, created_at integer not null, updated_at integer not null
  ) strict, without rowid;
  create index schedules_due on schedules (due_at) where state = 'active';
  create table schedule_runs (
    schedule_id text not null, planned_at integer not null, task_id text, note text,
    late_ms integer not null, outcome text, at integer not null,
    primary key (schedule_id, planned_at)
  ) strict, without rowid;
  create index schedule_runs_open on schedule_runs (at) where outcome is null;
  create index schedule_runs_late on schedule_runs (at) where late_ms > 0;
  `,
  `
  create table sources (
    name text primary key,
    identity text not null,
    paused integer not null default 0,
    cache text,
    due_at integer not null,
    tries integer not null default 0,
    error text,
    looked_at integer,
    updated_at integer not null
  ) strict, without rowid;
  create table issues (
    source text not null,
    identity text not null,
    issue text not null,
    title text not null,
    url text,
    stamp text,
    event text not null,
    labelled_by text,
    state text not null,
    reason text,
    task text,
    attempt integer,
    owed text,
    since integer not null,
    updated_at integer not null,
    primary key (source, identity, issue)
  ) strict, without rowid;
  `,
  `
  create table budget_windows (
    name text not null,
    starts_at integer not null,
    warned integer not null default 0,
    granted integer not null default 0,
    primary key (name, starts_at)
  ) strict, without rowid;
  `,
  `
  create table children (
    task_id text primary key,
    parent text not null,
    root text not null
  ) strict, without rowid;
  create index children_parent on children (parent);
  create index children_root on children (root);
  create table agent_calls (
    workspace_id text not null,
    request_id text not null,
    task_id text not null,
    attempt integer not null,
    session_id text not null,
    tool text not null,
    input text not null,
    state text not null,
    answer text,
    is_error integer not null default 0,
    at integer not null,
    due_at integer not null,
    tries integer not null default 0,
    primary key (workspace_id, request_id)
  ) strict, without rowid;
  create index agent_calls_due on agent_calls (due_at) where state in ('open', 'answered');
  create index agent_calls_task on agent_calls (task_id);
  `,
  `
  alter table budget_windows add column used integer not null default 0;
  `,
]
