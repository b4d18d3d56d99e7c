/** The forms of a log: with its colours and nothing else that a terminal obeys, byte for byte, as JSON, and of what failed. */
import { describe, expect, it } from 'vitest'
import { cli, cliWith } from '../../../support/cli.ts'
import { withDaemon } from '../../../support/daemon/with-daemon.ts'

const { home, repo } = withDaemon()

const RED = '\x1b[31mred\x1b[0m'
/** A title, a cursor that goes up, hidden text, and a line that is written over. */
const PRINTED = `\x1b]0;title\x07${RED} \x1b[2Aup \x1b[8mhidden\x1b[0m\n10 %\r20 %\n`
const CLEAN = `${RED} up hidden\x1b[0m\n20 %\n`

async function submitted(script: string, ...options: string[]): Promise<string> {
  const args = ['submit', '--repo', repo.dir, '--wait', '--json', ...options, '--', 'sh', '-c', script]
  const { out, err } = await cli(home, ...args)
  if (out === '') throw new Error(err)
  return JSON.parse(out).id
}

const printf = `printf '${PRINTED.replaceAll('%', '%%').replaceAll('\x1b', '\\033').replaceAll('\x07', '\\007').replaceAll('\r', '\\r').replaceAll('\n', '\\n')}'`

describe('a log', () => {
  it('keeps its colours and nothing else that a terminal obeys, in a pipe and on a terminal', async () => {
    const id = await submitted(printf)
    expect((await cli(home, 'logs', id)).out).toBe(CLEAN)
    const terminal = { columns: 100, env: { TERM: 'xterm' } }
    expect((await cliWith(home, terminal, 'logs', id)).out).toBe(`${CLEAN}\x1b[0m`)
    const colourless = { columns: 100, env: { TERM: 'xterm', NO_COLOR: '1' } }
    expect((await cliWith(home, colourless, 'logs', id)).out).toBe('red up hidden\n20 %\n')
    expect((await cli(home, 'logs', id, '--color', 'never')).out).toBe('red up hidden\n20 %\n')
    expect((await cli(home, 'logs', id, '--raw')).out).toBe(PRINTED)
    expect((await cliWith(home, terminal, 'logs', id, '--raw')).out).toBe(PRINTED)
  }, 60_000)

  it('is JSON where that is asked for, each line with its time', async () => {
    const id = await submitted('echo one; printf two')
    const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
    const lines = [
      { at: time, text: 'one' },
      { at: time, text: 'two' },
    ]
    expect(JSON.parse((await cli(home, 'logs', id, '--json')).out)).toEqual(lines)
    const each = (await cli(home, 'logs', id, '-o', 'ndjson', '-f')).out.trimEnd().split('\n')
    expect(each.map(line => JSON.parse(line))).toEqual(lines)
    expect(JSON.parse((await cli(home, 'logs', await submitted('true'), '--json')).out)).toEqual([])
  }, 60_000)

  it('of what failed is that of the check, the set-up or the agent', async () => {
    const failed = async (...words: [string, ...string[]]) =>
      (await cli(home, 'logs', await submitted(...words), '--failed')).out
    expect(await failed('echo agent', '--check', 'echo 3 tests failed; exit 1')).toBe('3 tests failed\n')
    expect(await failed('echo agent', '--setup', 'echo no such module; exit 1')).toBe('no such module\n')
    expect(await failed('echo agent; exit 2')).toBe('agent\n')
    const well = await submitted('echo agent')
    expect(await cli(home, 'logs', well, '--failed')).toMatchObject({ code: 5, out: '' })
    expect(await cli(home, 'logs', well, '--failed', '--session', 'setup')).toMatchObject({ code: 2, out: '' })
  }, 60_000)

  it('of a failure that printed nothing is the failure itself', async () => {
    const args = ['submit', '--repo', repo.dir, '--wait', '--json', '--', 'no-such-program']
    const refused = JSON.parse((await cli(home, ...args)).out)
    const { code, out } = await cli(home, 'logs', refused.id, '--failed')
    expect([code, out]).toEqual([0, expect.stringMatching(/^✗ .+\nbecause: .*no-such-program.*\nnext: {4}tdf .+\n$/)])
  }, 60_000)
})

describe('a diff', () => {
  it('is JSON where that is asked for', async () => {
    const id = await submitted('echo new > NEW.md')
    const diff = JSON.parse((await cli(home, 'diff', id, '--json')).out)
    const ids = { taskId: id, attempt: 1, commit: expect.any(String), baseCommit: expect.any(String) }
    expect(diff).toMatchObject({ ...ids, patch: expect.stringContaining('+new'), stat: null })
    const stat = JSON.parse((await cli(home, 'diff', id, '--stat', '--json')).out)
    expect(stat).toMatchObject({ ...ids, patch: null, stat: expect.stringContaining('NEW.md') })
  }, 60_000)
})
