import { describe, expect, it } from 'vitest'
import { matchesGlob, mayHold, parseGlob } from '../../../../src/config/glob.ts'

const matching = (glob: string, ...paths: string[]) => paths.filter(path => matchesGlob(parseGlob(glob), path))

describe('a glob', () => {
  it.each([
    ['*.png', ['a.png'], ['a/b.png', 'a.jpg', 'png']],
    ['out/*.png', ['out/a.png', 'out/.png'], ['a.png', 'out/b/a.png']],
    ['out/**', ['out/a', 'out/b/c'], ['out2/a', 'b/out/a']],
    ['**/*.xml', ['a.xml', 'b/c/a.xml'], ['a.xmlx']],
    ['a/**/b', ['a/b', 'a/x/y/b', 'a/b/c'], ['b', 'a/c']],
    ['coverage', ['coverage', 'coverage/a/b'], ['coverages', 'b/coverage']],
    ['./coverage/', ['coverage/a'], ['a']],
    ['{a,b}.{x,y}', ['a.x', 'b.y'], ['c.x', 'a.z', '{a,b}.x']],
    ['{}', ['{}'], ['', 'a']],
    ['a?c', ['abc', 'a?c'], ['ac', 'abbc', 'a/c']],
    ['*a*b*', ['ab', 'xaxbx', 'aab'], ['ba', 'axc']],
    ['[ab]', ['[ab]'], ['a', 'b']],
    ['*', ['a'], ['a/b']],
    ['', [], ['a', '']],
  ])('%s names what a shell would', (glob, named, others) => {
    expect(matching(glob, ...named, ...others)).toEqual(named)
  })

  it.each([
    ['out/*.png', ['out'], ['a', 'out/b']],
    ['**/*.png', ['a', 'a/b'], ['node_modules', 'a/node_modules/b']],
    ['*/x', ['a'], ['node_modules', 'a/b']],
    ['node_modules/a', ['node_modules', 'node_modules/a/b'], ['a']],
    ['coverage', ['coverage', 'coverage/a'], ['a']],
  ])('%s says which folders are worth a look', (glob, worth, others) => {
    expect([...worth, ...others].filter(folder => mayHold(parseGlob(glob), folder))).toEqual(worth)
  })

  it('that is made to take long takes no time', () => {
    const long = `${'a'.repeat(10_000)}/${'a/'.repeat(500)}b`
    expect(matching(`${'*a'.repeat(100)}c`, long)).toEqual([])
    expect(matching(`${'**/*a/'.repeat(40)}c`, long)).toEqual([])
    expect(matching('{a,b}'.repeat(50), 'a'.repeat(50))).toEqual([])
  })
})
