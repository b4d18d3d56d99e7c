/** What the folders of sessions say: which there are, what they reported, what they printed, and how they come and go. */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import type { Agent } from '../../../../../src/agent/agent.ts'
import { listDeliveries, readFacts, storeFacts, uuidOf } from '../../../../../src/agent/sessions/facts.ts'
import {
  deliveryCount,
  isRunning,
  listSessions,
  readSession,
  sessionIds,
} from '../../../../../src/agent/sessions/folder.ts'
import { discardSession, writeRequest } from '../../../../../src/agent/sessions/request.ts'
import { sessionOf } from '../../../../../src/agent/sessions/start.ts'
import { logChunk } from '../../../../../src/agent/sessions/view.ts'
import type { Workspace } from '../../../../../src/agent/workspaces/workspace.ts'
import { realWorld } from '../../../../../src/platform/world.ts'
import { LOG_CHUNK_BYTES_MAX } from '../../../../../src/protocol/shapes.ts'
import { agentOf, REQUEST, readJson, stand, storeSession, workspaceOf, writeJson } from '../support/session.ts'
import { tempFolder } from '../support/temp.ts'

let agent: Agent
let workspace: Workspace
beforeEach(() => {
  agent = agentOf(realWorld(), ['true'], { PATH: '/bin', SSL_CERT_FILE: '/certificates/own.pem' }).agent
  workspace = workspaceOf(agent)
})
const folder = (id: string) => path.join(workspace.folder, 'sessions', id)
const names = () => readdirSync(path.join(workspace.folder, 'sessions'))
const EXIT = { exitCode: 0, signal: null, errorMessage: null, startedAt: null, endedAt: 'now', cannotStart: null }

describe('the sessions of a workspace', () => {
  it('are those that can be read, the oldest first, without its setup', () => {
    for (const [sessionId, number] of Object.entries({ b: 2, a: 3, c: 1, setup: 0 })) {
      storeSession(folder(sessionId), { sessionId, number })
    }
    mkdirSync(folder('empty'))
    storeSession(folder('.new-d'), { sessionId: 'd' })
    expect(listSessions(workspace).map(({ request }) => request.sessionId)).toEqual(['c', 'b', 'a'])
    expect(sessionIds(workspace).sort()).toEqual(['a', 'b', 'c', 'empty', 'setup'])
  })

  it('are none where nothing is, and not known where the disk does not say', () => {
    expect([sessionIds({ folder: '/nonexistent' }), listSessions({ folder: '/nonexistent' })]).toEqual([[], []])
    const other = tempFolder()
    writeFileSync(path.join(other, 'sessions'), '')
    expect(() => sessionIds({ folder: other })).toThrow('ENOTDIR')
  })

  it('run from the claim of a runner to the end', () => {
    storeSession(folder('s1'))
    const read = () => readSession(folder('s1')) ?? expect.fail('it cannot be read')
    const running = []
    running.push(isRunning(read()))
    writeJson(path.join(folder('s1'), 'claim.json'), { kind: 'revoked' })
    running.push(isRunning(read()))
    writeJson(path.join(folder('s1'), 'claim.json'), {
      kind: 'runner',
      runner: { pid: 1, startTicks: '1', bootId: 'b' },
    })
    running.push(isRunning(read()))
    writeJson(path.join(folder('s1'), 'exit.json'), EXIT)
    running.push(isRunning(read()))
    expect(running).toEqual([false, false, true, false])
    expect(read()).toMatchObject({ folder: folder('s1'), request: REQUEST, started: null, exit: EXIT })
  })

  it('have an older request read with what it does not say', () => {
    storeSession(folder('s1'))
    const { resumeRef, model, permissions, maxCostUsd, idleMs, slot, sandbox, ...older } = REQUEST
    writeJson(path.join(folder('s1'), 'request.json'), older)
    expect(readSession(folder('s1'))?.request).toEqual(REQUEST)
  })
})

