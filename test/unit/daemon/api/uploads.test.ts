/** Uploads of bundles, as the control API takes them: in pieces, again, and what it refuses. */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { Readable } from 'node:stream'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { OfferAnswer, UploadedBundle, UploadState } from '../../../../src/protocol/uploads.ts'
import { type Home, makeHome, makeRepository, until } from '../../../support/daemon/home.ts'

let home: Home
let daemon: Awaited<ReturnType<Home['start']>>
beforeAll(async () => {
  home = makeHome()
  daemon = await home.start()
}, 90_000)
afterAll(() => home.remove())

let uploads = 0
const newId = () => (uploads++).toString(16).padStart(32, '0')

function scene() {
  const repo = makeRepository()
  const git = (...args: string[]) =>
    execFileSync('git', ['-c', 'user.name=you', '-c', 'user.email=you@localhost', ...args], { cwd: repo.dir })
  // Commits of the same second and content would be the same.
  const mine = uploads
  const commit = (name: string) => {
    writeFileSync(path.join(repo.dir, name), `${name} ${mine}\n`)
    git('add', '--all')
    git('commit', '--quiet', '--message', name)
    return git('rev-parse', 'HEAD').toString().trim()
  }
  const first = commit('first')
  /** Of main, without what `known` reaches. */
  const bundle = (known?: string) => {
    const file = path.join(repo.dir, '.git', 'a.bundle')
    git('bundle', 'create', '--quiet', file, 'main', ...(known === undefined ? [] : [`^${known}`]))
    const bytes = readFileSync(file)
    return { bytes, sha256: createHash('sha256').update(bytes).digest('hex') }
  }
  const offer = (commit: string) => {
    const ref = 'refs/heads/main'
    return { source: repo.dir, commit, ref, refs: { [ref]: commit } }
  }
  return { first, commit, bundle, offer }
}

const put = (id: string, offset: number, bytes: Buffer) =>
  home.client
    .raw({ method: 'PUT', path: `/uploads/${id}?offset=${offset}`, body: Readable.from([bytes]) })
    .then(({ body }) => (JSON.parse(body.toString()) as UploadState).bytes)
const at = async (id: string) => (await home.client.call<UploadState>({ path: `/uploads/${id}` })).bytes
const end = (id: string, json: object) =>
  home.client.call<UploadedBundle>({ method: 'POST', path: `/uploads/${id}`, json })
const ask = (json: object) => home.client.call<OfferAnswer>({ method: 'POST', path: '/bundles', json })
const filesOf = (folder: string) => readdirSync(path.join(home.dir, 'state', folder))

describe('an upload', () => {
  it('comes in pieces, each where the one before ended, over restarts of the daemon, and its end may be said again', async () => {
    const { first, bundle, offer } = scene()
    const { bytes, sha256 } = bundle()
    const id = newId()
    expect(await at(id)).toBe(0)
    expect(await put(id, 0, bytes.subarray(0, 100))).toBe(100)
    await expect(put(id, 50, bytes.subarray(50))).rejects.toMatchObject({ code: 'WRONG_STATE' })
    await home.kill(daemon)
    daemon = await home.start()
    expect(await at(id)).toBe(100)
    expect(await put(id, 100, bytes.subarray(100))).toBe(bytes.length)
    const said = { ...offer(first), sha256, isThin: false }
    const answers = [await end(id, said), await end(id, said)]
    expect(answers).toEqual(Array(2).fill({ sha256, bytes: bytes.length }))
    expect([filesOf('uploads'), filesOf('bundles')]).toEqual([[], [`${sha256}.bundle`]])
    expect(await ask(offer(first))).toEqual({ bundle: { sha256, bytes: bytes.length }, have: [] })
  })

  it('with another hash is not taken, nor one that nobody sent, nor under a name that could be a path', async () => {
    const { first, bundle, offer } = scene()
    const { bytes } = bundle()
    const id = newId()
    await put(id, 0, bytes)
    const said = { ...offer(first), sha256: 'a'.repeat(64), isThin: false }
    await expect(end(id, said)).rejects.toMatchObject({ code: 'BUNDLE_MISMATCH' })
    await expect(end(newId(), said)).rejects.toMatchObject({ code: 'NOT_FOUND' })
    expect(existsSync(path.join(home.dir, 'state', 'bundles', `${said.sha256}.bundle`))).toBe(false)
    for (const bad of ['..%2F..%2Fx', 'short', 'g'.repeat(32)]) {
      await expect(put(bad, 0, bytes)).rejects.toMatchObject({ code: 'BAD_REQUEST' })
    }
    const refs = { 'heads/main': first }
    await expect(ask({ ...offer(first), refs })).rejects.toMatchObject({ code: 'BAD_REQUEST' })
  })

  it('that builds on what is not here is not taken, and the whole is', async () => {
    const { first, commit, bundle, offer } = scene()
    const head = commit('second')
    const some = bundle(first)
    const id = newId()
    await put(id, 0, some.bytes)
    const said = { ...offer(head), sha256: some.sha256, isThin: true }
    await expect(end(id, said)).rejects.toMatchObject({ code: 'BUNDLE_MISSING' })
    expect(await ask(offer(head))).toEqual({ bundle: null, have: [] })
    const whole = bundle()
    const next = newId()
    await put(next, 0, whole.bytes)
    await end(next, { ...offer(head), sha256: whole.sha256, isThin: false })
    const third = commit('third')
    expect(await ask(offer(third))).toEqual({ bundle: null, have: [head] })
  })

  it('that does not bring what it names is not taken', async () => {
    const { first, commit, bundle, offer } = scene()
    const whole = bundle()
    const id = newId()
    await put(id, 0, whole.bytes)
    await end(id, { ...offer(first), sha256: whole.sha256, isThin: false })
    const second = commit('second')
    await until('the first is held', async () => (await ask(offer(second))).have.length > 0)
    const some = bundle(first)
    const third = commit('third')
    const next = newId()
    await put(next, 0, some.bytes)
    const said = { ...offer(third), sha256: some.sha256, isThin: true }
    await expect(end(next, said)).rejects.toMatchObject({ code: 'BUNDLE_MISSING' })
  })
})
