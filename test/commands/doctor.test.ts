/** `tdf doctor` on a real home: what it finds right, what it finds wrong, and that each hint mends or shows it. */
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { FindingJson } from '../../src/protocol/control.ts'
import { cli, cliWith } from '../support/cli.ts'
import { runs } from '../support/command-tree.ts'
import { type Home, makeHome } from '../support/home.ts'

let home: Home
beforeAll(async () => {
  home = makeHome()
  await home.start()
})
afterAll(() => home.remove())

async function findings(env: Record<string, string> = {}): Promise<{ code: number | null; found: FindingJson[] }> {
  const { code, out, err } = await cliWith(home, { env }, 'doctor', '--json')
  expect(err).toBe('')
  return { code, found: JSON.parse(out) }
}

async function expectFinding(found: FindingJson[], check: string, message: RegExp, state = 'fail'): Promise<string> {
  const bad = found.find(one => one.check === check && one.state === state)
  expect(bad?.message).toMatch(message)
  await runs(bad?.hint ?? '')
  return bad?.hint ?? ''
}

describe('tdf doctor', () => {
  it('looks at everything, in words and as JSON', async () => {
    const { code, found } = await findings()
    expect(code).toBe(0)
    expect(found.map(({ check }) => check)).toEqual([
      ...['node', 'git', 'config', 'state', 'disk', 'socket', 'daemon', 'callbacks'],
      ...['event loop', 'scheduler', 'database', 'storage', 'modes', 'new work', 'nodes', 'agents'],
    ])
    const { out } = await cli(home, 'doctor')
    expect(out).toMatch(/^CHECK +STATE +WHAT\nnode +ok +\d/)
  })

  it('finds a state folder that others may read, and its hint mends it', async () => {
    chmodSync(path.join(home.dir, 'state'), 0o755)
    const { code, found } = await findings()
    expect(code).toBe(1)
    const hint = await expectFinding(found, 'state', /mode 755/)
    execFileSync('sh', ['-c', hint])
    expect((await findings()).code).toBe(0)
  })

  it('finds a key that others may read, and its hint mends it', async () => {
    chmodSync(path.join(home.dir, 'state', 'install.json'), 0o644)
    const { code, found } = await findings()
    expect(code).toBe(1)
    execFileSync('sh', ['-c', await expectFinding(found, 'modes', /install\.json/)])
    expect((await findings()).code).toBe(0)
  })

  it('finds a configuration that is wrong, a git that is not there, and looks at the rest', async () => {
    writeFileSync(path.join(home.dir, 'config.toml'), '[runner]\nagnet = "x"\n')
    const { code, found } = await findings({ PATH: '/nowhere' })
    writeFileSync(path.join(home.dir, 'config.toml'), '')
    expect(code).toBe(1)
    await expectFinding(found, 'config', /agnet/)
    await expectFinding(found, 'git', /cannot be run/)
    expect(found.find(({ check }) => check === 'socket')?.state).toBe('ok')
  })

  it('finds a disk below the limit', async () => {
    await expectFinding((await findings({ TDF_DISK__LOW: '1000TiB' })).found, 'disk', /GiB free/)
  })

  it('finds that there is no daemon, and says what starts one', async () => {
    const { code, found } = await findings({ TDF_HOST: '/nowhere/tdf.sock' })
    expect(code).toBe(1)
    expect(await expectFinding(found, 'daemon', /no socket \/nowhere\/tdf.sock \(from TDF_HOST\)/)).toBe(
      'tdf daemon run',
    )
  })

  it('tells of each agent its version and how it logs in, or what is missing and what gives it', async () => {
    const own = makeHome(`
[agents.opencode]
type = "acp"
command = ["opencode", "acp"]
env = ["OPENROUTER_API_KEY"]

[agents.lost]
type = "command"
command = ["not-there-at-all"]
`)
    try {
      const bin = path.join(own.dir, 'bin')
      mkdirSync(bin)
      const program = (name: string, script: string) =>
        writeFileSync(path.join(bin, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 })
      program('claude', 'test "$*" = --version && echo "2.1.197 (Claude Code)"')
      program('codex', 'echo "codex-cli 0.169.0"')
      program('opencode', 'test "$*" = --version && echo 1.18.33')
      await own.start({ PATH: `${bin}:${process.env.PATH}` })
      const agents = async () => {
        const found: FindingJson[] = JSON.parse((await cli(own, 'doctor', '--json')).out)
        return Object.fromEntries(
          found.filter(({ check }) => check.startsWith('agent ')).map(({ check, ...rest }) => [check, rest]),
        )
      }
      const before = await agents()
      expect(before['agent claude']).toEqual({
        state: 'warn',
        message: expect.stringMatching(
          /^2\.1\.197, no login was found: ANTHROPIC_API_KEY or CLAUDE_CODE_OAUTH_TOKEN is not set/,
        ),
        hint: 'tdf secret set ANTHROPIC_API_KEY',
      })
      expect(before['agent opencode']).toMatchObject({ state: 'warn', hint: 'tdf secret set OPENROUTER_API_KEY' })
      expect(before['agent lost']).toMatchObject({
        state: 'warn',
        message: expect.stringMatching(/^not-there-at-all is not on/),
      })
      await cliWith(own, { input: 'key-1' }, 'secret', 'set', 'ANTHROPIC_API_KEY')
      mkdirSync(path.join(own.dir, '.codex'))
      writeFileSync(path.join(own.dir, '.codex', 'auth.json'), '{}')
      program('opencode', 'exit 1')
      const after = await agents()
      expect(after['agent claude']).toEqual({ state: 'ok', message: '2.1.197, given ANTHROPIC_API_KEY', hint: null })
      expect(after['agent codex']).toEqual({
        state: 'ok',
        message: '0.169.0, logged in by ~/.codex/auth.json',
        hint: null,
      })
      expect(after['agent opencode']).toMatchObject({ state: 'warn', message: 'opencode --version fails' })
    } finally {
      await own.remove()
    }
  })
})
