/** A hostile agent on this machine, confined: what it gets to see, to write and to keep. From `tdf submit`, with the real bwrap. */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { TaskJson } from '../../src/protocol/control.ts'
import { type Home, makeHome, makeRepository, tdf, until } from '../support/daemon/home.ts'
import { whereConfined } from '../support/where.ts'
import { WHO } from './who.ts'

const CONFINED = '[providers.local]\nsandbox = "bubblewrap"\n'

let home: Home
let repo: ReturnType<typeof makeRepository>
const at = (...parts: string[]) => path.join(home.dir, ...parts)

function open(config: string, uid: number | undefined, through?: string[]): void {
  repo = makeRepository(uid)
  home = makeHome(config, { ...(uid === undefined ? {} : { uid }), ...(through ? { through } : {}) })
}

function own(): void {
  const { uid } = home
  if (uid !== undefined) execFileSync('chown', ['-R', `${uid}:${uid}`, home.dir])
}

async function submit(...words: string[]): Promise<{ code: number | null; task: TaskJson; log: string }> {
  const { code, out, err } = await tdf(home, 'submit', '--repo', repo.dir, '--wait', '--json', ...words)
  if (out === '') throw new Error(err)
  const task = JSON.parse(out)
  return { code, task, log: (await tdf(home, 'logs', task.id)).out }
}

async function begin(script: string): Promise<{ id: string; tree: string }> {
  const { out } = await tdf(home, 'submit', '--repo', repo.dir, '--json', '--', 'bash', '-c', script)
  const { id } = JSON.parse(out)
  await tdf(home, 'wait', id, '--for', 'running')
  const { workspace } = await home.task(id)
  return { id, tree: at('state', 'agent', 'workspaces', workspace?.id ?? '', 'work') }
}

afterEach(async () => {
  await home.remove()
  repo.remove()
})

/** Told apart from what any other run has left. */
const LONG = `5419.${process.pid}`
const found = (pattern: string) =>
  spawnSync('pgrep', ['-f', pattern], { encoding: 'utf8' }).stdout.trim().split('\n')[0] ?? ''

/** A path of secrets in a home; each is a file `secret` in it, or the file itself. */
const SECRETS = [
  ...['.ssh/id_ed25519', '.gnupg/secret', '.aws/credentials', '.config/gh/hosts.yml', '.netrc', '.bash_history'],
  ...['.config/acme/token', '.acme/key', 'Documents/taxes.txt', 'clients/other/.env', '.gitconfig', '.zshrc.local'],
  ...['.cargo/credentials.toml', '.local/share/acme/token', '.vscode/settings.json', '.docker/config.json'],
]