describe('what a session reported', () => {
  const facts = {
    ...{ resumeRef: 'c1', agentVersion: null, model: null, usage: null, resetAt: null, retrying: null },
    ...{ pendingPermission: null, accepted: ['d1'], verdict: null },
  }

  it.each([true, false])('is read as it was stored, firmly or not: %s', isFirm => {
    const to = tempFolder()
    expect(readFacts(to)).toBeNull()
    storeFacts(to, facts, isFirm)
    expect([readFacts(to), readdirSync(to)]).toEqual([facts, ['facts.json']])
    expect(statSync(path.join(to, 'facts.json')).mode & 0o777).toBe(0o600)
  })

  it('may be lost when it is only soon out of date, and not else', () => {
    storeFacts('/nonexistent/folder', facts, false)
    expect(() => storeFacts('/nonexistent/folder', facts, true)).toThrow('ENOENT')
  })

  it('has the prompts that came, in their order, and nothing else that lies there', () => {
    const to = tempFolder()
    expect([listDeliveries(to), deliveryCount({ ...session(), folder: to })]).toEqual([[], 0])
    mkdirSync(path.join(to, 'prompts'))
    const put = (name: string, text: string) => writeFileSync(path.join(to, 'prompts', name), text)
    put('a.json', '{"deliveryId":"a","text":"first","number":2}')
    put('b.json', '{"deliveryId":"b","text":"of an older agent"}')
    put('c.json', 'no JSON')
    put('d.draft', '{"deliveryId":"d","text":"half"}')
    expect(listDeliveries(to)).toEqual([
      { deliveryId: 'b', text: 'of an older agent', number: 0 },
      { deliveryId: 'a', text: 'first', number: 2 },
    ])
    expect(deliveryCount({ ...session(), folder: to })).toBe(3)
  })

  it('is named by UUIDs that depend on the session and the name alone', () => {
    const one = { workspaceId: 'w1', sessionId: 's1' }
    const hex = createHash('sha256').update('["w1","s1","x"]').digest('hex')
    const parts = [
      hex.slice(0, 8),
      hex.slice(8, 12),
      `4${hex.slice(13, 16)}`,
      `8${hex.slice(17, 20)}`,
      hex.slice(20, 32),
    ]
    expect(uuidOf(one, 'x')).toBe(parts.join('-'))
    expect(uuidOf({ ...one, sessionId: 's2' }, 'x')).not.toBe(uuidOf(one, 'x'))
  })
})

function session() {
  return { folder: '', request: REQUEST, claim: null, started: null, exit: null }
}

describe('what a session printed', () => {
  const chunk = async (id: string | null, after = 0) => String(await logChunk(workspace, id, after))
  const print = (id: string, text: string) => writeFileSync(path.join(folder(id), 'output.log'), text)

  it('is read from a byte on; without a name that of the newest, or of the setup', async () => {
    expect(await chunk(null)).toBe('')
    storeSession(folder('setup'), { sessionId: 'setup', number: 0 })
    print('setup', 'preparing')
    expect(await chunk(null)).toBe('preparing')
    for (const [sessionId, number] of Object.entries({ new: 2, old: 1 }))
      storeSession(folder(sessionId), { sessionId, number })
    expect(await chunk('old')).toBe('')
    print('old', 'old words')
    print('new', 'new words')
    expect([await chunk(null), await chunk(null, 4), await chunk('old', 4), await chunk('setup')]).toEqual([
      ...['new words', 'words', 'words', 'preparing'],
    ])
    expect([await chunk('old', 9), await chunk('old', 100)]).toEqual(['', ''])
    await expect(chunk('none')).rejects.toThrow(
      expect.objectContaining({ code: 'not_found', message: 'workspace w1 has no session none' }),
    )
  })

  it('comes in pieces, and in another file where that is asked for', async () => {
    storeSession(folder('s1'))
    print('s1', `${'a'.repeat(LOG_CHUNK_BYTES_MAX)}b`)
    expect(await chunk('s1')).toBe('a'.repeat(LOG_CHUNK_BYTES_MAX))
    expect(await chunk('s1', LOG_CHUNK_BYTES_MAX)).toBe('b')
    writeFileSync(path.join(folder('s1'), 'output.times'), '1000 0\n')
    expect(String(await logChunk(workspace, 's1', 0, of => path.join(of, 'output.times')))).toBe('1000 0\n')
    mkdirSync(path.join(folder('s1'), 'a-folder'))
    await expect(logChunk(workspace, 's1', 0, of => path.join(of, 'a-folder'))).rejects.toThrow('EISDIR')
  })
})

