/** What a step is handed by the engine: read from the rows when it is asked for, and each call cut where the step ends. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { decisionInput } from '../../../../../daemon/engine/effects/input.ts'
import { stepContext } from '../../../../../daemon/engine/step-context.ts'
import type { Engine } from '../../../../../daemon/services.ts'
import { credentialOf } from '../../../../../src/core/agent.ts'
import type { Task } from '../../../../../src/core/task.ts'
import { callbackToken } from '../../../../../src/platform/tokens.ts'
import { raiseLimit } from '../../../../../src/store/tables/meta.ts'
import { readNode } from '../../../../../src/store/tables/nodes.ts'
import { reserve } from '../../../../../src/store/tables/slots.ts'
import { aSpec, aTask } from '../../../../support/builders.ts'
import { HOUR, type Lives, lives, MIN } from '../../../../support/daemon/lives.ts'

let all: Lives
/** The limit of each call that was asked for, in ms. */
let limits: (number | undefined)[]
/** What the engine has beside its own parts. */
let extra: Partial<Engine>
beforeEach(async () => {
  all = await lives()
  limits = []
  extra = {}
  await all.until(() => readNode(sql(), 'n1')?.status === 'ready', MIN)
})
afterEach(() => all.end())

const sql = () => all.life.engine.store.sql
const now = () => all.life.world.clock.now()
const engine = (): Engine => {
  const { agents } = all.life.engine
  const of: Engine['agents']['of'] = (node, signal, limitMs) => {
    limits.push(limitMs)
    return agents.of(node, signal, limitMs)
  }
  return { ...all.life.engine, agents: { ...agents, of }, ...extra }
}
const interruption = new AbortController()
const context = (change: Partial<Task> = {}) => stepContext(engine(), aTask(change), [], interruption)
const key = { id: 't1', attempt: 1 }

describe('a call to an agent', () => {
  const limitOf = async (change: Partial<Task>) => {
    await context({ step: 'workspace_creation', ...change }).agent('n1')
    return limits.at(-1)
  }

  it('has what is left of a step that is one call, and at least a second', async () => {
    expect(await limitOf({ deadlineAt: now() + 10_000 })).toBe(10_000)
    expect(await limitOf({ deadlineAt: now() + 44_999 })).toBe(44_999)
    expect(await limitOf({ deadlineAt: now() + 10 })).toBe(1_000)
    expect(await limitOf({ deadlineAt: now() - HOUR })).toBe(1_000)
    expect(await limitOf({ deadlineAt: now() + 10_000, step: 'agent_session' })).toBe(10_000)
  })

  it('has the limits of the client where those are nearer, and in a step of many calls', async () => {
    expect(await limitOf({ deadlineAt: now() + 45_000 })).toBeUndefined()
    expect(await limitOf({ deadlineAt: null })).toBeUndefined()
    expect(await limitOf({ deadlineAt: now() + 10_000, step: 'running' })).toBeUndefined()
    expect(await limitOf({ deadlineAt: now() + 10_000, step: null })).toBeUndefined()
  })

  it('is on record once the agent has proved who it is', async () => {
    const reached = context()
    expect(reached.hasReachedAgent).toBe(false)
    await reached.agent('n1')
    expect(reached.hasReachedAgent).toBe(true)
  })

  it('to a node that is not known, or to one that does not answer, reaches nothing', async () => {
    const lost = context()
    const unknown = { code: 'NODE_LOST', message: 'node n9 is not known any more' }
    await expect(lost.agent('n9')).rejects.toMatchObject(unknown)
    extra = { agents: { ...all.life.engine.agents, of: () => Promise.reject(new Error('no way there')) } }
    const silent = context()
    await expect(silent.agent('n1')).rejects.toThrow('no way there')
    expect([lost.hasReachedAgent, silent.hasReachedAgent]).toEqual([false, false])
  })
})