function confined(uid: number | undefined): void {
  beforeEach(() => open(CONFINED, uid))

  it('no kernel setting can be written, and it is not root of the machine', async () => {
    await home.start()
    const tries = [
      '/proc/sys/kernel/core_pattern',
      '/proc/sys/kernel/hostname',
      '/proc/sys/vm/drop_caches',
      '/proc/sysrq-trigger',
      '/sys/kernel/uevent_helper',
      '/etc/passwd',
      '/usr/bin/env',
    ]
    const { id } = await begin(
      `for f in ${tries.join(' ')}; do (: >> $f) 2>/dev/null && echo WROTE $f; done; echo tried; exec sleep ${LONG}`,
    )
    await until('it has tried', async () => (await tdf(home, 'logs', id)).out.includes('tried'))
    expect((await tdf(home, 'logs', id)).out.trim()).toBe('tried')
    const status = readFileSync(`/proc/${found(`^sleep ${LONG}`)}/status`, 'utf8')
    expect(status).not.toMatch(/^Uid:(?:\t\d+)*\t0\b/m)
    expect(status).toMatch(/^CapEff:\t0+$/m)
    await tdf(home, 'cancel', id)
  })

  it('what lies in a home is not there, and what appears while it runs does not appear', async () => {
    const plant = (names: readonly string[]) => {
      for (const name of names) {
        mkdirSync(path.dirname(at(name)), { recursive: true })
        writeFileSync(at(name), 'a secret of the user')
      }
      own()
    }
    const outside = mkdtempSync(path.join(tmpdir(), 'tdf-other-'))
    const half = SECRETS.length / 2
    plant(SECRETS.slice(0, half))
    await home.start()
    const { id, tree } = await begin(
      `while [ ! -e go ]; do sleep 0.05; done
      for f in ${SECRETS.join(' ')} config.toml state/tdf.db state/agent-token run/tdf.sock fresh/secret; do [ -e ${home.dir}/$f ] && echo SEES $f; done
      ls ${outside}; echo looked`,
    )
    plant(SECRETS)
    // A cover over a file falls off when another is put in its place, one over a folder when that is made anew.
    for (const folder of ['.ssh', '.gnupg', '.aws']) {
      renameSync(at(folder), at(`${folder}-old`))
      mkdirSync(at(folder))
      writeFileSync(at(folder, 'id_ed25519'), 'a secret of the user')
    }
    writeFileSync(at('.netrc-new'), 'a secret of the user')
    renameSync(at('.netrc-new'), at('.netrc'))
    plant(['fresh/secret'])
    writeFileSync(path.join(outside, 'secret'), 'SEES')
    writeFileSync(path.join(tree, 'go'), '')
    await tdf(home, 'wait', id)
    rmSync(outside, { recursive: true })
    expect((await tdf(home, 'logs', id)).out).not.toContain('SEES')
    expect((await tdf(home, 'logs', id)).out).toContain('looked')
  })

  it('other workspaces, the state and git directories of tdf are out of reach', async () => {
    await home.start()
    const other = await begin(`sleep ${LONG}`)
    const places = [other.tree, at('state'), at('state', 'results'), at('state', 'agent'), at('config.toml'), at('run')]
    const { task, log } = await submit(
      '--',
      'bash',
      '-c',
      `for f in ${places.join(' ')}; do echo evil > $f/evil; echo evil > $f; ls $f; done 2>/dev/null; cat ${at('state/install.json')}; git init -q ${at('state/results/x')}; echo done > done.txt`,
    )
    expect(task.verdict).toBe('unverified')
    expect(log).not.toContain('"key"')
    // Its own home, where root confines, is its to write.
    const evil = spawnSync('find', [home.dir, '-name', 'evil'], { encoding: 'utf8' }).stdout.split('\n').filter(Boolean)
    expect(evil.filter(file => !/\/state\/agent\/\w+\/[^/]+\/home\//.test(file))).toEqual([])
    expect(existsSync(at('state/results/x'))).toBe(false)
    await tdf(home, 'cancel', other.id)
  })

  it('nothing of it outlives its session, however it hides', async () => {
    await home.start()
    const hide = `setsid sleep ${LONG} & (setsid bash -c "env -i sleep ${LONG} & disown" &) ; (trap "" TERM HUP; sleep ${LONG}) & nohup sleep ${LONG} >/dev/null 2>&1 & echo x > x.txt`
    const { task } = await submit('--', 'bash', '-c', hide)
    expect(task.verdict).toBe('unverified')
    expect(found(`^sleep ${LONG}`)).toBe('')
  })
}

whereConfined('a hostile agent in the sandbox', () => {
  for (const { name, uid } of WHO) describe(`a hostile agent in the sandbox of ${name}`, () => confined(uid))
})

describe.each(WHO)('what the daemon was started with, by $name', ({ uid }) => {
  it.each(['off', 'bubblewrap'])(
    'no open file of it reaches an agent, a set-up or a check (sandbox %s)',
    async kind => {
      if (kind !== 'off' && spawnSync('bwrap', ['--ro-bind', '/', '/', 'true']).status !== 0)
        return expect(kind).toBe('bubblewrap')
      open(`[providers.local]\nsandbox = "${kind}"\n`, uid, [
        'bash',
        '-c',
        'exec 200<"$TDF_HOME/config.toml" 77<"$TDF_HOME/config.toml"; exec "$@"',
        'bash',
      ])
      await home.start()
      const list =
        'for d in /proc/$$/fd/*; do case $(basename $d) in 0|1|2) ;; *) [ -e $d ] && echo OPEN $d $(readlink $d);; esac; done; echo listed'
      const { task, log } = await submit(
        '--setup',
        `(${list}) > up`,
        '--check',
        `cat up; ${list}`,
        '--',
        'sh',
        '-c',
        `${list}; echo x > x`,
      )
      expect([task.verdict, task.error]).toEqual(['verified', null])
      expect(log).toBe('listed\n')
      const check = (await tdf(home, 'logs', task.id, '--session', 'check')).out
      expect(check).not.toContain('OPEN')
    },
  )
})
