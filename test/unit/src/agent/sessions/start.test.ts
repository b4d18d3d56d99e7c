/** The start of a session, with a script in the place of its runner: once for each id, over every way in which a start can go wrong. */
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Agent } from '../../../../../src/agent/agent.ts'
import { awaitStart, startSession } from '../../../../../src/agent/sessions/start.ts'
import { sessionContent } from '../../../../../src/agent/workspaces/content.ts'
import { updateRecord, type Workspace } from '../../../../../src/agent/workspaces/workspace.ts'
import { realWorld } from '../../../../../src/platform/world.ts'
import { startSession as body } from '../../../../../src/protocol/agent-api.ts'
import {
  agentOf,
  type Logged,
  readJson,
  type Stand,
  stand,
  storeSession,
  workspaceOf,
  writeJson,
} from '../support/session.ts'
import { eventually, tempFolder } from '../support/temp.ts'

let agent: Agent
let logged: Logged[]
let workspace: Workspace
/** Files that the runner puts into the session's folder, in the order of their names. */
let left: string
let living: Stand
beforeAll(async () => {
  living = await stand()
})
beforeEach(() => {
  left = tempFolder()
  begin('echo x >> ../runs; for file in "$LEFT"/*; do cp "$file" "$2/$(basename "$file" | cut -c3-)"; done')
})

/** The agent whose runners are this script, with the session's folder as $2. */
function begin(script: string): void {
  const made = agentOf(realWorld(), ['env', `LEFT=${left}`, 'sh', '-c', script, '-'])
  agent = made.agent
  logged = made.logged
  workspace = workspaceOf(agent)
}

const STARTED = { startedAt: 'then', leader: { pid: 1, startTicks: null } }
const EXIT = { exitCode: 0, signal: null, errorMessage: null, startedAt: 'then', endedAt: 'now', cannotStart: null }
const leave = (name: string, value: unknown) => writeJson(path.join(left, name), value)
const claim = () => leave('2-claim.json', { kind: 'runner', runner: living.runner })
const leavesRunning = () => {
  claim()
  leave('3-started.json', STARTED)
}
const leavesEnded = () => {
  leave('1-exit.json', EXIT)
  leavesRunning()
}

const asked = (change: object = {}, own: object = {}) =>
  body.parse({
    ...{ sessionId: 's1', prompt: 'do it', timeoutMs: null, resumeRef: null },
    agent: { type: 'command', command: ['prog'], env: { KEY: 'value' }, ...own },
    ...change,
  })
const start = (change: object = {}, own: object = {}) => startSession(agent, workspace, asked(change, own))
const folder = (id = 's1') => path.join(workspace.folder, 'sessions', id)
const stored = (id = 's1') => readJson(path.join(folder(id), 'request.json'))
const runs = () => readFileSync(path.join(workspace.folder, 'sessions', 'runs'), 'utf8')
const refusal = (code: string, message: string | RegExp = '') =>
  expect.objectContaining({
    code,
    message: typeof message === 'string' ? expect.stringContaining(message) : expect.stringMatching(message),
  })

