/**
 * A confined agent shapes its repository so that tdf, which may read more than it, brings home what it could not read
 * itself; or so that tdf's git needs the memory of the machine.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Home, makeHome, makeRepository, tdf } from '../support/daemon/home.ts'
import { whereConfined } from '../support/where.ts'
import { WHO } from './who.ts'

let home: Home
let repo: ReturnType<typeof makeRepository>
const at = (...parts: string[]) => path.join(home.dir, ...parts)

function git(dir: string, ...words: string[]): string {
  const as = ['-c', 'safe.directory=*', '-c', 'user.name=you', '-c', 'user.email=you@localhost']
  return execFileSync('git', [...as, ...words], { cwd: dir, encoding: 'utf8' }).trim()
}

function own(uid: number | undefined): void {
  if (uid !== undefined) execFileSync('chown', ['-R', '-h', `${uid}:${uid}`, home.dir])
}

async function run(script: string) {
  const words = ['submit', '--repo', repo.dir, '--wait', '--json', '--', 'bash', '-c', script]
  const { out, err } = await tdf(home, ...words)
  if (out === '') throw new Error(err)
  return JSON.parse(out)
}

/** Whether any repository of the state has the object. */
function isHome(oid: string): boolean {
  const found = spawnSync('find', [at('state', 'results'), '-name', 'objects', '-type', 'd'], {
    encoding: 'utf8',
  }).stdout
  return found
    .split('\n')
    .filter(Boolean)
    .some(
      objects =>
        spawnSync('git', ['-c', 'safe.directory=*', '--git-dir', path.dirname(objects), 'cat-file', '-e', oid])
          .status === 0,
    )
}

afterEach(async () => {
  await home.remove()
  repo.remove()
})

function thefts(uid: number | undefined): void {
  let [commit, blob, objects] = ['', '', '']
  beforeEach(async () => {
    repo = makeRepository(uid)
    home = makeHome('[providers.local]\nsandbox = "bubblewrap"\n', uid === undefined ? {} : { uid })
    mkdirSync(at('private'))
    git(at('private'), 'init', '-q')
    writeFileSync(at('private', 'secret.txt'), 'a secret of the user\n')
    git(at('private'), 'add', '-A')
    git(at('private'), 'commit', '-qm', 'private')
    commit = git(at('private'), 'rev-parse', 'HEAD')
    blob = git(at('private'), 'rev-parse', 'HEAD:secret.txt')
    objects = at('private', '.git', 'objects')
    own(uid)
    await home.start()
  })

  const refs = () =>
    `for ref in refs/heads/stolen refs/tags/stolen refs/stash; do echo ${commit} > .git/$ref; done; echo work > work.txt`

  it.each([
    ['alternates', () => `mkdir -p .git/objects/info; echo ${objects} > .git/objects/info/alternates`],
    ['a link in the place of its objects', () => `rm -rf .git/objects; ln -s ${objects} .git/objects`],
    ['loose objects that are links', () => looseLinks()],
    [
      'folders of loose objects that are links',
      () => `for d in ${names()}; do rm -rf .git/objects/$d; ln -s ${objects}/$d .git/objects/$d; done`,
    ],
    ['a pointer to the git folder', () => `rm -rf .git; echo "gitdir: ${at('private', '.git')}" > .git`],
    ['a common folder elsewhere', () => `echo ${at('private', '.git')} > .git/commondir`],
  ])('nothing that it could not read itself comes home by %s', async (_, made) => {
    const task = await run(`${made()}; ${refs()}; true`)
    expect(isHome(blob)).toBe(false)
    expect(task.status).toMatch(/completed|failed/)
  })

  it('nothing that it could not read itself comes home by packs that are links', async () => {
    git(at('private'), 'repack', '-adq')
    own(uid)
    const packs = readdirSync(path.join(objects, 'pack'))
    await run(`for f in ${packs.join(' ')}; do ln -s ${objects}/pack/$f .git/objects/pack/$f; done; ${refs()}; true`)
    expect(isHome(blob)).toBe(false)
  })

  const names = () =>
    readdirSync(objects)
      .filter(name => name.length === 2)
      .join(' ')
  const looseLinks = () =>
    readdirSync(objects)
      .filter(name => name.length === 2)
      .flatMap(name => readdirSync(path.join(objects, name)).map(file => `${name}/${file}`))
      .map(file => `mkdir -p .git/objects/${path.dirname(file)}; ln -sf ${objects}/${file} .git/objects/${file}`)
      .join('; ')
}

whereConfined('a confined agent that shapes its repository', () => {
  for (const { name, uid } of WHO) describe(`a confined agent of ${name} that shapes its repository`, () => thefts(uid))
})

/** No git of tdf gets more address space than this, in KiB. */
const GIT_KIB = 150_000

it('a few megabytes that stand for two hundred are packed within bounds of memory', async () => {
  repo = makeRepository()
  home = makeHome()
  mkdirSync(at('bin'))
  const real = execFileSync('sh', ['-c', 'command -v git'], { encoding: 'utf8' }).trim()
  const script = `#!/bin/bash\n[ -n "$TDF_TASK_ID" ] || ulimit -v ${GIT_KIB}\nexec ${real} "$@"\n`
  writeFileSync(at('bin', 'git'), script, { mode: 0o755 })
  await home.start({ PATH: `${at('bin')}:${process.env.PATH}` })
  const make = `const fs = require('fs'); for (let i = 0; i < 5; i++) { const b = Buffer.alloc(40e6); for (let j = 0; j < b.length; j += 65536) b.writeUInt32LE(i * 7919 + j, j); fs.writeFileSync('bomb' + i, b) }`
  const task = await run(
    `node -e "${make}"; git -c core.compression=1 add -A; git commit -qm bomb; rm bomb*; git checkout -q . ; echo made`,
  )
  expect([task.error, task.verdict, task.result?.filesChanged]).toEqual([null, 'unverified', 5])
})
