/** Submits with an idempotency key over the control socket: one key is one task, whoever comes first. */
import { expect, it } from 'vitest'
import { hashOf } from '../../../../daemon/api/routes/tasks.ts'
import type { TaskJson } from '../../../../src/protocol/control.ts'
import { submitRequest } from '../../../../src/protocol/submit.ts'
import { withDaemon } from '../../../support/daemon/with-daemon.ts'

const { home } = withDaemon('[repositories]\nfetch = "node"\n')
const repo = { kind: 'git', url: 'https://example.org/repo.git', ref: null }
// No node is of this provider: the task stays in the queue.
const submit = (key: string, prompt = 'say hi') =>
  home.client.raw({
    method: 'POST',
    path: '/tasks',
    json: { prompt, command: ['true'], repo, size: 'small', provider: 'static' },
    headers: { 'idempotency-key': key },
  })
const tasks = () => home.client.call<TaskJson[]>({ path: '/tasks' })
const idOf = ({ body }: { body: Buffer }) => (JSON.parse(body.toString('utf8')) as TaskJson).id

it('gives eight submits of one key at the same moment the same task', async () => {
  for (let round = 1; round <= 20; round++) {
    const replies = await Promise.all(Array.from({ length: 8 }, () => submit(`deploy-${round}`)))
    expect(new Set(replies.map(idOf)).size).toBe(1)
    expect(replies.map(({ status }) => status).sort()).toEqual([...Array(7).fill(200), 201])
    expect(await tasks()).toHaveLength(round)
  }
})

it('refuses all but the first content when several come with one key at the same moment', async () => {
  const before = (await tasks()).length
  const prompts = ['one', 'two', 'three', 'four']
  const settled = await Promise.allSettled(prompts.map(prompt => submit('release', prompt)))
  const refused = settled.flatMap(result => (result.status === 'rejected' ? [result.reason] : []))
  expect(refused).toHaveLength(3)
  for (const error of refused) expect(error).toMatchObject({ code: 'IDEMPOTENCY_CONFLICT' })
  expect(await tasks()).toHaveLength(before + 1)
})

it('knows a key from before an update again: what 0.4.0 stored of a request is what it has now, unless younger options are given', () => {
  const request = { prompt: 'say hi', command: ['true'], repo, size: 'small', provider: 'static' }
  const of040 = 'd2e770987ab442be217a088c1a293cbde3d20932bda993da05e3cc001c1eb3e3'
  expect(hashOf(submitRequest.parse(request))).toBe(of040)
  const others = [
    ...[{ after: ['a1'] }, { after: ['a1'], from: ['a1'] }, { if: 'ended' }, { onFailed: 'cancel' }],
    ...[{ atLimit: 'ask' }, { fallback: [] }, { fallback: ['b'] }],
    ...[{ maySpawn: { count: 1, depth: 1 } }, { maySpawn: { count: 2, depth: 1 } }],
  ]
  const hashes = others.map(given => hashOf(submitRequest.parse({ ...request, ...given })))
  expect(new Set([of040, ...hashes]).size).toBe(others.length + 1)
})

it.each([
  { count: 0, depth: 1 },
  { count: 101, depth: 1 },
  { count: 1, depth: 4 },
  { count: 1.5, depth: 1 },
])('refuses what no task may hand over: %j', async maySpawn => {
  const before = (await tasks()).length
  const asked = home.client.call({ method: 'POST', path: '/tasks', json: { prompt: 'x', repo, maySpawn } })
  await expect(asked).rejects.toMatchObject({ code: 'BAD_REQUEST', message: expect.stringContaining('maySpawn') })
  expect(await tasks()).toHaveLength(before)
})

it('lets no member of a race hand a task over, and stores none of it then', async () => {
  const before = (await tasks()).length
  const member = { prompt: 'x', command: ['true'], repo, provider: 'static' }
  const group = { name: 'race-1', kind: 'race', pick: null, first: false, atMost: null }
  const members = [member, { ...member, maySpawn: { count: 1, depth: 1 } }]
  const asked = home.client.call({ method: 'POST', path: '/tasks/batch', json: { group, tasks: members } })
  const message = 'a member of a race hands no task over'
  await expect(asked).rejects.toMatchObject({ code: 'USAGE', message: expect.stringContaining(message) })
  expect(await tasks()).toHaveLength(before)
})
