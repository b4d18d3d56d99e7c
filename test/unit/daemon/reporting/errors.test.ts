/** What `tdf errors` shows: every failure of a task, also after the observability database was damaged. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { ErrorRowJson } from '../../../../src/protocol/control.ts'
import { makeHome, makeRepository, tdf } from '../../../support/daemon/home.ts'

const home = makeHome()
const repository = makeRepository()
const state = path.join(home.dir, 'state')
const DAMAGE = `SQLite format 3\0${'damage '.repeat(2_000)}`

beforeAll(async () => {
  mkdirSync(state, { mode: 0o700 })
  writeFileSync(path.join(state, 'observability.db'), DAMAGE, { mode: 0o600 })
  await home.start()
})
afterAll(async () => {
  await home.remove()
  repository.remove()
})

const errors = async () => JSON.parse((await tdf(home, 'errors', '--json')).out) as ErrorRowJson[]

it('a damaged observability database is set aside as it is, and the daemon serves', async () => {
  expect(await errors()).toEqual([])
  const [aside, ...others] = readdirSync(state).filter(name => name.startsWith('observability.db.broken-'))
  expect(others).toEqual([])
  expect(readFileSync(path.join(state, aside ?? ''), 'utf8')).toBe(DAMAGE)
})

it('a task that fails is there at once, with its step, the error and how everything around it stood', async () => {
  const submitted = await tdf(home, 'submit', '--repo', repository.dir, '-q', '--wait', '--', 'no-such-program')
  const id = submitted.out.trim()
  const task = await home.task(id)
  expect(task).toMatchObject({ status: 'failed', verdict: 'agent_error' })
  expect(await errors()).toContainEqual(
    expect.objectContaining({
      level: 'error',
      source: 'engine',
      taskId: id,
      step: 'agent_session',
      code: task.error?.code,
      message: task.error?.message,
      context: expect.objectContaining({
        attempt: 1,
        final: true,
        node: expect.objectContaining({ name: task.node?.name }),
        workspace: expect.objectContaining({ id: `${id}-1-1` }),
      }),
    }),
  )
})
