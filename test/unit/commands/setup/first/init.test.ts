/** `tdf init` in a repository and beside one: what it finds, asks, writes, leaves alone and never runs. */
import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { loadConfig } from '../../../../../src/config/load/load.ts'
import { parseRepositoryFile } from '../../../../../src/config/repository-file.ts'
import type { TaskJson } from '../../../../../src/protocol/control.ts'
import { cliWith, type Terminal } from '../../../../support/cli.ts'
import { runs } from '../../../../support/command-tree.ts'
import { type Home, makeHome, makeRepository } from '../../../../support/daemon/home.ts'

let home: Home
let repo: string
let bin: string
beforeEach(() => {
  home = makeHome()
  execFileSync('rm', [path.join(home.dir, 'config.toml')])
  repo = makeRepository().dir
  bin = path.join(home.dir, 'bin')
  mkdirSync(bin)
  writeFileSync(path.join(repo, 'package.json'), '{"scripts":{"test":"node --test"},"dependencies":{"x":"1"}}')
  writeFileSync(path.join(repo, 'package-lock.json'), '{}')
})
afterEach(() => home.remove(), 60_000)

function program(folder: string, name: string, script: string): string {
  mkdirSync(folder, { recursive: true })
  const file = path.join(folder, name)
  writeFileSync(file, `#!/bin/sh\n${script}\n`)
  chmodSync(file, 0o755)
  return file
}
const agent = (name: string, version: string) => program(bin, name, `echo "${name} ${version} (an agent)"`)

const config = () => path.join(home.dir, 'config.toml')
const rules = () => path.join(repo, '.tdf.toml')
const init = ({ path: PATH = `${bin}:/usr/bin:/bin`, ...terminal }: Terminal & { path?: string }, ...words: string[]) =>
  cliWith(home, { cwd: repo, env: { PATH }, ...terminal }, 'init', ...words)
const atTerminal = (...answers: string[]) =>
  init({ columns: 100, isPerson: true, input: answers.map(answer => `${answer}\n`).join('') })

