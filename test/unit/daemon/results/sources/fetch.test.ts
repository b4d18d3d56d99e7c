/** Repositories by url from a real server: what is fetched, how it is called, what it costs, and what is said when it cannot be had. */
import { existsSync } from 'node:fs'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Repository } from '../../../../../daemon/results/repository.ts'
import { accessTo, plannedSource } from '../../../../../daemon/results/sources/access.ts'
import { fetchCommit } from '../../../../../daemon/results/sources/fetch.ts'
import { createSources, type RunningSources } from '../../../../../daemon/results/sources/sources.ts'
import type { SourceFacts } from '../../../../../src/core/task.ts'
import { aConfig, aSpec, aTask } from '../../../../support/builders.ts'
import { type GitServer, gitServer } from '../../../../support/daemon/git-server.ts'
import { type Life, live, type Outside, outside } from '../../../../support/daemon/sim-daemon.ts'
import { gitIn, type ResultsScene, resultsScene } from '../node.ts'

const TOKEN = 'tok-1'
let scene: ResultsScene
let server: GitServer
let bare: string

beforeEach(async () => {
  scene = resultsScene()
  bare = path.join(scene.root, 'served', 'repo.git')
  gitIn(scene.root, 'clone', '-q', '--bare', scene.node, bare)
})
afterEach(() => server?.close())

const serve = async (token: string | null = null) => {
  server = await gitServer(path.dirname(bare), token)
}
const url = () => `${server.url}/repo.git`
const push = (commit: string, ref: string) => gitIn(scene.node, 'push', '-q', '--force', bare, `${commit}:${ref}`)
const open = () => scene.results.open(url())

async function fetch(ref: string | null, signal = new AbortController().signal, ms = 60_000) {
  const host = new URL(server.url).host
  const config = aConfig({ repositories: { tokens: { [host]: 'CODE' } } })
  const access = await accessTo(url(), config, () => ({ CODE: TOKEN }), await open())
  return fetchCommit(open, { url: url(), ref }, { access, leftMs: () => ms, signal })
}
const found = async (ref: string | null) => {
  const { commit, ref: name, isNew } = await fetch(ref)
  return { commit, name, isNew }
}
const failure = (asked: Promise<unknown>) =>
  asked.then(
    () => null,
    ({ code, message }) => ({ code, message }),
  )

describe('a fetch', () => {
  it('tells what it does, and says of a failure nothing but the failure', async () => {
    await serve()
    const told: string[] = []
    const call = {
      leftMs: () => 60_000,
      signal: new AbortController().signal,
      onProgress: (text: string) => told.push(text),
    }
    const access = await accessTo(url(), aConfig(), () => ({}), await open())
    await fetchCommit(open, { url: url(), ref: null }, { ...call, access })
    expect(told.at(-1)).toMatch(/^(receiving|resolving|unpacking) [a-z]+, 100 %/)
    const wrong = `${server.url}/nowhere.git`
    const failed = await failure(fetchCommit(open, { url: wrong, ref: null }, { ...call, access }))
    expect(failed?.message).not.toMatch(/objects:|%/)
  })
})

