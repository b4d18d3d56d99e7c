/**
 * The daemon that serves is killed while it orders a machine, while the agent works, while the result is bundled and while the branch is
 * pushed, then at each of its commits; the other one goes on. What is compared is outside: machines, runs, branches, what is left.
 */
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { TaskJson } from '../../../../src/protocol/control.ts'
import { hasEnded, makeRepository, tdf, until } from '../../../support/daemon/home.ts'
import { type DirectMachines, directMachines } from '../../../support/machines/direct-machines.ts'
import { type Daemons, startDaemons, taskOf } from '../support/daemons.ts'
import { type Postgres, startPostgres } from '../support/postgres.ts'

const TOKEN = 'token-of-killed-daemons'
const CONFIG = `[providers.local]
enabled = false
[providers.hetzner]
enabled = true
[nodes]
warm_timeout = "1h"
cpu_threshold_percent = 100
memory_threshold_percent = 100
# What the machine does not tell the daemon that serves is not asked for in time.
heartbeat_interval = "5m"
heartbeat_stale = "20m"
lost_after = "40m"
[runner]
reconcile_interval = "1h"
`
let postgres: Postgres
let machines: DirectMachines
let daemons: Daemons
/** Of each life: what one daemon left half done, the next one ends, so that these come to every write of a task. */
const WRITES = 8
const place = mkdtempSync(path.join(tmpdir(), 'tdf-kills-'))
const repository = makeRepository()
const origin = path.join(place, 'origin.git')
const at = (name: string) => path.join(place, name)

beforeAll(async () => {
  mkdirSync(at('bin'))
  const onward = `PATH='${process.env.PATH}'; export PATH; exec git "$@"`
  program(at('bin/git'), `case " $* " in *" pack-objects "*) ${heldAt('bundle')} ;; esac\n${onward}`)
  execFileSync('git', ['clone', '-q', '--bare', repository.dir, origin])
  execFileSync('git', ['remote', 'add', 'origin', origin], { cwd: repository.dir })
  program(path.join(origin, 'hooks', 'pre-receive'), heldAt('push'))
  postgres = await startPostgres()
  const env = { PATH: `${at('bin')}:${process.env.PATH}`, HOME: place }
  machines = await directMachines(place, TOKEN, env)
  daemons = await startDaemons({
    url: await postgres.url('tdf'),
    config: CONFIG,
    env: { HCLOUD_TOKEN: TOKEN, ...machines.env },
  })
})
afterAll(async () => {
  for (const name of ['order', 'run', 'bundle', 'push']) release(name)
  await daemons?.remove()
  await machines?.stop()
  await postgres?.remove()
  repository.remove()
  rmSync(place, { recursive: true, force: true, maxRetries: 5 })
})

function program(file: string, script: string): void {
  writeFileSync(file, `#!/bin/sh\n${script}\n`)
  chmodSync(file, 0o755)
}

/** For a shell: says that it came here, and goes on when nothing holds it. */
const heldAt = (name: string) => `while [ -e ${at(`hold-${name}`)} ]; do : > ${at(`at-${name}`)}; sleep 0.05; done`
const hold = (name: string) => writeFileSync(at(`hold-${name}`), '')
const release = (name: string) => rmSync(at(`hold-${name}`), { force: true })

const isOver = ({ status, step, push }: TaskJson) =>
  ['completed', 'failed', 'cancelled'].includes(status) && step === null && push?.state !== 'pending'

const moments = [
  {
    name: 'order',
    what: 'orders a machine',
    hold: () => machines.cloud.faults.push({ on: /^POST \/servers$/, strike: { kind: 'hang', done: true }, times: 1 }),
    isReached: () => machines.cloud.faults[0]?.times === 0,
  },
  { name: 'run', what: 'waits for the agent' },
  { name: 'bundle', what: 'brings the result home' },
  { name: 'push', what: 'pushes the branch' },
].map(moment => {
  const { name } = moment
  return { hold: () => hold(name), isReached: () => existsSync(at(`at-${name}`)), ...moment }
})

