CREATE TABLE agent_calls (
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

CREATE TABLE attempts (
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
    updated_at integer not null, continued text, continued_key text,
    primary key (task_id, attempt),
    check ((live = 1) = (step is not null) and (live = 1) = (wake_at is not null))
  ) strict, without rowid;

CREATE TABLE budget_windows (
    name text not null,
    starts_at integer not null,
    warned integer not null default 0,
    granted integer not null default 0, used integer not null default 0,
    primary key (name, starts_at)
  ) strict, without rowid;

CREATE TABLE bundles (
    sha256 text primary key,
    bytes integer not null,
    commit_id text not null,
    ref text not null,
    created_at integer not null,
    used_at integer not null
  , source text) strict, without rowid;

CREATE TABLE children (
    task_id text primary key,
    parent text not null,
    root text not null
  ) strict, without rowid;

CREATE TABLE cleanups (
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

CREATE TABLE edges (
    task_id text not null references tasks (id) on delete cascade,
    predecessor text not null references tasks (id),
    position integer not null,
    gives text,
    met integer,
    primary key (task_id, predecessor)
  ) strict, without rowid;

CREATE TABLE events (
    seq integer primary key autoincrement,
    at integer not null,
    type text not null,
    task_id text,
    attempt integer,
    node_name text,
    step text,
    data text not null
  ) strict;

CREATE TABLE heartbeats (
    node_name text primary key,
    at integer not null,
    cpu_percent real,
    memory_percent real,
    disk_percent real
  ) strict, without rowid;

CREATE TABLE inbox (
    id integer primary key autoincrement,
    task_id text not null,
    attempt integer not null,
    kind text not null,
    dedupe text not null unique,
    payload text not null,
    at integer not null,
    consumed integer not null default 0
  ) strict;

CREATE TABLE issues (
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

CREATE TABLE landings (
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
  , resolve integer not null default 0, resolved_in integer) strict, without rowid;

CREATE TABLE limits (
    credential text primary key,
    until integer not null,
    at integer not null
  ) strict, without rowid;

CREATE TABLE members (
    task_id text primary key references tasks (id) on delete cascade,
    group_name text not null references task_groups (name),
    key text,
    position integer not null,
    turn text,
    unique (group_name, key)
  ) strict, without rowid;

CREATE TABLE meta (key text primary key, value text not null) strict, without rowid;

CREATE TABLE nodes (
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
  , paid_from integer, paid_until integer) strict, without rowid;

CREATE TABLE outbox (
    id text primary key,
    kind text not null,
    payload text not null,
    due_at integer not null,
    tries integer not null default 0
  ) strict, without rowid;

CREATE TABLE pushes (
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

CREATE TABLE reply_codes (
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

CREATE TABLE reservations (
    task_id text not null,
    attempt integer not null,
    node_name text not null,
    created_at integer not null,
    primary key (task_id, attempt)
  ) strict, without rowid;

CREATE TABLE schedule_runs (
    schedule_id text not null, planned_at integer not null, task_id text, note text,
    late_ms integer not null, outcome text, at integer not null,
    primary key (schedule_id, planned_at)
  ) strict, without rowid;

CREATE TABLE schedules (
    id text primary key, name text not null unique, cron text not null, zone text not null,
    catch_up text not null, overlap text not null, jitter_ms integer not null,
    keep_going integer not null, until_green integer not null, request text not null,
    state text not null, why text, planned_at integer not null, due_at integer not null, streak integer not null,
    rev integer not null, created_at integer not null, updated_at integer not null
  ) strict, without rowid;

CREATE TABLE sources (
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

CREATE TABLE spending (
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

CREATE TABLE sqlite_sequence(name,seq);

CREATE TABLE task_groups (
    name text primary key,
    kind text not null,
    at_most integer,
    created_at integer not null
  , winner text) strict, without rowid;

CREATE TABLE tasks (
    id text primary key,
    number integer not null unique,
    attempt integer not null,
    spec text not null,
    idempotency_key text unique,
    idempotency_hash text,
    created_at integer not null
  ) strict;

CREATE TABLE tokens (
    hash text primary key,
    scope text not null,
    subject text not null,
    task_id text,
    attempt integer
  ) strict, without rowid;

CREATE TABLE watches (
    task_id text primary key, url text not null, goal text not null,
    rounds integer not null, round integer not null default 0, state text not null,
    head text not null, seen text, seen_at integer not null,
    given text not null default '[]', told text not null default '[]', still text not null default '[]',
    attempt integer, unchanged integer not null default 0, waiting_for text, checks text, cache text,
    due_at integer not null, tries integer not null default 0, error text,
    rev integer not null default 0, updated_at integer not null
  ) strict, without rowid;

CREATE TABLE workspaces (
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

CREATE INDEX agent_calls_due on agent_calls (due_at) where state in ('open', 'answered');

CREATE INDEX agent_calls_task on agent_calls (task_id);

CREATE UNIQUE INDEX attempts_continued on attempts (task_id, continued_key) where continued_key is not null;

CREATE INDEX attempts_ended on attempts (status, completed_at) where live = 0;

CREATE INDEX attempts_live on attempts (live) where live = 1;

CREATE INDEX bundles_commit on bundles (commit_id);

CREATE INDEX children_parent on children (parent);

CREATE INDEX children_root on children (root);

CREATE INDEX cleanups_due on cleanups (due_at) where state = 'pending';

CREATE INDEX cleanups_node on cleanups (node_name) where state = 'pending';

CREATE INDEX cleanups_task on cleanups (task_id, attempt);

CREATE INDEX edges_predecessor on edges (predecessor);

CREATE INDEX events_task on events (task_id) where task_id is not null;

CREATE INDEX inbox_open on inbox (task_id, attempt) where consumed = 0;

CREATE INDEX landings_open on landings (number) where state in ('waiting', 'resolving', 'checking', 'ready');

CREATE INDEX members_turn on members (group_name, turn, position);

CREATE INDEX outbox_due on outbox (kind, due_at);

CREATE INDEX pushes_due on pushes (due_at) where state = 'pending';

CREATE INDEX reply_codes_expiry on reply_codes (expires_at);

CREATE INDEX reply_codes_notice on reply_codes (notice);

CREATE INDEX reply_codes_task on reply_codes (task_id, state);

CREATE INDEX reservations_node on reservations (node_name);

CREATE INDEX schedule_runs_late on schedule_runs (at) where late_ms > 0;

CREATE INDEX schedule_runs_open on schedule_runs (at) where outcome is null;

CREATE INDEX schedules_due on schedules (due_at) where state = 'active';

CREATE INDEX spending_at on spending (at);

CREATE INDEX tasks_retried on tasks (attempt) where attempt > 1;

CREATE INDEX tokens_task on tokens (task_id) where task_id is not null;

CREATE INDEX watches_due on watches (due_at) where state in ('watching', 'reacting');

CREATE INDEX workspaces_slot on workspaces (node_name) where released_at is null;
