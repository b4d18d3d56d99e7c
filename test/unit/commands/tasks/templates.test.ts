/** `tdf submit --template`: a task that is written once and submitted by name. */
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { cli, cliWith } from '../../../support/cli.ts'
import { makeRepository } from '../../../support/daemon/home.ts'
import { withDaemon } from '../../../support/daemon/with-daemon.ts'

const { home, repo } = withDaemon()

const submit = (...words: string[]) => cliWith(home, { cwd: repo.dir }, 'submit', '--template', ...words)
const count = async () => JSON.parse((await cli(home, 'ls', '--all', '--json')).out).length
const folder = path.join(home.dir, 'templates')

function template(name: string, text: string, where = folder): string {
  mkdirSync(where, { recursive: true })
  const file = path.join(where, `${name}.md`)
  writeFileSync(file, text)
  return file
}

const TIDY = `---
command: [sh, -c, "true"]
title: Tidy {{part}}
labels: { job: tidy, by: me }
priority: 3
check: test -f README.md
---
Tidy {{part}} up.
`

beforeAll(() => void template('tidy', TIDY))

describe('a template of yours', () => {
  it('gives a task its options, its title and its prompt; the command line wins', async () => {
    const words = ['--set', 'part=src', '--label', 'by=you', '--priority', '5', '--no-check', '--json']
    const { code, out } = await submit('tidy', ...words)
    expect([code, JSON.parse(out)]).toMatchObject([
      0,
      { title: 'Tidy src', prompt: 'Tidy src up.', labels: { job: 'tidy', by: 'you' }, priority: 5 },
    ])
    const plain = await submit('tidy', '--set', 'part=test', '--json')
    expect(JSON.parse(plain.out)).toMatchObject({ title: 'Tidy test', priority: 3 })
  })

  it('is shown filled in by a dry run, and nothing is submitted', async () => {
    const before = await count()
    const { code, out } = await submit('tidy', '--set', 'part=docs', '--dry-run')
    expect(code).toBe(0)
    expect(out).toContain('nothing is submitted')
    expect(out).toMatch(/title +Tidy docs/)
    expect(out).toMatch(/check +test -f README.md/)
    expect((await submit('tidy', '--set', 'part=docs', '-n', '--no-check')).out).not.toMatch(/^ *check/m)
    expect(await count()).toBe(before)
  })

  it('fills in a task for each line of a list', async () => {
    template('each', '---\ncommand: [echo, "{}"]\n---\nlook at {} for {{why}}\n')
    const list = path.join(home.dir, 'list')
    writeFileSync(list, 'one\ntwo\n')
    const { out } = await submit('each', '--set', 'why=fun', '--each', list, '--json')
    expect(JSON.parse(out).map(({ prompt }: { prompt: string }) => prompt)).toEqual([
      'look at one for fun',
      'look at two for fun',
    ])
  })

  it('with an unknown key or variable is refused with file, line and column, exit 78, before anything is stored', async () => {
    const before = await count()
    const file = template('wrong', '---\nagent: claude\nchekc: make\n---\nmend {{what}}\n')
    const { code, out, err } = await submit('wrong')
    expect([code, out]).toEqual([78, ''])
    expect(err).toContain(`${file}:3:1: unknown option "chekc" (did you mean "check"?)`)
    expect(err).toContain(`${file}:5:6: the variable "what" has no value`)
    expect(err).toContain('TEMPLATE_INVALID')
    expect(await count()).toBe(before)
  })

  it.each([
    [
      'a variable that it does not have',
      ['tidy', '--set', 'part=a', '--set', 'parts=b'],
      2,
      /has no variable "parts" \(did you mean "part"\?\)/,
    ],
    ['a name that is a path', ['../tidy'], 2, /"..\/tidy" is no name of a template/],
    [
      'a name that nothing has',
      ['nope'],
      3,
      /there is no template "nope": neither .*templates\/nope.md nor .*\.tdf\/nope.md/,
    ],
    ['a prompt beside it', ['tidy', '--set', 'part=a', 'do more'], 2, /--template has the prompt; give no other/],
    ['a file of tasks beside it', ['tidy', '--file', '-'], 2, /--file has the prompts; give no --template/],
  ])('with %s is refused', async (_, words, exit, message) => {
    const { code, err } = await submit(...words)
    expect(code).toBe(exit)
    expect(err).toMatch(message)
  })

  it('is where --set has a meaning', async () => {
    const { code, err } = await cliWith(home, { cwd: repo.dir }, 'submit', '--set', 'a=b', 'do it')
    expect([code, err]).toEqual([2, expect.stringContaining('--set is for the variables of a --template')])
  })

  it('comes from the folder that [templates] dir names', async () => {
    const elsewhere = path.join(home.dir, 'elsewhere')
    template('far', '---\ncommand: ["true"]\n---\nfar away', elsewhere)
    const env = { TDF_TEMPLATES__DIR: elsewhere }
    const { out } = await cliWith(home, { cwd: repo.dir, env }, 'submit', '--template', 'far', '--json')
    expect(JSON.parse(out)).toMatchObject({ prompt: 'far away' })
  })
})

describe('a template of a repository', () => {
  it('is asked for once for each text, and not used unasked', async () => {
    const { dir } = makeRepository()
    const from = (...words: string[]) => cliWith(home, { cwd: dir }, 'submit', '--template', 'theirs', ...words)
    const atTerminal = (input: string) =>
      cliWith(home, { cwd: dir, columns: 100, isPerson: true, input }, 'submit', '--template', 'theirs', '-q')
    template('theirs', '---\ncommand: [sh, -c, "echo theirs"]\n---\nof the repository', path.join(dir, '.tdf'))
    const before = await count()
    const refused = await from()
    expect([refused.code, refused.out]).toEqual([4, ''])
    expect(refused.err).toContain('echo theirs')
    expect(refused.err).toMatch(/hint: tdf submit --template theirs --allow-setup\n {2}code: SETUP_NOT_ALLOWED/)
    expect((await atTerminal('n\n')).code).toBe(4)
    expect(await count()).toBe(before)
    expect((await from('--dry-run')).code).toBe(0)
    expect((await from('--allow-setup', '-q')).code).toBe(0)
    expect((await from('-q')).code).toBe(4)
    expect((await atTerminal('y\n')).code).toBe(0)
    expect((await from('-q')).code).toBe(0)
    template('theirs', '---\ncommand: [sh, -c, "echo others"]\n---\nof the repository', path.join(dir, '.tdf'))
    expect((await from('-q')).code).toBe(4)
  })

  it('is no link to elsewhere, and does not take the place of one of yours', async () => {
    const { dir } = makeRepository()
    mkdirSync(path.join(dir, '.tdf'))
    symlinkSync(template('mine', '---\ncommand: ["true"]\n---\nmine'), path.join(dir, '.tdf', 'linked.md'))
    template('mine', '---\ncommand: ["false"]\n---\ntheirs', path.join(dir, '.tdf'))
    const linked = await cliWith(home, { cwd: dir }, 'submit', '--template', 'linked')
    expect(linked.code).toBe(3)
    const mine = await cliWith(home, { cwd: dir }, 'submit', '--template', 'mine', '--json')
    expect(JSON.parse(mine.out)).toMatchObject({ prompt: 'mine' })
  })
})
