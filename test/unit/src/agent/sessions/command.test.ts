/** The command of a session in the process of the test: what it is given, what is kept of its output, and how it is ended. */
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import type { Agent } from '../../../../../src/agent/agent.ts'
import { PLACES, takeConversation } from '../../../../../src/agent/sessions/adapters/conversations.ts'
import {
  commandEnvironment,
  runnerEnvironment,
  secretsIn,
  unpackEnvironment,
} from '../../../../../src/agent/sessions/environment.ts'
import type { SessionRequest, SessionState } from '../../../../../src/agent/sessions/folder.ts'
import { openCapture } from '../../../../../src/agent/sessions/runner/capture.ts'
import { startCommand } from '../../../../../src/agent/sessions/runner/command.ts'
import { openOutput, openTimes } from '../../../../../src/agent/sessions/runner/output.ts'
import { sessionView } from '../../../../../src/agent/sessions/view.ts'
import { realWorld } from '../../../../../src/platform/world.ts'
import { LOG_TAIL_BYTES } from '../../../../../src/protocol/shapes.ts'
import { simWorld, timeline } from '../../../../fakes/world.ts'
import { REQUEST } from '../support/session.ts'
import { tempFolder } from '../support/temp.ts'

let folder: string
let tree: string
beforeEach(() => {
  folder = tempFolder()
  tree = tempFolder()
  writeFileSync(path.join(folder, 'prompt'), 'do it')
})
const read = (name: string) => readFileSync(path.join(folder, name), 'utf8')

interface Ran {
  exitCode: number | null
  signal: string | null
  log: string
  lines: string[]
}

/** Runs a shell script as a session's command does, to its end. */
async function ran(script: string, inLines = false, change: Partial<SessionRequest> = {}): Promise<Ran> {
  const world = realWorld()
  const log = { path: path.join(folder, 'output.log'), timesPath: path.join(folder, 'output.times'), bytesMax: 1_000 }
  const capture = await openCapture(world, { folder, log, secrets: { KEY: 'secret-value' }, inLines })
  expect(capture.lastByteMs()).toBe(Number.NEGATIVE_INFINITY)
  const lines: string[] = []
  capture.listen(text => void lines.push(text))
  const env = { PATH: process.env.PATH ?? '', KEY: 'secret-value' }
  const { stdout, stderr } = capture
  const request = { ...REQUEST, workTree: tree, command: ['sh', '-c', script], ...change }
  const command = await startCommand(world, request, { folder, env, stdout, stderr, killGraceMs: 60_000 })
    .finally(capture.closeWriteEnds)
    .catch(async error => {
      await capture.finish()
      throw error
    })
  const end = await command.end
  await capture.finish()
  return { ...end, log: read('output.log'), lines }
}

describe('a command', () => {
  it('runs in its tree with its environment and its prompt, and its end is known', async () => {
    expect(await ran('pwd; cat; echo; echo $HOME-; exit 3')).toEqual({
      ...{ exitCode: 3, signal: null, log: `${tree}\ndo it\n-\n`, lines: [] },
    })
    expect(await ran('kill -9 $$')).toMatchObject({ exitCode: null, signal: 'SIGKILL' })
    expect((await ran('cat', false, { stdin: 'nothing' })).log.endsWith('do it')).toBe(false)
  })

  it('keeps the order of its output, and no secret of it', async () => {
    const { log } = await ran('echo one; echo two >&2; echo three; echo my secret-value')
    expect(log.startsWith('one\ntwo\nthree\nmy ')).toBe(true)
    expect(log).not.toContain('secret-value')
    expect(read('output.times')).toMatch(/^\d+ 0\n/)
  })

  it('that speaks in lines is heard line by line on its stdout alone', async () => {
    const { log, lines } = await ran('echo \'{"a":1}\'; echo error >&2; printf \'{"b":2}\'', true)
    expect(lines).toEqual(['{"a":1}', '{"b":2}'])
    expect(log).toContain('error\n')
  })

  it('that cannot be started says why', async () => {
    const none = { command: ['no-such-program'] }
    const words = `ENOENT: cannot start no-such-program: user with the id ${process.getuid?.()} has no such program; PATH is ${process.env.PATH}`
    await expect(ran('', false, none)).rejects.toThrow(words)
    await expect(ran('', false, { workTree: path.join(tree, 'none') })).rejects.toThrow('the work tree is gone')
    writeFileSync(path.join(tree, 'plain'), 'no program', { mode: 0o644 })
    await expect(ran('', false, { command: [path.join(tree, 'plain')] })).rejects.toThrow(
      /^EACCES: cannot start .*plain$/,
    )
  })

  it('is ended with all that it started: asked first, then killed', async () => {
    const world = realWorld()
    const script = 'trap "" TERM; sleep 600 & echo up > up; wait'
    const request = { ...REQUEST, stdin: 'dialogue' as const, workTree: tree, command: ['sh', '-c', script] }
    const env = { PATH: process.env.PATH ?? '' }
    const command = await startCommand(world, request, { folder, env, stdout: 1, stderr: 2, killGraceMs: 100 })
    expect([command.input === null, command.leader.pid > 0, command.leader.startTicks === null]).toEqual([
      false,
      true,
      false,
    ])
    await expect.poll(() => existsSync(path.join(tree, 'up')), { timeout: 60_000 }).toBe(true)
    command.terminate()
    command.terminate()
    expect(await command.end).toEqual({ exitCode: null, signal: 'SIGKILL' })
  })
})

