/** Submodules of repositories by url: fetched as the repository itself, from where a stranger may have said, or refused. */
import { existsSync, mkdirSync, rmSync } from 'node:fs'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createSources, type RunningSources } from '../../../../../daemon/results/sources/sources.ts'
import type { Config } from '../../../../../src/config/schema/config.ts'
import { submoduleRef } from '../../../../../src/core/source.ts'
import type { ResumeFacts, SourceFacts, Task } from '../../../../../src/core/task.ts'
import { addressOf } from '../../../../../src/platform/objects/gitlinks.ts'
import { aConfig, aSpec, aTask } from '../../../../support/builders.ts'
import { type GitServer, gitServer } from '../../../../support/daemon/git-server.ts'
import { type Life, live, type Outside, outside } from '../../../../support/daemon/sim-daemon.ts'
import { gitIn, type ResultsScene, resultsScene } from '../node.ts'

const TOKEN = 'tok-1'
let scene: ResultsScene
let server: GitServer
let secret: GitServer
let out: Outside
let life: Life
let sources: RunningSources | undefined

beforeEach(async () => {
  scene = resultsScene()
  for (const place of ['served', 'secret']) mkdirSync(path.join(scene.root, place))
  server = await gitServer(path.join(scene.root, 'served'), null)
  secret = await gitServer(path.join(scene.root, 'secret'), TOKEN)
  out = outside()
  life = await live(out)
})
afterEach(async () => {
  await sources?.stop()
  life.kill()
  out.remove()
  await Promise.all([server.close(), secret.close()])
})

/** A served repository with one commit, which has these submodules: path → address and commit. */
function serve(name: string, modules: Record<string, [url: string, oid: string]> = {}, place = 'served'): string {
  const folder = path.join(scene.root, 'made', name)
  mkdirSync(folder, { recursive: true })
  gitIn(folder, 'init', '-q', '-b', 'main')
  for (const [at, [url, oid]] of Object.entries(modules)) {
    for (const [key, value] of Object.entries({ path: at, url })) {
      gitIn(folder, 'config', '-f', '.gitmodules', `submodule.${at}.${key}`, value)
    }
    gitIn(folder, 'update-index', '--add', '--cacheinfo', `160000,${oid},${at}`)
  }
  if (Object.keys(modules).length > 0) gitIn(folder, 'add', '.gitmodules')
  gitIn(folder, 'commit', '-q', '--allow-empty', '-m', name)
  gitIn(scene.root, 'clone', '-q', '--bare', folder, path.join(scene.root, place, `${name}.git`))
  return gitIn(folder, 'rev-parse', 'HEAD')
}

const taskOf = (name: string): Task =>
  aTask({ spec: aSpec({ repo: { kind: 'git', url: `${server.url}/${name}.git`, ref: null, baseCommit: null } }) })

/** What a daemon with this configuration fetches, or how it fails. */
async function fetched(name: string, more: Partial<Config['repositories']> = {}) {
  const tokens = { [new URL(secret.url).host]: 'CODE' }
  const config = aConfig({ repositories: { submodules: 'checkout', tokens, ...more } as never })
  const bundleFile = (sha256: string) => path.join(scene.root, `${sha256}.bundle`)
  const engine = { ...life.engine, config, bundleFile, secrets: () => ({ CODE: TOKEN }) }
  await sources?.stop()
  const parts = { results: scene.results, folder: path.join(scene.root, 'packing'), assertRoom() {} }
  const mine = createSources(() => engine, parts)
  sources = mine
  let answer: SourceFacts | { code: string; message: string; hint?: string } | null = null
  const look = () => {
    try {
      answer = mine.fetched(taskOf(name))
    } catch (error) {
      answer = error as { code: string; message: string }
    }
    return answer
  }
  await expect.poll(look, { timeout: 60_000 }).not.toBeNull()
  return answer as unknown as SourceFacts & { code?: string; message: string; hint?: string }
}
const heads = ({ sha256 }: { sha256: string }) => gitIn(scene.root, 'bundle', 'list-heads', `${sha256}.bundle`)

