/** Which conversation is taken at the end of a session, and which is put back before another: never through a link, never another one. */
import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import type { Agent } from '../../../../../src/agent/agent.ts'
import {
  broughtConversation,
  restoreConversation,
  takeConversation,
} from '../../../../../src/agent/sessions/adapters/conversations.ts'
import type { Workspace } from '../../../../../src/agent/workspaces/workspace.ts'
import { realWorld } from '../../../../../src/platform/world.ts'
import { agentOf, type Logged, REQUEST, readJson, workspaceOf, writeJson } from '../support/session.ts'
import { tempFolder } from '../support/temp.ts'
import { git, repository } from '../support/work.ts'

const named = (tree: string) => tree.replace(/[^A-Za-z0-9]/g, '-')

describe('a conversation is taken', () => {
  let base: string
  let home: string
  let workTree: string
  let session: string
  beforeEach(() => {
    base = tempFolder()
    home = path.join(base, 'user')
    workTree = path.join(base, 'work')
    session = path.join(base, 'session')
    for (const folder of [home, workTree, session]) mkdirSync(folder)
  })
  /** Where claude would write it. */
  const place = (inHome = home) => {
    const folder = path.join(inHome, '.claude', 'projects', named(workTree))
    mkdirSync(folder, { recursive: true })
    return path.join(folder, 'c1.jsonl')
  }
  const user = { name: 'u', uid: 4_711, gid: 4_711 }
  const taken = (slot: Parameters<typeof takeConversation>[1]['slot'] = null) => {
    takeConversation(session, { type: 'claude', resumeRef: 'c1', env: { HOME: home }, workTree, slot })
    const file = path.join(session, 'conversation', 'conversation.jsonl')
    return existsSync(file) ? readFileSync(file, 'utf8') : null
  }

  it('with its name and its place below the folder of all', () => {
    writeFileSync(place(), 'words')
    expect(taken()).toBe('words')
    const about = { type: 'claude', resumeRef: 'c1', path: `${named(workTree)}/c1.jsonl` }
    expect(readJson(path.join(session, 'conversation', 'about.json'))).toEqual(about)
    expect(statSync(path.join(session, 'conversation')).mode & 0o777).toBe(0o700)
  })

  it('unless it is a folder, has another name too, or is too large', () => {
    mkdirSync(place())
    expect(taken()).toBeNull()
    const other = path.join(home, 'other')
    writeFileSync(other, 'of somebody else')
    const linked = tempFolder()
    linkSync(other, place(linked))
    takeConversation(session, { type: 'claude', resumeRef: 'c1', env: { HOME: linked }, workTree })
    expect(readdirSync(session)).toEqual([])
    const large = tempFolder()
    writeFileSync(place(large), '')
    truncateSync(place(large), 64 * 1024 * 1024 + 1)
    takeConversation(session, { type: 'claude', resumeRef: 'c1', env: { HOME: large }, workTree })
    expect(readdirSync(session)).toEqual([])
  })

  it('unless the agent named none, whatever lies there', () => {
    writeFileSync(path.join(path.dirname(place()), 'null.jsonl'), 'words')
    takeConversation(session, { type: 'claude', resumeRef: null, env: { HOME: home }, workTree })
    expect(readdirSync(session)).toEqual([])
  })

  it('through a link in our own home, and never in that of another user', () => {
    const elsewhere = path.join(base, 'elsewhere')
    mkdirSync(elsewhere)
    writeFileSync(place(elsewhere), 'words')
    symlinkSync(path.join(elsewhere, '.claude'), path.join(home, '.claude'))
    expect(taken({ ...user, home, isVirtual: false })).toBeNull()
    expect(taken()).toBe('words')
  })

  it('from the home of another user', () => {
    writeFileSync(place(), 'words')
    expect(taken({ ...user, home, isVirtual: false })).toBe('words')
  })

  it('of another user from the folder that its agent was told, also outside of the home', () => {
    const told = path.join(tempFolder(), '.claude')
    writeFileSync(place(path.dirname(told)), 'words')
    const slot = { ...user, home, isVirtual: false }
    const env = { HOME: home, CLAUDE_CONFIG_DIR: told }
    takeConversation(session, { type: 'claude', resumeRef: 'c1', env, workTree, slot })
    expect(readFileSync(path.join(session, 'conversation', 'conversation.jsonl'), 'utf8')).toBe('words')
  })

  it('from the home beside the work of a virtual user', () => {
    writeFileSync(place(), 'of the agent')
    writeFileSync(place(path.join(base, 'home')), 'words')
    expect(taken({ ...user, home: '/', isVirtual: true })).toBe('words')
  })
})

