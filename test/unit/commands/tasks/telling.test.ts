/** What a waiting command tells: each thing once, in its order, in the words of people; and a failure with its own output. */
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { cli, cliTogether, cliWith } from '../../../support/cli.ts'
import { until } from '../../../support/daemon/home.ts'
import { withDaemon } from '../../../support/daemon/with-daemon.ts'

const { home, repo } = withDaemon()

// A task that is there before the node's agent is would tell of its start, too.
beforeAll(async () => {
  const isReady = async () => JSON.parse((await cli(home, 'node', 'ls', '--json')).out)[0]?.status === 'ready'
  await until('the local node is ready', isReady, 60_000)
}, 90_000)

const COMMITS = 'echo hi > NOTES.md && git add -A && git commit -qm notes'
const FAILING = 'echo "3 tests failed"; echo "login.test.ts:12 expected 1"; exit 1'
const UNKNOWN_TO_PEOPLE = /node_selection|workspace_|agent_session|salvage|delegated|in_progress/

/** What was written in which order, wherever to; times and ids are taken out. */
async function told(...words: string[]): Promise<{ code: number | null; lines: string[]; out: string; err: string }> {
  const ran = await cli(home, 'submit', '--repo', repo.dir, ...words)
  const plain = (text: string) =>
    text
      .trimEnd()
      .split('\n')
      // On a busy machine an upload takes long enough to be told.
      .filter(line => !/^(reading|packing|uploading|waiting for the daemon to say) /.test(line))
      .map(line => line.replace(/ +[\d.]+m?s$/, ''))
  return { code: ran.code, lines: plain(ran.err), out: ran.out, err: ran.err }
}

describe('submit --wait', () => {
  it('tells each thing once, in the words of people', async () => {
    const { code, lines, out } = await told('--wait', '--', 'sh', '-c', COMMITS)
    expect(code).toBe(0)
    expect(lines.slice(1).filter(line => !line.startsWith('·'))).toEqual([
      '✓ placed on local',
      '✓ repository copied',
      '✓ agent started',
      '✓ agent ended',
      '✓ work saved',
    ])
    expect(lines.join('\n') + out).not.toMatch(UNKNOWN_TO_PEOPLE)
  }, 60_000)

  it('says which step failed, what that printed, why, and the one next command', async () => {
    const { code, lines, out } = await told('--wait', '--check', FAILING, '--', 'sh', '-c', `echo agent; ${COMMITS}`)
    expect(code).toBe(10)
    expect(lines.slice(-3)).toEqual(['✓ agent ended', '✓ work saved', '✗ running the check'])
    const id = out.split(' ')[0]
    expect(out.trimEnd().split('\n').slice(-5)).toEqual([
      '  ✗ the check failed',
      '  │ 3 tests failed',
      '  │ login.test.ts:12 expected 1',
      `  because: the check ${JSON.stringify(FAILING).replaceAll('\\"', '"')} ended with exit code 1`,
      `  next:    tdf logs ${id} --failed`,
    ])
    expect(out).not.toContain('│ agent')
    expect(out + lines.join('\n')).not.toMatch(UNKNOWN_TO_PEOPLE)
  }, 60_000)

  it('tells the end of an agent behind the last line that it printed, and nothing behind the end', async () => {
    const script = 'echo first; sleep 1; echo last'
    const lines = await cliTogether(home, 'submit', '--repo', repo.dir, '--wait', '-f', '--', 'sh', '-c', script)
    const at = (text: string) => lines.findIndex(line => line.startsWith(text))
    expect(at('last')).toBeGreaterThan(at('first'))
    expect(at('✓ agent ended')).toBeGreaterThan(at('last'))
    expect(at('✓ work saved')).toBeGreaterThan(at('✓ agent ended'))
    expect(lines.findIndex(line => line.includes('completed (no_change)'))).toBe(lines.length - 1)
  }, 60_000)

  it('of a set-up that fails shows the output of the set-up', async () => {
    const { lines, out } = await told('--wait', '--setup', 'echo no such module; exit 4', '--', 'true')
    expect(lines.at(-1)).toBe('✗ copying the repository')
    expect(out).toMatch(/^ {2}✗ the workspace could not be set up\n {2}│ no such module\n {2}because: .*exit code 4\n/m)
  }, 60_000)
})

describe('what takes a while', () => {
  it('is named while it lasts: a set-up on its node', async () => {
    const sign = path.join(home.dir, 'sign')
    const wait = `until test -e ${sign}; do sleep 0.1; done`
    const { out } = await cli(home, 'submit', '--repo', repo.dir, '-q', '--setup', wait, '--', 'true')
    const id = out.trim()
    const said = async () => (await cli(home, 'why', id)).out
    await until('the set-up is named', async () => (await said()).includes('(running the set-up)'), 60_000)
    expect(await said()).toMatch(/^It is copying the repository and waits for /)
    writeFileSync(sign, '')
    expect((await cli(home, 'wait', id)).code).toBe(0)
  }, 90_000)
})

describe('show', () => {
  it('marks the step that failed, says what it printed, and has no time that only programs read', async () => {
    const submitted = await cli(
      home,
      ...['submit', '--repo', repo.dir, '--wait', '--json', '--prompt', 'fix it\nand test it'],
      ...['--check', FAILING, '--', 'sh', '-c', COMMITS],
    )
    const { id } = JSON.parse(submitted.out)
    const { out } = await cli(home, 'show', id)
    const time = String.raw`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d`
    expect(out).toMatch(/^prompt +fix it\n +and test it$/m)
    expect(out).toMatch(new RegExp(`^✓ ${time}  saving `, 'm'))
    expect(out).toMatch(new RegExp(`^✗ ${time}  check `, 'm'))
    expect(out).toMatch(new RegExp(`^submitted +${time} \\(`, 'm'))
    expect(out).toMatch(/^✗ the check failed\n│ 3 tests failed\n│ login.test.ts:12 expected 1\nbecause: /m)
    expect(out.match(/✗/g)).toHaveLength(2)
    expect(out).not.toMatch(/\d{4}-\d\d-\d\dT/)
    expect(out).not.toMatch(UNKNOWN_TO_PEOPLE)
    expect(JSON.parse((await cli(home, 'show', id, '--json')).out)).toMatchObject({ error: { step: 'salvage' } })
  }, 60_000)
})

describe('a prompt', () => {
  it('of several words needs no quotes', async () => {
    const words = ['submit', '--repo', repo.dir, '--dry-run', '--agent', 'claude', '--json']
    const { out, err } = await cli(home, ...words, 'fix', 'the', 'flaky', 'test')
    if (out === '') throw new Error(err)
    expect(JSON.parse(out)).toMatchObject({ prompt: 'fix the flaky test' })
  }, 60_000)
})

describe('a terminal without a size', () => {
  it('is written to as if it had one', async () => {
    const args = ['submit', '--repo', repo.dir, '--wait', '--', 'sh', '-c', 'sleep 1']
    const { code, err } = await cliWith(home, { columns: 0, env: { TERM: 'xterm' } }, ...args)
    expect(code).toBe(0)
    expect(err).toContain('work saved')
    expect(err).not.toMatch(/Infinity|NaN/)
    const { out } = await cliWith(home, { columns: 0, env: { TERM: 'xterm' } }, 'ls')
    expect(out).toContain('TITLE')
  }, 60_000)
})
