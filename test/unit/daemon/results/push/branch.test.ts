/** One push to one branch, with real git on both sides, and the token that goes to its host alone. */
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { credentialEnv, pushBranch, remoteTip, tokenFor } from '../../../../../daemon/results/push/branch.ts'
import type { Repository } from '../../../../../daemon/results/repository.ts'
import type { Config } from '../../../../../src/config/schema/config.ts'
import type { Push } from '../../../../../src/store/tables/pushes.ts'
import { gitIn, type ResultsScene, resultsScene } from '../node.ts'

const { signal } = new AbortController()
let scene: ResultsScene
let repository: Repository
let remote: string
beforeEach(async () => {
  scene = resultsScene()
  repository = await scene.results.of(scene.task)
  remote = path.join(scene.root, 'remote.git')
  gitIn(scene.root, 'init', '-q', '--bare', remote)
})

/** A commit that came home. */
async function commit(text: string, on?: string): Promise<string> {
  const oid = scene.commit({ 'a.txt': text }, on)
  gitIn(scene.node, 'push', '-q', repository.dir, `${oid}:refs/tdf/t1/1`, '--force')
  return oid
}
const pushOf = (commitId: string, change: Partial<Push> = {}): Push => ({
  ...{ taskId: 't1', attempt: 1, remote: `file://${remote}`, branch: 'tdf/x', commitId, wantsPr: false },
  ...{ state: 'pending', pushedCommit: null, prUrl: null, tries: 0, dueAt: 0, until: 0, error: null, updatedAt: 0 },
  ...change,
})
const push = (commitId: string, change: Partial<Push> = {}) =>
  pushBranch(repository, pushOf(commitId, change), null, signal)
const tip = () => remoteTip(repository, pushOf(''), null, signal)

function hook(script: string): void {
  const file = path.join(remote, 'hooks', 'pre-receive')
  mkdirSync(path.dirname(file), { recursive: true })
  writeFileSync(file, `#!/bin/sh\n${script}\n`)
  chmodSync(file, 0o755)
}

describe('a branch', () => {
  it('is made, moved on from what we put there, and there is no harm in doing it again', async () => {
    const one = await commit('two\n')
    expect(await tip()).toBeNull()
    expect(await push(one)).toEqual({ kind: 'pushed' })
    expect(await tip()).toBe(one)
    expect(await push(one)).toEqual({ kind: 'pushed' })
    const other = await commit('another\n', one)
    expect(await push(other, { pushedCommit: one })).toEqual({ kind: 'pushed' })
    expect(await tip()).toBe(other)
  })

  it('is never replaced, not even by another attempt of the same task', async () => {
    const one = await commit('first\n')
    expect(await push(one)).toEqual({ kind: 'pushed' })
    const anew = await commit('anew\n')
    const why = expect.stringMatching(/^tdf\/x holds \w{12} of this task.*nothing is replaced/)
    expect(await push(anew, { pushedCommit: one })).toEqual({ kind: 'refused', why })
    expect(await push(anew, { pushedCommit: '0'.repeat(40) })).toMatchObject({ kind: 'refused' })
    expect(await tip()).toBe(one)
  })

  it('that holds anything else is left as it is', async () => {
    const [theirs, ours] = [await commit('theirs\n'), await commit('ours\n')]
    gitIn(scene.node, 'push', '-q', remote, `${theirs}:refs/heads/tdf/x`)
    const why = expect.stringMatching(/stale info.*\ntdf\/x is at \w{12}, which tdf did not put there: it stays/)
    expect(await push(ours)).toMatchObject({ kind: 'refused', why })
    expect(await push(ours, { pushedCommit: ours })).toMatchObject({ kind: 'refused' })
    expect(await tip()).toBe(theirs)
  })

  it('that was removed there is not made anew', async () => {
    const ours = await commit('ours\n')
    const next = await commit('next\n', ours)
    const why = expect.stringMatching(/^[^\n]*stale info[^\n]*$/)
    expect(await push(next, { pushedCommit: ours })).toEqual({ kind: 'refused', why })
    expect(await tip()).toBeNull()
  })

  it('that a push before this one has made is pushed, though git says that it is not as it should be', async () => {
    const before = await commit('before\n')
    const ours = await commit('ours\n', before)
    gitIn(scene.node, 'push', '-q', remote, `${ours}:refs/heads/tdf/x`)
    expect(await push(ours, { pushedCommit: before })).toEqual({ kind: 'pushed' })
  })

  it('that the server does not take is refused, in the words of its hooks', async () => {
    hook('echo "  no branches on Sundays"; echo; exit 1')
    const answer = await push(await commit('two\n'))
    expect(answer).toEqual({
      kind: 'refused',
      why: '[remote rejected] (pre-receive hook declined)\nno branches on Sundays',
    })
  })

  it('is refused with the end of what is said where that is long', async () => {
    hook(`head -c 4000 /dev/zero | tr '\\0' x; echo; echo the end; exit 1`)
    const answer = (await push(await commit('two\n'))) as { why: string }
    expect([answer.why.length, answer.why.endsWith('the end')]).toEqual([1_000, true])
  })

  it('whose server is not there has failed, and may be tried again', async () => {
    const gone = { remote: `file://${scene.root}/none.git` }
    const why = expect.stringContaining('does not appear to be a git repository')
    expect(await push(await commit('two\n'), gone)).toEqual({ kind: 'failed', why })
    expect(await remoteTip(repository, pushOf('', gone), null, signal)).toBeNull()
  })

  it('is not pushed when the daemon stops', async () => {
    const stopped = AbortSignal.abort(new Error('the daemon stops'))
    const answer = await pushBranch(repository, pushOf(await commit('two\n')), null, stopped).catch(() => null)
    expect([answer?.kind === 'pushed', await tip()]).toEqual([false, null])
  })
})

