/** Submodules where a node clones by itself: fetched from where `.gitmodules` says, or refused in words that name them. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, beforeEach, expect, it } from 'vitest'
import { afterFile } from '../../../support/after-file.ts'
import { type GitServer, gitServer } from '../../../support/daemon/git-server.ts'
import { type AgentProcess, startAgentProcess } from '../../../unit/src/agent/support/agent.ts'
import { tempFolder } from '../../../unit/src/agent/support/temp.ts'
import { builtWorkspace, GIT_ENV, git, workspaceBody, writeFiles } from '../../../unit/src/agent/support/work.ts'

let agent: AgentProcess
let server: GitServer
let place: string
let made: string

beforeAll(async () => {
  agent = await startAgentProcess({ env: { TDF_CLONE_RETRY_MS: '1' } })
  place = tempFolder()
  server = await gitServer(place, null)
  afterFile(() => server.close())
})
beforeEach(() => {
  made = tempFolder()
})

/** A repository with a file of its own name and these submodules: path → address and commit. */
function repository(name: string, modules: Record<string, [url: string, oid: string]> = {}): string {
  const folder = join(made, name)
  mkdirSync(folder)
  git(folder, 'init', '-q', '-b', 'main')
  writeFiles(folder, { [`${name}.txt`]: `${name}\n` })
  git(folder, 'add', '-A')
  for (const [path, [url, oid]] of Object.entries(modules)) {
    for (const [key, value] of Object.entries({ path, url })) {
      git(folder, 'config', '-f', '.gitmodules', `submodule.${path}.${key}`, value)
    }
    git(folder, 'add', '.gitmodules')
    git(folder, 'update-index', '--add', '--cacheinfo', `160000,${oid},${path}`)
  }
  git(folder, 'commit', '-q', '-m', name)
  return serve(name)
}

const headOf = (name: string) => git(join(made, name), 'rev-parse', 'HEAD').trim()

/** Its commit. */
function serve(name: string): string {
  git(made, 'clone', '-q', '--bare', name, join(place, `${name}.git`))
  return headOf(name)
}

/** What the node makes of it. */
async function cloned(name: string, more: object = { submodules: true }) {
  const source = { kind: 'git', url: `${server.url}/${name}.git`, ref: null, ...more }
  const id = await builtWorkspace(agent, workspaceBody('', { source }))
  const { status, errorMessage = '', isPassing } = (await agent.get(`/workspaces/${id}`)).json
  return { status, errorMessage, isPassing, work: join(agent.state, 'workspaces', id, 'work') }
}

it('are there at the commits that are meant, one in the other, also where a newer one is their branch', async () => {
  const deep = repository('deep')
  const lib = repository('lib', { 'the deep': ['../deep.git', deep] })
  git(join(made, 'lib'), 'commit', '-q', '--allow-empty', '-m', 'newer')
  git(join(made, 'lib'), 'push', '-q', join(place, 'lib.git'), 'main')
  repository('top', { 'in/lib': [`${server.url}/lib.git`, lib], deep: ['../deep.git', deep] })
  server.faults.unavailable = 2
  const { status, work } = await cloned('top')
  expect(status).toBe('ready')
  for (const file of ['top.txt', 'in/lib/lib.txt', 'in/lib/the deep/deep.txt', 'deep/deep.txt']) {
    expect(existsSync(join(work, file)), file).toBe(true)
  }
  expect(git(join(work, 'in/lib'), 'rev-parse', 'HEAD').trim()).toBe(lib)
  expect(git(work, 'status', '--porcelain')).toBe('')
  const empty = await cloned('top', {})
  expect([empty.status, readdirSync(join(empty.work, 'in/lib'))]).toEqual(['ready', []])
})

