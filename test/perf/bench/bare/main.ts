/**
 * The limit: what hono and libsql alone can do with the same answers. A loop without an engine: seven steps, each one
 * row update and one event in a group commit, with the same calls, probe and durability as the bench host
 * (WAL, synchronous=FULL). No attempts, deadlines, retries, journal for watchers, or checks of anything. With `APART=1` a
 * callback is stored and answered first and what follows from it in the next commit, as an engine has to.
 */
import { mkdirSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import { createAdaptorServer } from '@hono/node-server'
import { Hono } from 'hono'
import Database from 'libsql'
import { createProbe, type Tag } from '../host/probe.ts'

const { DATA_DIR = 'bare-data', PORT = '7701', PROBE_FILE, APART } = process.env
const GROUP_MAX = 256
const WAITING = 5

mkdirSync(DATA_DIR, { recursive: true })
const probe = createProbe(PROBE_FILE)
const database = new Database(path.join(DATA_DIR, 'bare.db'))
database.exec(`
  pragma journal_mode = wal; pragma synchronous = full; pragma locking_mode = exclusive; pragma wal_autocheckpoint = 4000;
  create table if not exists tasks (id text primary key, step integer not null, parked integer not null) without rowid;
  create table if not exists events (seq integer primary key, task_id text, step integer, at integer);
  create table if not exists inbox (id integer primary key, task_id text unique, at integer);
`)
const insertTask = database.prepare('insert into tasks (id, step, parked) values (?, 1, 0) on conflict do nothing')
const updateTask = database.prepare('update tasks set step = ?, parked = ? where id = ?')
const insertEvent = database.prepare('insert into events (task_id, step, at) values (?, ?, ?)')
const insertSignal = database.prepare('insert into inbox (task_id, at) values (?, ?) on conflict do nothing')

/** Step and whether it waits, by task: a bare loop reads nothing back. */
const tasks = new Map<string, { step: number; parked: boolean }>()
let group: { write: () => void; then: () => void }[] = []

function commit(write: () => void, then: () => void): void {
  if (group.push({ write, then }) === 1) setImmediate(flush)
}

function flush(): void {
  const members = group.slice(0, GROUP_MAX)
  group = group.slice(GROUP_MAX)
  database.exec('begin immediate')
  for (const { write } of members) write()
  database.exec('commit')
  for (const { then } of members) then()
  if (group.length > 0) setImmediate(flush)
}

/** Runs the body of the step that a task is at, and makes its end durable. */
function run(id: string, step: number): void {
  if (step !== WAITING) probe(id, `s${step}` as Tag)
  const next = step === WAITING ? { step, parked: true } : { step: step + 1, parked: false }
  commit(
    () => {
      updateTask.run([next.step, next.parked ? 1 : 0, id])
      insertEvent.run([id, next.step, Date.now()])
    },
    () => {
      tasks.set(id, next)
      if (next.parked) probe(id, 'park')
      else if (next.step > 7) probe(id, 'done')
      else run(id, next.step)
    },
  )
}

function submit(id: string): Promise<void> {
  return new Promise(resolve =>
    commit(
      () => {
        insertTask.run([id])
        insertEvent.run([id, 1, Date.now()])
      },
      () => {
        resolve()
        if (tasks.has(id)) return
        tasks.set(id, { step: 1, parked: false })
        run(id, 1)
      },
    ),
  )
}

function callback(id: string): Promise<void> {
  const follow = () => {
    updateTask.run([6, 0, id])
    insertEvent.run([id, 6, Date.now()])
  }
  const goOn = () => {
    tasks.set(id, { step: 6, parked: false })
    run(id, 6)
  }
  return new Promise(resolve =>
    commit(
      () => {
        insertSignal.run([id, Date.now()])
        if (!APART) follow()
      },
      () => {
        resolve()
        if (APART) commit(follow, goOn)
        else goOn()
      },
    ),
  )
}

for (const row of database.prepare('select * from tasks where step <= 7').raw().all() as [string, number, number][]) {
  const [id, step, parked] = row
  tasks.set(id, { step, parked: parked === 1 })
  if (parked === 0) run(id, step)
}

const app = new Hono()
app.get('/', c => c.text('ready'))
app.post('/tasks/:id', async c => {
  await submit(c.req.param('id'))
  return c.json({}, 201)
})
app.post('/tasks/:id/callback', async c => {
  const id = c.req.param('id')
  const task = tasks.get(id)
  if (!task) return c.json({}, 404)
  if (task.step < WAITING || (task.step === WAITING && !task.parked)) return c.json({}, 409)
  if (task.parked) await callback(id)
  return c.json({ accepted: true })
})
createAdaptorServer({ fetch: app.fetch }).listen(Number(PORT), '127.0.0.1')
