/** What `tdf doctor` says of agents: programs that are there, logins that are not. */
import { spawn } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { expect, it } from 'vitest'
import { identify } from '../../../../src/platform/process.ts'
import type { FindingJson } from '../../../../src/protocol/upkeep.ts'
import { cli, cliWith } from '../../../support/cli.ts'
import { makeHome, until } from '../../../support/daemon/home.ts'

const VERSION: string = JSON.parse(readFileSync('package.json', 'utf8')).version

it('tells of each agent its version and how it logs in, or what is missing and what gives it', async () => {
  const own = makeHome(`
[agents.opencode]
type = "acp"
command = ["opencode", "acp"]
env = ["OPENROUTER_API_KEY"]

${['gemini', 'qwen', 'cline'].map(name => `[agents.${name}]\ntype = "acp"\ncommand = ["${name}", "--acp"]`).join('\n')}

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
    // With the word that makes them speak ACP they would wait for a client.
    for (const name of ['gemini', 'qwen', 'cline']) program(name, 'test "$*" = --version && echo 0.61.0')
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
    for (const name of ['gemini', 'qwen', 'cline']) {
      expect(before[`agent ${name}`]).toMatchObject({ state: 'ok', message: expect.stringContaining('0.61.0') })
    }
    expect(before['agent lost']).toMatchObject({
      state: 'warn',
      message: expect.stringMatching(/^not-there-at-all is not on/),
    })
    await cliWith(own, { input: 'key-1' }, 'secret', 'set', 'ANTHROPIC_API_KEY')
    mkdirSync(path.join(own.dir, '.codex'))
    writeFileSync(path.join(own.dir, '.codex', 'auth.json'), '{}')
    program('opencode', 'echo "it needs a newer node" >&2; exit 1')
    const after = await agents()
    expect(after['agent claude']).toEqual({ state: 'ok', message: '2.1.197, given ANTHROPIC_API_KEY', hint: null })
    expect(after['agent codex']).toEqual({
      state: 'ok',
      message: '0.169.0, logged in by ~/.codex/auth.json',
      hint: null,
    })
    const message = 'opencode --version fails (1): it needs a newer node'
    expect(after['agent opencode']).toMatchObject({ state: 'warn', message })
  } finally {
    await own.remove()
  }
})

it('tells of all others where one does not answer, and leaves nothing of that one behind', async () => {
  const own = makeHome('[agents.stuck]\ntype = "acp"\ncommand = ["stuck"]\n')
  try {
    const bin = path.join(own.dir, 'bin')
    mkdirSync(bin)
    // A child that holds its output, as a launcher and its program do.
    writeFileSync(path.join(bin, 'stuck'), `#!/bin/sh\nsleep 3600.5 & echo $! > ${own.dir}/child; wait\n`, {
      mode: 0o755,
    })
    writeFileSync(path.join(bin, 'codex'), '#!/bin/sh\necho "$LANG codex-cli 0.169.0"\n', { mode: 0o755 })
    await own.start({ PATH: `${bin}:${process.env.PATH}` })
    const found: FindingJson[] = JSON.parse((await cli(own, 'doctor', '--json')).out)
    const about = (name: string) => found.find(({ check }) => check === `agent ${name}`)
    expect(about('stuck')).toMatchObject({ state: 'warn', message: 'stuck --version does not end within 10 s' })
    expect(about('codex')?.message).toMatch(/^0\.169\.0/)
    const child = readFileSync(path.join(own.dir, 'child'), 'utf8').trim()
    await until('its child has ended', () => identify(Number(child)) === null)
  } finally {
    await own.remove()
  }
})

it('names an agent of this machine that is still what it was before an upgrade, and how it becomes new', async () => {
  const own = makeHome()
  const dist = path.join(import.meta.dirname, '..', '..', '..', '..', 'dist', 'tdf-agent.js')
  const old = path.join(own.dir, 'tdf-agent.mjs')
  writeFileSync(old, readFileSync(dist, 'utf8').replaceAll(VERSION, '0.0.9'))
  const [socket, token, state] = ['agent.sock', 'state/agent-token', 'state/agent'].map(name =>
    path.join(own.dir, name),
  )
  mkdirSync(state ?? '', { recursive: true })
  writeFileSync(token ?? '', 'token-of-the-old-one')
  const words = ['--listen', `unix:${socket}`, '--state', state ?? '', '--token-file', token ?? '', '--name', 'local']
  const agent = spawn(process.execPath, [old, ...words], { env: own.env, stdio: 'ignore' })
  try {
    await own.start({ TDF_AGENT_SOCKET: socket ?? '' })
    const found = async () => {
      const all: FindingJson[] = JSON.parse((await cli(own, 'doctor', '--json')).out)
      return all.find(({ check }) => check === 'local agent')
    }
    await until('the daemon knows it', async () => (await found()) !== undefined)
    expect(await found()).toEqual({
      ...{ check: 'local agent', state: 'warn', hint: 'systemctl --user restart tdf-agent' },
      message: `the tdf-agent of local is 0.0.9 and this is ${VERSION}; what runs goes on when it is restarted`,
    })
  } finally {
    agent.kill()
    await own.remove()
  }
})