describe('a token', () => {
  const config = { tokens: { 'git.test': 'GIT', 'git.test:8443': 'OTHER', 'localhost:3000': 'LOCAL' } } as unknown
  const secrets = (names: readonly string[]) => Object.fromEntries(names.map(name => [name, `secret of ${name}`]))
  const tokenOf = (remote: string) => tokenFor(config as Config['push'], remote, secrets)

  it.each([
    ['https://git.test/a.git', 'secret of GIT'],
    ['https://git.test:8443/a.git', 'secret of OTHER'],
    ['https://other.test/a.git', null],
    ['https://sub.git.test/a.git', null],
    ['https://constructor/a.git', null],
    ['http://git.test/a.git', null],
    ['ssh://git.test/a.git', null],
    ['http://localhost:3000/a.git', 'secret of LOCAL'],
    ['git@git.test:a.git', null],
    ['/srv/a.git', null],
  ])('for %s is %s', (remote, token) => {
    expect(tokenOf(remote)).toBe(token)
  })

  it('that is not kept is none', () => {
    expect(tokenFor(config as Config['push'], 'https://git.test/a.git', () => ({}))).toBeNull()
  })

  it('goes to the origin of its remote, and never into an address', () => {
    expect(credentialEnv('https://git.test/a.git', null)).toEqual({})
    const env = credentialEnv('https://git.test:8443/deep/a.git', 'to:ken')
    expect(env).toMatchObject({ GIT_CONFIG_KEY_1: 'credential.https://git.test:8443.helper', TDF_GIT_TOKEN: 'to:ken' })
  })

  it.each([true, false])('goes to no host that its own one redirects to (asks for it first: %s)', async asksFirst => {
    const heard: string[] = []
    const other = await serving((request, response) => {
      heard.push(request.headers.authorization ?? 'nothing')
      response.setHeader(
        'content-type',
        `application/x-git-upload-pack-${request.method === 'GET' ? 'advertisement' : 'result'}`,
      )
      response.end(request.method === 'GET' ? ADVERTISEMENT : '0000')
    })
    let sent = false
    const own = await serving((request, response) => {
      if (request.headers.authorization) sent = true
      else if (asksFirst) return void response.writeHead(401, { 'www-authenticate': 'Basic realm="a"' }).end()
      response.writeHead(302, { location: `${other.url}${request.url}` }).end()
    })
    await remoteTip(repository, { remote: `${own.url}/a.git`, branch: 'tdf/x' }, 'token', signal)
    await own.close()
    await other.close()
    expect(sent).toBe(asksFirst)
    expect(new Set(heard)).toEqual(new Set(['nothing']))
  })
})

const line = (text: string) => (text.length + 4).toString(16).padStart(4, '0') + text
/** gitprotocol-http(5) and gitprotocol-v2(5): a server that knows how to list its refs. */
const ADVERTISEMENT = `${line('# service=git-upload-pack\n')}0000${line('version 2\n')}${line('ls-refs\n')}0000`

async function serving(answer: http.RequestListener) {
  const server = http.createServer((request, response) => {
    request.resume()
    answer(request, response)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const close = () => {
    server.closeAllConnections()
    return new Promise(resolve => server.close(resolve))
  }
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close }
}
