/** `tdf continue` over the whole engine: what the agent is told, and what becomes of a conversation that it will not have. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { taskJson } from '../../../../../daemon/api/tasks/json.ts'
import type { ContinueRequest } from '../../../../../daemon/engine/rules/continuing.ts'
import type { TaskSpec } from '../../../../../src/core/task.ts'
import type { Script } from '../../../../fakes/agent.ts'
import { aSpec } from '../../../../support/builders.ts'
import { type Life, live, type Outside, outside } from '../../../../support/daemon/sim-daemon.ts'

let out: Outside
let life: Life
beforeEach(async () => {
  out = outside({ nodes: ['n1', 'n2'] })
  life = await live(out)
})
afterEach(() => {
  life.kill()
  out.remove()
})

const WELL: Script = { commits: 1, says: { outcome: 'success', resumeRef: 'c1' } }
const agent = (script: Script, type: TaskSpec['agent']['type'] = 'claude') => ({
  ...aSpec({}, script).agent,
  ...{ name: type, type },
})
const over = (id: string) => life.world.run(() => life.task(id).step === null)
const asked = (change: Partial<ContinueRequest['change']> = {}, key = 'k1'): ContinueRequest => ({
  ...{ key, hash: JSON.stringify(change) },
  change: { prompt: 'add b', ...change },
})
const bodiesOf = (id: string) =>
  [...(out.agents.get('n1')?.workspaces.values() ?? [])]
    .filter(({ body }) => body.taskId === id)
    .flatMap(({ sessions }) => [...sessions.values()].map(({ body }) => body))

/** A task whose first attempt is over, and whose sessions after it do what is said. */
async function ended(resumed: Script, change: Partial<TaskSpec> = {}): Promise<string> {
  const id = await life.submit({ agent: agent({ ...WELL, resumed }), ...change })
  await over(id)
  return id
}

