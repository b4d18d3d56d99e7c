/** Repositories by ssh with a real sshd, real ssh and real git: who may read and push, and what of the keys a node sees. */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { EventJson, TaskJson } from '../../../../src/protocol/control.ts'
import { type Home, makeHome, makeRepository, tdf, until } from '../../../support/daemon/home.ts'
import { filesWith, processesWith } from '../../../support/machines/search.ts'
import { type SshServer, sshServer } from '../../../support/machines/ssh-server.ts'
import { whereRoot } from '../../../support/where.ts'

/** nobody, who is in every passwd(5). */
const NOBODY = 65_534
/** For one test on a machine that is busy with others. */
const LIMIT_MS = 300_000
const QUICK = '[runner]\nretry_base_delay = "50ms"\nretry_max_delay = "100ms"\n'

let server: SshServer
let key: string
let place: string
let repo: ReturnType<typeof makeRepository>
let home: Home

beforeAll(async () => {
  server = await sshServer()
  key = server.makeKey('mine')
  server.allow(key)
}, 120_000)
beforeEach(() => {
  place = mkdtempSync(path.join(tmpdir(), 'tdf-ssh-'))
  repo = makeRepository()
  execFileSync('chmod', ['755', place])
  execFileSync('git', ['clone', '--quiet', '--bare', repo.dir, path.join(place, 'repo.git')])
})
afterEach(async () => {
  await home?.remove()
  repo.remove()
  rmSync(place, { recursive: true, force: true })
})

const url = () => `${server.url}${place}/repo.git`
const tip = (ref: string) =>
  execFileSync('git', ['-C', path.join(place, 'repo.git'), 'rev-parse', ref], { encoding: 'utf8' }).trim()

/** A daemon whose user's git configuration names that ssh. */
async function begin(
  ssh: string,
  { config = '', env = {}, uid }: { config?: string; env?: Record<string, string>; uid?: number } = {},
) {
  home = makeHome(config, uid === undefined ? {} : { uid })
  writeFileSync(path.join(home.dir, '.gitconfig'), `[core]\n\tsshCommand = ${ssh}\n`)
  await home.start(env)
}

async function submit(script: string, ...options: string[]): Promise<string> {
  const { out, err } = await tdf(home, 'submit', '--repo', url(), '-q', ...options, '--', 'sh', '-c', script)
  if (out === '') throw new Error(err)
  return out.trim()
}

async function over(id: string): Promise<TaskJson> {
  await until(`${id} is over`, async () => (await home.task(id)).step === null, 240_000)
  return home.task(id)
}

const retries = async (id: string) =>
  (await home.client.call<EventJson[]>({ path: `/tasks/${id}/events` })).filter(({ type }) => type === 'task.retry')

function itIsReadAndPushed(who: string, uid?: number): void {
  it(
    `is read and pushed to with the ssh key of ${who}, and nothing of the key is on the node`,
    async () => {
      await begin(server.command({ key, uid }), uid === undefined ? {} : { uid })
      const before = server.sessions()
      const id = await submit('while [ ! -e "$HOME/go" ]; do sleep 0.1; done; env > env.txt', '--push')
      await until('it runs', async () => (await home.task(id)).step === 'running', 240_000)
      // The second line of a key's file is some of its secret part.
      const secret = readFileSync(key, 'utf8').split('\n')[2] ?? ''
      const node = path.join(home.dir, 'state', 'agent')
      expect(secret.length).toBeGreaterThan(30)
      for (const word of [secret, 'client-']) expect([filesWith(word, node), processesWith(word)]).toEqual(['', []])
      writeFileSync(path.join(home.dir, 'go'), '')
      const task = await over(id)
      expect(task).toMatchObject({ status: 'completed', repo: { url: url(), baseCommit: tip('main') } })
      await until(
        'it is pushed',
        () =>
          spawnSync('git', [
            '-C',
            path.join(place, 'repo.git'),
            'rev-parse',
            '-q',
            '--verify',
            `refs/heads/${task.result?.branch}`,
          ]).status === 0,
        120_000,
      )
      expect(tip(task.result?.branch ?? '')).toBe(task.result?.commit)
      const { out } = await tdf(home, 'diff', id)
      expect(out).not.toMatch(/SSH_AUTH_SOCK|GIT_SSH/)
      for (const word of [secret, 'client-']) expect(filesWith(word, node)).toBe('')
      expect(server.sessions()).toBeGreaterThan(before)
    },
    LIMIT_MS,
  )
}

