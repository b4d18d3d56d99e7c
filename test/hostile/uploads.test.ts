/** Repositories as a node is sent them, through its API: one that git would not make is refused, and nothing of it is there. */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { until } from '../support/daemon/home.ts'
import { type AgentProcess, startAgentProcess } from '../unit/src/agent/support/agent.ts'
import { tempFolder } from '../unit/src/agent/support/temp.ts'
import { workspaceBody } from '../unit/src/agent/support/work.ts'
import { EVILS, emptyRepository, objectsOf, writeBundle } from './support/evil-bundles.ts'

const REF = 'refs/heads/main'
/** What is wrong is an object: the others lack a part of a bundle, and are shown where bundles are unpacked. */
const OBJECTS = EVILS.filter(({ what }) => /^a (tree|\.gitmodules|commit without an author)/.test(what))

let agent: AgentProcess
beforeAll(async () => {
  agent = await startAgentProcess()
})

const scratch = () => {
  const dir = path.join(tempFolder(), 'repo')
  mkdirSync(dir)
  return dir
}

/** The whole repository with all that was added to it, as a bundle that needs nothing else. */
function bundleOf(dir: string, commit: string): Buffer {
  const listed = execFileSync('git', ['cat-file', '--batch-all-objects', '--batch-check=%(objectname)'], { cwd: dir })
  const file = path.join(dir, 'whole.bundle')
  writeBundle(file, [[commit, REF]], objectsOf(dir).pack(listed.toString().trim().split('\n')))
  return readFileSync(file)
}

/** Creates a workspace, uploads, and answers it when its build is over. */
async function upload(bytes: Buffer, way = (id: string) => `/workspaces/${id}/bundle`) {
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  const repositorySetup = { policy: 'run', timeoutMs: 10_000 }
  const body = workspaceBody('', { repositorySetup, source: { kind: 'bundle', ref: REF, sha256, bytes: bytes.length } })
  await agent.post('/workspaces', body)
  const { status: answer } = await agent.call('PUT', way(body.workspaceId), { raw: bytes })
  const view = async () => (await agent.get(`/workspaces/${body.workspaceId}`)).json
  if (answer === 204) await until('its build is over', async () => (await view()).status !== 'creating')
  const folder = path.join(agent.state, 'workspaces', body.workspaceId)
  return { id: body.workspaceId, answer, folder, ...(await view()) }
}

describe('a repository that is uploaded to a node', () => {
  it.each(OBJECTS)('is refused with $what', async ({ write, says }) => {
    const dir = emptyRepository(scratch())
    const commit = write(dir, REF, path.join(dir, 'part.bundle'))
    const built = await upload(bundleOf(dir, commit))
    expect(built).toMatchObject({ status: 'failed', errorMessage: expect.stringMatching(says) })
    expect(existsSync(path.join(built.folder, 'work', 'README.md'))).toBe(false)
  })

  it('is taken by no path but that of its own workspace', async () => {
    const dir = emptyRepository(scratch())
    const bytes = bundleOf(dir, objectsOf(dir).head())
    const before = readdirSync(path.join(agent.state, 'workspaces'))
    const ways = [
      (id: string) => `/workspaces/..%2Fworkspaces%2F${id}/bundle`,
      (id: string) => `/workspaces/${id}%2F..%2F${id}/bundle`,
      (id: string) => `/workspaces/${id}%00/bundle`,
      () => '/workspaces/..%2F..%2Fetc/bundle',
    ]
    for (const way of ways) {
      const { answer, id, status } = await upload(bytes, way)
      expect([400, 404]).toContain(answer)
      expect(status).toBe('creating')
      await agent.delete(`/workspaces/${id}`)
    }
    expect(readdirSync(path.join(agent.state, 'workspaces'))).toEqual(before)
  })

  it('does not have what a link in it names looked into', async () => {
    const dir = emptyRepository(scratch())
    const secret = path.join(dir, 'of-the-machine')
    writeFileSync(secret, 'setup = "echo of-the-machine-was-read"\n')
    symlinkSync(secret, path.join(dir, '.tdf.toml'))
    const git = (...args: string[]) =>
      execFileSync('git', ['-c', 'user.name=e', '-c', 'user.email=e@e', ...args], { cwd: dir })
    git('add', '.tdf.toml')
    git('commit', '-q', '-m', 'link')
    const built = await upload(bundleOf(dir, objectsOf(dir).head()))
    expect(built).toMatchObject({
      status: 'failed',
      errorMessage: expect.stringContaining('.tdf.toml is no plain file'),
    })
    expect((await agent.get(`/workspaces/${built.id}/logs?session=setup`)).bytes.toString()).not.toContain('was-read')
  })
})
