/** The runner of a session in the process of the test: what it leaves in the folder, how it is ended, and what it does when the disk refuses. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import type { SessionRequest } from '../../../../../../src/agent/sessions/folder.ts'
import { identify } from '../../../../../../src/platform/process.ts'
import { realWorld, type World } from '../../../../../../src/platform/world.ts'
import { simWorld, timeline } from '../../../../../fakes/world.ts'
import { runHere } from '../../support/runner.ts'
import { openFiles, readJson, storeSession } from '../../support/session.ts'
import { eventually, tempFolder } from '../../support/temp.ts'

const TALKING = new URL('../../../../../fakes/programs/talking-agent.mjs', import.meta.url).pathname
const AT = expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/)

let folder: string
let tree: string
beforeEach(() => {
  folder = tempFolder()
  tree = tempFolder()
})
const at = (name: string) => path.join(folder, name)
const log = () => readFileSync(at('output.log'), 'utf8')
const run = (...args: Parameters<typeof runHere> extends [string, ...infer Rest] ? Rest : never) =>
  runHere(folder, ...args)
const exitOf = () => readJson(at('exit.json'))
const sh = (script: string) => ['sh', '-c', script]

describe('a session', () => {
  it('leaves its claim, its start and its end, each when it is true', async () => {
    const seen: [string, string[]][] = []
    const files = () => readdirSync(folder).filter(name => /^(claim|started|exit)\.json$/.test(name))
    const world: World = { ...realWorld(), failpoint: (when, what) => void seen.push([`${when} ${what}`, files()]) }
    const script =
      'cat; echo; pwd; echo "$KEY $TDF_SESSION_ID"; i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; exit 3'
    const request = storeSession(folder, { command: sh(script), workTree: tree })
    expect(await run(request, { KEY: 'secret-value' }, world).code).toBe(0)
    expect(seen).toEqual([
      ['before claim', []],
      ['after claim', ['claim.json']],
      ['before command', ['claim.json']],
      ['after command', ['claim.json']],
      ['after started', ['claim.json', 'started.json']],
      ['before exit', ['claim.json', 'started.json']],
      ['after exit', ['claim.json', 'exit.json', 'started.json']],
    ])
    expect(readJson(at('claim.json'))).toEqual({ kind: 'runner', runner: identify(process.pid) })
    const started = readJson(at('started.json'))
    expect(started).toEqual({
      startedAt: AT,
      leader: { pid: expect.any(Number), startTicks: expect.stringMatching(/^\d+$/) },
    })
    expect(exitOf()).toEqual({
      ...{ exitCode: 3, signal: null, errorMessage: null, cannotStart: null },
      ...{ startedAt: started.startedAt, endedAt: AT },
    })
    expect(log()).toBe(`do it\n${tree}\n[redacted KEY] s1\n`)
    expect(readFileSync(at('output.times'), 'utf8')).toMatch(/^\d+ 0\n/)
    expect(readJson(at('cpu.json')).cpuMs).toBeGreaterThan(0)
    expect(existsSync(at('facts.json'))).toBe(false)
  })

  it('that another runner has claimed, or that was revoked, is not run again', async () => {
    const request = storeSession(folder, { command: sh('echo ran'), workTree: tree })
    writeFileSync(at('claim.json'), '{"kind":"revoked"}')
    expect(await run(request).code).toBe(0)
    expect(readdirSync(folder).sort()).toEqual(['claim.json', 'prompt', 'request.json'])
    expect(readJson(at('claim.json'))).toEqual({ kind: 'revoked' })
  })

  it('whose request cannot be read is claimed and not run', async () => {
    const request = storeSession(folder)
    writeFileSync(at('request.json'), '{}')
    expect(await run(request).code).toBe(1)
    expect(readdirSync(folder).sort()).toEqual(['claim.json', 'prompt', 'request.json'])
  })

  it.each([
    ['this agent knows no type other', { type: 'other' }],
    ['the work tree is gone', { workTree: '/nonexistent/tree' }],
    [/^ENOENT: cannot start no-such-program: /, { command: ['no-such-program'] }],
  ])('that cannot be started says why: %s', async (reason, change) => {
    const request = storeSession(folder, { workTree: tree, ...change })
    expect(await run(request).code).toBe(0)
    const said = typeof reason === 'string' ? reason : expect.stringMatching(reason)
    expect(exitOf()).toEqual({
      ...{ exitCode: null, signal: null, startedAt: null, endedAt: AT, errorMessage: said, cannotStart: said },
    })
    expect([existsSync(at('started.json')), openFiles().includes(at('output.log'))]).toEqual([false, false])
  })

  it('ends with all that its command left behind', async () => {
    const request = storeSession(folder, { command: sh('sleep 600 & echo $! > left'), workTree: tree })
    await run(request).code
    const left = Number(readFileSync(path.join(tree, 'left'), 'utf8'))
    expect([exitOf().exitCode, identify(left)]).toEqual([0, null])
  })
})

describe('a session is ended', () => {
  it('by SIGTERM, also when that comes before its command is there', async () => {
    const request = storeSession(folder, { command: ['sleep', '600'], workTree: tree })
    const { code, terminate } = run(request)
    expect(existsSync(at('started.json'))).toBe(false)
    terminate()
    expect(await code).toBe(0)
    expect(exitOf()).toMatchObject({ exitCode: null, signal: 'SIGTERM', errorMessage: null })
  })

  it('by SIGTERM, which its command may act on', async () => {
    const script = 'sleep 600 & trap "echo bye; kill $!; exit 7" TERM; echo up; wait'
    const { code, terminate } = run(storeSession(folder, { command: sh(script), workTree: tree }))
    await eventually('it is up', () => existsSync(at('output.log')) && log().includes('up'), 60_000)
    terminate()
    await code
    expect(exitOf()).toMatchObject({ exitCode: 7, signal: null, errorMessage: null })
    expect(log()).toContain('bye')
  })

  it.each([
    ['timeout', { timeoutMs: 100 }],
    ['idle', { idleMs: 100 }],
  ])('by its limit: %s', async (errorMessage, limit) => {
    await run(storeSession(folder, { command: ['sleep', '600'], workTree: tree, ...limit })).code
    expect(exitOf()).toMatchObject({ exitCode: null, signal: 'SIGTERM', errorMessage })
  })
})

describe('a session of an agent that talks', () => {
  const talk = (script: object, change: Partial<SessionRequest> = {}) =>
    storeSession(folder, {
      ...{ type: 'claude', stdin: 'dialogue', workTree: tree },
      command: [process.execPath, TALKING, JSON.stringify(script)],
      ...change,
    })

  it('is heard, its worth is written down without secrets, and its conversation is taken', async () => {
    const env = { KEY: 'secret-value', CLAUDE_CONFIG_DIR: tempFolder() }
    const says = { resumeRef: 'c1', summary: 'the key is secret-value' }
    expect(await run(talk({ says }), env).code).toBe(0)
    expect(exitOf()).toMatchObject({ exitCode: 0, signal: null, errorMessage: null })
    const { verdict, resumeRef } = readJson(at('facts.json'))
    expect([verdict, resumeRef]).toEqual([
      { outcome: 'success', failure: null, summary: 'the key is [redacted KEY]' },
      'c1',
    ])
    expect(readJson(at('conversation/about.json'))).toMatchObject({ type: 'claude', resumeRef: 'c1' })
    expect(log()).not.toContain('secret-value')
  })

  it('asks it to stop first, and ends it by a signal when it goes on', async () => {
    const { code, terminate } = run(talk({ hangs: true }))
    await eventually('it has begun', () => existsSync(at('output.log')) && log().includes('not JSON'), 60_000)
    terminate()
    await code
    expect(exitOf()).toMatchObject({ exitCode: null, signal: 'SIGTERM' })
    expect(readJson(at('facts.json')).verdict).toMatchObject({ failure: 'interrupted' })
  })

  it('is not idle while it waits for the answer of a person', async () => {
    const world = simWorld(timeline())
    const asks = { requestId: 'r1', tool: 'Bash', detail: 'ls' }
    const { code } = run(talk({ asks }, { permissions: 'ask', idleMs: 60_000 }), {}, world)
    await eventually(
      'it asks',
      () => existsSync(at('facts.json')) && readJson(at('facts.json')).pendingPermission,
      60_000,
    )
    await world.clock.advance(180_000)
    expect(existsSync(at('exit.json'))).toBe(false)
    mkdirSync(at('answers'))
    writeFileSync(at('answers/r1.json'), '{"requestId":"r1","decision":"allow"}')
    await passing(world, code)
    expect(exitOf()).toMatchObject({ exitCode: 0, errorMessage: null })
  })

  it('that stays after its end is ended by us, and has ended well', async () => {
    const world = simWorld(timeline())
    const script = `echo '{"type":"result","subtype":"success","is_error":false,"result":"done"}'; exec sleep 600`
    const { code } = run(talk({}, { command: sh(script) }), {}, world)
    await eventually('it has said its end', () => existsSync(at('output.log')) && log().includes('done'), 60_000)
    await world.clock.advance(70_000)
    await passing(world, code)
    expect(exitOf()).toMatchObject({ exitCode: 0, signal: null, errorMessage: null })
    expect(readJson(at('facts.json')).verdict).toMatchObject({ outcome: 'success', summary: 'done' })
  })
})

/** Lets the time of a simulated world pass until `done`, a little with every turn of the real one. */
async function passing(world: ReturnType<typeof simWorld>, done: Promise<unknown>): Promise<void> {
  let isDone = false
  const over = done.finally(() => {
    isDone = true
  })
  await eventually(
    'it has ended',
    async () => {
      await world.clock.advance(20)
      return isDone
    },
    60_000,
  )
  await over
}