describe('a start', () => {
  it('stores what was asked for, starts the runner, and its events are told', async () => {
    leavesRunning()
    const { session, isNew } = await start()
    expect([isNew, session.started, session.exit]).toEqual([true, STARTED, null])
    expect(stored()).toEqual({
      ...{ sessionId: 's1', workspaceId: 'w1', taskId: 't1', attempt: 2, number: 1, type: 'command' },
      ...{ contentHash: sessionContent(asked()), command: ['prog'], stdin: 'prompt', resumeRef: null, model: null },
      ...{ permissions: 'allow', maxCostUsd: null, timeoutMs: null, idleMs: null, sandbox: null, slot: null },
      ...{ workTree: path.join(workspace.folder, 'work'), createdAt: expect.stringMatching(/^\d{4}-.*Z$/) },
    })
    expect(readFileSync(path.join(folder(), 'prompt'), 'utf8')).toBe('do it')
    expect([...agent.watched.keys()]).toEqual([folder()])
    expect(agent.outbox.of('w1').map(({ type }) => type)).toEqual(['workspace.ready', 'session.started'])
    writeJson(path.join(folder(), 'exit.json'), EXIT)
    await eventually('its end is told', () => agent.outbox.of('w1').at(-1)?.type === 'session.exited', 60_000)
    expect(logged).toEqual([])
  })

  it('stores what an agent is asked for', async () => {
    leavesEnded()
    const more = { model: 'large', permissions: 'ask', maxCostUsd: 2, timeoutMs: 3, idleMs: 4 }
    await start({ ...more, prompt: '' }, { args: ['--flag'] })
    expect(stored()).toMatchObject({ ...more, command: ['prog', '--flag'], stdin: 'nothing' })
    await start({ sessionId: 's2' }, { type: 'claude' })
    expect(stored('s2')).toMatchObject({ number: 2, stdin: 'dialogue', type: 'claude' })
    const { command } = stored('s2')
    const name = command[command.indexOf('--session-id') + 1]
    expect(name).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/)
    await start({ sessionId: 's3' }, { type: 'claude' })
    expect(stored('s3').command).not.toContain(name)
  })

  it('that is asked for again is the same one, with the same content', async () => {
    leavesRunning()
    await start()
    const again = await start({ idleMs: 5 }, { env: { KEY: 'other' } })
    expect([again.isNew, again.session.started]).toEqual([false, STARTED])
    await expect(start({ prompt: 'something else' })).rejects.toEqual(refusal('conflict', 'exists with other content'))
    expect(runs()).toBe('x\n')
  })

  it.each([
    ['sessionId', { sessionId: 'setup' }, {}],
    ['agent.command', {}, { command: ['a', 'b\0'] }],
    ['agent.args', {}, { args: ['a', 'b\0'] }],
    ['agent.env.B', {}, { env: { A: 'a', B: 'b\0' } }],
  ])('with a %s that cannot be is refused', async (field, change, own) => {
    const words = { sessionId: 's1', prompt: '', timeoutMs: null, resumeRef: null, ...change }
    const wrong = { ...words, agent: { type: 'command', command: ['prog'], env: {}, ...own } } as ReturnType<
      typeof asked
    >
    const begun = async () => startSession(agent, workspace, wrong)
    await expect(begun()).rejects.toEqual(expect.objectContaining({ code: 'bad_request', field }))
  })

  it('needs a workspace that is ready', async () => {
    updateRecord(workspace, { status: 'stopped' })
    await expect(start()).rejects.toEqual(refusal('workspace_not_ready', 'workspace w1 is stopped'))
    expect(existsSync(folder())).toBe(false)
  })

  it('waits for its turn in the workspace', async () => {
    leavesEnded()
    let free = () => {}
    const first = workspace.serialize(
      () =>
        new Promise<void>(resolve => {
          free = resolve
        }),
    )
    const second = start()
    await Promise.resolve()
    expect(existsSync(folder())).toBe(false)
    free()
    await first
    expect((await second).isNew).toBe(true)
  })
})

describe('beside another session', () => {
  it('that runs none is started', async () => {
    leavesRunning()
    await start()
    await expect(start({ sessionId: 's2' })).rejects.toEqual(refusal('session_running', 'session s1 is running'))
    expect(existsSync(folder('s2'))).toBe(false)
  })

  it('that has ended one is started, and the other stays', async () => {
    leavesEnded()
    await start()
    await start({ sessionId: 's2' })
    expect([stored('s1').number, stored('s2').number]).toEqual([1, 2])
  })

  it('that was asked for and never begun one is started, and the other is gone for good', async () => {
    leavesEnded()
    storeSession(folder('s0'), { sessionId: 's0' })
    storeSession(folder('s1'), { sessionId: 's1', contentHash: sessionContent(asked()), number: 7 })
    expect((await start()).isNew).toBe(true)
    expect([existsSync(folder('s0')), stored().number]).toEqual([false, 7])
  })
})

