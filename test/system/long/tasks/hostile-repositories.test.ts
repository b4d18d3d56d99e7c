/**
 * Repositories that are made to have something executed, or to lead out of their folder: those that a task begins with,
 * and what an agent makes of its own. The work comes home all the same, and the canary file never comes to be.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { TaskJson } from '../../../../src/protocol/control.ts'
import { type Home, makeHome, makeRepository, tdf, tdfWith } from '../../../support/daemon/home.ts'

let home: Home
let repo: ReturnType<typeof makeRepository>
let canary: string
let outside: string

beforeAll(async () => {
  home = makeHome()
  repo = makeRepository()
  canary = path.join(home.dir, 'canary')
  outside = path.join(home.dir, 'outside')
  mkdirSync(outside)
  writeFileSync(path.join(outside, 'secret'), 'of the machine\n')
  // What a repository can say to git in files that are committed; a value of each kind is a program.
  const write = (name: string, text: string) => writeFileSync(path.join(repo.dir, name), text)
  write('.gitattributes', '* filter=evil diff=evil merge=evil\n')
  write('.gitmodules', '[submodule "m"]\n\tpath = m\n\turl = ../m.git\n')
  write('.lfsconfig', `[lfs]\n\tcustomtransfer.x.path = touch ${canary}\n`)
  write('n'.repeat(255), 'a long name\n')
  symlinkSync(outside, path.join(repo.dir, 'out'))
  git(repo.dir, 'add', '--all')
  git(repo.dir, 'update-index', '--add', '--cacheinfo', `160000,${'1'.repeat(40)},m`)
  git(repo.dir, 'commit', '--quiet', '--message', 'hostile')
  await home.start()
}, 120_000)
afterAll(async () => {
  await home.remove()
  repo.remove()
})
afterEach(() => {
  expect(existsSync(canary)).toBe(false)
  expect(readdirSync(outside)).toEqual(['secret'])
})

function git(dir: string, ...args: string[]): string {
  const who = ['-c', 'user.name=you', '-c', 'user.email=you@localhost']
  return execFileSync('git', [...who, ...args], { cwd: dir, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
}

async function run(script: string): Promise<TaskJson> {
  const words = ['submit', '--repo', repo.dir, '--wait', '--json', '--check', 'true', '--', 'bash', '-c', script]
  const { out, err } = await tdf(home, ...words)
  if (out === '') throw new Error(err)
  return JSON.parse(out)
}

/** Takes the result home by every way there is, into clones as a user would have them; answers the last one's folder. */
async function taken({ id, result }: TaskJson): Promise<string> {
  expect((await tdf(home, 'diff', id)).code).toBe(0)
  const [applied, pulled] = ['applied', 'pulled'].map(name => path.join(home.dir, `${name}-${id}`))
  if (!applied || !pulled) throw new Error('two names')
  for (const dir of [applied, pulled]) git('/', 'clone', '--quiet', repo.dir, dir)
  await tdfWith(home, { cwd: applied }, 'apply', id)
  expect((await tdfWith(home, { cwd: pulled }, 'pull', id)).code).toBe(0)
  git(pulled, 'checkout', '--quiet', result?.branch ?? '')
  return pulled
}

/** Settings of git whose value is a program; some run with nearly every command. */
const SETTINGS = () =>
  [
    `core.fsmonitor=touch ${canary}`,
    'core.hooksPath=hooks',
    `core.pager=touch ${canary}`,
    `core.editor=touch ${canary}`,
    `core.sshCommand=touch ${canary}`,
    `core.gitProxy=touch ${canary}`,
    `core.alternateRefsCommand=touch ${canary}`,
    `credential.helper=!touch ${canary}`,
    `diff.external=touch ${canary}`,
    `diff.evil.command=touch ${canary}`,
    `diff.evil.textconv=touch ${canary}`,
    `filter.evil.clean=touch ${canary}`,
    `filter.evil.smudge=touch ${canary}`,
    `filter.evil.process=touch ${canary}`,
    `merge.evil.driver=touch ${canary}`,
    `gpg.program=touch ${canary}`,
    'commit.gpgSign=true',
    `uploadpack.packObjectsHook=touch ${canary}`,
    `remote.origin.uploadpack=touch ${canary}`,
    `remote.origin.url=ext::sh -c "touch ${canary}"`,
    `url.ext::sh -c "touch ${canary}" .insteadOf=/`,
    `sequence.editor=touch ${canary}`,
  ]
    .map(
      setting =>
        `git config --file "$config" --add ${JSON.stringify(setting.slice(0, setting.indexOf('=')))} ${JSON.stringify(setting.slice(setting.indexOf('=') + 1))}`,
    )
    .join('\n')
const HOOKS =
  () => `for hook in pre-commit post-commit post-checkout post-index-change reference-transaction pre-auto-gc \\
    post-rewrite pre-push fsmonitor-watchman; do
  printf '#!/bin/sh\\ntouch ${canary}\\n' > "$hooks/$hook"; chmod +x "$hooks/$hook"
done`