describe('tdf init', () => {
  it('--yes writes what it found, and both files are ones that tdf takes', async () => {
    agent('claude', '2.1.331')
    const { code, out, err } = await init({}, '--yes')
    expect([code, err]).toEqual([0, ''])
    const plain = out.replaceAll(repo, '/repo').replaceAll(home.dir, '/home').replace(path.resolve('bin/tdf'), 'tdf')
    await expect(plain).toMatchFileSnapshot(path.resolve('test/golden/init/yes.txt'))
    expect(loadConfig({ file: config(), env: {} }).config.runner.agent).toBe('claude')
    expect(parseRepositoryFile(readFileSync(rules(), 'utf8'))).toEqual({ setup: 'npm ci', check: 'npm test' })
    expect([config(), rules()].map(file => statSync(file).mode & 0o777)).toEqual([0o600, 0o644])
  })

  it('asks at a terminal; Enter takes what was found', async () => {
    agent('codex', '0.169.0')
    const { code, out, err } = await atTerminal('', '', '')
    expect(code).toBe(0)
    expect(err).toMatch(/agents +codex 0\.169\.0 [\s\S]*tested by +npm test \(package\.json\)/)
    expect(err).toMatch(/tests the work \[npm test\][\s\S]*prepares a fresh copy \[npm ci\][\s\S]*tdf\.toml\? \[Y\/n\]/)
    expect(out).toMatch(/^wrote \S+config\.toml\nwrote \S+\.tdf\.toml\nnext: \S+ submit --wait "what to do"\n$/)
    expect(parseRepositoryFile(readFileSync(rules(), 'utf8'))).toEqual({ setup: 'npm ci', check: 'npm test' })
  })

  it('takes other answers, and - for none', async () => {
    agent('claude', '2.1.331')
    agent('gemini', '0.61.0')
    expect((await atTerminal('gemini', 'node --test test/', '-', 'y')).code).toBe(0)
    const loaded = loadConfig({ file: config(), env: {} }).config
    expect([loaded.runner.agent, loaded.agents.gemini?.type, loaded.agents.gemini?.command]).toEqual([
      'gemini',
      'acp',
      ['gemini', '--acp'],
    ])
    expect(parseRepositoryFile(readFileSync(rules(), 'utf8'))).toEqual({ check: 'node --test test/' })
  })

  it.each([
    ['no', ['', '', 'n'], 0],
    ['the end of the input', [''], 130],
    ['an agent that is not here', ['cursor'], 2],
  ])('writes nothing when the answer is %s', async (_, answers, expected) => {
    agent('claude', '2.1.331')
    if (expected === 2) agent('codex', '0.169.0')
    expect((await atTerminal(...answers)).code).toBe(expected)
    expect([existsSync(config()), existsSync(rules())]).toEqual([false, false])
  })

  it('never writes over a file, and does not ask about it', async () => {
    agent('claude', '2.1.331')
    writeFileSync(config(), '# mine\n')
    writeFileSync(rules(), 'check = "make"\n')
    const { code, out } = await atTerminal()
    expect([code, out]).toEqual([0, expect.stringContaining(`kept ${rules()}, which is there already`)])
    expect(readFileSync(config(), 'utf8') + readFileSync(rules(), 'utf8')).toBe('# mine\ncheck = "make"\n')
  })

  it('--dry-run shows the files and writes none, also where nobody can be asked', async () => {
    agent('claude', '2.1.331')
    const { code, out } = await init({}, '-n', '--json')
    const answer = JSON.parse(out)
    expect(code).toBe(0)
    expect(answer).toMatchObject({
      agents: [{ name: 'claude', path: path.join(bin, 'claude'), version: '2.1.331' }],
      repository: repo,
      agent: 'claude',
      check: 'npm test',
      setup: 'npm ci',
    })
    expect(answer.files.map(({ path: file, state }: { path: string; state: string }) => [file, state])).toEqual([
      [config(), 'planned'],
      [rules(), 'planned'],
    ])
    expect([existsSync(config()), existsSync(rules())]).toEqual([false, false])
  })

  it('without a terminal wants --yes', async () => {
    const { code, err } = await init({})
    expect([code, err]).toEqual([2, expect.stringContaining('hint: tdf init --yes')])
    await runs('tdf init --yes')
  })

  it('without an agent names the three ways, and what can be run without one', async () => {
    const { code, out } = await init({ path: '/usr/bin:/bin' }, '--yes')
    expect([code, existsSync(config())]).toEqual([0, false])
    for (const way of [/npm install -g/, /\[agents\.NAME\]/, /tdf submit --wait -- COMMAND\n/]) expect(out).toMatch(way)
    expect(out).toMatch(/^next: \S+ submit --wait -- COMMAND$/m)
  })

  it('outside of a repository writes config.toml alone, and says where the other one belongs', async () => {
    agent('claude', '2.1.331')
    const { out } = await init({ cwd: home.dir }, '--yes')
    expect(out).toMatch(/repository +none here: \.tdf\.toml is written into one/)
    expect(out).toMatch(/^next: cd REPOSITORY && \S+ init$/m)
    expect(existsSync(config())).toBe(true)
  })

  it('says what keeps a file from being written', async () => {
    agent('claude', '2.1.331')
    // Where the draft of the file would be.
    mkdirSync(path.join(repo, `..tdf.toml.${process.pid}.tmp`))
    const { code, err } = await init({}, '--yes')
    const said = /\.tdf\.toml cannot be written: [\s\S]*hint: tdf init --dry-run/
    expect([code, err]).toEqual([78, expect.stringMatching(said)])
  })

  it('says so where no folder can be made for a file, as in /proc', async () => {
    agent('claude', '2.1.331')
    const terminal = { cwd: repo, env: { PATH: `${bin}:/usr/bin:/bin`, TDF_CONFIG: '/proc/tdf/here/config.toml' } }
    const { code, err } = await cliWith(home, terminal, 'init', '--yes')
    const said = /\/proc\/tdf\/here\/config\.toml cannot be written: [\s\S]*hint: tdf init --dry-run/
    expect([code, err]).toEqual([78, expect.stringMatching(said)])
  })

  it('runs nothing that lies in the repository', async () => {
    const ran = path.join(home.dir, 'ran')
    program(repo, 'claude', `touch ${ran}`)
    program(path.join(repo, 'node_modules', '.bin'), 'claude', `touch ${ran}`)
    writeFileSync(path.join(repo, '.git', 'hooks', 'post-checkout'), `#!/bin/sh\ntouch ${ran}\n`, { mode: 0o755 })
    execFileSync('git', ['config', 'core.fsmonitor', `touch ${ran}`], { cwd: repo })
    symlink(path.join(repo, 'claude'), path.join(bin, 'claude'))
    const { out } = await init({ path: `.:${repo}/node_modules/.bin:${bin}:/usr/bin:/bin` }, '--yes', '--json')
    expect([JSON.parse(out).agents, existsSync(ran)]).toEqual([[], false])
  })

  it('of an agent that hangs or fails tells what is there', async () => {
    program(bin, 'claude', 'echo broken >&2; exit 3')
    const { out } = await init({}, '--yes', '--json')
    expect(JSON.parse(out).agents).toEqual([{ name: 'claude', path: path.join(bin, 'claude'), version: null }])
  })
})

const symlink = (to: string, at: string) => execFileSync('ln', ['-s', to, at])

describe('what tdf init wrote', () => {
  it('holds for the next submit, without a commit and without a question; a commit or an option comes first', async () => {
    await home.start()
    writeFileSync(path.join(repo, 'package.json'), '{"scripts":{"test":"test -f done"}}')
    await init({}, '--yes')
    const words = ['submit', '--repo', repo, '--wait', '--json']
    const submit = async (...more: string[]) => {
      const { out } = await cliWith(home, { cwd: repo }, ...words, ...more, '--', 'touch', 'done')
      return JSON.parse(out) as TaskJson
    }
    expect((await submit()).result?.check?.command).toBe('npm test')
    expect((await submit('--check', 'true')).result?.check?.command).toBe('true')
    expect((await submit('--no-check')).verdict).toBe('unverified')
  }, 120_000)
})
