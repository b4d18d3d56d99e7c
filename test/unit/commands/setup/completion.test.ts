/** Completion as the shells ask for it, with tasks that are there; bash itself, the others where they are installed. */
import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { SCRIPTS } from '../../../../commands/setup/completion-run.ts'
import { cli } from '../../../support/cli.ts'
import { type Home, makeHome, makeRepository, until } from '../../../support/daemon/home.ts'

let home: Home
let repo: ReturnType<typeof makeRepository>
let done: string
let live: string
beforeAll(async () => {
  home = makeHome()
  repo = makeRepository()
  await home.start()
  const words = ['submit', '--repo', repo.dir, '--label', 'team=web', '-q', '--', 'sh', '-c']
  const submit = async (script: string) => (await cli(home, ...words, script)).out.trim()
  done = await submit('true')
  live = await submit('sleep 600')
  await until('it is over', async () => (await home.task(done)).step === null, 60_000)
  await until('it runs', async () => (await home.task(live)).step === 'running', 60_000)
}, 120_000)
afterAll(async () => {
  await home.remove()
  repo.remove()
})

async function complete(...words: string[]): Promise<string[]> {
  const { out } = await cli(home, 'complete', '--', ...words)
  return out
    .trim()
    .split('\n')
    .map(line => line.split('\t')[0] ?? '')
    .filter(Boolean)
}

describe('a TAB', () => {
  it.each([
    ['a command', ['ca'], ['cancel']],
    ['a command of a command', ['node', 's'], ['show']],
    ['an option', ['ls', '--st'], ['--status']],
    ['the value of an option', ['ls', '--status', 'fa'], ['failed']],
    ['the value behind =', ['ls', '--status=fa'], ['--status=failed']],
    ['the value behind =, as bash cuts it', ['ls', '--status', '=', 'fa'], ['failed']],
    ['a form', ['-o', 'nd'], ['ndjson']],
    ['a shell', ['completion', 'z'], ['zsh']],
    ['a node', ['node', 'drain', ''], ['local']],
    ['a file', ['submit', '--file', ''], [':files']],
    ['an agent', ['submit', '--agent', 'c'], ['claude', 'codex']],
    ['a label that tasks have', ['ls', '--label', 'te'], ['team=web']],
    ['a label, as bash cuts it', ['ls', '--label', 'team', '=', 'w'], ['web']],
    ['a column', ['ls', '--columns', 'ti'], ['title']],
    ['a column behind others', ['node', 'ls', '--columns', 'name,lo'], ['name,location']],
    ['an order', ['ls', '--sort', '-ag'], ['-age', '-agent']],
    ['the node of a task', ['submit', '--node', ''], ['local']],
    ['a provider', ['submit', '--provider', 'h'], ['hetzner']],
    ['what is waited for', ['wait', '--for', 'step=sal'], ['step=salvage']],
    ['a form after a command', ['ls', '--output', 'wi'], ['wide']],
    ['nothing where nothing fits', ['ls', 'x'], []],
  ])('completes %s', async (_, words, expected) => {
    expect(await complete(...words)).toEqual(expected)
  })

  it('offers the tasks that a command can change, the newest first', async () => {
    expect(await complete('show', '')).toEqual([live, done])
    expect(await complete('cancel', '')).toEqual([live])
    expect(await complete('retry', '')).toEqual([done])
    expect(await complete('show', live.slice(0, 3))).toEqual([live])
    expect(await complete('errors', '--task', '')).toEqual([live, done])
  })

  it('is quiet without a daemon', async () => {
    const { code, out, err } = await cli({ env: { TDF_HOME: '/nowhere' } }, 'complete', '--', 'show', '')
    expect([code, out, err]).toEqual([0, '', ''])
  })
})

describe('the shells', () => {
  it('bash completes a live task and an option with its real machinery', () => {
    const program = path.join(home.dir, 'tdf')
    writeFileSync(program, `#!/bin/sh\nexec ${process.execPath} ${path.resolve('dist/tdf.js')} "$@"\n`)
    chmodSync(program, 0o755)
    const script = path.join(home.dir, 'completion.bash')
    writeFileSync(script, SCRIPTS.bash)
    const ask = (...words: string[]) =>
      execFileSync(
        'bash',
        [
          ...['--norc', '-c'],
          `. ${script}; COMP_WORDS=("$@"); COMP_CWORD=$(( $# - 1 )); _tdf "$1"; printf '%s\\n' "\${COMPREPLY[@]}"`,
          ...['bash', program, ...words],
        ],
        { env: home.env, encoding: 'utf8' },
      ).trim()
    expect(ask('cancel', '')).toBe(live)
    expect(ask('ls', '--status', '=', 'fa')).toBe('failed')
    expect(ask('dae')).toBe('daemon')
  })

  it.each(['bash', 'zsh', 'fish'] as const)('%s takes the script, where it is installed', shell => {
    const file = path.join(home.dir, `completion.${shell}`)
    writeFileSync(file, SCRIPTS[shell])
    const { status, stderr, error } = spawnSync(shell, ['-n', file], { encoding: 'utf8' })
    const isThere = (error as NodeJS.ErrnoException | undefined)?.code !== 'ENOENT'
    expect([isThere ? status : 0, isThere ? stderr : '']).toEqual([0, ''])
  })
})
