/** Who goes on when an agent is at its limit, and what the task is then: every rule by itself. */
import { describe, expect, it } from 'vitest'
import { decide } from '../../../../../daemon/engine/rules/decide.ts'
import {
  choose,
  chooseNext,
  hasBegun,
  type Offers,
  offersOf,
  resumeByFirst,
  workersOf,
} from '../../../../../daemon/engine/rules/handing-over.ts'
import type { DecisionInput } from '../../../../../daemon/engine/rules/transition.ts'
import type { AgentSpec, AgentType } from '../../../../../src/core/agent.ts'
import { TdfError } from '../../../../../src/core/errors.ts'
import type { AgentStop } from '../../../../../src/core/facts.ts'
import { doneBy, type Task } from '../../../../../src/core/task.ts'
import { aConfig, aPlacedTask, aSpec } from '../../../../support/builders.ts'

const MIN = 60_000
const NOW = 100_000 * MIN
const input: DecisionInput = { now: NOW, config: aConfig(), jitter: 0, epochAt: 0 }
const agent = (name: string, type: AgentType = 'claude', program: string = type): AgentSpec => ({
  ...{ name, type, command: [program], env: [`${name}_KEY`] },
})
const [CLAUDE, WORK, CODEX] = [agent('claude'), agent('work'), agent('codex', 'codex')]
const fallback = { agents: [WORK, CODEX], afterMs: 10 * MIN, passedOver: [] }
const spec = aSpec({ agent: CLAUDE, fallback })
const runs = (change: Partial<Task> = {}) => aPlacedTask({ spec, step: 'running', status: 'in_progress', ...change })
const limits = (minutes: Record<string, number>, isReady = (_agent: AgentSpec) => true): Offers => ({
  now: NOW,
  limitOf: ({ name }) => (minutes[name] === undefined ? null : NOW + minutes[name] * MIN),
  isReady,
})
const stop = (name: string, change: Partial<AgentStop> = {}): AgentStop => ({
  ...{ agent: name, why: 'usage_limit', until: NOW + 60 * MIN, session: 't1-1-1-s1', ...change },
})
const named = (choice: ReturnType<typeof choose>) => choice && [choice.agent.name, (choice.at - NOW) / MIN]

describe('the choice', () => {
  it.each([
    ['is the agent that was asked for while it is free', {}, ['claude', 0]],
    ['is still that one when its limit is lifted soon', { claude: 10 }, ['claude', 10]],
    ['is the next one that is free', { claude: 11 }, ['work', 0]],
    ['passes over those that are limited', { claude: 60, work: 1 }, ['codex', 0]],
    ['is whoever is free first when all are limited', { claude: 60, work: 50, codex: 40 }, ['codex', 40]],
  ])('%s', (_what, minutes, expected) => {
    expect(named(choose(runs(), fallback, limits(minutes)))).toEqual(expected)
  })

  it('leaves out who is not ready and who stopped for good, and is nobody when that is all of them', () => {
    const out = runs({ facts: { stops: [stop('work', { why: 'auth', until: null })] } })
    expect(named(choose(out, fallback, limits({ claude: 60 })))).toEqual(['codex', 0])
    expect(
      choose(
        out,
        fallback,
        limits({}, () => false),
      ),
    ).toBeNull()
    const ready = offersOf({ now: NOW, limitOf: () => null, secrets: () => ({}) })
    expect([ready.isReady(CLAUDE), ready.isReady({ ...CLAUDE, env: { A: 'NO_KEY' } })]).toEqual([true, false])
  })

  it('lets the one that is at work stay, and asks anew after a rest, a limit, or when it cannot', () => {
    const codex = runs({ spec: doneBy(spec, 'codex') })
    expect(named(chooseNext(codex, limits({})))).toEqual(['codex', 0])
    expect(named(chooseNext({ ...codex, facts: { parkedAt: NOW - MIN } }, limits({})))).toEqual(['claude', 0])
    expect(named(chooseNext(codex, limits({ codex: 60 })))).toEqual(['claude', 0])
    expect(
      named(
        chooseNext(
          codex,
          limits({}, ({ name }) => name !== 'codex'),
        ),
      ),
    ).toEqual(['claude', 0])
    const out = { ...codex, facts: { stops: [stop('codex', { why: 'cannot_start', until: null })] } }
    expect(named(chooseNext(out, limits({})))).toEqual(['claude', 0])
    expect(named(chooseNext(aPlacedTask({ spec: aSpec({ agent: CLAUDE }) }), limits({ claude: 5 })))).toEqual([
      'claude',
      5,
    ])
  })
})