describe('the folder of a session', () => {
  const { slot: _slot, ...request } = REQUEST

  it('comes whole, in one step, whatever an earlier try left', () => {
    const seen: [string, string[]][] = []
    agent.world = { ...agent.world, failpoint: (when, what) => void seen.push([`${when} ${what}`, names()]) }
    mkdirSync(folder('.new-s1'))
    writeFileSync(path.join(folder('.new-s1'), 'left'), '')
    writeRequest(agent, workspace, request, 'do it')
    expect(seen).toEqual([
      ['before request', []],
      ['after request', ['s1']],
    ])
    expect(readdirSync(folder('s1')).sort()).toEqual(['prompt', 'request.json'])
    expect(readFileSync(path.join(folder('s1'), 'prompt'), 'utf8')).toBe('do it')
    expect(readJson(path.join(folder('s1'), 'request.json'))).toEqual(REQUEST)
  })

  it('hides the state of the agent from a command in a sandbox, but for what it may need', () => {
    const sandbox = {
      hidden: ['/secret'],
      readable: ['/tools'],
      writable: [],
      network: true,
    } as unknown as NonNullable<typeof request.sandbox>
    writeRequest(agent, workspace, { ...request, sandbox }, '')
    expect(readJson(path.join(folder('s1'), 'request.json')).sandbox).toMatchObject({
      hidden: ['/secret', agent.state],
      readable: ['/tools', path.join(agent.state, 'installs'), '/certificates/own.pem'],
    })
  })

  it('names the user of its workspace, a virtual one in a sandbox only', () => {
    const at = { uid: 4_711, gid: 4_711, home: '/home/u' }
    agent.slots = [
      { ...at, name: 'u1', isVirtual: false },
      { ...at, name: 'u2', isVirtual: true },
    ]
    const slotIn = (slot: string, sandbox: unknown) => {
      workspace.record = { ...workspace.record, slot }
      rmSync(folder('s1'), { recursive: true, force: true })
      writeRequest(agent, workspace, { ...request, sandbox: sandbox as typeof request.sandbox }, '')
      return readJson(path.join(folder('s1'), 'request.json')).slot?.name ?? null
    }
    const sandbox = { hidden: [], readable: [] }
    expect([slotIn('u1', null), slotIn('u1', sandbox), slotIn('u2', null), slotIn('u2', sandbox)]).toEqual([
      ...['u1', 'u1', null, 'u2'],
    ])
    expect(statSync(path.join(folder('s1'), 'prompt')).mode & 0o777).toBe(0o644)
  })

  it('goes in one step, with all that is in it', async () => {
    writeRequest(agent, workspace, request, 'do it')
    await discardSession(agent, workspace, folder('s1'))
    expect([names(), existsSync(path.join(workspace.folder, 'scratch'))]).toEqual([[], true])
    expect(readdirSync(path.join(workspace.folder, 'scratch'))).toEqual([])
  })
})

describe('a session that is asked about', () => {
  const find = (id: string) => sessionOf(agent, workspace, id)
  const refusal = (id: string) =>
    expect.objectContaining({ code: 'not_found', message: `workspace w1 has no session ${id}` })
  const claimed = async (id: string) => {
    storeSession(folder(id), { sessionId: id })
    writeJson(path.join(folder(id), 'claim.json'), { kind: 'runner', runner: (await stand()).runner })
  }

  it('is there once it is claimed, unless it could not be started', async () => {
    storeSession(folder('s1'))
    await expect(find('s1')).rejects.toEqual(refusal('s1'))
    await claimed('s1')
    expect(await find('s1')).toMatchObject({ claim: { kind: 'runner' }, exit: null })
    writeJson(path.join(folder('s1'), 'exit.json'), { ...EXIT, cannotStart: 'no' })
    await expect(find('s1')).rejects.toEqual(refusal('s1'))
  })

  it('is neither one that was revoked, nor the setup, nor one that never was', async () => {
    await claimed('setup')
    storeSession(folder('s2'), { sessionId: 's2' })
    writeJson(path.join(folder('s2'), 'claim.json'), { kind: 'revoked' })
    for (const id of ['setup', 's2', 's3']) await expect(find(id)).rejects.toEqual(refusal(id))
  })
})