describe('a log', () => {
  const write = async (bytesMax: number, ...chunks: string[]) => {
    const world = simWorld(timeline())
    const file = path.join(folder, 'log')
    const output = await openOutput(world, file, bytesMax, openTimes(world, path.join(folder, 'times')))
    for (const chunk of chunks) await output.write(Buffer.from(chunk))
    await output.finish()
    return read('log')
  }
  const marker = (bytesMax: number) =>
    `\n[tdf: output beyond ${bytesMax} bytes is left out here; its last ${LOG_TAIL_BYTES} bytes follow]\n`

  it('keeps everything up to its bound, and behind it a line and the end', async () => {
    expect(await write(10, 'abcde', 'fghij')).toBe('abcdefghij')
    expect(await write(4, 'klmnop', 'qr')).toBe(`abcdefghijklmn${marker(4)}opqr`)
    expect(statSync(path.join(folder, 'log')).mode & 0o777).toBe(0o600)
  })

  it('keeps only the last of what is beyond', async () => {
    const [first, last] = ['x'.repeat(LOG_TAIL_BYTES), 'y'.repeat(100)]
    expect(await write(1, `a${first}`, last)).toBe(`a${marker(1)}${'x'.repeat(LOG_TAIL_BYTES - 100)}${last}`)
  })

  it('notes when which byte was written, twice a second', async () => {
    const world = simWorld(timeline(1_000))
    const times = openTimes(world, path.join(folder, 'times'))
    for (const offset of [0, 10, 20, 30]) {
      await times.mark(offset)
      await world.clock.advance(250)
    }
    expect(read('times')).toBe('1000 0\n1500 20\n')
  })
})

describe('the environment', () => {
  const agent = {
    env: { PATH: '/bin', HOME: '/home/a', LANG: 'C', SECRET: 'x', XDG_RUNTIME_DIR: '/run/a', TMPDIR: '/tmp/a' },
    ...{
      limits: { logBytesMax: 7, killGraceMs: 8 },
      registration: { current: () => null },
      relay: { urlOf: () => null },
    },
  } as unknown as Agent

  it('of a command has what is given to it and who it is, and nothing else of the agent', () => {
    const env = commandEnvironment(agent, '/s', REQUEST, { KEY: 'value', TDF_TASK_ID: 'other' })
    expect(env).toMatchObject({ PATH: '/bin', HOME: '/home/a', KEY: 'value', XDG_RUNTIME_DIR: '/run/a' })
    expect(env).toMatchObject({ TDF_TASK_ID: 't1', TDF_ATTEMPT: '2', TDF_WORKSPACE_ID: 'w1', TDF_SESSION_ID: 's1' })
    expect([env.TDF_PROMPT_FILE, env.SECRET]).toEqual(['/s/prompt', undefined])
  })

  it('of the command of another user is that of the user', () => {
    const slot = { name: 'slot1', uid: 7, gid: 7, home: '/home/slot1', isVirtual: false }
    const env = (more: object) =>
      commandEnvironment(agent, '/s', { ...REQUEST, slot: { ...slot, ...more } } as SessionRequest, {})
    expect(env({})).toMatchObject({ HOME: '/home/slot1', USER: 'slot1', LOGNAME: 'slot1', SHELL: '/bin/bash' })
    expect(env({}).XDG_RUNTIME_DIR).toBeUndefined()
    expect(env({ isVirtual: true })).toMatchObject({ HOME: '/home/a', USER: 'slot1', LOGNAME: 'slot1' })
    expect(env({ isVirtual: true }).SHELL).toBeUndefined()
  })

  it('goes to the runner under other names, and comes out as it was, with its secrets by name', () => {
    const env = runnerEnvironment(agent, { PATH: '/own', KEY: 'value', OTHER: 'o' }, ['KEY', 'NONE'])
    expect(env).toMatchObject({ PATH: '/bin', TMPDIR: '/tmp/a', TDF_KILL_GRACE_MS: '8', TDF_LOG_MAX_BYTES: '7' })
    expect(env.KEY).toBeUndefined()
    expect(unpackEnvironment(env)).toEqual({ PATH: '/own', KEY: 'value', OTHER: 'o' })
    expect([secretsIn(env), secretsIn({})]).toEqual([{ KEY: 'value' }, {}])
  })
})

