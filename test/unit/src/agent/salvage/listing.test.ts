/** Which names salvage takes for refs and objects, and how it shows the names of files. */
import { describe, expect, it } from 'vitest'
import {
  besidePrefixes,
  besideRefs,
  bytes,
  isObjectId,
  isRefName,
  logRef,
  sessionRef,
  shown,
  split,
} from '../../../../../src/agent/salvage/listing.ts'
import { checkRef } from '../../../../../src/agent/salvage/salvage.ts'

const REF = 'refs/tdf/task-1/1'

describe('the name of a ref', () => {
  const long = (length: number) => `refs/${'x'.repeat(length - 'refs/'.length)}`

  it.each([
    ...['refs/heads/main', 'refs/stash', 'refs/a', 'refs/heads/a.b/c-d', 'refs/heads/lock', 'refs/heads/a.lock.b'],
    ...['refs/heads/@', 'refs/heads/a@b', 'refs/heads/{a}', 'refs/heads/ä', 'refs/heads/a]', long(1024)],
  ])('%j is one', name => {
    expect(isRefName(name)).toBe(true)
  })

  it.each([
    ...['', 'HEAD', 'heads/main', 'refs/', 'refs//a', 'refs/a/', 'refs/a//b', 'x/refs/heads/a', long(1025)],
    ...['refs/a.', 'refs/.a', 'refs/a/.b', 'refs/a..b', 'refs/a.lock', 'refs/a.lock/b', 'refs/a@{b'],
    ...['refs/a b', 'refs/a\tb', 'refs/a\nb', 'refs/a\0', 'refs/a\u007fb'],
    ...['refs/a~', 'refs/a^b', 'refs/a:b', 'refs/a?', 'refs/a*', 'refs/a[b', 'refs/a\\b'],
  ])('%j is none', name => {
    expect(isRefName(name)).toBe(false)
  })

  it('of a result is one that is not kept for ourselves', () => {
    expect(() => checkRef(REF)).not.toThrow()
    expect(() => checkRef('refs/keepsake/x')).not.toThrow()
    expect(() => checkRef('x/refs/keep/y')).toThrow('full ref name')
    expect(() => checkRef('refs/keep/base')).toThrow('must be a full ref name, such as refs/tdf/task/1')
  })

  it('beside a result says of what kind it is', () => {
    expect([logRef(REF), sessionRef(REF)]).toEqual([`${REF}-log`, `${REF}-session`])
    expect(besideRefs(REF).stash).toBe(`${REF}-stash`)
    expect(besidePrefixes(REF)).toEqual(['heads', 'stash', 'worktrees', 'others'].map(kind => `${REF}-${kind}/`))
  })
})

it('an object id is of the length of its repository, in lower case', () => {
  const sha1 = '0123456789abcdef0123456789abcdef01234567'
  expect(isObjectId(sha1, 40)).toBe(true)
  expect(isObjectId(sha1, 64)).toBe(false)
  expect(isObjectId(sha1.toUpperCase(), 40)).toBe(false)
  expect(isObjectId(`g${sha1.slice(1)}`, 40)).toBe(false)
  expect(isObjectId(`${sha1.slice(1)}\n`, 40)).toBe(false)
})

it('the names of files are bytes, and are shown as UTF-8', () => {
  expect(split('a\0b c\0\0d\0')).toEqual(['a', 'b c', 'd'])
  expect(shown(Buffer.from('grün').toString('latin1'))).toBe('grün')
  expect([...bytes('a\u00ff')]).toEqual([0x61, 0xff])
})