describe('a disk that takes no more', () => {
  /** A world in which waiting for the disk takes no time; `onWait` is called for each wait. */
  const waiting = (onWait: () => void, onExit: () => void): World => {
    const { clock, ...world } = realWorld()
    const timer: typeof clock.timer = (ms, act) => {
      if (ms !== 1_000) return clock.timer(ms, act)
      onWait()
      clock.turn(act)
      return () => {}
    }
    const failpoint: World['failpoint'] = (when, what) => {
      if (when === 'before' && what === 'exit') onExit()
    }
    return { ...world, clock: { ...clock, timer }, failpoint }
  }

  it('is asked again until it has room: the end of a command is never lost', async () => {
    let waits = 0
    const world = waiting(
      () => {
        waits += 1
        if (waits === 3) rmSync(at('exit.json'), { recursive: true })
      },
      () => mkdirSync(at('exit.json/in-the-way'), { recursive: true }),
    )
    const request = storeSession(folder, { command: sh('exit 4'), workTree: tree })
    expect(await run(request, {}, world).code).toBe(0)
    expect([waits, exitOf().exitCode]).toEqual([3, 4])
  })

  it('is given up after an hour', async () => {
    let waits = 0
    const world = waiting(
      () => {
        waits += 1
      },
      () => rmSync(folder, { recursive: true }),
    )
    const { code } = run(storeSession(folder, { command: ['true'], workTree: tree }), {}, world)
    await expect(code).rejects.toThrow('ENOENT')
    mkdirSync(folder)
    expect(waits).toBe(3_599)
  })
})