describe('what a step asks for', () => {
  it('is the slot that is reserved for its attempt', () => {
    expect(context().reservedNode).toBeNull()
    reserve(sql(), { ...key, nodeName: 'n1' }, now())
    expect(context().reservedNode).toBe('n1')
    expect(context({ attempt: 2 }).reservedNode).toBeNull()
  })

  it('is the status of its workspace, where there is one', async () => {
    await all.submit({}, { hangs: true, busy: true })
    expect(await all.until(() => all.life.task('task-1').step === 'running', HOUR)).toBe(true)
    sql().run("update workspaces set status = 'lost'")
    expect(context({ workspaceId: 'task-1-1-1' }).workspaceStatus).toBe('lost')
    expect(context({ workspaceId: 'another' }).workspaceStatus).toBeNull()
    expect(context({ workspaceId: null }).workspaceStatus).toBeNull()
  })

  it('is the limit of the credential that its agent uses', () => {
    const agent = { ...aSpec().agent, name: 'claude', type: 'claude', env: ['KEY'] } as Task['spec']['agent']
    const spec = aSpec({ agent })
    expect(context({ spec }).limitOf(spec.agent)).toBeNull()
    raiseLimit(sql(), credentialOf(spec), now() + HOUR, now())
    expect(context({ spec }).limitOf(spec.agent)).toBe(now() + HOUR)
    expect(context().limitOf(aSpec().agent)).toBeNull()
  })

  it('is what the attempts before it have cost', async () => {
    await all.submit()
    expect(await all.rest()).toBe(true)
    const used = (costUsd: number | null) =>
      sql().run('update attempts set usage = ?', JSON.stringify({ inputTokens: 1, outputTokens: 1, costUsd }))
    const spent = (attempt: number) => context({ id: 'task-1', attempt }).spentBefore
    expect(spent(2)).toBe(0)
    used(3)
    expect([spent(1), spent(2)]).toEqual([0, 3])
    used(null)
    expect(spent(2)).toBe(0)
  })

  it('is a sandbox on the local node alone', () => {
    const sandbox = { program: 'bwrap' } as never
    expect(context().sandbox('n1')).toBeNull()
    sql().run("update nodes set provider = 'local'")
    expect(context().sandbox('n1')).toBeNull()
    extra = { localSandbox: () => sandbox }
    expect(context().sandbox('n1')).toBe(sandbox)
    expect(context().sandbox('n9')).toBeNull()
    sql().run("update nodes set provider = 'static'")
    expect(context().sandbox('n1')).toBeNull()
  })

  it('is whether a local node has a slot for it: others were asked when the task was placed', () => {
    sql().run("update nodes set provider = 'local', max_workspaces = 1")
    expect(context().hasRoom('n1')).toBe(true)
    reserve(sql(), { id: 'other', attempt: 1, nodeName: 'n1' }, now())
    expect(context().hasRoom('n1')).toBe(false)
    expect([context().hasRoom('n9'), context().hasRoom(null)]).toEqual([true, true])
    sql().run("update nodes set provider = 'static'")
    expect(context().hasRoom('n1')).toBe(true)
  })

  it('is what the daemon has: clock, configuration, results, secrets, files', () => {
    extra = { secrets: names => Object.fromEntries(names.map(name => [name, 'x'])) }
    const { life } = all
    const asked = context({ workspaceId: 'w' })
    expect(asked).toMatchObject({ now: now(), epochAt: life.engine.loop.epochAt(), signals: [] })
    expect(asked.config).toBe(life.engine.config)
    expect([asked.results, asked.sources]).toEqual([life.engine.results, life.engine.sources])
    expect(asked.signal).toBe(interruption.signal)
    expect(asked.secrets(['KEY'])).toEqual({ KEY: 'x' })
    expect(asked.bundleFile('abc')).toBe(life.engine.bundleFile('abc'))
    const about = aTask({ workspaceId: 'w' })
    expect(asked.callbackToken(about)).toBe(callbackToken(life.engine.install, about))
    expect([asked.node(null), asked.node('n9'), asked.node('n1')?.name]).toEqual([undefined, undefined, 'n1'])
  })

  it('is undone for its own attempt', async () => {
    expect(await context().undo()).toEqual([])
  })
})

it('a decision is made from what is read now', () => {
  const { life } = all
  const { jitter, ...input } = decisionInput(engine())
  expect(input).toEqual({ now: now(), config: life.engine.config, epochAt: life.engine.loop.epochAt() })
  expect(jitter).toBeGreaterThanOrEqual(0)
  expect(jitter).toBeLessThan(1)
})