describe('a commit', () => {
  it('is that of the branch that the server has at its HEAD, and is fetched once', async () => {
    await serve(TOKEN)
    const name = 'refs/heads/main'
    expect(await found(null)).toEqual({ commit: scene.base, name, isNew: true })
    expect(await found('HEAD')).toEqual({ commit: scene.base, name, isNew: false })
    expect([server.fetches(), server.seen().withToken]).toEqual([1, true])
  })

  it('is found by branch, tag, full name and id; what is no branch is called so', async () => {
    await serve()
    const [side, tagged] = [scene.commit({ 'a.txt': 'side\n' }), scene.commit({ 'a.txt': 'tagged\n' })]
    push(side, 'refs/heads/topic')
    push(tagged, 'refs/tags/v1')
    push(side, 'refs/other/x')
    const none = 'refs/heads/tdf-base'
    expect(await found('topic')).toEqual({ commit: side, name: 'refs/heads/topic', isNew: true })
    expect(await found('refs/heads/topic')).toEqual({ commit: side, name: 'refs/heads/topic', isNew: false })
    expect(await found('v1')).toEqual({ commit: tagged, name: none, isNew: true })
    expect(await found('other/x')).toEqual({ commit: side, name: none, isNew: false })
    expect(await found(tagged)).toEqual({ commit: tagged, name: none, isNew: false })
    expect(await found(scene.base)).toMatchObject({ commit: scene.base, name: none })
    expect(await found(side.slice(0, 9))).toMatchObject({ commit: side, name: none })
  })

  it('that moved on the server is the new one, with its tags as they are now', async () => {
    await serve()
    push(scene.base, 'refs/tags/now')
    await found(null)
    const next = scene.commit({ 'a.txt': 'next\n' })
    push(next, 'refs/heads/main')
    push(next, 'refs/tags/now')
    expect(await found(null)).toMatchObject({ commit: next, isNew: true })
    const { repository } = await fetch('now')
    expect((await repository.must(['rev-parse', 'refs/tags/now^{commit}'])).trim()).toBe(next)
  })

  it('that a server gives only as part of a branch is found in what it has', async () => {
    await serve()
    const first = scene.commit({ 'a.txt': 'two\n' })
    push(scene.commit({ 'a.txt': 'three\n' }, first), 'refs/heads/main')
    gitIn(bare, 'config', 'uploadpack.allowAnySHA1InWant', 'false')
    expect(await found(first)).toMatchObject({ commit: first, isNew: true })
  })

  it.each(['nowhere', 'f'.repeat(40), 'abcdef0', 'abc'])('that is not there is said to be unknown: %s', async ref => {
    await serve()
    const message = `${url()} has no ref or commit "${ref}"`
    expect(await failure(fetch(ref))).toEqual({ code: 'REF_UNKNOWN', message })
  })

  it('of a repository of SHA-256 has names of 64 digits', async () => {
    const work = path.join(scene.root, 'sha256')
    gitIn(scene.root, 'init', '-q', '-b', 'main', '--object-format=sha256', work)
    gitIn(work, 'commit', '-q', '--allow-empty', '-m', 'first')
    gitIn(scene.root, 'clone', '-q', '--bare', work, path.join(scene.root, 'served', 'long.git'))
    await serve()
    const long = `${server.url}/long.git`
    const whole = (idLength?: number) => scene.results.open(long, idLength)
    const access = await accessTo(long, aConfig(), () => ({}), await whole())
    const call = { access, leftMs: () => 60_000, signal: new AbortController().signal }
    const { commit, repository } = await fetchCommit(whole, { url: long, ref: null }, call)
    expect(commit).toBe(gitIn(work, 'rev-parse', 'HEAD'))
    expect((await repository.must(['rev-parse', '--show-object-format'])).trim()).toBe('sha256')
  })

  it('of an empty repository has to be named', async () => {
    gitIn(scene.root, 'init', '-q', '--bare', path.join(scene.root, 'served', 'empty.git'))
    await serve()
    const empty = `${server.url}/empty.git`
    const access = await accessTo(empty, aConfig(), () => ({}), await open())
    const signal = new AbortController().signal
    const asked = fetchCommit(open, { url: empty, ref: null }, { access, leftMs: () => 60_000, signal })
    expect((await failure(asked))?.message).toBe(`${empty} has no commit at its HEAD: name a --ref`)
  })
})

describe('a server', () => {
  it('that says no is said to have been asked with what, and what may mend it', async () => {
    await serve('another')
    const refused = await fetch(null).catch(error => error)
    const host = new URL(server.url).host
    expect(refused).toMatchObject({ code: 'SOURCE_DENIED', hint: 'tdf secret set CODE && tdf retry {task}' })
    expect(refused.message).toContain(`${url()} cannot be read with the secret CODE: `)
    expect([refused.message.includes(TOKEN), host.length > 0]).toEqual([false, true])
  })

  it('that is away for the moment is tried again later', async () => {
    await serve()
    server.faults.unavailable = 9
    expect(await failure(fetch(null))).toMatchObject({
      ...{ code: 'SOURCE_UNAVAILABLE', message: expect.stringContaining(`${url()} cannot be reached: `) },
    })
  })

  it('that does not answer is given up when the time is over', async () => {
    await serve()
    server.faults.hangs = true
    const message = `${url()} did not answer in full within its time`
    expect(await failure(fetch(null, undefined, 500))).toEqual({ code: 'SOURCE_UNAVAILABLE', message })
  })

  it('is not asked for when no task waits any more', async () => {
    await serve()
    expect(await failure(fetch(null, AbortSignal.abort(new Error('left'))))).toMatchObject({ message: 'left' })
  })

  it('of another protocol than those of the network is none', async () => {
    await serve()
    const local = `file://${bare}`
    const access = await accessTo(local, aConfig(), () => ({}), await open())
    const { signal } = new AbortController()
    const asked = fetchCommit(open, { url: local, ref: null }, { access, leftMs: () => 60_000, signal })
    expect(await failure(asked)).toMatchObject({ code: 'REPOSITORY_UNREADABLE' })
  })
})