describe('a start that goes wrong', () => {
  it('for good says why, and its id may be used again', async () => {
    claim()
    leave('1-exit.json', { ...EXIT, cannotStart: 'no such program' })
    await expect(start()).rejects.toEqual(refusal('cannot_start', 'no such program'))
    expect([existsSync(folder()), agent.watched.size]).toEqual([false, 0])
    leavesEnded()
    expect((await start({ prompt: 'other' })).isNew).toBe(true)
  })

  it('and was given up, or could not be started, is no session', async () => {
    leavesEnded()
    storeSession(folder(), { contentHash: 'other' })
    writeJson(path.join(folder(), 'claim.json'), { kind: 'revoked' })
    expect((await start()).isNew).toBe(true)
    storeSession(folder('s2'), { sessionId: 's2', contentHash: 'other' })
    writeJson(path.join(folder('s2'), 'claim.json'), { kind: 'runner', runner: living.runner })
    writeJson(path.join(folder('s2'), 'exit.json'), { ...EXIT, cannotStart: 'no' })
    expect((await start({ sessionId: 's2' })).isNew).toBe(true)
  })

  it('with its runner may be asked for again, and the request stays', async () => {
    begin('echo "it broke"; exit 3')
    const words = "the session's runner did not start: exit code 3\nit broke"
    await expect(start()).rejects.toEqual(expect.objectContaining({ code: 'not_started', message: words }))
    const facts = { folder: folder(), reason: 'exit code 3', said: 'it broke' }
    expect(logged).toEqual([{ level: 'warn', message: 'session runner did not start', facts }])
    const { createdAt } = stored()
    await expect(start()).rejects.toEqual(refusal('not_started', 'exit code 3'))
    expect(stored()).toMatchObject({ createdAt, number: 1 })
  })

  it('without a word of its runner says how that ended', async () => {
    begin('exit 4')
    const message = "the session's runner did not start: exit code 4"
    await expect(start()).rejects.toEqual(expect.objectContaining({ code: 'not_started', message }))
  })

  it('because the program of the runner is not there says so', async () => {
    agent.program = ['/nonexistent/program']
    await expect(start()).rejects.toEqual(refusal('cannot_start', 'ENOENT'))
    expect(existsSync(folder())).toBe(false)
  })

  it('because it takes too long may be asked for again', async () => {
    begin('echo $$ > pid; exec sleep 600')
    agent.limits = { ...agent.limits, startWaitMs: 300 }
    await expect(start()).rejects.toEqual(refusal('not_started', 'it takes too long'))
    const pid = await eventually(
      'it runs',
      () =>
        (existsSync(path.join(folder(), 'pid')) && Number(readFileSync(path.join(folder(), 'pid'), 'utf8'))) || null,
      60_000,
    )
    process.kill(pid, 'SIGKILL')
    expect(existsSync(folder())).toBe(true)
  })

  it('because its request went meanwhile may be asked for again', async () => {
    begin('rm "$2/request.json"')
    agent.limits = { ...agent.limits, startWaitMs: 300 }
    await expect(start()).rejects.toEqual(refusal('not_started'))
  })

  it('because its request was lost is a fault of ours', async () => {
    const lost = tempFolder()
    await expect(awaitStart(agent, lost, {})).rejects.toEqual(refusal('internal'))
  })

  it('for the call that did not win the claim is a start all the same', async () => {
    begin('echo over')
    let looks = 0
    const { clock } = agent.world
    const timer: typeof clock.timer = (ms, act) => {
      looks += 1
      return clock.timer(ms, act)
    }
    agent.world = { ...agent.world, clock: { ...clock, timer } }
    storeSession(folder())
    writeJson(path.join(folder(), 'claim.json'), { kind: 'runner', runner: living.runner })
    const waiting = awaitStart(agent, folder(), {})
    const log = path.join(folder(), 'runner.log')
    await eventually('its runner is over', () => existsSync(log) && readFileSync(log, 'utf8') !== '', 60_000)
    const before = looks
    await eventually('it is waited for all the same', () => looks > before + 20, 60_000)
    writeJson(path.join(folder(), 'started.json'), STARTED)
    expect((await waiting).started).toEqual(STARTED)
  })
})
