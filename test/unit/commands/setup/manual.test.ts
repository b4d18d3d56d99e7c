/** The manual: complete, without a complaint of troff, and where the package says it is. */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { EXIT_CODES } from '../../../../commands/cli/exit-codes.ts'
import { roff } from '../../../../commands/setup/manual.ts'
import { configTables } from '../../../../src/config/show/manual.ts'
import { ERRORS } from '../../../../src/core/errors.ts'
import { VERSION } from '../../../../src/platform/version.ts'
import { cli } from '../../../support/cli.ts'
import { commandPaths } from '../../../support/command-tree.ts'

const root = path.join(import.meta.dirname, '..', '..', '..', '..')
const home = { env: {} }
const { man: files } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as { man: string[] }
const HIDDEN = ['complete', 'exit-codes', 'man']

/** As it is read, in one line. */
const read = async (page: string) =>
  (await cli(home, 'man', page)).out.replaceAll('\\-', '-').replaceAll('\\&', '').replaceAll('\\(dq', '"')

describe.each(['tdf.1', 'tdf-config.5'])('%s', page => {
  it('lies in the package, as the program writes it', async () => {
    const file = files.find(name => path.basename(name) === page) ?? ''
    const written = readFileSync(path.join(root, file), 'utf8').replace(/"tdf [\d.]+"/, `"tdf ${roff(VERSION)}"`)
    expect(written).toBe((await cli(home, 'man', page)).out)
  })

  it('is set without a complaint, where there is somebody to complain', () => {
    const file = path.join(root, 'dist', 'man', page)
    const set = spawnSync('groff', ['-man', '-ww', '-z', '-K', 'utf8', file], { encoding: 'utf8' })
    const isThere = (set.error as NodeJS.ErrnoException | undefined)?.code !== 'ENOENT'
    expect(isThere ? [set.status, set.stderr] : [0, '']).toEqual([0, ''])
  })
})

it('tdf(1) has every command that the help shows, every exit code and every option of submit', async () => {
  const text = await read('tdf.1')
  const missing = commandPaths().filter(
    name => !HIDDEN.includes(name) && !new RegExp(`^.SS "tdf ${name}[ "]`, 'm').test(text),
  )
  expect(missing).toEqual([])
  for (const hidden of HIDDEN) expect(text).not.toContain(`.SS "tdf ${hidden} `)
  for (const [code] of EXIT_CODES) expect(text).toContain(`.B "${code}"\n`)
  const options = (await cli(home, 'submit', '--help')).out.match(/--[a-z-]+/g) ?? []
  expect(options.length).toBeGreaterThan(20)
  for (const option of options.filter(name => name !== '--help')) expect(text).toContain(option)
})

it('tdf-config(5) has every key with what is right there', async () => {
  const text = await read('tdf-config.5')
  for (const { name, keys } of configTables()) {
    expect(text).toContain(`.SS "[${name}]"`)
    for (const key of keys) expect(text).toContain(`.B "${key.name}"\n${key.description} It is `)
  }
  expect(configTables().map(({ name }) => name)).toEqual(
    expect.arrayContaining(['runner', 'tui.keys', 'providers.static.nodes', 'agents.NAME']),
  )
})

it('tdf help exit-codes has every code that an error can have', async () => {
  const { code, out } = await cli(home, 'help', 'exit-codes')
  expect(code).toBe(0)
  for (const { exit } of Object.values(ERRORS)) expect(out).toMatch(new RegExp(`^ +${exit}  \\w`, 'm'))
})