describe('with what a server is asked', () => {
  const silent = { may: async () => ({ exitCode: 1 }) } as unknown as Pick<Repository, 'may'>
  const of = (address: string, tokens: Record<string, string> = {}, secrets: Record<string, string> = {}) =>
    accessTo(address, aConfig({ repositories: { tokens } }), () => secrets, silent)

  it.each([
    ['https://github.com/a.git', 'GITHUB_TOKEN'],
    ['https://git.example.org/a.git', 'GIT_EXAMPLE_ORG_TOKEN'],
    ['https://code.test:8443/a.git', 'CODE_TOKEN'],
    ['https://192.0.2.7/a.git', 'GIT_192_0_2_7_TOKEN'],
  ])('%s could have a secret called %s', async (address, name) => {
    const { how, advice, remedy, env } = await of(address)
    const host = new URL(address).host
    expect(remedy).toBe(`tdf secret set ${name} && tdf retry {task}`)
    expect(how).toBe("the git credentials of the daemon's user")
    expect(advice).toBe(`; [repositories] tokens = { "${host}" = "${name}" } would name a secret`)
    expect(env).toEqual({ GCM_INTERACTIVE: 'never' })
  })

  it('a secret goes along where it is named and set', async () => {
    const named = { 'code.test': 'CODE' }
    const set = await of('https://code.test/a.git', named, { CODE: TOKEN })
    expect(set.how).toBe('the secret CODE')
    expect(set.env).toMatchObject({ GIT_CONFIG_KEY_1: 'credential.https://code.test.helper', TDF_GIT_TOKEN: TOKEN })
    const unset = await of('https://code.test/a.git', named)
    expect(unset).toMatchObject({
      env: { GCM_INTERACTIVE: 'never' },
      remedy: 'tdf secret set CODE && tdf retry {task}',
    })
    expect(unset.how).toBe("the git credentials of the daemon's user")
    expect(unset.advice).toBe('; CODE is not set, or the line is not encrypted')
  })

  it('is named before anything is asked: none of what is uploaded, or fetched by nodes', () => {
    const [all, repo] = [
      aConfig(),
      { kind: 'git' as const, url: 'https://code.test/a.git', ref: null, baseCommit: null },
    ]
    const planned = (fetch: 'daemon' | 'node', of: Parameters<typeof plannedSource>[1] = repo) =>
      plannedSource({ config: { ...all, repositories: { ...all.repositories, fetch } }, secrets: () => ({}) }, of)
    expect(planned('daemon')).toEqual({ fetch: 'daemon', credential: "the git credentials of the daemon's user" })
    expect(planned('node')).toEqual({ fetch: 'node', credential: null })
    const upload = { ...repo, kind: 'bundle' as const, ref: 'refs/heads/main', baseCommit: '1', sha256: '', bytes: 0 }
    expect(planned('daemon', upload)).toBeNull()
  })

  it('by ssh it is the keys of the user, without a question, unless their own command says otherwise', async () => {
    const address = 'ssh://git@code.test/a.git'
    const { env, how, remedy } = await of(address)
    expect([how, remedy]).toEqual(["the ssh keys of the daemon's user", `git ls-remote ${address} && tdf retry {task}`])
    expect(env.GIT_SSH_COMMAND).toContain('BatchMode=yes')
    expect((await of("git@code.test:it's.git")).remedy).toBe(
      "git ls-remote 'git@code.test:it'\\''s.git' && tdf retry {task}",
    )
    const own = { may: async () => ({ exitCode: 0 }) } as unknown as Pick<Repository, 'may'>
    expect((await accessTo(address, aConfig(), () => ({}), own)).env).toEqual({ GCM_INTERACTIVE: 'never' })
  })
})