describe('what is told of a session', () => {
  const exit = { exitCode: 1, signal: null, errorMessage: 'late', startedAt: 'then', endedAt: 'now', cannotStart: null }
  const view = (change: Partial<SessionState> = {}) =>
    sessionView({ folder, request: REQUEST, claim: null, started: null, exit: null, ...change })

  it('while it runs, and when it has ended', () => {
    const running = view({ started: { startedAt: 'early', leader: { pid: 1, startTicks: null } } })
    expect(running).toMatchObject({
      status: 'running',
      startedAt: 'early',
      outcome: 'none',
      lastOutputAt: null,
      cpuMs: 0,
    })
    expect([running.steerable, running.undelivered]).toEqual([false, []])
    writeFileSync(path.join(folder, 'cpu.json'), '{"cpuMs":5}')
    writeFileSync(path.join(folder, 'output.log'), 'x')
    expect(view({ exit })).toMatchObject({
      status: 'exited',
      exitCode: 1,
      errorMessage: 'late',
      startedAt: 'then',
      cpuMs: 5,
    })
    expect(view().lastOutputAt).toMatch(/^\d{4}-/)
  })

  it('of an agent: what it reported, what it asks, and which prompts did not arrive', () => {
    const request = { ...REQUEST, type: 'claude' }
    mkdirSync(path.join(folder, 'prompts'))
    for (const [deliveryId, number] of [
      ['one', 1],
      ['two', 2],
    ] as const) {
      writeFileSync(
        path.join(folder, 'prompts', `${deliveryId}.json`),
        JSON.stringify({ deliveryId, text: 'x', number }),
      )
    }
    const nothing = { resumeRef: null, agentVersion: null, model: null, usage: null, resetAt: null, retrying: null }
    expect(view({ request })).toMatchObject({ ...nothing, outcome: null, steerable: true, undelivered: [] })
    expect(view({ request }).pendingPermission).toBeNull()
    expect(view({ request, exit })).toMatchObject({
      outcome: 'error',
      failure: 'interrupted',
      undelivered: ['one', 'two'],
    })
    const pendingPermission = { requestId: 'r', tool: 'Bash', detail: 'ls', at: '2026-01-01T00:00:00.000Z' }
    const facts = {
      ...{
        resumeRef: 'c1',
        agentVersion: null,
        model: 'm',
        usage: null,
        resetAt: null,
        retrying: null,
        pendingPermission,
      },
      ...{ accepted: ['one'], verdict: { outcome: 'success', failure: null, summary: 'done' } },
    }
    writeFileSync(path.join(folder, 'facts.json'), JSON.stringify(facts))
    expect(view({ request })).toMatchObject({ resumeRef: 'c1', model: 'm', pendingPermission, outcome: null })
    expect(view({ request, exit })).toMatchObject({
      ...{ outcome: 'success', summary: 'done', pendingPermission: null, undelivered: ['two'], steerable: false },
    })
  })
})

describe('a conversation on the disk', () => {
  it('of codex is found by its name in the newest day, and goes to the same place elsewhere', () => {
    const env = { CODEX_HOME: path.join(folder, 'codex') }
    const surroundings = { env, workTree: tree }
    for (const day of ['2026/01/02', '2026/01/10']) {
      const to = path.join(env.CODEX_HOME, 'sessions', day)
      mkdirSync(to, { recursive: true })
      writeFileSync(path.join(to, 'rollout-c1.jsonl'), day)
    }
    const found = PLACES.codex?.find(surroundings, 'c1') ?? ''
    expect(found).toBe('2026/01/10/rollout-c1.jsonl')
    expect([PLACES.codex?.find(surroundings, 'c2'), PLACES.codex?.placeOf(surroundings, found)]).toEqual([null, found])
    takeConversation(folder, { type: 'codex', resumeRef: 'c1', env, workTree: tree })
    expect(read('conversation/conversation.jsonl')).toBe('2026/01/10')
    expect(JSON.parse(read('conversation/about.json'))).toEqual({ type: 'codex', resumeRef: 'c1', path: found })
  })

  it('of claude lies in the folder of its work tree, wherever that is', () => {
    const { claude } = PLACES
    const at = { env: { HOME: '/home/a' }, workTree: '/srv/of it' }
    expect(claude?.root(at)).toBe('/home/a/.claude/projects')
    expect(claude?.root({ ...at, env: { CLAUDE_CONFIG_DIR: '/c' } })).toBe('/c/projects')
    expect(claude?.placeOf(at, '-other-tree/c1.jsonl')).toBe('-srv-of-it/c1.jsonl')
    expect([claude?.find(at, 'none'), PLACES.codex?.root(at)]).toEqual([null, '/home/a/.codex/sessions'])
  })

  it('of an agent that keeps none, or that has none, is not taken', () => {
    takeConversation(folder, { type: 'command', resumeRef: 'c1', env: {}, workTree: tree })
    takeConversation(folder, { type: 'claude', resumeRef: null, env: {}, workTree: tree })
    takeConversation(folder, { type: 'claude', resumeRef: 'c1', env: { HOME: folder }, workTree: tree })
    expect(existsSync(path.join(folder, 'conversation'))).toBe(false)
  })
})