it.each(moments)(
  'a daemon that is killed while it $what is taken over from, and everything happened once',
  async moment => {
    const { name } = moment
    const killed = await daemons.serving()
    moment.hold()
    const work = `echo ran >> ${at(`ran-${name}`)}; ${heldAt('run')}; echo ${name} > ${name}.txt`
    const words = ['submit', '--repo', repository.dir, '--push', '-q', '--', 'sh', '-c', work]
    const submitted = await tdf(killed.home, ...words)
    expect(submitted).toMatchObject({ code: 0 })
    const id = submitted.out.trim()
    await until('it is reached', moment.isReached)
    await killed.kill()
    const { home } = await daemons.serving()
    release(name)
    await until('the task is over', async () => isOver(await home.task(id)))
    await killed.start()

    // Asked of the one that was killed, which stands by now.
    const task = await killed.home.task(id)
    expect(task.error).toBe(null)
    expect(task).toMatchObject({ status: 'completed', verdict: 'unverified', push: { state: 'pushed' } })
    expect(readFileSync(at(`ran-${name}`), 'utf8')).toBe('ran\n')
    expect((await tdf(killed.home, 'diff', id)).out).toContain(`+${name}`)
    const tips = execFileSync('git', ['--git-dir', origin, 'for-each-ref', '--format=%(objectname) %(refname)'], {
      encoding: 'utf8',
    })
    expect(tips.split('\n').filter(line => line.startsWith(task.result?.commit ?? '-'))).toEqual([
      `${task.result?.commit} refs/heads/${task.outputBranch}`,
    ])
    expect([...machines.cloud.made.values()]).toEqual([1])
    await until('nothing of it is left on the machine', () => workspaces().length === 0)
  },
)

it('a daemon that is killed before or after any of its writes is taken over from, and everything happened once', async () => {
  const writes = Array.from({ length: WRITES }, (_, index) => index + 1)
  const plans = writes.flatMap(nth => [`before:ledger:${nth}`, `after:commit:${nth}`])
  const first = await tdf((await daemons.serving()).home, 'submit', '--repo', repository.dir, '--json', '--', 'true')
  const body = await taskOf(daemons, JSON.parse(first.out))
  const ids: string[] = []
  let isEnough = false
  const working = (async () => {
    while (!isEnough) {
      const nth = ids.length
      const command = ['sh', '-c', `echo ran >> ${at(`ran-${nth}`)}; echo ${nth} > file-${nth}`]
      const headers = { 'idempotency-key': `write-${nth}` }
      const json = { ...body, command }
      const { id } = await daemons.ask<TaskJson>({ method: 'POST', path: '/tasks', json, headers })
      ids.push(id)
      await until('the task is over', async () => isOver(await daemons.ask({ path: `/tasks/${id}` })))
    }
  })()
  for (const daemon of daemons.all) await daemon.kill()
  for (const plan of [...plans, null, null]) {
    // Each has its plan from its start, and comes to it once it serves.
    const ended = () => daemons.all.find(({ process }) => hasEnded(process))
    await until('the one that serves is dead', () => ended() !== undefined)
    await ended()?.start(plan === null ? {} : { TDF_CRASH_AT: plan })
  }
  isEnough = true
  await working

  const tasks = await daemons.ask<TaskJson[]>({ path: '/tasks?all=true&limit=1000' })
  const ends = ids.map(id => tasks.filter(task => task.id === id).map(({ status, result }) => [status, result?.ahead]))
  expect(ends).toEqual(ids.map(() => [['completed', 1]]))
  expect(ids.map((_, nth) => readFileSync(at(`ran-${nth}`), 'utf8'))).toEqual(ids.map(() => 'ran\n'))
  const { home } = await daemons.serving()
  for (const [nth, id] of ids.entries()) expect((await tdf(home, 'diff', id)).out).toContain(`+++ b/file-${nth}`)
  expect([...machines.cloud.made.values()]).toEqual([1])
  await until('nothing of them is left on the machine', () => workspaces().length === 0)
})

const workspaces = () =>
  [...machines.cloud.made.keys()].flatMap(name => readdirSync(at(`machines/${name}/agent/workspaces`)))
