/** What the daemon asks a forge, against the model of one: by the real gh where there is one, and by the model of gh. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { isOnPath } from '../../daemon/host/programs.ts'
import { type Allowance, type Cache, callForge, createAllowance } from '../../daemon/results/push/watch/gh.ts'
import { lookAtGitHub, readLog } from '../../daemon/results/push/watch/github.ts'
import type { PullView } from '../../daemon/results/push/watch/view.ts'
import { type Forge, startForge } from '../fakes/programs/forge/forge.ts'
import { gitIn } from '../unit/daemon/results/node.ts'

const ofSystem = process.env.PATH ?? ''
const programs = ['model', ...(isOnPath('gh', ofSystem) ? ['gh'] : [])]
if (programs.length === 1) console.warn('not run: the suite of forges with the real gh (there is none)')

describe.each(programs)('a forge that is asked by %s', program => {
  let forge: Forge
  let head: string
  let allowance: Allowance
  let now: number
  let known: Cache

  beforeEach(async () => {
    forge = await startForge()
    vi.stubEnv('PATH', program === 'gh' ? ofSystem : `${forge.bin}:${ofSystem}`)
    vi.stubEnv('XDG_CONFIG_HOME', forge.configHome)
    const folder = mkdtempSync(path.join(tmpdir(), 'tdf-clone-'))
    gitIn(folder, 'init', '-q', '-b', 'main')
    gitIn(folder, 'commit', '-q', '--allow-empty', '-m', 'first')
    gitIn(folder, 'push', '-q', forge.bare, 'main', 'main:topic')
    head = gitIn(folder, 'rev-parse', 'HEAD')
    rmSync(folder, { recursive: true })
    forge.pull({ number: 1 })
    allowance = createAllowance()
    now = Date.now()
    known = {}
  })
  afterEach(async () => {
    vi.unstubAllEnvs()
    await forge.close()
  })

  const signal = new AbortController().signal
  const place = (url = 'https://github.com/acme/web/pull/1') => ({
    ...{ taskId: 't1', url, remote: forge.bare, branch: 'topic', token: null },
  })
  const config = { ignoreAuthors: ['bob'], allowAuthors: ['review[bot]'] }
  async function look(url?: string): Promise<PullView> {
    const found = await lookAtGitHub({ place: place(url), known, config, allowance, now: () => now, signal })
    known = found.cache
    return found.view
  }
  const comment = (id: number, author: string) => ({ id, author, body: `${author} says` })
  const counted = () => forge.requests.filter(one => one.counted).length

  it('says how a pull request and its checks stand', async () => {
    forge.ci = commit => [
      { name: 'test', conclusion: commit === head ? 'failure' : 'success', log: 'it broke\n' },
      { name: 'cut off', conclusion: 'cancelled' },
      ...['neutral', 'skipped'].map(conclusion => ({ name: conclusion, conclusion })),
      { name: 'stale', conclusion: 'stale' },
      { name: 'later', status: 'queued' as const },
      { name: 'well' },
    ]
    forge.statuses.push({ context: 'deploy', state: 'pending', description: 'soon' })
    forge.statuses.push({ context: 'size', state: 'error', description: 'too big' })
    const view = await look()
    expect(view).toMatchObject({ state: 'open', draft: false, head, base: 'main', mergeable: true, threads: [] })
    expect(view.checks.map(({ name, state }) => [name, state])).toEqual([
      ...[
        ['test', 'failed'],
        ['cut off', 'failed'],
        ['neutral', 'ignored'],
        ['skipped', 'ignored'],
      ],
      ...[
        ['stale', 'pending'],
        ['later', 'pending'],
        ['well', 'passed'],
        ['deploy', 'pending'],
        ['size', 'failed'],
      ],
    ])
    expect(view.checks.map(({ text }) => text)).toEqual(expect.arrayContaining(['too big', 'cut off says so']))
    const [{ job }] = view.checks as [PullView['checks'][number]]
    expect(await readLog({ place: place(), allowance, now: () => now, signal }, job ?? '')).toBe('it broke\n')
    expect(view.checks.filter(check => check.job !== null)).toHaveLength(1)
  })

  it('counts nothing of what has not changed', async () => {
    forge.ci = () => [{ name: 'test' }]
    const first = await look()
    const before = counted()
    expect(await look()).toEqual(first)
    expect([counted(), before > 0]).toEqual([before, true])
    forge.ci = () => [{ name: 'test', conclusion: 'failure' }]
    expect((await look()).checks).toMatchObject([{ state: 'failed' }])
    expect(counted()).toBe(before + 1)
  })

  it('counts nothing of review threads that are closed, until anything is new', async () => {
    forge.ci = () => [{ name: 'test' }]
    const thread = { id: 'a', path: 'x.ts', line: 3, comments: [{ id: 1, author: 'alice', body: 'hm' }] }
    const { threads } = forge.pull({ number: 1, threads: [thread] })
    expect((await look()).threads).toHaveLength(1)
    Object.assign(threads[0] ?? {}, { isResolved: true })
    expect((await look()).threads).toEqual([])
    const before = counted()
    await look()
    expect(counted()).toBe(before)
    threads.push({ id: 'b', path: 'x.ts', line: 4, comments: [{ id: 2, author: 'alice', body: 'no' }] })
    expect((await look()).threads.map(({ id }) => id)).toEqual(['b'])
  })

  it('has more checks than a page', async () => {
    forge.ci = () => Array.from({ length: 40 }, (_, index) => ({ name: `c${index}` }))
    expect((await look()).checks).toHaveLength(40)
  })

  it('tells who of the reviewers may write, and what is still open', async () => {
    forge.pull({
      ...{ number: 1, reviews: [] },
      threads: [
        { id: 'a', path: 'x.ts', line: 3, comments: [comment(1, 'alice'), comment(2, 'mallory')] },
        { id: 'b', path: 'x.ts', line: 4, isResolved: true, comments: [comment(3, 'alice')] },
        { id: 'c', path: 'x.ts', line: 5, isOutdated: true, comments: [comment(4, 'review[bot]')] },
        { id: 'd', path: 'x.ts', line: 6, comments: [comment(5, 'bob'), comment(6, 'other[bot]')] },
      ],
    })
    const { threads } = await look()
    const may = threads.map(({ comments }) => comments.map(({ author, mayWrite }) => [author, mayWrite]))
    expect(may).toEqual([
      [
        ['alice', true],
        ['mallory', false],
      ],
      [['review[bot]', true]],
      [
        ['bob', false],
        ['other[bot]', false],
      ],
    ])
    expect(threads.map(({ id, line, outdated }) => [id, line, outdated])).toEqual([
      ['a', 3, false],
      ['c', 5, true],
      ['d', 6, false],
    ])
  })

  it('that does not say who may write has nobody heard whom it was not asked to hear', async () => {
    forge.pull({ number: 1, threads: [{ id: 'a', path: 'x.ts', line: 3, comments: [comment(1, 'alice')] }] })
    forge.faults.push({ at: /collaborators/, kind: 'forbidden', times: 1 })
    const unheard = [{ comments: [{ author: 'alice', mayWrite: false }] }]
    expect((await look()).threads).toMatchObject(unheard)
    // A no holds.
    expect((await look()).threads).toMatchObject(unheard)
    expect(forge.requests.filter(({ path: at }) => at.includes('collaborators'))).toHaveLength(1)
  })

  it('counts a review that wants changes until its author says otherwise', async () => {
    const pull = forge.pull({ number: 1 })
    pull.reviews.push({ id: 1, author: 'alice', state: 'CHANGES_REQUESTED', body: 'not like this' })
    pull.reviews.push({ id: 2, author: 'alice', state: 'COMMENTED', body: 'hm' })
    const { threads } = await look()
    expect(threads).toMatchObject([
      { id: 'review-1', path: null, comments: [{ text: 'not like this', mayWrite: true }] },
    ])
    pull.reviews.push({ id: 3, author: 'alice', state: 'APPROVED', body: '' })
    expect((await look()).threads).toEqual([])
  })

  it('is merged, closed, a draft or in conflict', async () => {
    const pull = forge.pull({ number: 1, draft: true, mergeable: false })
    expect(await look()).toMatchObject({ draft: true, mergeable: false })
    pull.mergeable = null
    expect(await look()).toMatchObject({ mergeable: null })
    pull.state = 'closed'
    expect(await look()).toMatchObject({ state: 'closed', checks: [] })
    pull.merged = true
    expect(await look()).toMatchObject({ state: 'merged' })
  })

  it.each(['down', 'error', 'half', 'forbidden'] as const)('that is %s is named so, and asked again', async kind => {
    forge.faults.push({ at: /pulls\/1$/, kind, times: 1 })
    await expect(look()).rejects.toMatchObject({ code: 'FORGE_UNAVAILABLE' })
    expect(await look()).toMatchObject({ state: 'open' })
  })

  it.each([
    ['secondary', 60_000],
    ['limit', 1_800_000],
    ['many', 1_800_000],
  ] as const)('that has enough (%s) is left alone until it says', async (kind, restMs) => {
    forge.faults.push({ at: /./, kind, times: 1 })
    const thrown = await look().catch(error => error)
    expect(thrown.code).toBe('FORGE_UNAVAILABLE')
    expect(Math.abs(thrown.retryAfterMs - restMs)).toBeLessThan(30_000)
    const before = forge.requests.length
    await expect(look()).rejects.toMatchObject({ code: 'FORGE_UNAVAILABLE' })
    expect(forge.requests).toHaveLength(before)
    now += restMs + 30_000
    expect(await look()).toMatchObject({ state: 'open' })
  })

  it('that may be asked again at once has said no for now, not for ever', async () => {
    forge.faults.push({ at: /./, kind: 'again', times: 1 })
    await expect(look()).rejects.toMatchObject({ code: 'FORGE_UNAVAILABLE', retryAfterMs: 0 })
    expect(await look()).toMatchObject({ state: 'open' })
  })

  it('is not asked more often in an hour than it allows', async () => {
    for (let times = 0; times < 3_600; times++) allowance.count('github.com', now)
    await expect(look()).rejects.toMatchObject({ code: 'FORGE_UNAVAILABLE', retryAfterMs: 3_600_000 })
    expect(forge.requests).toEqual([])
    now += 3_600_000
    expect(await look()).toMatchObject({ state: 'open' })
  })

  it('without a login, or for what is no pull request, says so', async () => {
    await expect(look('https://github.com/acme/web')).rejects.toMatchObject({
      message: expect.stringContaining('no pull request'),
    })
    await expect(look('https://github.com/acme/web/pull/9')).rejects.toMatchObject({
      message: expect.stringContaining('404'),
    })
    vi.stubEnv('XDG_CONFIG_HOME', '/nonexistent')
    const call = { host: 'github.com', path: 'repos/acme/web/pulls/1', token: null, signal }
    await expect(callForge(call, allowance, () => now)).rejects.toMatchObject({
      message: expect.stringMatching(/log ?in|auth/i),
    })
  })
})
