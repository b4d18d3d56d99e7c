/** Which bundle a node gets: what is new on top of what it has, or the whole. */
import { describe, expect, it } from 'vitest'
import { sendBundle, sourceOf } from '../../../../daemon/steps/bundle.ts'
import { workspaceReady } from '../../../../daemon/steps/workspace.ts'
import type { AgentClient } from '../../../../src/clients/agent.ts'
import type { RepoSource } from '../../../../src/core/source.ts'
import { aConfig, aPlacedTask, aSpec } from '../../../support/builders.ts'
import { bench } from '../../../support/daemon/step-context.ts'

const LARGE = 1024 * 1024
const OID = '1'.repeat(40)
const repo: RepoSource = {
  ...{ kind: 'bundle', url: '/r', ref: 'refs/heads/main', baseCommit: OID, sha256: 'a'.repeat(64), bytes: LARGE },
}
const CLONED: RepoSource = { kind: 'git', url: 'https://a', ref: null, baseCommit: null }
const task = aPlacedTask({ spec: aSpec({ repo }) })
const config = aConfig()
const keyOf = (installId: string, more: Partial<RepoSource> = {}) => {
  const source = sourceOf({ installId, config }, { ...task, spec: aSpec({ repo: { ...repo, ...more } as RepoSource }) })
  return source.kind === 'bundle' ? source.cache : undefined
}

/** What was done with a node that has `have` and takes thin bundles or not. */
async function done({
  have = [OID],
  thin = true,
  takes = true,
  bytes = LARGE,
  isCloned = false,
} = {}): Promise<string[]> {
  const said: string[] = []
  const { ctx } = bench()
  const agent = {
    commitsKept: async () => {
      said.push('asked')
      return have
    },
    uploadThin: async (_: string, { file }: { file: string }) => {
      said.push(file)
      return takes
    },
    uploadBundle: async (_: string, file: string) => void said.push(file),
  }
  const results = {
    ...ctx.results,
    thin: async () => (thin ? { file: 'thin', sha256: 'b'.repeat(64), bytes: 10 } : null),
    discard: async (file: string) => void said.push(`discarded ${file}`),
  }
  const placed = { ...task, spec: aSpec({ repo: isCloned ? CLONED : ({ ...repo, bytes } as RepoSource) }) }
  // The parts of the client that are used.
  await sendBundle({ ...ctx, results, installId: 'i' }, placed, agent as unknown as AgentClient, 'w', 'whole')
  return said
}

describe('a node gets', () => {
  it('only what is new where it has the rest', async () => {
    expect(await done()).toEqual(['asked', 'thin', 'discarded thin'])
  })
  it('the whole where it has nothing, where nothing of that is known here, or where it cannot use the part', async () => {
    expect(await done({ have: [] })).toEqual(['asked', 'whole'])
    expect(await done({ thin: false })).toEqual(['asked', 'whole'])
    expect(await done({ takes: false })).toEqual(['asked', 'thin', 'discarded thin', 'whole'])
  })
  it('nothing now where the connection breaks, and what was packed for it does not stay', async () => {
    const discarded: string[] = []
    const { ctx } = bench()
    const results = {
      ...ctx.results,
      thin: async () => ({ file: 'thin', sha256: 'b'.repeat(64), bytes: 10 }),
      discard: async (file: string) => void discarded.push(file),
    }
    const uploadThin = async () => {
      throw new Error('the connection broke')
    }
    const agent = { commitsKept: async () => [OID], uploadThin } as unknown as AgentClient
    await expect(sendBundle({ ...ctx, results }, task, agent, 'w', 'whole')).rejects.toThrow('broke')
    expect(discarded).toEqual(['thin'])
  })
  it('the whole of a small one without a question', async () => {
    expect(await done({ bytes: 1_000 })).toEqual(['whole'])
    expect(await done({ isCloned: true })).toEqual(['whole'])
  })
  it('the whole again when it lost what a part builds on', async () => {
    const lost = { workspace: async () => ({ status: 'creating', needsBundle: true }) }
    const { ctx } = bench({ agent: async () => lost as unknown as AgentClient })
    const now = ctx.now
    const waiting = aPlacedTask({ step: 'workspace_ready', stepEnteredAt: now - 60_000, deadlineAt: now + 60_000 })
    expect(await workspaceReady(ctx, waiting)).toMatchObject({ kind: 'advance', to: 'workspace_creation' })
  })
})

it.each([
  ['checkout', { submodules: true }],
  ['leave', {}],
] as const)('a node that clones by itself is told what becomes of submodules: %s', (submodules, told) => {
  const cloning = aConfig({ repositories: { fetch: 'node', submodules } })
  const source = sourceOf({ installId: 'one', config: cloning }, { ...task, spec: aSpec({ repo: CLONED }) })
  expect(source).toEqual({ kind: 'git', url: 'https://a', ref: null, ...told })
})

describe('a node keeps', () => {
  it('each source under a name that only its installation can make', () => {
    expect(keyOf('one')).toEqual(keyOf('one', { sha256: 'c'.repeat(64) }))
    expect(keyOf('one')?.key).not.toBe(keyOf('other')?.key)
    expect(keyOf('one')?.key).not.toBe(keyOf('one', { url: '/other' })?.key)
    expect(keyOf('one')?.key).not.toBe(keyOf('one', { baseCommit: '1'.repeat(64) })?.key)
    expect(keyOf('one', { bytes: 1_000 })).toBeUndefined()
  })
  it('what was fetched of a url under that, whatever the task goes on from', () => {
    const url = aSpec({ repo: { kind: 'git', url: 'https://a', ref: null, baseCommit: null } })
    const source = { commit: OID, ref: 'refs/heads/main', sha256: 'e'.repeat(64), bytes: LARGE }
    const fetched = sourceOf({ installId: 'one', config }, { ...task, spec: url, facts: { source } })
    expect(fetched).toMatchObject({ cache: { adds: true }, origin: 'https://a' })
    const resume = { ref: 'refs/tdf/t1/1', commit: OID, baseCommit: OID, salvaged: false, resumeRef: null, source }
    const { cache } = fetched as { cache?: { key: string } }
    const resumed = sourceOf({ installId: 'one', config }, { ...task, spec: url, facts: { resume } })
    expect(resumed).toMatchObject({ cache: { adds: false, key: cache?.key } })
  })
  it('nothing of what an agent left, from which a task goes on', () => {
    const saved = { ref: 'refs/tdf/t1/1', commit: OID, baseCommit: OID, salvaged: false }
    const resume = { ...saved, source: { sha256: 'd'.repeat(64), bytes: LARGE } }
    const source = sourceOf({ installId: 'one', config }, { ...task, facts: { resume: resume as never } })
    expect(source).toMatchObject({ cache: { adds: false, key: keyOf('one')?.key } })
    expect(sourceOf({ installId: 'one', config }, task)).toMatchObject({ cache: { adds: true } })
  })
})
