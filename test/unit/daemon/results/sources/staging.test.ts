/** An upload goes on where it stands, whatever became of its connection, and its file is given for the hash that it has alone. */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, statSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { beforeEach, expect, it } from 'vitest'
import { createStaging, type Staging } from '../../../../../daemon/results/sources/staging.ts'
import { afterFile } from '../../../../support/after-file.ts'

let folder: string
let staging: Staging
beforeEach(() => {
  const root = mkdtempSync(path.join(tmpdir(), 'tdf-staging-'))
  afterFile(() => rm(root, { recursive: true, force: true }))
  folder = path.join(root, 'downloads')
  staging = createStaging(folder)
})

const hashOf = (text: string) => createHash('sha256').update(text).digest('hex')
const append = (id: string, offset: number, ...texts: string[]) =>
  staging.append(id, offset, Readable.from(texts.map(text => Buffer.from(text))))
const read = (file: string) => readFileSync(file, 'utf8')

it('it grows by what comes in, and its file is for its user alone', async () => {
  expect(await staging.bytesOf('a')).toBe(0)
  expect(await append('a', 0, 'one', 'two')).toBe(6)
  expect(await append('a', 6, 'three')).toBe(11)
  expect(await append('b', 0, 'other')).toBe(5)
  expect([await staging.bytesOf('a'), await staging.bytesOf('b')]).toEqual([11, 5])
  const file = await staging.proved('a', hashOf('onetwothree'))
  expect([file, read(file)]).toEqual([path.join(folder, 'a.part'), 'onetwothree'])
  expect([statSync(folder).mode & 0o777, statSync(file).mode & 0o777]).toEqual([0o700, 0o600])
})

it('what does not go on from its end is refused, with where it stands', async () => {
  await append('a', 0, 'one')
  const wrong = { code: 'WRONG_STATE', message: 'the upload stands at 3 bytes, not at 0' }
  await expect(append('a', 0, 'two')).rejects.toMatchObject(wrong)
  await expect(append('b', 3, 'two')).rejects.toMatchObject({ message: 'the upload stands at 0 bytes, not at 3' })
  expect(await staging.bytesOf('a')).toBe(3)
})

it('one whose daemon was restarted goes on, and is proved by its file', async () => {
  await append('a', 0, 'one')
  staging = createStaging(folder)
  expect(await append('a', 3, 'two')).toBe(6)
  expect(read(await staging.proved('a', hashOf('onetwo')))).toBe('onetwo')
  // Nothing came since that was proved.
  expect(read(await staging.proved('a', hashOf('onetwo')))).toBe('onetwo')
})

it('one with another hash is gone', async () => {
  await append('a', 0, 'one')
  const mismatch = { code: 'BUNDLE_MISMATCH', message: 'the bundle does not match its hash' }
  await expect(staging.proved('a', hashOf('two'))).rejects.toMatchObject(mismatch)
  expect([existsSync(path.join(folder, 'a.part')), await staging.bytesOf('a')]).toEqual([false, 0])
  expect(await append('a', 0, 'two')).toBe(3)
  expect(read(await staging.proved('a', hashOf('two')))).toBe('two')
})

it('a connection that breaks leaves what it brought, and the hash goes on from there', async () => {
  const body = new PassThrough()
  const broken = staging.append('a', 0, body).catch(error => error)
  body.write('one')
  const file = path.join(folder, 'a.part')
  await expect.poll(() => existsSync(file) && read(file), { timeout: 60_000 }).toBe('one')
  body.destroy(new Error('it broke'))
  expect((await broken).message).toBe('it broke')
  expect(await append('a', 3, 'two')).toBe(6)
  expect(read(await staging.proved('a', hashOf('onetwo')))).toBe('onetwo')
})

it.each<[string, () => Promise<unknown>, string]>([
  ['who asks how far it is', () => staging.bytesOf('a'), 'one'],
  ['the rest of it', () => append('a', 3, 'two'), 'onetwo'],
  ['its end', () => staging.proved('a', hashOf('one')), 'one'],
])('a connection that still brings some is ended by %s', async (_, act, content) => {
  const body = new PassThrough()
  const before = staging.append('a', 0, body).catch(error => error)
  body.write('one')
  const file = path.join(folder, 'a.part')
  await expect.poll(() => existsSync(file) && read(file), { timeout: 60_000 }).toBe('one')
  await act()
  expect((await before).message).toContain('aborted')
  if (!body.closed) await once(body, 'close')
  expect(read(file)).toBe(content)
})
