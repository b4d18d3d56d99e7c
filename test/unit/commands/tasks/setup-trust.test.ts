/** `.tdf.toml` of a folder that lies here: what it would run is asked for once, and never runs unasked. */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { cli, cliWith } from '../../../support/cli.ts'
import { makeRepository } from '../../../support/daemon/home.ts'
import { withDaemon } from '../../../support/daemon/with-daemon.ts'

const { home } = withDaemon()

let repo: string
function write(setup: string): void {
  writeFileSync(path.join(repo, '.tdf.toml'), `setup = ${JSON.stringify(setup)}\n`)
  const as = ['-c', 'user.name=you', '-c', 'user.email=you@localhost']
  for (const words of [
    ['add', '-A'],
    ['commit', '-qm', 'setup'],
  ])
    execFileSync('git', [...as, ...words], { cwd: repo })
}

const marks = () => path.join(home.dir, 'marks')
const ran = () => (existsSync(marks()) ? readFileSync(marks(), 'utf8') : '')

beforeEach(() => {
  repo = makeRepository().dir
  writeFileSync(marks(), '')
  write(`echo one >> ${marks()}`)
})

const WORDS = () => ['submit', '--repo', repo, '--wait']
const RUN = ['--', 'true']
const submit = (...words: string[]) => cli(home, ...WORDS(), ...words, ...RUN)
const atTerminal = (input: string, ...words: string[]) =>
  cliWith(home, { columns: 100, isPerson: true, input }, ...WORDS(), ...words, ...RUN)

describe('the set-up of a repository that merely lies here', () => {
  it('is refused without a terminal, with the flag to give, and nothing is submitted', async () => {
    const before = (await cli(home, 'ls', '--all', '-q')).out
    const refused = await submit()
    expect(refused.code).toBe(4)
    expect(refused.err).toContain(`echo one >> ${marks()}`)
    expect(refused.err).toMatch(/hint: tdf submit --repo .* --allow-setup\n {2}code: SETUP_NOT_ALLOWED/)
    expect((await cli(home, 'ls', '--all', '-q')).out).toBe(before)
    const json = await cli(home, ...WORDS(), '--json', ...RUN)
    expect(JSON.parse(json.err).error).toMatchObject({
      code: 'SETUP_NOT_ALLOWED',
      hint: expect.stringContaining('--allow-setup'),
    })
    const lines = await cliWith(home, { input: '{"prompt":"x"}\n' }, 'submit', '--repo', repo, '--file', '-')
    expect([lines.code, lines.err]).toEqual([4, expect.stringContaining('SETUP_NOT_ALLOWED')])
    expect(ran()).toBe('')
  })

  it('runs with the flag, which is no answer for the next time', async () => {
    expect((await submit('--allow-setup')).code).toBe(0)
    expect(ran()).toBe('one\n')
    expect((await submit()).code).toBe(4)
  })

  it('is not run and not asked for with --no-setup or another --setup', async () => {
    expect((await submit('--no-setup')).code).toBe(0)
    expect(ran()).toBe('')
    expect((await submit('--setup', `echo mine >> ${marks()}`)).code).toBe(0)
    expect(ran()).toBe('mine\n')
  })

  it('is shown and asked for at a terminal, once for each repository and text', async () => {
    const no = await atTerminal('\n')
    expect([no.code, ran()]).toEqual([4, ''])
    expect(no.err).toContain(`    echo one >> ${marks()}`)
    expect((await atTerminal('y\n')).code).toBe(0)
    expect(ran()).toBe('one\n')
    // Neither at a terminal nor without one it is asked for again.
    expect((await atTerminal('')).err).not.toContain('[y/N]')
    expect((await submit()).code).toBe(0)
    write(`echo two >> ${marks()}`)
    expect((await submit()).code).toBe(4)
    write(`echo one >> ${marks()}`)
    expect((await submit()).code).toBe(0)
    const first = repo
    repo = makeRepository().dir
    write(readFileSync(path.join(first, '.tdf.toml'), 'utf8').slice('setup = "'.length, -2))
    expect((await submit()).code).toBe(4)
    expect(statSync(path.join(home.dir, 'setups.json')).mode & 0o077).toBe(0)
  })

  it('is named by a dry run, which asks nothing', async () => {
    const plan = await submit('--dry-run')
    expect([plan.code, plan.out]).toEqual([
      0,
      expect.stringMatching(/setup +echo one >> .*\.tdf\.toml; not allowed yet/),
    ])
    const json = JSON.parse((await cli(home, 'submit', '--repo', repo, '--dry-run', '--json', ...RUN)).out)
    expect(json.setupOfRepository).toEqual({ command: `echo one >> ${marks()}`, allowed: false })
    expect(ran()).toBe('')
  })

  it('shows no control characters of the file to the terminal', async () => {
    write('true \u001b]0;evil\u0007\u001b[2J # \u202egnp')
    const refused = await submit()
    expect(refused.code).toBe(4)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what must not be there
    expect(refused.err).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u202e]/)
  })
})

describe('where no set-up of a repository is ever run', () => {
  const never = withDaemon('[runner]\nrepository_setup = "never"\n')

  it('nobody is asked for it, and nothing runs', async () => {
    const words = ['submit', '--repo', repo]
    expect(await cli(never.home, ...words, '--wait', ...RUN)).toMatchObject({ code: 0 })
    const plan = await cli(never.home, ...words, '--dry-run', '--json', ...RUN)
    expect(JSON.parse(plan.out).setupOfRepository).toBeNull()
    expect(ran()).toBe('')
  })
})