describe('tasks that want the same', () => {
  let out: Outside
  let life: Life
  let sources: RunningSources
  let room: () => void
  beforeEach(async () => {
    await serve()
    out = outside()
    life = await live(out)
    room = () => {}
    const engine = { ...life.engine, bundleFile: (sha256: string) => path.join(scene.root, `${sha256}.bundle`) }
    const parts = { results: scene.results, folder: path.join(scene.root, 'packing'), assertRoom: () => room() }
    sources = createSources(() => engine, parts)
  })
  afterEach(async () => {
    await sources.stop()
    life.kill()
    out.remove()
  })

  const task = (id: string, ref: string | null = null) =>
    aTask({ id, spec: aSpec({ repo: { kind: 'git', url: url(), ref, baseCommit: null } }) })
  const got = async (id: string, ref: string | null = null) => {
    let facts: SourceFacts | null = null
    await expect.poll(() => (facts = sources.fetched(task(id, ref))), { timeout: 60_000 }).not.toBeNull()
    return facts as unknown as SourceFacts
  }
  const asked = () => server.fetches()

  it('before it begins share one fetch, and each gets its bundle; another ref waits for its turn', async () => {
    let go = () => {}
    server.faults.until = new Promise(resolve => {
      go = resolve
    })
    const side = scene.commit({ 'a.txt': 'side\n' })
    push(side, 'refs/heads/topic')
    expect(['a', 'b', 'c'].map(id => sources.fetched(task(id)))).toEqual([null, null, null])
    expect(sources.fetched(task('other', 'topic'))).toBeNull()
    go()
    const facts = await got('a')
    expect(facts).toMatchObject({ commit: scene.base, ref: 'refs/heads/main' })
    expect(existsSync(path.join(scene.root, `${facts.sha256}.bundle`))).toBe(true)
    expect([await got('b'), await got('c')]).toEqual([facts, facts])
    expect([(await got('other', 'topic')).commit, asked()]).toEqual([side, 2])
    expect(gitIn(scene.root, 'bundle', 'list-heads', `${facts.sha256}.bundle`)).toContain(
      `${scene.base} refs/heads/main`,
    )
    expect(await got('d')).toEqual(facts)
  })

  it('get the same refusal, each once', async () => {
    expect(sources.fetched(task('a', 'nowhere'))).toBeNull()
    expect(sources.fetched(task('b', 'nowhere'))).toBeNull()
    for (const id of ['a', 'b']) {
      const refusal = async () => {
        try {
          return sources.fetched(task(id, 'nowhere'))
        } catch (error) {
          return (error as { code: string }).code
        }
      }
      await expect.poll(refusal, { timeout: 60_000 }).toBe('REF_UNKNOWN')
    }
  })

  it('of whose files in Git LFS the content is nowhere begin with pointers, and are told so', async () => {
    const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${'0'.repeat(64)}\nsize 3\n`
    push(scene.commit({ '.gitattributes': '*.bin filter=lfs\n', 'x.bin': pointer }), 'refs/heads/large')
    const { pointers } = await got('a', 'large')
    expect(pointers).toMatch(/^1 of 1 files in Git LFS are pointers: /)
    expect(await got('b')).not.toHaveProperty('pointers')
  })

  it('may ask for the newest commit alone', async () => {
    const side = scene.commit({ 'a.txt': 'side\n' })
    push(side, 'refs/heads/topic')
    const { signal } = new AbortController()
    expect(await sources.tip(url(), 'topic', signal)).toEqual({ commit: side, ref: 'refs/heads/topic' })
    expect(await sources.tip(url(), null, signal)).toEqual({ commit: scene.base, ref: 'refs/heads/main' })
    room = () => {
      throw new Error('the disk is low')
    }
    await expect(sources.tip(url(), null, signal)).rejects.toThrow('the disk is low')
  })

  it('may leave: the last one ends the fetch, and one that waits for its turn is never begun', async () => {
    server.faults.hangs = true
    sources.fetched(task('a'))
    sources.fetched(task('b', 'topic'))
    sources.leave(task('b', 'topic'))
    sources.leave(task('b', 'topic'))
    sources.leave(task('a'))
    server.faults.hangs = false
    expect((await got('a')).commit).toBe(scene.base)
    expect(asked()).toBe(1)
  })

  it('are not begun while there is no room', () => {
    room = () => {
      throw new Error('the disk is low')
    }
    expect(() => sources.fetched(task('a'))).toThrow('the disk is low')
    room = () => {}
    expect(sources.fetched(task('a'))).toBeNull()
  })
})