describe('a private repository', () => {
  itIsReadAndPushed('the user who runs the daemon')
  whereRoot('a daemon of an ordinary user', () => itIsReadAndPushed('an ordinary user', NOBODY))

  it(
    'is read with a key that an agent holds',
    async () => {
      const agent = execFileSync('ssh-agent', ['-s'], { encoding: 'utf8' })
      const [, socket = '', pid = ''] = /SSH_AUTH_SOCK=([^;]+);.*SSH_AGENT_PID=(\d+)/s.exec(agent) ?? []
      try {
        execFileSync('ssh-add', ['-q', key], { env: { ...process.env, SSH_AUTH_SOCK: socket }, stdio: 'pipe' })
        await begin(server.command(), { env: { SSH_AUTH_SOCK: socket } })
        expect(await over(await submit('env > env.txt'))).toMatchObject({ status: 'completed' })
      } finally {
        process.kill(Number(pid))
      }
    },
    LIMIT_MS,
  )
})

describe('before a slot is asked for it fails, with the command that shows why,', () => {
  async function refused(said: RegExp): Promise<string> {
    const id = await submit('true')
    const task = await over(id)
    expect(task).toMatchObject({ status: 'failed', verdict: 'permission_denied', node: null, workspace: null })
    expect(task.error).toMatchObject({
      code: 'SOURCE_DENIED',
      step: 'node_selection',
      hint: `git ls-remote ${url()} && tdf retry ${id}`,
      message: expect.stringMatching(said),
    })
    return id
  }

  it(
    'when the key may not log in; once it may, the same task completes',
    async () => {
      const other = server.makeKey('other')
      await begin(server.command({ key: other }))
      const id = await refused(/Permission denied \(publickey/)
      server.allow(key, other)
      expect((await tdf(home, 'retry', id)).code).toBe(0)
      expect(await over(id)).toMatchObject({ status: 'completed', attempt: 2 })
      server.allow(key)
    },
    LIMIT_MS,
  )

  it(
    'when the host is not known, or shows another key than the one that is',
    async () => {
      await begin(server.command({ key, known: false }))
      await refused(/Host key verification failed/)
      await home.remove()
      const before = server.command({ key })
      await server.changeHostKey()
      await begin(before)
      await refused(/Host key verification failed/)
    },
    LIMIT_MS,
  )

  it(
    'when the key has a passphrase, which nobody is asked for',
    async () => {
      const locked = server.makeKey('locked', 'correct horse')
      server.allow(key, locked)
      await begin(server.command({ key: locked }))
      await refused(/Permission denied \(publickey/)
      server.allow(key)
    },
    LIMIT_MS,
  )

  it(
    'when there is no such repository',
    async () => {
      await begin(server.command({ key }))
      rmSync(path.join(place, 'repo.git'), { recursive: true })
      const task = await over(await submit('true'))
      expect(task).toMatchObject({ status: 'failed', node: null, error: { step: 'node_selection' } })
      expect(task.error?.message).toContain('does not appear to be a git repository')
    },
    LIMIT_MS,
  )
})

it(
  'a server that is down is asked again, and the task goes on when it is up',
  async () => {
    await begin(server.command({ key }), { config: `${QUICK}step_max_retries = 1000\n` })
    await server.stop()
    const id = await submit('true')
    await until('it was asked twice', async () => (await retries(id)).length > 1)
    expect((await tdf(home, 'why', id)).out).toContain(url())
    await server.start()
    expect(await over(id)).toMatchObject({ status: 'completed', attempt: 1 })
    expect(new Set((await retries(id)).map(({ data }) => data.code))).toEqual(new Set(['SOURCE_UNAVAILABLE']))
  },
  LIMIT_MS,
)