it.each([
  ['a file of this machine', 'file:///etc', 'is no address that is fetched from'],
  ['an option', '--upload-pack=touch evil', 'is no address that is fetched from'],
  ['a metadata service', 'http://169.254.169.254/r.git', 'is no address that is fetched from'],
  ['what is not there', '../nowhere.git', 'not found'],
])('are refused by name where the address is %s', async (what, url, why) => {
  const name = what.replaceAll(' ', '-')
  repository(name, { mod: [url, '1'.repeat(40)] })
  const { status, errorMessage } = await cloned(name)
  expect(status).toBe('failed')
  expect(errorMessage).toContain(`the submodule "mod" of ${server.url}/${name}.git: `)
  expect(errorMessage).toContain(why)
})

it('are refused where their server has no such commit, and tried again where it is away', async () => {
  repository('small')
  repository('wrong', { mod: ['../small.git', '1'.repeat(40)] })
  expect((await cloned('wrong')).errorMessage).toContain(`${server.url}/small.git has no commit ${'1'.repeat(40)}`)
  repository('away', { mod: ['http://127.0.0.1:1/r.git', '1'.repeat(40)] })
  expect(await cloned('away')).toMatchObject({
    status: 'failed',
    isPassing: true,
    errorMessage: expect.stringMatching(/the submodule "mod" .*\(tried 5 times\)$/s),
  })
})

it('are refused where they are too many, before one is fetched', async () => {
  const all = Array.from({ length: 201 }, (_, at) => [`m${at}`, ['../nowhere.git', '1'.repeat(40)]] as const)
  repository('many')
  const folder = join(made, 'many')
  const modules = all.map(([path, [url]]) => `[submodule "${path}"]\n\tpath = ${path}\n\turl = ${url}\n`)
  writeFiles(folder, { '.gitmodules': modules.join('') })
  git(folder, 'add', '-A')
  const input = all.map(([path, [, oid]]) => `160000 ${oid}\t${path}\n`).join('')
  execFileSync('git', ['update-index', '--index-info'], { cwd: folder, env: GIT_ENV, input })
  git(folder, 'commit', '-q', '-m', 'many modules')
  git(folder, 'push', '-q', join(place, 'many.git'), 'main')
  expect((await cloned('many')).errorMessage).toContain('many.git has more than 200 submodules')
})

it('lead nowhere out of the work tree, where one is put below a link of another', async () => {
  const outside = join(made, 'outside')
  mkdirSync(outside)
  const folder = join(made, 'linking')
  mkdirSync(folder)
  git(folder, 'init', '-q', '-b', 'main')
  execFileSync('ln', ['-s', outside, join(folder, 'y')])
  git(folder, 'add', '-A')
  git(folder, 'commit', '-q', '-m', 'linking')
  const linking = serve('linking')
  const plain = repository('plain')
  const evil = join(made, 'evil')
  repository('evil', { x: ['../linking.git', linking] })
  for (const [key, value] of Object.entries({ path: 'x/y', url: '../plain.git' })) {
    git(evil, 'config', '-f', '.gitmodules', `submodule.x/y.${key}`, value)
  }
  // As no git would write it: the folder and the submodule of one name.
  const tree = (lines: string[]) =>
    execFileSync('git', ['mktree', '--missing'], { cwd: evil, env: GIT_ENV, input: `${lines.join('\n')}\n` })
      .toString()
      .trim()
  const blob = git(evil, 'hash-object', '-w', '.gitmodules').trim()
  const inner = tree([`160000 commit ${plain}\ty`])
  const top = tree([`100644 blob ${blob}\t.gitmodules`, `160000 commit ${linking}\tx`, `040000 tree ${inner}\tx`])
  const commit = git(evil, 'commit-tree', '-m', 'evil', top).trim()
  git(evil, 'push', '-q', '--force', join(place, 'evil.git'), `${commit}:refs/heads/main`)
  const { status, errorMessage } = await cloned('evil')
  expect([status, errorMessage]).toEqual(['failed', expect.stringContaining('x/y is a link')])
  expect(readdirSync(outside)).toEqual([])
})
