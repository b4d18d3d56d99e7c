/**
 * The way of a new user, by the README alone, in a real terminal: an empty home, at first without an agent, then with a program
 * named like one. The commands are those of the README; as the user of the test, and as another one where root may change that.
 */
import { execFileSync } from 'node:child_process'
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import process from 'node:process'
import { afterEach, describe, expect, it } from 'vitest'
import { killSessions, root, until } from '../../../support/daemon/home.ts'
import { openTmux, type Tmux } from '../../../support/screen/tmux.ts'

const README = readFileSync(path.join(root, 'README.md'), 'utf8')
/** The commands below a heading, without what is said about them. */
const commandsOf = (heading: string) =>
  [...(README.split(`## ${heading}\n`)[1]?.split('\n## ')[0] ?? '').matchAll(/```\n([\s\S]*?)```/g)].flatMap(
    ([, block = '']) =>
      block
        .trim()
        .split('\n')
        .map(line => line.replace(/\s+# .*$/, '')),
  )
const OWN = commandsOf('On your own repository')

/** As much of Claude Code as one turn needs. */
const AGENT = `#!/bin/sh
[ "$1" = --version ] && { echo '2.1.331 (Claude Code)'; exit 0; }
read -r prompt
echo '{"type":"system","subtype":"init","session_id":"6ccc1738-941c-4e06-8414-62d0fcb15b26"}'
echo fixed > fixed.txt; git add -A; git commit -qm "Fix the flaky login test"
echo '{"type":"result","subtype":"success","is_error":false,"num_turns":1,"result":"Fixed it","session_id":"6ccc1738-941c-4e06-8414-62d0fcb15b26","total_cost_usd":0.01,"usage":{"input_tokens":1,"output_tokens":1}}'
`

const NOBODY = 65_534
const USERS = process.getuid?.() === 0 ? [0, NOBODY] : [process.getuid?.() ?? 0]

interface Newcomer {
  home: string
  terminal: Tmux
  /** Types a line and resolves with what the screen shows once its shell is ready again, and its exit code. */
  runs(
    line: string,
    answers?: readonly (readonly [sees: string, key: string])[],
  ): Promise<{ shown: string; code: number }>
}

let newcomer: Newcomer | undefined
afterEach(async () => {
  if (!newcomer) return
  const { home, terminal, runs } = newcomer
  newcomer = undefined
  await runs('tdf daemon stop').finally(() => {
    terminal.close()
    killSessions(home)
    rmSync(home, { recursive: true, force: true, maxRetries: 20, retryDelay: 200 })
  })
}, 240_000)

function arrive(uid: number): Newcomer {
  const home = mkdtempSync(path.join(tmpdir(), 'tdf-new-'))
  const repository = path.join(home, 'code', 'site')
  const git = (...words: string[]) =>
    execFileSync('git', ['-c', 'user.name=you', '-c', 'user.email=you@localhost', ...words], { cwd: repository })
  mkdirSync(repository, { recursive: true })
  git('init', '--quiet', '--initial-branch=main')
  writeFileSync(path.join(repository, 'package.json'), '{"scripts":{"test":"test -f fixed.txt"}}\n')
  git('add', '--all')
  git('commit', '--quiet', '--message', 'first')
  execFileSync('chown', ['-R', `${uid}:${uid}`, home])
  const env = {
    ...{ HOME: home, PATH: `${home}/bin:${root}/bin:${path.dirname(process.execPath)}:/usr/bin:/bin` },
    // Root's own place is that of the machine's service.
    ...{ TDF_SYSTEM: '0', TDF_CALLBACKS__LISTEN: '127.0.0.1:0' },
    ...{ GIT_AUTHOR_NAME: 'you', GIT_AUTHOR_EMAIL: 'you@localhost' },
    ...{ GIT_COMMITTER_NAME: 'you', GIT_COMMITTER_EMAIL: 'you@localhost' },
  }
  const terminal = openTmux(env, 120, 50)
  if (uid !== process.getuid?.()) {
    terminal.type(`exec setpriv --reuid ${uid} --regid ${uid} --clear-groups bash --norc --noprofile -i`)
  }
  let count = 0
  return {
    home,
    terminal,
    async runs(line, answers = []) {
      count += 1
      terminal.type(`clear; ${line}; echo "left $((${count})) with $?"`)
      for (const [sees, key] of answers) {
        await terminal.sees(sees)
        terminal.keys(...(key === '' ? [] : [key]), 'Enter')
      }
      const end = new RegExp(`left ${count} with (\\d+)`)
      await until(`"${line}" ends`, () => end.test(terminal.lines().join('\n')), 180_000).catch(error => {
        throw new Error(`${error.message}\n${terminal.lines().join('\n')}`)
      })
      const shown = terminal.lines().join('\n')
      return { shown, code: Number(end.exec(shown)?.[1]) }
    },
  }
}

/** Every error on the way names its cure. */
const withoutCure = (shown: string) => /^error: /m.test(shown) && !/^ {2}hint: \S/m.test(shown)

const lineOf = (begins: string) => OWN.find(line => line.startsWith(begins)) ?? `false # the README has no ${begins}`

describe.each(USERS)('the README, as user %s', uid => {
  it('leads from an empty home to a verified result of an agent, and every error on the way names its cure', async () => {
    newcomer = arrive(uid)
    const { home, terminal, runs } = newcomer
    expect((await runs('cd ~/code/site')).code).toBe(0)

    // No agent yet: init names the ways, a command is one, and the daemon is started by a word of consent.
    const without = await runs('tdf init', [
      ['tests the work', ''],
      ['prepares a fresh copy', ''],
      ['[Y/n]', 'n'],
    ])
    expect([without.code, withoutCure(without.shown)]).toEqual([0, false])
    expect(without.shown).toMatch(/npm install -g @anthropic-ai\/claude-code/)
    const refused = await runs('tdf submit "make it blue"', [['start it now? [Y/n]', '']])
    expect([refused.code, withoutCure(refused.shown)]).toEqual([1, false])
    expect(refused.shown).toMatch(/there are three ways:/)
    const command = await runs(lineOf('tdf submit --wait --'))
    expect([command.code, withoutCure(command.shown)]).toEqual([0, false])

    // A program of the name of an agent appears.
    mkdirSync(path.join(home, 'bin'))
    writeFileSync(path.join(home, 'bin', 'claude'), AGENT)
    chmodSync(path.join(home, 'bin', 'claude'), 0o755)
    for (const place of ['bin', 'bin/claude']) chownSync(path.join(home, place), uid, uid)
    const init = await runs('tdf init', [
      ['tests the work [npm test]', ''],
      ['prepares a fresh copy', ''],
      ['[Y/n]', 'y'],
    ])
    expect([init.code, withoutCure(init.shown)]).toEqual([0, false])
    expect(init.shown).toMatch(/claude 2\.1\.331[\s\S]*wrote [\s\S]*config\.toml[\s\S]*wrote [\s\S]*\.tdf\.toml/)
    const submitted = await runs(lineOf('tdf submit "'))
    expect([submitted.code, submitted.shown]).toEqual([0, expect.stringContaining('verified')])
    for (const begins of ['tdf diff', 'tdf pull']) {
      const { code, shown } = await runs(lineOf(begins))
      expect([code, withoutCure(shown)]).toEqual([0, false])
    }
    terminal.type('clear; git log --all --oneline | cat')
    await terminal.sees('Fix the flaky login test')
    expect(existsSync(path.join(home, 'code', 'site', 'fixed.txt'))).toBe(false)
  }, 600_000)
})

it('the README says how to install, and ends where the first result is', () => {
  expect(commandsOf('Install').join('\n')).toMatch(/^npm ci$[\s\S]*^export PATH=[\s\S]*^tdf quickstart$/m)
  expect(OWN.map(line => line.split(' ').slice(0, 2).join(' '))).toEqual(
    expect.arrayContaining(['tdf init', 'tdf submit', 'tdf diff', 'tdf pull']),
  )
})