describe('a hostile repository', () => {
  it('with submodules that would run a program is not taken, and says so', async () => {
    const evil = makeRepository()
    const modules = `[submodule "m"]\n\tpath = m\n\turl = --upload-pack=touch ${canary}\n\tupdate = !touch ${canary}\n`
    writeFileSync(path.join(evil.dir, '.gitmodules'), modules)
    git(evil.dir, 'add', '.gitmodules')
    git(evil.dir, 'commit', '--quiet', '--message', 'evil')
    const { out } = await tdf(home, 'submit', '--repo', evil.dir, '--wait', '--json', '--', 'true')
    evil.remove()
    expect(JSON.parse(out)).toMatchObject({ status: 'failed', error: { code: 'WORKSPACE_FAILED' } })
    expect(JSON.parse(out).error.message).toMatch(/gitmodules/)
  })

  it('as the beginning of a task is data', async () => {
    const task = await run('cp README.md copy.md; ls -la > listed.txt')
    expect(task).toMatchObject({ status: 'completed', verdict: 'verified' })
    const dir = await taken(task)
    expect(readFileSync(path.join(dir, 'copy.md'), 'utf8')).toContain('# a project')
    expect(lstatSync(path.join(dir, 'out')).isSymbolicLink()).toBe(true)
  })

  it('of the agent, with programs in every setting and hook, is not asked anything', async () => {
    const task = await run(`mkdir hooks; hooks=hooks; ${HOOKS()}; hooks=.git/hooks; mkdir -p .git/hooks; ${HOOKS()}
      echo work > work.txt; config=.git/config; ${SETTINGS()}
      git config extensions.worktreeConfig true; config=.git/config.worktree; ${SETTINGS()}`)
    expect(task).toMatchObject({ verdict: 'verified', result: { salvaged: true } })
    expect(existsSync(path.join(await taken(task), 'work.txt'))).toBe(true)
  })

  it('within the work tree is saved as content', async () => {
    const task = await run(`git init -q nested; cd nested; echo inner > inner.txt; mkdir -p .git/hooks
      hooks=.git/hooks; ${HOOKS()}; config=.git/config; ${SETTINGS()}; cd ..
      mkdir -p deep/er; cp -r nested deep/er/nested`)
    expect(task).toMatchObject({ verdict: 'verified' })
    expect(existsSync(path.join(await taken(task), 'deep/er/nested/inner.txt'))).toBe(true)
  })

  it.each([
    ['a file that names another folder', () => `echo 'gitdir: ${outside}/evil.git' > .git`],
    ['a link to another folder', () => `ln -s ${outside}/evil.git .git`],
    ['a fifo', () => 'mkfifo .git'],
    [
      'a folder of links',
      () => `mkdir .git; for name in HEAD config objects refs; do ln -s ${outside}/evil.git/$name .git/$name; done`,
    ],
  ])('whose .git is %s is not followed, and the files are saved', async (_, made) => {
    const task = await run(`rm -rf .git; ${made()}; echo work > work.txt`)
    expect(task).toMatchObject({ verdict: 'verified', result: { salvaged: true } })
    expect(existsSync(path.join(await taken(task), 'work.txt'))).toBe(true)
  })

  it.each([
    ['.git', 'hooks'],
    ['.GIT', 'hooks'],
    ['git~1', 'hooks'],
    ['..', 'outside'],
    ['a/../..', 'outside'],
  ])('with a commit that holds a path under %s does not bring it home', async (top, below) => {
    const task = await run(`
      blob=$(printf '#!/bin/sh\\ntouch ${canary}\\n' | git hash-object -w --stdin)
      inner=$(printf '100755 blob %s\\tpost-checkout\\n' $blob | git mktree)
      mid=$(printf '040000 tree %s\\t${below}\\n' $inner | git mktree)
      raw=$(printf '040000 tree %s\\tPLACE\\n' $mid | git mktree | xargs git cat-file tree | sed 's/^40000 PLACE/40000 '"$(printf %s '${top}' | sed 's/[/]/\\\\\\//g')"'/' | git hash-object -t tree -w --stdin --literally)
      commit=$(git -c user.name=e -c user.email=e@x commit-tree $raw -p HEAD -m evil)
      git update-ref HEAD $commit; git log -1 --format=%s; git ls-tree HEAD | cat -v; echo work > work.txt`)
    expect(task).toMatchObject({ status: 'completed', result: { salvaged: true } })
    const { out } = await tdf(home, 'logs', task.id)
    expect(out).toMatch(/^evil$/m)
    expect(out).toContain(`\t${top}\n`)
    const dir = await taken(task)
    expect(existsSync(path.join(dir, 'work.txt'))).toBe(true)
    expect(git(dir, 'log', '--format=%s')).not.toContain('evil')
    expect(existsSync(path.join(dir, '.git/hooks/post-checkout'))).toBe(false)
  })

  it('cannot have a file read or written through a link', async () => {
    const task = await run(`ln -s ${outside} leak; ln -s ${outside}/secret leaked; mkdir real; echo x > real/written
      git add real/written; rm -rf real; ln -s ${outside} real`)
    expect(task).toMatchObject({ verdict: 'verified' })
    const dir = await taken(task)
    expect(lstatSync(path.join(dir, 'leaked')).isSymbolicLink()).toBe(true)
    expect((await tdf(home, 'diff', task.id)).out).not.toContain('of the machine')
  })

  it('with names that are options, controls, or longer than a path may be, comes home by name', async () => {
    const task =
      await run(`touch -- "-rf" "--upload-pack=touch ${canary.replaceAll('/', '%')}" "$(printf 'a\\033]0;x\\007b')" "$(printf 'new\\nline')" '$(touch canary)'
      git checkout -q -b 'o--upload-pack'; git update-ref "refs/heads/-x" HEAD || true
      for n in $(seq 30); do mkdir $(printf 'd%.0s' $(seq 200)) && cd $(printf 'd%.0s' $(seq 200)); done; echo deep > deep.txt`)
    expect(task.status).toBe('completed')
    const dir = await taken(task)
    expect(readdirSync(dir)).toEqual(expect.arrayContaining(['-rf', '$(touch canary)', 'new\nline']))
  })
})
