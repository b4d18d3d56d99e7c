/** What a node keeps of the repositories that its tasks began from, and what it does with it. */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { type AgentProcess, startAgentProcess } from '../support/agent.ts'
import { eventually, tempFolder } from '../support/temp.ts'
import { git, repository, statusOf, workspaceBody, writeFiles } from '../support/work.ts'

const REF = 'refs/heads/main'
const KEY = 'a'.repeat(64)

interface Bundle {
  bytes: Buffer
  sha256: string
}

function bundle(folder: string, ...wanted: string[]): Bundle {
  const file = join(tempFolder(), 'bundle')
  git(folder, 'bundle', 'create', '-q', file, ...wanted)
  const bytes = readFileSync(file)
  return { bytes, sha256: createHash('sha256').update(bytes).digest('hex') }
}

const headCommit = (folder: string) => git(folder, 'rev-parse', 'HEAD').trim()

function change(folder: string): { thin: Bundle; whole: Bundle; commit: string } {
  const before = headCommit(folder)
  writeFiles(folder, { 'README.md': `on top of ${before}\n` })
  git(folder, 'commit', '-q', '-a', '-m', 'next')
  return { thin: bundle(folder, `^${before}`, 'main'), whole: bundle(folder, 'main'), commit: headCommit(folder) }
}

async function create(agent: AgentProcess, { bytes, sha256 }: Bundle, cache: unknown = { key: KEY, adds: true }) {
  const source = { kind: 'bundle', ref: REF, sha256, bytes: bytes.length, ...(cache === null ? {} : { cache }) }
  const body = workspaceBody('', { source })
  expect((await agent.post('/workspaces', body)).status).toBe(202)
  return body.workspaceId
}

async function send(agent: AgentProcess, id: string, { bytes, sha256 }: Bundle, isThin = false) {
  const query = isThin ? `?thin=${sha256}&bytes=${bytes.length}` : ''
  const headers = { 'content-type': 'application/octet-stream', 'content-length': String(bytes.length) }
  return (await agent.call('PUT', `/workspaces/${id}/bundle${query}`, { raw: bytes, headers })).status
}

async function built(agent: AgentProcess, id: string): Promise<string> {
  await eventually('it is built', async () => (await statusOf(agent, id)) !== 'creating')
  expect(await statusOf(agent, id)).toBe('ready')
  return headCommit(join(agent.state, 'workspaces', id, 'work'))
}

async function whole(agent: AgentProcess, sent: Bundle, cache?: unknown): Promise<string> {
  const id = await create(agent, sent, cache)
  expect(await send(agent, id, sent)).toBe(204)
  return built(agent, id)
}

const kept = async (agent: AgentProcess, key = KEY): Promise<string[]> => (await agent.get(`/sources/${key}`)).json.have

it('a bundle may build on what came before; one whose ground is not here is refused, and the whole is taken', async () => {
  const agent = await startAgentProcess()
  const folder = repository()
  const first = headCommit(folder)
  expect(await kept(agent)).toEqual([])
  await whole(agent, bundle(folder, 'main'))
  expect(await kept(agent)).toEqual([first])
  const second = change(folder)
  const id = await create(agent, second.whole)
  expect(await send(agent, id, second.thin, true)).toBe(204)
  expect(await send(agent, id, second.thin, true)).toBe(204)
  expect(await built(agent, id)).toBe(second.commit)
  expect((await kept(agent)).sort()).toEqual([first, second.commit].sort())
  change(folder)
  const fourth = change(folder)
  const next = await create(agent, fourth.whole)
  expect(await send(agent, next, fourth.thin, true)).toBe(409)
  expect(await send(agent, next, { ...fourth.thin, sha256: fourth.whole.sha256 }, true)).toBe(409)
  expect((await agent.get(`/workspaces/${next}`)).json).toMatchObject({ status: 'creating', needsBundle: true })
  expect(await send(agent, next, fourth.whole)).toBe(204)
  expect(await built(agent, next)).toBe(fourth.commit)
})

it('the whole is asked for when what a bundle builds on turns out to be lost', async () => {
  const agent = await startAgentProcess()
  const folder = repository()
  const first = headCommit(folder)
  await whole(agent, bundle(folder, 'main'))
  const cache = join(agent.state, 'sources', `${KEY}.git`)
  // The commit is there, and nothing that it holds.
  const content = git(folder, 'cat-file', 'commit', first)
  rmSync(join(cache, 'objects', 'pack'), { recursive: true })
  execFileSync('git', ['hash-object', '-w', '-t', 'commit', '--stdin'], { cwd: cache, input: content })
  expect(await kept(agent)).toEqual([first])
  const { thin, whole: all, commit } = change(folder)
  const id = await create(agent, all)
  expect(await send(agent, id, thin, true)).toBe(204)
  const state = async () => (await agent.get(`/workspaces/${id}`)).json
  await eventually('it is asked for', async () => (await state()).needsBundle === true)
  expect(await state()).toMatchObject({ status: 'creating' })
  expect(await kept(agent)).toEqual([])
  expect(await send(agent, id, all)).toBe(204)
  expect(await built(agent, id)).toBe(commit)
  expect(await kept(agent)).toEqual([commit])
})

it('many tasks on the same leave few packs, and all that they brought', async () => {
  const agent = await startAgentProcess()
  const folder = repository()
  await whole(agent, bundle(folder, 'main'))
  for (let n = 0; n < 14; n += 1) {
    const { thin, whole, commit } = change(folder)
    const id = await create(agent, whole)
    expect(await send(agent, id, thin, true)).toBe(204)
    expect(await built(agent, id)).toBe(commit)
  }
  const cache = join(agent.state, 'sources', `${KEY}.git`)
  expect(git(cache, 'count-objects', '-v')).toMatch(/^packs: [0-9]$/m)
  git(cache, 'fsck', '--full', '--strict')
  expect(await kept(agent)).toContain(headCommit(folder))
})

it('nothing is kept of what is not to be added, and nobody builds on what was not announced', async () => {
  const agent = await startAgentProcess()
  const folder = repository()
  await whole(agent, bundle(folder, 'main'), { key: KEY, adds: false })
  await whole(agent, bundle(folder, 'main'), null)
  expect(await kept(agent)).toEqual([])
  const { thin, whole: all } = change(folder)
  const id = await create(agent, all, null)
  expect(await send(agent, id, thin, true)).toBe(409)
  expect((await agent.get('/sources/..')).status).toBe(404)
  expect((await agent.get('/sources/not-a-key')).status).toBe(404)
})

it('nothing is kept on a disk that is nearly full', async () => {
  const agent = await startAgentProcess({ env: { TDF_DISK_LOW: '999999999999999' } })
  await whole(agent, bundle(repository(), 'main'))
  expect(await kept(agent)).toEqual([])
})

it('the longest unused goes where there is no more room', async () => {
  const agent = await startAgentProcess({ env: { TDF_SOURCES_MAX_BYTES: '10' } })
  const folder = repository()
  await whole(agent, bundle(folder, 'main'))
  expect(await kept(agent)).toHaveLength(1)
  const other = 'b'.repeat(64)
  await whole(agent, bundle(folder, 'main'), { key: other, adds: true })
  expect(await kept(agent, other)).toHaveLength(1)
  expect(existsSync(join(agent.state, 'sources', `${KEY}.git`))).toBe(false)
})