describe('a task that is handed over', () => {
  const session = { status: 'exited' as const, exitCode: 1, signal: null, resumeRef: 'c1' }
  const error = new TdfError('USAGE_LIMIT', 'out of it')
  const over = (task: Task, to: string, why: Partial<AgentStop> = {}) =>
    decide(task, { kind: 'hand_over', to, stop: stop(task.spec.agent.name, why), error }, input)

  it('enters its session anew for the other agent, and its limit and the change are noted', () => {
    const { task, writes, events } = over(runs({ facts: { session, acts: 1, parks: 2 } }), 'codex')
    expect(task).toMatchObject({ step: 'agent_session', status: 'in_progress', wakeAt: NOW })
    expect(task.spec).toMatchObject({ agent: CODEX, firstAgent: CLAUDE })
    expect(task.facts).toMatchObject({ agent: 'codex', chosen: 't1-1-1-s2', parks: 3, session: { resumeRef: null } })
    expect(task.facts.left).toEqual({ claude: { resumeRef: 'c1', acts: 1, nodeName: 'n1' } })
    expect(writes).toEqual([{ kind: 'limit', credential: 'claude claude_KEY', until: NOW + 60 * MIN }])
    const data = { from: 'claude', to: 'codex', why: 'usage_limit', until: NOW + 60 * MIN, reason: 'out of it' }
    expect(events).toMatchObject([{ type: 'task.agent', data }, { type: 'task.step' }])
    expect(over(runs(), 'codex', { why: 'auth', until: null }).writes).toEqual([])
  })

  it('keeps its conversation for an agent that speaks the same, and gets back one that still knows everything', () => {
    const work = over(runs({ facts: { session } }), 'work').task
    expect([work.facts.session?.resumeRef, work.facts.left]).toEqual(['c1', undefined])
    const away = over(runs({ facts: { session, acts: 1 } }), 'codex').task
    const resume = { ref: 'r', commit: 'c', baseCommit: 'b', salvaged: false, resumeRef: 'c2' }
    const back = (acts: number) => over({ ...away, facts: { ...away.facts, acts, resume } }, 'claude').task
    expect([back(1).facts.session?.resumeRef, back(1).facts.resume?.resumeRef]).toEqual(['c1', 'c1'])
    expect([back(2).facts.session?.resumeRef, back(2).spec.firstAgent]).toEqual([null, undefined])
  })

  it('knows a conversation that stays on its node there alone, and those of one program as the same', () => {
    const acp = {
      agents: [CODEX, agent('two', 'acp', 'one'), agent('three', 'acp', 'three')],
      afterMs: 0,
      passedOver: [],
    }
    const one = runs({ spec: aSpec({ agent: agent('one', 'acp', 'one'), fallback: acp }), facts: { session } })
    expect(over(one, 'two').task.facts.session?.resumeRef).toBe('c1')
    expect(over(one, 'three').task.facts.session?.resumeRef).toBeNull()
    const away = over(one, 'codex').task
    expect(over(away, 'one').task.facts.session?.resumeRef).toBe('c1')
    expect(over({ ...away, nodeName: 'n2' }, 'one').task.facts.session?.resumeRef).toBeNull()
  })

  it('is never handed to an agent that it does not have', () => {
    expect(() => over(runs(), 'another')).toThrow('another is no agent of task t1')
  })

  it('rests until the first of its agents may go on, and has the stop on record', () => {
    const rest = { until: NOW + 20 * MIN, stop: stop('claude') }
    const { task, writes } = decide(
      runs(),
      { kind: 'park', resetAt: NOW + 60 * MIN, release: false, error, rest },
      input,
    )
    expect(task).toMatchObject({ status: 'parked', parkedUntil: NOW + 20 * MIN, facts: { stops: [stop('claude')] } })
    expect(writes).toEqual([{ kind: 'limit', credential: 'claude claude_KEY', until: NOW + 60 * MIN }])
  })
})

it('those that worked are those with a session, each once, the one that goes on last', () => {
  const facts = { stops: [stop('claude'), stop('work', { session: null })], acts: 1 }
  expect(workersOf({ spec: doneBy(spec, 'codex'), facts })).toEqual(['claude', 'codex'])
  expect(workersOf({ spec, facts: { stops: [stop('claude')] } })).toEqual(['claude'])
  expect(workersOf({ spec, facts: {} })).toEqual(['claude'])
  expect([hasBegun({ facts }), hasBegun({ facts: { ...facts, acts: 0 } }), hasBegun({ facts: {} })]).toEqual([
    ...[true, false, false],
  ])
  expect(hasBegun({ facts: { stops: [] } })).toBe(false)
})

it('the next attempt has a conversation where the agent that was asked for speaks as the last one', () => {
  const commit = '2'.repeat(40)
  const result = { branch: 'b', commit, ahead: 1, filesChanged: 1, insertions: 1, deletions: 0, summary: null }
  const ended = (name: string) =>
    aPlacedTask({
      spec: doneBy(spec, name),
      result: { ...result, salvaged: false, check: null },
      facts: {
        salvage: { commit, baseCommit: commit, ahead: 1, salvaged: false, leftOut: [] },
        session: { status: 'exited', exitCode: 0, signal: null, resumeRef: 'c1' },
      },
    })
  const refs = ['claude', 'work', 'codex'].map(name => resumeByFirst(ended(name)).resumeRef)
  expect(refs).toEqual(['c1', 'c1', null])
})
