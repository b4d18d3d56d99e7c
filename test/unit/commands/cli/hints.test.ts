/** Every hint that can be printed is a command that runs: found where hints are made, parsed by the real command tree. */
import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { ERRORS } from '../../../../src/core/errors.ts'
import { runs } from '../../../support/command-tree.ts'

/** Where code gives a hint of its own: `hint: '…'`, the second argument of `usage`, the `command` of `why`. */
const PLACES = [
  /\b(?:hint|command)\s*[:=]\s*(?:[^'"`\n,{}]*\?\s*)?(['"`])((?:(?!\1).)+)\1/g,
  /\b(?:hint|command)\s*[:=][^'"`\n]*(?:'[^'\n]*'|`[^`\n]*`)\s*:\s*(['"`])((?:(?!\1).)+)\1/g,
  /\busage\((?:[^()]|\([^()]*\))*?,\s*(['"`])((?:(?!\1).)+)\1,?\s*\)/gs,
  /\bfinding\((?:[^()]|\([^()]*\))*?,\s*(['"`])((?:(?!\1).)+)\1,?\s*\)/gs,
]

interface Hint {
  where: string
  text: string
}

function filesOf(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap(entry => {
    const name = `${folder}/${entry.name}`
    return entry.isDirectory() ? filesOf(name) : /\.tsx?$/.test(entry.name) ? [name] : []
  })
}

/** What stands for a value becomes a word, as it will be when the hint is printed. */
const filled = (text: string) =>
  text
    .replace(/^\$\{path\}/, 'tdf')
    .replace(/\$\{moreUsd\}/, '9')
    .replace(/\$\{[^{}]*\}/g, 'abcd')
    .replace(/\{(?:task|node)\}/g, 'abcd')

function hintsIn(file: string): Hint[] {
  const text = readFileSync(file, 'utf8')
  return PLACES.flatMap(place => [...text.matchAll(place)])
    .map(match => ({ where: file, text: filled(match[2] ?? '') }))
    .filter(({ text }) => /^[a-z-]+ /.test(text) || text === 'tdf')
}

const table = Object.entries(ERRORS).map(([code, { hint }]) => ({ where: code, text: filled(hint) }))
const code = ['commands', 'daemon', 'src']
  .flatMap(filesOf)
  .filter(file => !file.startsWith('src/agent/') && !file.startsWith('src/config/'))
  // Its commands are those of a user's own project.
  .filter(file => file !== 'commands/setup/first/project.ts')
const hints = [...table, ...code.flatMap(hintsIn)]

describe('hints', () => {
  it.each(hints.map(({ where, text }) => [where, text] as const))('%s: %s', async (_, text) => {
    await expect(runs(text)).resolves.toBeUndefined()
  })

  it('are found in the code, not in the table alone', () => {
    expect(hints.length - table.length).toBeGreaterThan(60)
  })

  it.each(['tdf lst', 'tdf show', 'tdf ls --no-such-flag', 'tdf wait abcd --for lunch', 'see the manual'])(
    'a wrong one is caught: %s',
    async hint => {
      await expect(runs(hint)).rejects.toThrow()
    },
  )
})
