/** Secrets with a mark on them, looked for everywhere after a whole run; and files that others may not read. */
import { chmodSync, readdirSync, readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import { expect, it } from 'vitest'
import { makeHome, makeRepository, tdf, until } from '../support/home.ts'

const CANARY = 'canary-4f1d9c-never-written-down'

function filesUnder(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap(entry => {
    const file = path.join(folder, entry.name)
    return entry.isDirectory() ? filesUnder(file) : entry.isFile() ? [file] : []
  })
}

it('a secret that an agent is given is on no disk, in no log and in no answer after its run', async () => {
  const home = makeHome(`
[agents.marked]
type = "command"
command = ["sh", "-c", "test -n \\"$CANARY_KEY\\" && echo done > done.txt"]
env = ["CANARY_KEY"]
`)
  const repository = makeRepository()
  try {
    const daemon = await home.start({ CANARY_KEY: CANARY })
    let log = ''
    daemon.stdout?.on('data', chunk => (log += chunk))
    const submit = ['submit', '--repo', repository.dir, '--agent', 'marked', '-q', '--wait', 'do it']
    const { out, err } = await tdf(home, ...submit)
    expect(await home.task(out.trim())).toMatchObject({ status: 'completed', result: { filesChanged: 1 } })
    const failed = await tdf(home, 'submit', '--repo', repository.dir, '-q', '--wait', '--', 'false')
    const said = await Promise.all(
      [['show', out.trim(), '--json'], ['events'], ['errors', '--json'], ['config', 'show'], ['logs', out.trim()]].map(
        async words => (await tdf(home, ...words)).out,
      ),
    )
    daemon.kill('SIGTERM')
    await until('the daemon has ended', () => daemon.exitCode !== null)
    const forms = [CANARY, Buffer.from(CANARY).toString('base64').slice(2, -4)]
    const holds = (text: string | Buffer) => forms.some(form => text.includes(form))
    expect(filesUnder(home.dir).filter(file => holds(readFileSync(file)))).toEqual([])
    expect([log, err, failed.err, ...said].filter(holds)).toEqual([])
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
