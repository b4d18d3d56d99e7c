/** Every command with what it needs, from a deleted folder, with stdout on a full disk, and without any descriptor: it does the same. */
import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Home, makeHome, makeRepository, root, tdf, until } from '../../../support/daemon/home.ts'
import { ROWS } from '../../../unit/commands/cli/rows.ts'

const LIMIT_MS = 300_000
/** They change the repository of the folder that they are called in. */
const WANT_FOLDER = ['apply', 'pull']
/** What is sent once is not asked for a second time. */
const ONCE = ['send']

let home: Home
let repo: ReturnType<typeof makeRepository>
const tasks: Record<string, string> = {}

beforeAll(async () => {
  home = makeHome()
  repo = makeRepository()
  await home.start()
  const submit = async (script: string, ...more: string[]) =>
    (await tdf(home, 'submit', '--repo', repo.dir, '-q', ...more, '--', 'sh', '-c', script)).out.trim()
  tasks.DONE = await submit('echo out; echo hi > N; git add -A; git commit -qm n', '--label', 'a=b')
  tasks.LIVE = await submit('echo begun; sleep 600')
  await until('it is over', async () => (await home.task(tasks.DONE ?? '')).step === null)
  await until('it runs', async () => (await home.task(tasks.LIVE ?? '')).step === 'running')
}, LIMIT_MS)
afterAll(async () => {
  await home.remove()
  repo.remove()
})

const CASES = Object.entries(ROWS).flatMap(([command, { ok, exit = 0 }]) =>
  typeof ok === 'string' || ONCE.includes(command) ? [] : [{ command, words: ok, exit }],
)

interface Ended {
  code: number | null
  out: string
  err: string
}

/** The program, its words and what a shell is to do around them. */
function shell(before: string, command: string, words: readonly string[], after = ''): Promise<Ended> {
  const named = words.map(word => (word === 'REPO' ? repo.dir : (tasks[word] ?? word)))
  const line = `${before} "$NODE" "$TDF" "$@" ${after}`
  const env = { ...home.env, NODE: process.execPath, TDF: path.join(root, 'dist/tdf.js') }
  const child = spawn('sh', ['-c', line, 'sh', ...command.split(' '), ...named], {
    cwd: repo.dir,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let [out, err] = ['', '']
  child.stdout?.on('data', chunk => (out += chunk))
  child.stderr?.on('data', chunk => (err += chunk))
  return new Promise(resolve => child.on('close', code => resolve({ code, out, err })))
}

describe('in a folder that was deleted', () => {
  it.each(CASES)(
    'tdf $command',
    async ({ command, words, exit }) => {
      const gone = mkdtempSync(path.join(tmpdir(), 'tdf-gone-'))
      const { code, err } = await shell(`cd ${gone} && rmdir ${gone} &&`, command, words)
      expect([code, err]).toEqual([WANT_FOLDER.includes(command) ? 1 : exit, expect.not.stringContaining('    at ')])
      if (WANT_FOLDER.includes(command)) expect(err).toContain(gone)
    },
    LIMIT_MS,
  )
})

describe('with stdout on a full disk, or without any descriptor', () => {
  it.each(CASES)(
    'tdf $command',
    async ({ command, words, exit }) => {
      const plain = await shell('', command, words)
      expect(plain.code).toBe(exit)
      // What was applied is taken back, so that it can be applied again.
      const clean = () => execFileSync('git', ['clean', '-fdq'], { cwd: repo.dir })
      clean()
      const full = await shell('', command, words, '> /dev/full')
      expect([full.code, full.err]).toEqual([plain.out === '' ? exit : 74, expect.not.stringContaining('    at ')])
      clean()
      expect((await shell('', command, words, '>&- 2>&- <&-')).code).toBe(exit)
      clean()
    },
    LIMIT_MS,
  )
})

it.each([
  ['on a full disk', '> /dev/full', 74],
  ['in a pipe that is closed', '| true', 0],
])(
  'a quickstart whose output ends %s takes its daemon and its folder away',
  async (_, after, exit) => {
    const place = mkdtempSync(path.join(tmpdir(), 'tdf-quickstart-test-'))
    const { code } = await shell(`TMPDIR=${place}`, 'quickstart', [], after)
    expect(code).toBe(exit)
    await until('nothing is left', () => readdirSync(place).every(name => !name.startsWith('tdf-quickstart-')))
    rmSync(place, { recursive: true })
  },
  120_000,
)