describe('a continued attempt', () => {
  it('begins from the saved tree, with the conversation and the words alone', async () => {
    const id = await ended(WELL, { prompt: 'add a' })
    const { commit } = life.task(id).result ?? {}
    expect(await life.engine.goOn(id, asked())).toEqual({ id, attempt: 2 })
    await life.world.run(() => life.task(id).step === 'running')
    const [workspace] = [...(out.agents.get('n1')?.workspaces.values() ?? [])]
    expect(workspace?.body.source).toMatchObject({ ref: `refs/tdf/${id}/1`, sha256: commit?.padEnd(64, '0') })
    expect(bodiesOf(id)).toMatchObject([{ resumeRef: 'c1', prompt: 'add b' }])
    await over(id)
    expect(life.task(id)).toMatchObject({ attempt: 2, verdict: 'unverified', result: { ahead: 2 } })
    expect(life.task(id, 1)).toMatchObject({ verdict: 'unverified', result: { commit } })
    expect(out.results.refs.get(`refs/tdf/${id}/1`)).toBe(commit)
  })

  it('whose agent was cut off is told its words again, as it may never have had them', async () => {
    const cut: Script = { ...WELL, exitCode: 1, says: { outcome: 'error', failure: 'interrupted', resumeRef: 'c1' } }
    const id = await ended(cut)
    await life.engine.goOn(id, asked())
    await life.world.run(() => bodiesOf(id).length === 2)
    expect(bodiesOf(id)[1]).toMatchObject({ resumeRef: 'c1', prompt: /interrupted.*asked last:\n\nadd b$/s })
  })

  it('that failed goes on in another by retry --resume, which repeats the words', async () => {
    const id = await ended({ ...WELL, exitCode: 1, says: { outcome: 'error', resumeRef: 'c1' } })
    await life.engine.goOn(id, asked())
    await over(id)
    await life.engine.start(id, 3, { resume: true })
    await life.world.run(() => life.task(id).step === 'running')
    expect(bodiesOf(id)).toMatchObject([{ resumeRef: 'c1', prompt: /asked last:\n\nadd b$/ }])
  })

  it('of a plain command is given the words as its prompt', async () => {
    const id = await life.submit({})
    await over(id)
    await life.engine.goOn(id, asked())
    await life.world.run(() => life.task(id).step === 'running')
    expect(bodiesOf(id)).toMatchObject([{ resumeRef: null, prompt: 'add b' }])
  })

  it('by an agent that has no conversation of it is told what was asked at first', async () => {
    const id = await ended(WELL, { prompt: 'add a' })
    await life.engine.goOn(id, asked({ agent: agent(WELL, 'codex') }))
    await life.world.run(() => life.task(id).step === 'running')
    expect(bodiesOf(id)).toMatchObject([{ resumeRef: null, prompt: /^add b\n\nThis goes on.*at first:\n\nadd a$/s }])
    expect(life.task(id).spec.agent.name).toBe('codex')
  })

  it('by an agent that keeps its conversations itself has it on the same node alone', async () => {
    const id = await ended(WELL, { prompt: 'add a', agent: agent({ ...WELL, resumed: WELL }, 'acp'), node: 'n1' })
    await life.engine.goOn(id, asked())
    await life.world.run(() => life.task(id).step === 'running')
    expect(bodiesOf(id)).toMatchObject([{ resumeRef: 'c1', prompt: 'add b' }])
    await over(id)
    await life.engine.goOn(id, asked({ agent: { ...agent(WELL, 'acp'), name: 'other' } }, 'k2'))
    await life.world.run(() => life.task(id).attempt === 3 && life.task(id).step === 'running')
    expect(bodiesOf(id)).toMatchObject([{ resumeRef: null, prompt: /^add b\n\nThis goes on/ }])
  })

  it('by an agent whose conversation stays on another node goes on from the files', async () => {
    const id = await ended(WELL, { prompt: 'add a', agent: agent(WELL, 'acp'), node: 'n1' })
    await life.engine.goOn(id, asked({ node: 'n2' }))
    await life.world.run(() => life.task(id).step === 'running')
    const [workspace] = [...(out.agents.get('n2')?.workspaces.values() ?? [])]
    const bodies = [...(workspace?.sessions.values() ?? [])].map(({ body }) => body)
    expect(bodies).toMatchObject([{ resumeRef: null, prompt: /^add b\n\nThis goes on/ }])
    await over(id)
    const json = taskJson(life.engine.store.sql, life.task(id))
    expect(json.continued).toEqual({ of: 1, resumed: 'files' })
  })

  it('of what was a command has nothing to be told of before', async () => {
    const id = await life.submit({ prompt: '' })
    await over(id)
    await life.engine.goOn(id, asked({ agent: agent(WELL) }))
    await life.world.run(() => life.task(id).step === 'running')
    expect(bodiesOf(id)).toMatchObject([{ prompt: /^add b\n\nThis goes on.*look at it first\.$/s }])
  })

  it('is opened once by one request, and not at all by another with its key', async () => {
    const id = await ended(WELL)
    const [one, two] = await Promise.all([life.engine.goOn(id, asked()), life.engine.goOn(id, asked())])
    expect([one, two, life.task(id).attempt]).toEqual([{ id, attempt: 2 }, { id, attempt: 2 }, 2])
    await expect(life.engine.goOn(id, asked({ prompt: 'add c' }))).rejects.toMatchObject({
      code: 'IDEMPOTENCY_CONFLICT',
    })
    await over(id)
    expect(await life.engine.goOn(id, asked())).toEqual({ id, attempt: 2 })
    await expect(life.engine.goOn('nobody', asked())).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })

  it('outlives the daemon from the moment that it is answered', async () => {
    const id = await ended(WELL)
    await life.engine.goOn(id, asked())
    life.kill()
    life = await live(out, { seed: 2 })
    expect(await life.engine.goOn(id, asked())).toEqual({ id, attempt: 2 })
    await over(id)
    expect(life.task(id)).toMatchObject({ attempt: 2, verdict: 'unverified' })
    expect([...(out.agents.get('n1')?.starts.values() ?? [])]).toEqual([1, 1])
  })

  it('has what was sent to the attempt before and reached no agent, once', async () => {
    const sent = await life.submit({ agent: agent({ ...WELL, hangs: true, resumed: WELL }) })
    await life.world.run(() => life.task(sent).step === 'running')
    await life.engine.signal({ kind: 'followup', taskId: sent, deliveryId: 'k1', text: 'add b' })
    await life.engine.signal({ kind: 'followup', taskId: sent, deliveryId: 'k2', text: 'add c' })
    await life.engine.signal({ kind: 'cancel', taskId: sent })
    await over(sent)
    expect(await life.engine.goOn(sent, asked())).toEqual({ id: sent, attempt: 2 })
    await over(sent)
    expect(life.task(sent).facts.followups).toBe(1)
  })
})

describe('a conversation that the agent cannot go on with', () => {
  const REJECTS: Script = { exitCode: 1, says: { outcome: 'error', failure: 'conversation', resumeRef: 'c1' } }

  it('is left, and the files alone are what it goes on from, once', async () => {
    const id = await ended(REJECTS, { prompt: 'add a' })
    await life.engine.goOn(id, asked())
    await life.world.run(() => bodiesOf(id).length === 2)
    expect(bodiesOf(id)).toMatchObject([
      { resumeRef: 'c1', prompt: 'add b' },
      { resumeRef: null, prompt: /^add b\n\nThis goes on from work.*\n\nadd a$/s },
    ])
    await over(id)
    // The script says the same again: a second time it is a failure.
    expect(life.task(id)).toMatchObject({ verdict: 'agent_error', facts: { rejected: true } })
  })

  it('is left by retry --resume and by an attempt of its own, too', async () => {
    const id = await life.submit({ agent: agent({ ...REJECTS, resumed: WELL }), prompt: 'add a' })
    await life.world.run(() => bodiesOf(id).length === 2)
    expect(bodiesOf(id)[1]).toMatchObject({ resumeRef: null, prompt: /^add a\n\nThis task was begun before/ })
    await over(id)
    expect(life.task(id)).toMatchObject({ status: 'completed', attempt: 1 })
  })
})
