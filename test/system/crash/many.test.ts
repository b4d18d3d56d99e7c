/** SIGKILL of the real daemon while a file of four tasks, of which two begin from one and the last from both, is on its way. */
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { expect, it } from 'vitest'
import type { TaskJson } from '../../../src/protocol/control.ts'
import { hasEnded, makeHome, makeRepository, tdfWith, until } from '../../support/daemon/home.ts'

const WAIT_MS = 240_000
/** Commits between two points, with no common rhythm with the steps of a task. */
const STRIDE = 11
const AT_ONCE = 2

const KEYS = ['a', 'b', 'c', 'd']

/** `plan` is a TDF_CRASH_AT of the first daemon. */
async function diamond(plan: string) {
  const home = makeHome()
  const repository = makeRepository()
  const ran = path.join(home.dir, 'ran')
  const from: Record<string, string[]> = { b: ['a'], c: ['a'], d: ['b', 'c'] }
  const lines = KEYS.map(key => {
    const command = ['sh', '-c', `echo ${key} >> ${ran}; echo ${key} > ${key}.txt`]
    return { key, command, ...(from[key] ? { from: from[key] } : {}) }
  })
  const file = path.join(home.dir, 'diamond.ndjson')
  writeFileSync(file, lines.map(line => `${JSON.stringify(line)}\n`).join(''))
  const submit = () =>
    tdfWith(home, { cwd: repository.dir }, 'submit', '--file', file, '--idempotency-key', 'the-one', '-q')
  const all = () => home.client.call<TaskJson[]>({ path: '/tasks?all=true' })
  const areOver = async () => {
    const tasks = await all().catch(() => [])
    return tasks.length === KEYS.length && tasks.every(({ step }) => step === null)
  }
  try {
    const daemon = await home.start({ TDF_CRASH_AT: plan })
    const submitted = hasEnded(daemon) ? { code: 1 } : await submit()
    if (submitted.code === 0)
      await until('all are over or the daemon is dead', async () => hasEnded(daemon) || areOver(), WAIT_MS)
    const crashed = hasEnded(daemon) || submitted.code !== 0
    if (crashed) {
      await until('the daemon is dead', () => hasEnded(daemon), WAIT_MS)
      await home.start()
      // Sent again, whether there was an answer or not.
      await submit()
      await until('all are over after the restart', areOver, WAIT_MS)
    }
    const tasks = (await all()).sort((one, other) => (one.prompt < other.prompt ? -1 : 1))
    const last = tasks.find(({ from }) => from.length === 2)
    const diff = last && (await home.client.raw({ path: `/tasks/${last.id}/diff` })).body.toString()
    return {
      crashed,
      ran: readFileSync(ran, 'utf8').trim().split('\n').sort(),
      first: readFileSync(ran, 'utf8')[0],
      last: readFileSync(ran, 'utf8').trim().at(-1),
      statuses: tasks.map(({ status }) => status),
      attempts: tasks.map(({ attempt }) => attempt),
      added: [...(diff ?? '').matchAll(/^\+\+\+ b\/(.*)$/gm)].map(([, name]) => name),
    }
  } finally {
    await home.remove()
    repository.remove()
  }
}

const ONCE = {
  ran: KEYS,
  first: 'a',
  last: 'd',
  statuses: KEYS.map(() => 'completed'),
  attempts: KEYS.map(() => 1),
  added: ['d.txt'],
}

it('a daemon killed after any commit runs each of the four once, none before those that it begins from', async () => {
  let points = 0
  for (let reached = true; reached; ) {
    const batch = Array.from({ length: AT_ONCE }, (_, index) => `after:commit:${(points + index) * STRIDE + 2}`)
    const runs = await Promise.all(batch.map(async plan => ({ plan, ...(await diamond(plan)) })))
    for (const { plan, crashed, ...end } of runs) expect(end, plan).toEqual(ONCE)
    points += runs.filter(({ crashed }) => crashed).length
    reached = runs.every(({ crashed }) => crashed)
  }
  expect(points).toBeGreaterThan(2)
}, 900_000)
