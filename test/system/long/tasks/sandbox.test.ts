/** The sandbox of the local node, from `tdf submit` to what came home; with the real bwrap. */
import { execFileSync, spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { TaskJson } from '../../../../src/protocol/control.ts'
import type { FindingJson } from '../../../../src/protocol/upkeep.ts'
import { type Home, makeHome, makeRepository, tdf, until } from '../../../support/daemon/home.ts'
import { whereConfined } from '../../../support/where.ts'

/** Stands in no passwd(5). */
const USER = 54_321

let home: Home
let repo: ReturnType<typeof makeRepository>
beforeEach(() => {
  // Logins of agents are an ordinary user's; what root confines has none (test/hostile).
  const user = process.getuid?.() === 0 ? { uid: USER } : {}
  repo = makeRepository(user.uid)
  home = makeHome(
    '[providers.local]\nsandbox = "bubblewrap"\nsandbox_readable = ["~/notes"]\nsandbox_writable = ["~/shared"]\n',
    user,
  )
  for (const name of ['notes', 'shared', '.ssh', '.claude', '.codex']) {
    mkdirSync(path.join(home.dir, name))
    writeFileSync(path.join(home.dir, name, 'kept'), 'of the user\n')
  }
  own(home.dir)
})
afterEach(async () => {
  await home.remove()
  repo.remove()
})

/** What the test made becomes that of who runs tdf. */
function own(dir: string): void {
  if (home.uid !== undefined) execFileSync('chown', ['-R', `${home.uid}:${home.uid}`, dir])
}

async function submit(...words: string[]): Promise<{ code: number | null; task: TaskJson }> {
  const { code, out } = await tdf(home, 'submit', '--repo', repo.dir, '--wait', '--json', ...words)
  return { code, task: JSON.parse(out) }
}

const sandboxOf = async () => {
  const found: FindingJson[] = JSON.parse((await tdf(home, 'doctor', '--json')).out)
  return found.find(({ check }) => check === 'sandbox')
}

describe('where nothing can be confined', () => {
  const canary = () => path.join(home.dir, 'shared', 'canary')
  const refused = async (env: Record<string, string>, why: RegExp, hint: RegExp) => {
    await home.start(env)
    const { code, task } = await submit('--setup', `touch ${canary()}`, '--', 'sh', '-c', `touch ${canary()}`)
    expect([code, task.verdict, task.error?.code, task.error?.hint]).toEqual([
      ...[10, 'infrastructure', 'SANDBOX_UNAVAILABLE', 'tdf doctor'],
    ])
    expect(task.error?.message).toMatch(why)
    expect(existsSync(canary())).toBe(false)
    expect(await sandboxOf()).toMatchObject({
      state: 'fail',
      message: expect.stringMatching(why),
      hint: expect.stringMatching(hint),
    })
  }

  it('a task is refused with the reason, and the doctor says what is missing', async () => {
    const bin = mkdtempSync(path.join(home.dir, 'bin-'))
    chmodSync(bin, 0o755)
    for (const folder of ['/bin', '/usr/bin', path.dirname(process.execPath)]) {
      for (const name of readdirSync(folder)) {
        if (name !== 'bwrap' && !existsSync(path.join(bin, name)))
          symlinkSync(path.join(folder, name), path.join(bin, name))
      }
    }
    await refused({ PATH: bin }, /bwrap .* is not installed/, /^sudo apt-get install bubblewrap$/)
  })

  it('a machine that gives no namespace is as good as one without the program', async () => {
    const bin = mkdtempSync(path.join(home.dir, 'bin-'))
    chmodSync(bin, 0o755)
    const script = '#!/bin/sh\necho "bwrap: No permissions to create new namespace" >&2\nexit 1\n'
    writeFileSync(path.join(bin, 'bwrap'), script, { mode: 0o755 })
    await refused({ PATH: `${bin}:${process.env.PATH}` }, /No permissions to create new namespace/, /^bwrap /)
  })
})

/** Tells of each path that it is given what a process gets to see there, and whether it can write. */
const LOOK = `
import { connect } from 'node:net'
import { readdirSync, readFileSync, statSync, writeFileSync, appendFileSync } from 'node:fs'
const [, , folder, socket, pid, ...paths] = process.argv
const tried = act => { try { return act() } catch (error) { return error.code } }
const see = path => (statSync(path).isDirectory() ? readdirSync(path).sort() : readFileSync(path).length)
const write = path => (statSync(path).isDirectory() ? writeFileSync(path + '/fresh', 'x') : appendFileSync(path, '')) ?? 'written'
const answer = await new Promise(resolve => connect(socket).once('connect', () => resolve('open')).once('error', error => resolve(error.code)))
console.log(JSON.stringify({
  socket: answer,
  daemon: tried(() => process.kill(Number(pid), 0)),
  ...Object.fromEntries(paths.map(path => [path, [tried(() => see(path)), tried(() => write(path))]])),
}))
writeFileSync('made.txt', 'inside\\n')
`

/** Told apart from what any other run has left. */
const LONG = `5417.${process.pid}`

function confinedTasks(): void {
  it('an agent sees and writes its own places, and nothing of tdf, of other tasks or of secrets', async () => {
    writeFileSync(path.join(repo.dir, 'look.mjs'), LOOK)
    const as = ['-c', 'safe.directory=*', '-c', 'user.name=you', '-c', 'user.email=you@localhost']
    for (const words of [
      ['add', '-A'],
      ['commit', '-qm', 'look'],
    ])
      execFileSync('git', [...as, ...words], { cwd: repo.dir })
    own(repo.dir)
    const daemon = await home.start()
    const other = JSON.parse((await tdf(home, 'submit', '--repo', repo.dir, '--json', '--', 'sleep', '600')).out)
    await tdf(home, 'wait', other.id, '--for', 'running')
    expect(await sandboxOf()).toMatchObject({ state: 'ok' })
    const { workspace } = await home.task(other.id)
    const at = (...parts: string[]) => path.join(home.dir, ...parts)
    const workspaces = at('state', 'agent', 'workspaces')
    const paths = {
      database: at('state', 'tdf.db'),
      token: at('state', 'agent-token'),
      config: at('config.toml'),
      state: at('state'),
      run: at('run'),
      workspaces,
      other: path.join(workspaces, workspace?.id ?? '', 'work'),
      ssh: at('.ssh', 'kept'),
      login: at('.claude', 'kept'),
      runtime: '/run',
      system: '/etc/hostname',
      readable: at('notes'),
      writable: at('shared'),
    }
    const words = [process.execPath, 'look.mjs', 'here', at('run', 'tdf.sock'), String(daemon.pid)]
    const { code, task } = await submit('--', ...words, ...Object.values(paths))
    expect([code, task.verdict, task.result?.filesChanged]).toEqual([0, 'unverified', 1])
    const seen = JSON.parse((await tdf(home, 'logs', task.id)).out)
    expect([seen.socket, seen.daemon]).toEqual(['ENOENT', 'ESRCH'])
    const of = Object.fromEntries(Object.entries(paths).map(([name, where]) => [name, seen[where]]))
    const mine = task.workspace?.id ?? ''
    expect(of).toEqual({
      database: ['ENOENT', 'ENOENT'],
      token: ['ENOENT', 'ENOENT'],
      config: ['ENOENT', 'ENOENT'],
      // Folders on the way to its own; what is made in them is gone with the command.
      state: [['agent'], 'written'],
      run: ['ENOENT', 'ENOENT'],
      workspaces: [[mine], 'written'],
      other: ['ENOENT', 'ENOENT'],
      ssh: ['ENOENT', 'ENOENT'],
      login: ['ENOENT', 'ENOENT'],
      runtime: ['ENOENT', 'ENOENT'],
      system: [expect.any(Number), expect.stringMatching(/^E(ROFS|ACCES)$/)],
      readable: [['kept'], 'EROFS'],
      writable: [['kept'], 'written'],
    })
    expect(spawnSync('find', [at('state'), '-name', 'fresh'], { encoding: 'utf8' }).stdout).toBe('')
    expect(readdirSync(at('shared'))).toEqual(['fresh', 'kept'])
    expect(readFileSync(at('.ssh', 'kept'), 'utf8')).toBe('of the user\n')
  })

  it('what prepares a workspace and what checks it are confined too; an agent has its own folder and no other', async () => {
    await home.start()
    const hidden = 'test ! -e ~/.ssh/kept && ! touch ~/notes/mark'
    // A program with the name of an agent, which is how its folders are known.
    const agent = path.join(home.dir, 'notes', 'codex')
    writeFileSync(agent, '#!/bin/sh\ntest ! -e ~/.claude && ls ~/.codex/ ~/.codex && echo mine > ~/.codex/session\n', {
      mode: 0o755,
    })
    const { code, task } = await submit('--setup', `${hidden} && echo set > up`, '--check', hidden, '--', agent)
    expect([code, task.verdict, task.error]).toEqual([0, 'verified', null])
    expect((await tdf(home, 'logs', task.id)).out).toMatch(/\.codex:\nkept\n/)
    expect(readFileSync(path.join(home.dir, '.codex', 'session'), 'utf8')).toBe('mine\n')
  })

  it('what was asked to end has its time to, what it did comes home, and nothing of it is left', async () => {
    await home.start()
    const script = `trap "echo bye > bye.txt; exit 0" TERM; sleep ${LONG} & echo ready > ready.txt; while :; do sleep 0.1; done`
    const { id } = JSON.parse((await tdf(home, 'submit', '--repo', repo.dir, '--json', '--', 'sh', '-c', script)).out)
    await tdf(home, 'wait', id, '--for', 'running')
    const { workspace } = await home.task(id)
    const tree = path.join(home.dir, 'state', 'agent', 'workspaces', workspace?.id ?? '', 'work')
    await until('the agent works', () => existsSync(path.join(tree, 'ready.txt')))
    await tdf(home, 'cancel', id)
    await until('its work is saved', async () => (await home.task(id)).result !== null)
    expect((await tdf(home, 'diff', id)).out).toContain('+bye')
    expect(spawnSync('pgrep', ['-f', `^sleep ${LONG}`]).status).toBe(1)
  })

  it('a command dies with the runner that looks after it', async () => {
    await home.start()
    const { id } = JSON.parse((await tdf(home, 'submit', '--repo', repo.dir, '--json', '--', 'sleep', LONG)).out)
    await tdf(home, 'wait', id, '--for', 'running')
    const found = (pattern: string) => spawnSync('pgrep', ['-f', pattern], { encoding: 'utf8' }).stdout.trim()
    await until('it runs', () => found(`^sleep ${LONG}`) !== '')
    // Nobody else is there to end it.
    const agent = home.agent()
    if (agent) process.kill(agent.pid, 'SIGSTOP')
    for (const pid of found(`run-session ${home.dir}/`).split('\n')) process.kill(Number(pid), 'SIGKILL')
    await until('it is gone', () => found(`^sleep ${LONG}`) === '')
    if (agent) process.kill(agent.pid, 'SIGCONT')
  })

  it('certificates that a variable of the daemon names can be read, and what lies beside them is not there', async () => {
    const folder = path.join(home.dir, 'certificates')
    mkdirSync(folder)
    for (const name of ['ca.pem', 'key.pem']) writeFileSync(path.join(folder, name), `${name}\n`)
    own(folder)
    await home.start({ NODE_EXTRA_CA_CERTS: path.join(folder, 'ca.pem') })
    const { task } = await submit(
      '--',
      'sh',
      '-c',
      'cat "$NODE_EXTRA_CA_CERTS"; ls "$(dirname "$NODE_EXTRA_CA_CERTS")"',
    )
    expect((await tdf(home, 'logs', task.id)).out).toBe('ca.pem\nca.pem\n')
  })

  it('a program that the sandbox does not show is not started as something else', async () => {
    await home.start()
    const program = path.join(home.dir, '.ssh', 'program')
    writeFileSync(program, '#!/bin/sh\nexit 0\n', { mode: 0o755 })
    const { code, task } = await submit('--', program)
    expect([code, task.error?.code]).toEqual([10, 'CANNOT_START'])
    expect(task.error?.message).toContain('not shown in the sandbox')
  })
}

whereConfined('tasks in the sandbox', () => describe('in the sandbox', confinedTasks))
