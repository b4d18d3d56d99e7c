/** `tdf land` killed with all that it had started, while it moves the branch of a folder. */
import { execFileSync, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect, it } from 'vitest'
import type { TaskJson } from '../../../../src/protocol/control.ts'
import { afterFile } from '../../../support/after-file.ts'
import { root, tdf, tdfWith, until, workingRepository } from '../../../support/daemon/home.ts'
import { withDaemon } from '../../../support/daemon/with-daemon.ts'

const { home } = withDaemon()
const place = mkdtempSync(path.join(tmpdir(), 'tdf-cut-'))
afterFile(() => rmSync(place, { recursive: true, force: true }))
const realGit = execFileSync('sh', ['-c', 'command -v git'], { encoding: 'utf8' }).trim()
const LONG_MS = 120_000

/** Kills the group of the process whose id is in the file. */
const CUT = 'kill -9 -$(cat "$CUT_GROUP")'
/** A git that does so when the files of the branch are looked at, or once the branch is moved. */
const GIT = `#!/bin/sh
case "$CUT_WHEN $*" in
  "before "*"status --porcelain"*) ${CUT} ;;
  "lock "*"--git-path index.lock"*) (sleep 1; rm .git/index.lock) >/dev/null 2>&1 & ;;
  "after "*"merge --ff-only"*) ${realGit} "$@"; ${CUT} ;;
esac
exec ${realGit} "$@"
`
/** The work tree is written, and the branch is about to move (githooks(5), reference-transaction). */
const HOOK = `#!/bin/sh
refs=$(cat)
case "$CUT_WHEN $1 $refs" in "amid prepared "*refs/heads/main*) ${CUT}; sleep 0.3 ;; esac
exit 0
`
const bin = path.join(place, 'bin')
mkdirSync(bin)
writeFileSync(path.join(bin, 'git'), GIT, { mode: 0o755 })

/** Without the lock that git takes where it may: another git is at work. */
const files = ({ git }: { git(...args: string[]): string }) => git('--no-optional-locks', 'status', '--porcelain')

it.each([
  ['before', 'is where it was'],
  ['amid', 'is moved by the git that was at work'],
  ['after', 'is moved'],
])(
  'killed %s the move: the branch %s, with its files, and the same command again finishes',
  async when => {
    const repo = workingRepository()
    writeFileSync(path.join(repo.dir, '.git/hooks/reference-transaction'), HOOK, { mode: 0o755 })
    const script = 'echo x > x.txt; echo more >> README.md'
    const { out } = await tdf(home, 'submit', '--repo', repo.dir, '-w', '--json', '--', 'sh', '-ec', script)
    const { id }: TaskJson = JSON.parse(out)
    const before = repo.commit({ 'theirs.txt': 't\n' })
    const group = path.join(place, `group-${when}`)
    const env = { ...home.env, PATH: `${bin}:${process.env.PATH}`, CUT_WHEN: when, CUT_GROUP: group }
    const child = spawn(process.execPath, [path.join(root, 'dist/tdf.js'), 'land', id], { env, detached: true })
    writeFileSync(group, `${child.pid}\n`)
    await until('the command is killed', () => child.signalCode === 'SIGKILL', LONG_MS)
    // Branch and files are looked at once nothing is at work any more.
    await until('branch and files are of one commit', () => files(repo) === '', LONG_MS)
    const { landing } = await home.task(id)
    expect(landing?.state).toBe('ready')
    expect(repo.git('rev-parse', 'main')).toBe(when === 'before' ? before : landing?.commit)

    expect((await tdf(home, 'land', id)).code).toBe(0)
    expect((await home.task(id)).landing?.state).toBe('landed')
    expect(repo.git('rev-parse', 'main')).toBe(landing?.commit)
    expect(files(repo)).toBe('')
    expect(repo.git('log', '--merges', '--format=%s')).toBe(`Merge task ${id}: ${(await home.task(id)).title}`)
    expect(repo.git('ls-files')).toBe('README.md\ntheirs.txt\nx.txt')
  },
  LONG_MS * 3,
)

it(
  'a git that is still at work in its files is waited for',
  async () => {
    const repo = workingRepository()
    const { out } = await tdf(home, 'submit', '--repo', repo.dir, '-w', '--json', '--', 'sh', '-c', 'echo x > x.txt')
    const { id }: TaskJson = JSON.parse(out)
    writeFileSync(path.join(repo.dir, '.git/index.lock'), '')
    const env = { PATH: `${bin}:${process.env.PATH}`, CUT_WHEN: 'lock' }
    expect(await tdfWith(home, { env }, 'land', id)).toMatchObject({ code: 0 })
    expect([files(repo), repo.git('ls-files')]).toEqual(['', 'README.md\nx.txt'])
  },
  LONG_MS,
)
