/**
 * Work that goes on while daemons and databases die: a node that is the model of an agent, and tasks that are submitted one after the
 * other. What was acknowledged and what the node did is kept here, where no death reaches it.
 */

import { execFileSync } from 'node:child_process'
import { setTimeout as pause } from 'node:timers/promises'
import { serve } from '@hono/node-server'
import { expect } from 'vitest'
import { realWorld } from '../../../../src/platform/world.ts'
import { registration } from '../../../../src/protocol/agent-api.ts'
import type { TaskJson } from '../../../../src/protocol/control.ts'
import { type FakeAgent, fakeAgent, type Script } from '../../../fakes/agent.ts'
import { makeRepository, tdf, until } from '../../../support/daemon/home.ts'
import { type Daemons, taskOf } from './daemons.ts'

const TOKEN = 'the-token-of-the-agent'

export interface ModelNode {
  agent: FakeAgent
  /** For the config.toml of each daemon. */
  config: string
  /** That of the repository of its tasks. */
  baseCommit: string
  close(): void
}

export async function modelNode(slots = 50): Promise<ModelNode> {
  let callbacks = ''
  async function deliver(path: string, token: string, body: unknown): Promise<number> {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
    return (await fetch(`${callbacks}${path}`, { method: 'POST', headers, body: JSON.stringify(body) })).status
  }
  const agent = fakeAgent({ clock: realWorld().clock, name: 'box1', token: TOKEN, buildMs: 20, deliver })
  async function answer(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url)
    if (pathname.endsWith('/registration')) {
      callbacks = registration.parse(await request.clone().json()).callback.url
    }
    // Its runs make no commits: each ends where it began.
    if (pathname.endsWith('/bundle') && request.method === 'GET') return new Response(null, { status: 204 })
    const response = await agent.app.fetch(request)
    if (!pathname.endsWith('/salvage') || !response.ok) return response
    return Response.json({ ...Object(await response.json()), commit: node.baseCommit, baseCommit: node.baseCommit })
  }
  let server: ReturnType<typeof serve> | undefined
  const port = await new Promise<number>(resolve => {
    server = serve({ fetch: answer, port: 0, hostname: '127.0.0.1' }, info => resolve(info.port))
  })
  const config = `[providers.local]
enabled = false
[[providers.static.nodes]]
name = "box1"
url = "http://127.0.0.1:${port}"
token = "${TOKEN}"
max_workspaces = ${slots}
`
  const node = { agent, config, baseCommit: '', close: () => void server?.close() }
  return node
}

export interface Load {
  /** Ids of tasks, in the order in which they were acknowledged. */
  acknowledged: string[]
  /** What was said instead, newest last, by the code of the error. */
  refusals: string[]
  /** Waits until so many more are acknowledged. */
  more(count: number): Promise<void>
  /** Submits no more; every task that was acknowledged is then compared with what the node did. */
  settle(): Promise<void>
  /** Submits no more, and asks no more for what was not answered. */
  stop(): void
}

const PAUSE_MS = 50
/** A failover of PostgreSQL is one wait of many. */
const WAIT_MS_MAX = 120_000

/** Begins to submit, to each daemon in turn; each task goes on for so long. */
export async function startLoad(daemons: Daemons, node: ModelNode, ms = 200): Promise<Load> {
  const repository = makeRepository()
  node.baseCommit = execFileSync('git', ['rev-parse', 'HEAD'], { cwd: repository.dir, encoding: 'utf8' }).trim()
  const words = ['submit', '--repo', repository.dir, '--json', '--', 'fake', '{"ms":1}']
  const first: TaskJson = JSON.parse((await tdf((await daemons.serving()).home, ...words)).out)
  const body = { ...(await taskOf(daemons, first)), command: ['fake', JSON.stringify({ ms } satisfies Script)] }
  const [acknowledged, refusals]: [string[], string[]] = [[first.id], []]
  let isOver = false
  let isStopped = false

  async function submit(nth: number): Promise<void> {
    const request = {
      method: 'POST',
      path: '/tasks',
      json: body,
      headers: { 'idempotency-key': `task-${nth}` },
    } as const
    for (let turn = nth; !isStopped; turn++) {
      const { home } = daemons.all[turn % daemons.all.length] as Daemons['all'][number]
      const task = await home.client.call<TaskJson>(request).catch(error => void refusals.push(error.code))
      if (task) return void acknowledged.push(task.id)
      await pause(PAUSE_MS)
    }
  }

  const submitting = (async () => {
    for (let nth = 0; !isOver; nth++) {
      await submit(nth)
      await pause(PAUSE_MS)
    }
  })()

  return {
    acknowledged,
    refusals,
    async more(count) {
      const goal = acknowledged.length + count
      await until(`${count} more tasks are acknowledged`, () => acknowledged.length >= goal, WAIT_MS_MAX)
    },
    async settle() {
      isOver = true
      await submitting
      await expectOnce(daemons, node.agent, acknowledged)
    },
    stop() {
      isOver = true
      isStopped = true
    },
  }
}

/** Each of them is there once and completed, nothing else is, and the node ran each once. */
export async function expectOnce(daemons: Daemons, agent: FakeAgent, ids: readonly string[]): Promise<void> {
  const list = () => daemons.ask<TaskJson[]>({ path: '/tasks?all=true&limit=10000' })
  await until('every task is over', async () => (await list()).every(({ step }) => step === null), WAIT_MS_MAX)
  const tasks = await list()
  expect(tasks.filter(({ status }) => status !== 'completed')).toEqual([])
  expect(tasks.map(({ id }) => id).sort()).toEqual([...ids].sort())
  const starts = Object.fromEntries([...agent.starts].map(([session, count]) => [session.split('-')[0], count]))
  expect(starts).toEqual(Object.fromEntries(ids.map(id => [id, 1])))
  expect(agent.starts.size).toBe(ids.length)
}