describe('a submodule', () => {
  it('comes along from where it is, also within another, each with what its own host is read with', async () => {
    const deep = serve('deep', {}, 'secret')
    const lib = serve('lib', { 'the deep': [`${secret.url}/deep.git`, deep] })
    const top = serve('top', { lib: ['../lib.git', lib] })
    const facts = await fetched('top')
    expect(facts).toMatchObject({ commit: top })
    expect(heads(facts)).toContain(`${lib} ${submoduleRef(lib)}`)
    expect(heads(facts)).toContain(`${deep} ${submoduleRef(deep)}`)
    expect(secret.seen().withToken).toBe(true)
    const clone = path.join(scene.root, 'clone')
    gitIn(scene.root, 'init', '-q', clone)
    gitIn(clone, 'fetch', '-q', path.join(scene.root, `${facts.sha256}.bundle`), '+refs/*:refs/*')
    gitIn(clone, 'fsck', '--strict', '--connectivity-only')
    expect(gitIn(clone, 'log', '--format=%s', submoduleRef(deep))).toBe('deep')
    // It is fetched once, and where it is not wanted it stays behind.
    const before = server.fetches()
    expect(await fetched('top')).toEqual(facts)
    expect(server.fetches()).toBe(before)
    expect(heads(await fetched('top', { submodules: 'leave' }))).not.toContain('submodules')
    expect(heads(await fetched('top'))).toContain(submoduleRef(lib))
  })

  it('goes on with a task to another machine', async () => {
    const lib = serve('lib')
    const commit = serve('top', { lib: ['../lib.git', lib] })
    const source = await fetched('top')
    const task = { ...taskOf('top'), facts: { source } }
    const ref = 'refs/tdf/t1/1'
    const repository = await scene.results.of(task)
    await repository.must(['update-ref', ref, commit])
    const resume: ResumeFacts = { ref, commit, baseCommit: commit, salvaged: false, resumeRef: null }
    await scene.results.pack(task, resume)
    const packed = gitIn(scene.root, 'bundle', 'list-heads', scene.results.packFile(task))
    expect(packed.split('\n').sort()).toEqual([`${commit} ${ref}`, `${lib} ${submoduleRef(lib)}`].sort())
  })

  it('that may not be read ends the task, and says which it is and what mends it', async () => {
    const lib = serve('lib', {}, 'secret')
    serve('top', { lib: [`${secret.url}/lib.git`, lib] })
    const { code, message, hint } = await fetched('top', { tokens: {} })
    expect(code).toBe('SOURCE_DENIED')
    expect(message).toContain(`the submodule "lib" of ${server.url}/top.git: ${secret.url}/lib.git cannot be read`)
    expect(hint).toContain('tdf secret set')
  })

  it('whose server is down is waited for; one whose commit is gone is said', async () => {
    const lib = serve('lib')
    serve('top', { lib: ['http://127.0.0.1:1/lib.git', lib] })
    expect(await fetched('top')).toMatchObject({
      code: 'SOURCE_UNAVAILABLE',
      message: expect.stringContaining('"lib"'),
    })
    serve('other', { lib: ['../lib.git', '1'.repeat(40)] })
    expect(await fetched('other')).toMatchObject({ code: 'REF_UNKNOWN', message: expect.stringContaining('"lib"') })
    rmSync(path.join(scene.root, 'packing'), { recursive: true, force: true })
    expect(existsSync(path.join(scene.root, 'packing'))).toBe(false)
  })

  it.each([
    'file:///etc',
    '/etc',
    'ext::sh -c "touch /tmp/x"',
    '-u./payload',
    'ssh://-oProxyCommand=x/y',
    '../../../../etc',
    'http://169.254.169.254/latest',
    'https://me:word@example.org/x',
  ])('with the address %s is refused in one sentence', async address => {
    serve('top', { lib: [address, '1'.repeat(40)] })
    const { code, message } = await fetched('top')
    expect(code).toBe('REPOSITORY_UNREADABLE')
    expect(message).not.toContain('word')
    expect(message).toMatch(/the submodule "lib" of .*: ".*" is no address that is fetched from|gitmodules/)
  })

  it('that is declared outside of the repository is none of it', async () => {
    const lib = serve('lib')
    serve('top', { lib: ['../lib.git', lib] })
    const folder = path.join(scene.root, 'made', 'top')
    gitIn(folder, 'config', '-f', '.gitmodules', 'submodule.out.path', '../../out')
    gitIn(folder, 'config', '-f', '.gitmodules', 'submodule.out.url', '../lib.git')
    gitIn(folder, 'add', '.gitmodules')
    gitIn(folder, 'commit', '-qm', 'out')
    gitIn(folder, 'push', '-q', path.join(scene.root, 'served', 'top.git'), 'main')
    expect(heads(await fetched('top')).match(/submodules/g)).toHaveLength(1)
  })
})

it.each([
  ['https://host/a/b.git', '../c.git', 'https://host/a/c.git'],
  ['https://host/a/b.git/', './c', 'https://host/a/b.git/c'],
  ['https://host:8443/a/b', '../../c', 'https://host:8443/c'],
  ['https://host/a/b', '../../../c', null],
  ['git@host:a/b.git', '../c.git', 'git@host:a/c.git'],
  ['git@host:b.git', '../c.git', 'git@host:c.git'],
  ['git@host:/srv/b.git', '../c.git', 'git@host:/srv/c.git'],
  ['ssh://git@host/a/b', '../c', 'ssh://git@host/a/c'],
  ['https://host/a/b', '../..', null],
  ['https://host/a', 'git@other:c', 'git@other:c'],
])('in %s the address %s is %s', (parent, given, address) => {
  expect(addressOf(parent, given)).toBe(address)
})
