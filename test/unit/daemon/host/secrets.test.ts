/** Secrets with a mark on them, looked for everywhere after a whole run; and files that others may not read. */
import { chmodSync, readdirSync, readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import { expect, it } from 'vitest'
import { cli, cliWith } from '../../../support/cli.ts'
import { type Home, makeHome, makeRepository, tdf, tdfWith, until } from '../../../support/daemon/home.ts'

const CANARY = 'canary-4f1d9c-never-written-down'

function filesUnder(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap(entry => {
    const file = path.join(folder, entry.name)
    return entry.isDirectory() ? filesUnder(file) : entry.isFile() ? [file] : []
  })
}

const STORED = 'canary-b07e55-in-its-own-file-alone'

/** Fails unless it has both; says which processes of the machine show one of them in their command line. */
const AGENT = `test -n "$CANARY_KEY" && test -n "$STORED_KEY" && test -z "$OTHER_KEY" || exit 1
printf '%s\\n%s\\n' "$CANARY_KEY" "$STORED_KEY" | grep -laFf - /proc/[0-9]*/cmdline > found.txt
echo "I was given $STORED_KEY"; exit 0`

/** Without a word of what was given. */
async function refusesWhatIsNoSecret(home: Home): Promise<void> {
  const set = (name: string, input: string) => cliWith(home, { input }, 'secret', 'set', name, '--json')
  const refused = [await set('../../config.toml', 'x'), await set('EMPTY', '\n'), await set('NUL', 'canary\0value')]
  for (const { code, out, err } of refused) {
    expect([code, out, JSON.parse(err).error.code]).toEqual([2, '', 'SECRET_INVALID'])
    expect(err).not.toContain('canary')
  }
  expect((await set('LONG', 'x'.repeat(70_000))).code).toBe(2)
}

it('a secret is known by whatever the configuration gives it to, and only one that nothing names is told of', async () => {
  const home = makeHome(`
[push.tokens]
"git.example.org" = "HOST_TOKEN"
[repositories.tokens]
"git.example.org" = "HOST_TOKEN"
"read.example.org" = "READ_TOKEN"
[notify]
ntfy_replies = "TOPIC"
[agents.marked]
type = "command"
command = ["true"]
env = { OTHER = "RENAMED" }
[[sources]]
name = "web"
kind = "linear"
project = "ENG"
label = "tdf"
template = "fix"
token = "LINEAR"
`)
  try {
    await home.start()
    const users = {
      ...{ HOST_TOKEN: ['git.example.org'], LINEAR: ['web'], READ_TOKEN: ['read.example.org'] },
      ...{ RENAMED: ['marked'], TOPIC: ['notices'], UNUSED: [] },
    }
    for (const [name, usedBy] of Object.entries(users)) {
      const { code, err } = await cliWith(home, { input: 'x' }, 'secret', 'set', name)
      expect([name, code, /no table of the configuration names/.test(err)]).toEqual([name, 0, usedBy.length === 0])
    }
    const listed = JSON.parse((await cli(home, 'secret', 'ls', '--json')).out) as { name: string; usedBy: string[] }[]
    expect(Object.fromEntries(listed.map(({ name, usedBy }) => [name, usedBy]))).toEqual(users)
  } finally {
    await home.remove()
  }
})

it('a secret that an agent is given is in its own file alone, and in no log, argument or answer', async () => {
  const home = makeHome(`
[agents.marked]
type = "command"
command = ["sh", "-c", ${JSON.stringify(AGENT)}]
env = ["CANARY_KEY", "STORED_KEY"]
`)
  const repository = makeRepository()
  try {
    const daemon = await home.start({
      CANARY_KEY: CANARY,
      STORED_KEY: 'of the environment, and overruled',
      OTHER_KEY: 'x',
    })
    let log = ''
    daemon.stdout?.on('data', chunk => (log += chunk))
    const set = await tdfWith(home, { input: `${STORED}\n` }, 'secret', 'set', 'STORED_KEY')
    expect(set).toMatchObject({ code: 0, err: '' })
    await cliWith(home, { input: 'short-lived' }, 'secret', 'set', 'OTHER_KEY')
    await refusesWhatIsNoSecret(home)
    const listed = JSON.parse((await cli(home, 'secret', 'ls', '--json')).out)
    expect(listed).toMatchObject([
      { name: 'OTHER_KEY', usedBy: [] },
      { name: 'STORED_KEY', usedBy: ['marked'] },
    ])
    expect((await cli(home, 'secret', 'rm', 'OTHER_KEY', '-q')).out).toBe('OTHER_KEY\n')
    const submit = ['submit', '--repo', repository.dir, '--agent', 'marked', '-q', '--wait', 'do it']
    const { out, err } = await tdf(home, ...submit)
    expect(await home.task(out.trim())).toMatchObject({
      status: 'completed',
      result: { filesChanged: 1, insertions: 0 },
    })
    const failed = await cli(home, 'submit', '--repo', repository.dir, '-q', '--wait', '--', 'false')
    const looks = [
      ['show', out.trim(), '--json'],
      ['events'],
      ['errors', '--json'],
      ['config', 'show'],
      ['secret', 'ls'],
    ]
    const said = await Promise.all(
      [...looks, ['logs', out.trim()], ['diff', out.trim()]].map(async words => (await cli(home, ...words)).out),
    )
    daemon.kill('SIGTERM')
    await until('the daemon has ended', () => daemon.exitCode !== null)
    const forms = [CANARY, STORED].flatMap(text => [text, Buffer.from(text).toString('base64').slice(2, -4)])
    const holds = (text: string | Buffer) => forms.some(form => text.includes(form))
    const kept = path.join(home.dir, 'state', 'secrets', 'STORED_KEY')
    expect(filesUnder(home.dir).filter(file => holds(readFileSync(file)))).toEqual([kept])
    expect(readFileSync(kept, 'utf8')).toBe(STORED)
    expect([kept, path.dirname(kept)].map(file => statSync(file).mode & 0o777)).toEqual([0o600, 0o700])
    expect([log, err, set.out, failed.err, ...said].filter(holds)).toEqual([])
    expect(said.join('')).toContain('I was given [')
  } finally {
    await home.remove()
    repository.remove()
  }
}, 120_000)

it('what others could read in the state is closed at the next start', async () => {
  const home = makeHome()
  try {
    await home.kill(await home.start())
    const open = ['.', 'tdf.db', 'install.json'].map(name => path.join(home.dir, 'state', name))
    for (const file of open) chmodSync(file, 0o755)
    await home.start()
    expect(open.map(file => statSync(file).mode & 0o077)).toEqual([0, 0, 0])
  } finally {
    await home.remove()
  }
}, 60_000)
