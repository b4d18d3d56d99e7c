/** What `tdf doctor` says of agents: programs that are there, logins that are not. */
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { expect, it } from 'vitest'
import type { FindingJson } from '../../src/protocol/control.ts'
import { cli, cliWith } from '../support/cli.ts'
import { makeHome } from '../support/home.ts'

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
