/** What a node sends as a result is checked object by object, on its way to the daemon and to its user; never half of it comes. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import http from 'node:http'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { tdfWith, until } from '../support/daemon/home.ts'
import { EVILS, objectsOf, writeBundle } from './support/evil-bundles.ts'
import { withTwoNodes } from './support/two-nodes.ts'

const made = withTwoNodes()
let scratch: string
beforeAll(() => {
  scratch = mkdtempSync(path.join(tmpdir(), 'tdf-evil-'))
})
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

/** A repository with the commit that the task begins with, for objects that are to be made. */
function clone(name: string): string {
  const dir = path.join(scratch, name)
  execFileSync('git', ['clone', '--quiet', '--no-local', made.repo.dir, dir])
  return dir
}

const gitIn = (dir: string, ...args: string[]) => execFileSync('git', args, { cwd: dir, encoding: 'utf8' })
const resultsOf = () => {
  const folder = path.join(made.home.dir, 'state', 'results')
  return path.join(folder, readdirSync(folder).find(name => name.endsWith('.git')) ?? '')
}

/** In place of the true answers about `id`: the commit, and the bundle that names it. */
function sendsInstead(id: string, commit: string, file: string): void {
  const at = `/workspaces/${id}-1-1`
  made.liar.lies.push(({ method, path: asked }, { body }) => {
    if (`${method} ${asked}` === `POST ${at}/salvage`) {
      return { body: Buffer.from(JSON.stringify({ ...JSON.parse(body.toString()), commit, ahead: 1, saved: [] })) }
    }
    if (`${method} ${asked}` !== `GET ${at}/bundle`) return undefined
    return { status: 200, headers: { 'content-type': 'application/octet-stream' }, body: readFileSync(file) }
  })
}

const ATTACKS = EVILS.filter(({ what }) =>
  ['a tree with .git in it', 'a .gitmodules that is a link', 'a ref that names what it does not hold'].includes(what),
)

it('an evil bundle does not come home, says why, and the true work is taken when it is sent', async () => {
  expect(ATTACKS.length).toBe(3)
  const ids: string[] = []
  for (const { write } of ATTACKS) {
    const id = await made.submit('liar', '--', 'sh', '-c', 'sleep 5; date > new')
    const file = path.join(scratch, `${id}.bundle`)
    sendsInstead(id, write(clone(id), `refs/tdf/${id}/1`, file), file)
    ids.push(id)
  }
  for (const [at, id] of ids.entries()) {
    const says = async () => (await made.home.task(id)).waitingFor ?? ''
    await until(`it says why: ${ATTACKS[at]?.what}`, async () => ATTACKS[at]?.says.test(await says()) === true)
    expect(await made.home.task(id)).toMatchObject({ step: 'salvage', verdict: null, result: null })
  }
  made.liar.lies.length = 0
  for (const id of ids) {
    await until('it is done', async () => (await made.home.task(id)).verdict !== null, 120_000)
    expect(await made.home.task(id)).toMatchObject({ verdict: 'unverified', result: { filesChanged: 1 } })
  }
  expect(gitIn(resultsOf(), 'fsck', '--strict')).toBe('')
})

it('a bundle cannot name the results of others', async () => {
  const other = await made.submit('honest', '--', 'sh', '-c', 'date > new')
  await until('the other is done', async () => (await made.home.task(other)).verdict === 'unverified')
  const id = await made.submit('liar', '--', 'sh', '-c', 'sleep 5; date > new')
  const objects = objectsOf(clone(id))
  const commit = objects.commit(objects.tree(['100644', 'a', objects.blob('a')]), objects.head())
  const file = path.join(scratch, `${id}.bundle`)
  const own = `refs/tdf/${id}/1`
  const names = [own, `refs/tdf/${id}/10`, `refs/tdf/${other}/1`, 'refs/heads/main', 'refs/tdf-base/x', `${own}-x`]
  const refs = names.map((name): [string, string] => [commit, name])
  writeBundle(file, refs, objects.pack(objects.made), [objects.head()])
  const before = gitIn(resultsOf(), 'for-each-ref', `refs/tdf/${other}`)
  sendsInstead(id, commit, file)
  await until('it is done', async () => (await made.home.task(id)).verdict !== null)
  expect(gitIn(resultsOf(), 'for-each-ref', `refs/tdf/${other}`)).toBe(before)
  const listed = gitIn(resultsOf(), 'for-each-ref', '--format=%(refname)', `--contains=${commit}`)
  expect(listed.trim().split('\n')).toEqual([own])
})

it('pull takes nothing from a daemon that was made to send an evil bundle', async () => {
  const { home, repo } = made
  const id = await made.submit('honest', '--', 'sh', '-c', 'date > new')
  await until('it is done', async () => (await home.task(id)).verdict === 'unverified')
  const commit = (await home.task(id)).result?.commit ?? ''
  const dir = clone('pulling')
  const [evil] = ATTACKS
  const file = path.join(scratch, 'pull.bundle')
  const wrong = evil?.write(clone('made'), `refs/tdf/${id}/1`, file) ?? ''
  const socket = path.join(scratch, 'proxy.sock')
  const server = http.createServer((request, response) => {
    const { method, url, headers } = request
    const onward = http.request({ socketPath: home.client.socket, method, path: url, headers }, answer => {
      const chunks: Buffer[] = []
      answer.on('data', chunk => chunks.push(chunk))
      answer.on('end', () => {
        const { 'content-length': _length, 'transfer-encoding': _encoding, ...kept } = answer.headers
        const text = Buffer.concat(chunks).toString('utf8').replaceAll(commit, wrong)
        response.writeHead(answer.statusCode ?? 500, kept).end(/\/bundle/.test(url ?? '') ? readFileSync(file) : text)
      })
    })
    request.pipe(onward)
  })
  await new Promise<void>(resolve => server.listen(socket, resolve))
  const env = { TDF_HOST: socket }
  const pulled = await tdfWith(home, { cwd: dir, env }, 'pull', id)
  server.close()
  expect([pulled.code, pulled.err]).toEqual([1, expect.stringMatching(/hasDotgit/)])
  expect(gitIn(dir, 'branch', '--list').trim()).toBe('* main')
  expect(() => gitIn(dir, 'cat-file', '-e', wrong)).toThrow()
  const honest = await tdfWith(home, { cwd: repo.dir }, 'pull', id)
  expect([honest.code, honest.err]).toEqual([0, expect.any(String)])
})
