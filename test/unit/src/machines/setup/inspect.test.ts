import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { compareVersions, INSPECT, parseInspection } from '../../../../../src/machines/setup/inspect.ts'

const home = mkdtempSync(path.join(tmpdir(), 'tdf-inspect-'))
afterAll(() => rmSync(home, { recursive: true, force: true }))

// Without the switch to the machine's own folders, which only root on systemd has.
const asUser = INSPECT.replace(/^if \[ "\$\(id -u\)".*$/m, '')
const inspect = () =>
  parseInspection(execFileSync('sh', ['-c', asUser], { env: { PATH: process.env.PATH, HOME: home } }).toString())

describe('a look at a machine', () => {
  it('finds nothing where nothing is', () => {
    const found = inspect()
    expect(found.base).toBe(`${home}/.local/share/tdf-agent`)
    expect([found.program, found.version, found.address, found.workspaces, found.done]).toEqual(['', '', '', 0, []])
    expect(found.nodeVersion).toMatch(/^v\d+\./)
  })

  it('finds the program, what was done once, and workspaces', () => {
    const base = path.join(home, '.local/share/tdf-agent')
    for (const folder of ['done/setup-1', 'state/workspaces/a', 'state/workspaces/b']) {
      mkdirSync(path.join(base, folder), { recursive: true })
    }
    symlinkSync('abc123.mjs', path.join(base, 'current.mjs'))
    writeFileSync(path.join(base, 'version'), '0.1.0\n')
    // A process that is not the agent has its old number now.
    writeFileSync(path.join(base, 'state/listen.json'), `{"address":"127.0.0.1:4000","pid":${process.pid}}\n`)
    const found = inspect()
    expect(found).toMatchObject({ program: 'abc123', version: '0.1.0', workspaces: 2, done: ['setup-1'], address: '' })
  })

  it('skips what a login script says', () => {
    expect(parseInspection('Welcome!\nprogram=abc\n * hint: x=y\n').program).toBe('abc')
  })
})

describe('versions', () => {
  it.each([
    ['0.1.0', '0.1.0', 0],
    ['v20.19.2', '20.19.0', 2],
    ['0.9.0', '0.10.0', -1],
    ['1.0.0-rc.1', '1.0.0', 0],
    ['', '0.0.1', -1],
  ])('%s against %s', (one, other, expected) => {
    expect(Math.sign(compareVersions(one, other))).toBe(Math.sign(expected))
  })
})
