/** What a small task costs on its node: processes of git, those that git itself starts among them. */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { type AgentProcess, startAgentProcess } from '../support/agent.ts'
import { eventually, tempFolder } from '../support/temp.ts'
import { git, repository, runScript, statusOf, workspaceBody } from '../support/work.ts'

const REF = 'refs/tdf/task-1/1'

/** A `git` for the PATH of an agent, with which each process leaves a trace of its own (api-trace2, GIT_TRACE2_EVENT). */
function tracedGit(): { env: Record<string, string>; taken(): string[] } {
  const folder = tempFolder()
  const [bin, traces] = [join(folder, 'bin'), join(folder, 'traces')]
  for (const place of [bin, traces]) mkdirSync(place)
  const real = execFileSync('sh', ['-c', 'command -v git'], { encoding: 'utf8' }).trim()
  writeFileSync(join(bin, 'git'), `#!/bin/sh\nGIT_TRACE2_EVENT='${traces}' exec '${real}' "$@"\n`)
  chmodSync(join(bin, 'git'), 0o755)
  const seen = new Set<string>()
  const commandOf = (name: string) => {
    const events = readFileSync(join(traces, name), 'utf8').split('\n').filter(Boolean)
    const { argv } = events.map(line => JSON.parse(line)).find(({ event }) => event === 'start')
    return argv.slice(1).filter((word: string, at: number, all: string[]) => word !== '-c' && all[at - 1] !== '-c')[0]
  }
  return {
    env: { PATH: `${bin}:${process.env.PATH}` },
    taken() {
      const fresh = readdirSync(traces).filter(name => !seen.has(name))
      for (const name of fresh) seen.add(name)
      return fresh.map(commandOf)
    },
  }
}

/** `known` is left out of what is sent. */
async function uploadedWorkspace(
  agent: AgentProcess,
  { cache, folder = repository(), known }: { cache?: object; folder?: string; known?: string } = {},
): Promise<{ id: string; base: string }> {
  const bundle = join(tempFolder(), 'upload.bundle')
  git(folder, 'bundle', 'create', '-q', bundle, 'main', ...(known ? [`^${known}`] : []))
  const bytes = readFileSync(bundle)
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  const source = {
    kind: 'bundle',
    ref: 'refs/heads/main',
    sha256,
    bytes: bytes.length,
    origin: 'https://example.com/r',
    ...(cache ? { cache } : {}),
  }
  const body = workspaceBody('', { source, repositorySetup: { policy: 'run', timeoutMs: 60_000 } })
  expect((await agent.post('/workspaces', body)).status).toBe(202)
  const query = known ? `?thin=${sha256}&bytes=${bytes.length}` : ''
  const sent = await agent.call('PUT', `/workspaces/${body.workspaceId}/bundle${query}`, { raw: bytes })
  expect(sent.status).toBeLessThan(300)
  await eventually('the build is over', async () => (await statusOf(agent, body.workspaceId)) !== 'creating')
  expect(await statusOf(agent, body.workspaceId)).toBe('ready')
  return { id: body.workspaceId, base: git(folder, 'rev-parse', 'main').trim() }
}

const CACHE = { key: 'a'.repeat(64), adds: true }

it.each([
  ['', undefined],
  [' that it keeps for the next task', CACHE],
])('makes a workspace of an uploaded repository%s with at most five processes of git', async (_, cache) => {
  const { env, taken } = tracedGit()
  const agent = await startAgentProcess({ env })
  taken()
  await uploadedWorkspace(agent, cache ? { cache } : {})
  const processes = taken()
  expect(processes.length, processes.join(' ')).toBeLessThanOrEqual(5)
  expect(processes).toContain('checkout')
})

it('says what it has of a repository, and makes a workspace of what is new, with at most five processes of git', async () => {
  const { env, taken } = tracedGit()
  const agent = await startAgentProcess({ env })
  const folder = repository()
  const { base } = await uploadedWorkspace(agent, { cache: CACHE, folder })
  writeFileSync(join(folder, 'README.md'), 'more\n')
  git(folder, 'commit', '-q', '-a', '-m', 'more')
  taken()
  expect((await agent.get(`/sources/${CACHE.key}`)).json).toEqual({ have: [base] })
  await uploadedWorkspace(agent, { cache: CACHE, folder, known: base })
  const processes = taken()
  expect(processes.length, processes.join(' ')).toBeLessThanOrEqual(5)
  expect(processes).toContain('checkout')
})

it.each([
  ['new and changed files', 'echo new > new.txt; echo changed > README.md', 'new.txt'],
  ['removed files', 'rm README.md; echo new > new.txt', 'new.txt'],
  ['commits', 'echo new > new.txt; git add -A; git commit -qm new', 'new.txt'],
  [
    'commits with changes on top of them',
    'echo 1 > 1; git add -A; git commit -qm 1; git rm -q README.md; echo 2 > 2',
    '2',
  ],
])(
  'saves a small run that left %s with at most twelve processes of git, its bundle among them',
  async (_, script, file) => {
    const { env, taken } = tracedGit()
    const agent = await startAgentProcess({ env })
    const { id, base } = await uploadedWorkspace(agent)
    // The agent's own git is not counted: its environment has another PATH.
    await runScript(agent, id, `PATH='${process.env.PATH}'; ${script}`)
    taken()
    const { status, json } = await agent.post(`/workspaces/${id}/salvage`, { ref: REF })
    expect([status, json.leftOut]).toEqual([200, []])
    const bundle = await agent.get(`/workspaces/${id}/bundle?ref=${REF}&have=${base}`)
    const processes = taken()
    expect(processes.length, processes.join(' ')).toBeLessThanOrEqual(12)
    expect(processes).toContain('index-pack')
    const home = join(tempFolder(), 'home')
    git(tempFolder(), 'clone', '-q', '--bare', join(agent.state, 'workspaces', id, 'salvage.git'), home)
    writeFileSync(`${home}.bundle`, bundle.bytes)
    git(home, 'fetch', '-q', `${home}.bundle`, '+refs/tdf/*:refs/tdf/*')
    expect(git(home, 'ls-tree', '--name-only', REF)).toContain(file)
    expect(git(home, 'log', '--format=%s', `${REF}-log`).trim()).toBe('Output of task task-1')
  },
)