describe('a conversation is put back', () => {
  let agent: Agent
  let logged: Logged[]
  let workspace: Workspace
  let home: string
  beforeEach(() => {
    const made = agentOf(realWorld(), ['true'])
    agent = made.agent
    logged = made.logged
    workspace = workspaceOf(agent)
    home = path.join(tempFolder(), 'claude')
  })
  const ABOUT = { type: 'claude', resumeRef: 'c1', path: '-of-another-machine/c1.jsonl' }
  const tree = () => path.join(workspace.folder, 'work')
  const file = () => path.join(home, 'projects', named(tree()), 'c1.jsonl')

  /** Into the salvage repository, as the bundle of the work brought it. */
  function keep(about: unknown, text: string | Buffer = 'words\n'): void {
    const from = repository({ 'about.json': typeof about === 'string' ? about : JSON.stringify(about) })
    writeFileSync(path.join(from, 'conversation.jsonl'), text)
    git(from, 'add', '-A')
    git(from, 'commit', '-q', '-m', 'second')
    git(from, 'update-ref', 'refs/keep/session', 'HEAD')
    git(from, 'clone', '-q', '--mirror', from, path.join(workspace.folder, 'salvage.git'))
  }
  const restore = async (change: object = {}) => {
    const env = { PATH: process.env.PATH ?? '', CLAUDE_CONFIG_DIR: home }
    const request = { ...REQUEST, type: 'claude', resumeRef: 'c1' as string | null, workTree: tree(), ...change }
    await restoreConversation(agent, workspace, { folder: workspace.folder, request }, env)
    return existsSync(file()) ? readFileSync(file()) : null
  }

  it('to where the agent looks for it in this work tree, byte for byte, for its user alone', async () => {
    const bytes = Buffer.from([0, 200, 255, 10, 195, 40])
    keep(ABOUT, bytes)
    expect(await restore()).toEqual(bytes)
    expect([statSync(file()).mode & 0o777, statSync(path.dirname(file())).mode & 0o777]).toEqual([0o600, 0o700])
    writeFileSync(file(), 'goes on')
    expect(String(await restore())).toBe('goes on')
    expect(logged).toEqual([])
  })

  it.each([
    ['nothing is resumed', ABOUT, { resumeRef: null }],
    ['another one is resumed', ABOUT, { resumeRef: 'c2' }],
    ['the agent is of another type', ABOUT, { type: 'codex' }],
    ['its type keeps none', { ...ABOUT, type: 'command' }, { type: 'command' }],
    ['its path leads out', { ...ABOUT, path: '../c1.jsonl' }, {}],
    ['its path has no plain names', { ...ABOUT, path: 'a//c1.jsonl' }, {}],
    ['what is known about it is no JSON', 'no JSON', {}],
  ])('not when %s', async (_, about, change) => {
    keep(about)
    expect([await restore(change), existsSync(home), logged]).toEqual([null, false, []])
  })

  it('not when the work brought none', async () => {
    mkdirSync(path.join(workspace.folder, 'salvage.git'))
    expect([await restore(), logged]).toEqual([null, []])
    expect(await broughtConversation(workspace, null)).toEqual({})
  })

  it('not through a link, and the log says so', async () => {
    keep(ABOUT)
    const outside = tempFolder()
    mkdirSync(home)
    symlinkSync(outside, path.join(home, 'projects'))
    expect([await restore(), readdirSync(outside)]).toEqual([null, []])
    const facts = { workspace: 'w1', said: `${home}/projects is a link` }
    expect(logged).toEqual([{ level: 'warn', message: 'a conversation cannot be restored', facts }])
  })

  it('by the ref that the bundle has beside that of the work', async () => {
    const from = repository()
    for (const ref of ['refs/tdf/t1/1', 'refs/tdf/t1/1-session', 'refs/tdf/t1/2']) git(from, 'update-ref', ref, 'HEAD')
    git(from, 'bundle', 'create', '-q', path.join(workspace.folder, 'source.bundle'), '--all')
    const head = git(from, 'rev-parse', 'HEAD').trim()
    expect(await broughtConversation(workspace, 'refs/tdf/t1/1')).toEqual({ 'refs/keep/session': head })
    expect(await broughtConversation(workspace, 'refs/tdf/t1/2')).toEqual({})
  })

  it('not where a file is in the way, and the log says so', async () => {
    keep(ABOUT)
    writeJson(home, 'a file in the way')
    expect(await restore()).toBeNull()
    expect(logged).toHaveLength(1)
  })
})
