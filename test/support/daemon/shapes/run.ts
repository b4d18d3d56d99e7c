/** Tasks on repositories of every shape, compared blob by blob with what git itself makes of the same. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect } from 'vitest'
import type { TaskJson } from '../../../../src/protocol/control.ts'
import { afterFile } from '../../after-file.ts'
import { cliWith } from '../../cli.ts'
import type { Home } from '../home.ts'
import type { Shape } from './table.ts'

const ENV = {
  PATH: process.env.PATH ?? '',
  HOME: '/nonexistent',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  ...{ GIT_AUTHOR_NAME: 'you', GIT_AUTHOR_EMAIL: 'you@localhost' },
  ...{ GIT_COMMITTER_NAME: 'you', GIT_COMMITTER_EMAIL: 'you@localhost' },
}

/** Everything of a work tree but its `.git`: kind, mode, name and target, and the bytes of each file. */
const LOOK = `{ git rev-parse 'HEAD^{tree}'; git status --porcelain --ignored; find . -name .git -prune -o ! -type d -printf '%y %m %p %l\\0' | LC_ALL=C sort -z
find . -name .git -prune -o -type f -print0 | LC_ALL=C sort -z | xargs -0 git hash-object --no-filters --; } | base64 -w 0`

/** Work of every kind, some of it committed. */
const CHANGE = `echo more >> a; git commit -qam part; rm gone; echo new > 'new file'; mkdir -p ./-d; printf '#!/bin/sh\\n' > ./-d/run; chmod +x ./-d/run
ln -s /nowhere there; printf 'a\\r\\nb\\n' > mixed.txt; printf x > "$(printf 'b\\377yte')"`

const sh = (script: string, cwd: string, env: Record<string, string> = {}) =>
  execFileSync('sh', ['-ec', `umask 022; ${script}`], {
    cwd,
    env: { ...ENV, ...env },
    encoding: 'latin1',
    stdio: 'pipe',
  })

interface Made {
  dir: string
  folder: string
  fill(text: string): string
}

function make(shape: Shape): Made {
  const dir = mkdtempSync(path.join(tmpdir(), 'tdf-shape-'))
  afterFile(() => rmSync(dir, { recursive: true, force: true }))
  sh(`(${shape.make}\n)`, dir)
  const head = shape.name.includes('$') ? sh('git rev-parse HEAD', path.join(dir, 'r')).trim() : ''
  const fill = (text: string) =>
    text.replaceAll('$DIR', dir).replaceAll('$SHORT', head.slice(0, 9)).replaceAll('$LONG', head)
  return { dir, folder: path.join(dir, shape.folder ?? 'r'), fill }
}

function commitOf(shape: Shape, { dir, fill }: Made): string {
  const whole = path.join(dir, shape.whole ?? shape.folder ?? 'r')
  const named = sh('git rev-parse --verify "$REF"', whole, { REF: fill(shape.commit ?? 'HEAD') }).trim()
  return sh(`git rev-parse --verify ${named}^0`, whole).trim()
}

/** What git makes of it: the work tree of the commit, and the tree of the same work. */
function reference(shape: Shape, made: Made): { look: string; tree: string } {
  const { dir } = made
  const whole = path.join(dir, shape.whole ?? shape.folder ?? 'r')
  const commit = commitOf(shape, made)
  sh('git clone -q --no-local --no-checkout -- "$WHOLE" reference', dir, { WHOLE: whole })
  const clone = path.join(dir, 'reference')
  sh('git checkout -q "$COMMIT"', clone, { COMMIT: commit })
  sh(shape.complete ?? '', clone)
  const look = sh(LOOK, clone)
  sh(`${CHANGE}\n${shape.script ?? ''}\ngit add -A`, clone)
  return { look: decoded(look), tree: sh('git ls-tree -r -z "$(git write-tree)"', clone) }
}

const decoded = (text: string) => Buffer.from(text, 'base64').toString('latin1')

export interface Place {
  home: Home
  /** Where it is to run. */
  node: string
  /** Makes the address of a url of the repository; without it the folder itself is submitted. */
  serve?: (folder: string, beside: readonly string[]) => string
}

/** Submits it, compares what the node has, takes the result home and compares that; or has it refused as the shape says. */
export async function runShape(
  shape: Shape,
  { home, node, serve }: Place,
): Promise<'refused' | 'planned' | 'the same'> {
  const made = make(shape)
  const { dir, folder, fill } = made
  const env = Object.fromEntries(Object.entries(shape.env ?? {}).map(([key, value]) => [key, fill(value)]))
  const repo = serve ? serve(folder, shape.served ?? []) : folder
  const options = (shape.options ?? []).map(fill)
  const isPlanned = shape.onlyPlanned === true && !serve
  const how = isPlanned ? '--dry-run' : '--wait'
  const script = `${LOOK}\n${CHANGE}\n${shape.script ?? ''}`
  const words = ['submit', '--repo', repo, '--node', node, ...options, '--json', how, '--', 'sh', '-c', script]
  const { out, err } = await cliWith(home, { env }, ...words)
  // Also by what git does with an index.
  expect(existsSync(path.join(dir, 'ran'))).toBe(false)
  if (shape.refused && !serve) {
    const { error } = JSON.parse(err.trim().split('\n').at(-1) ?? '')
    expect(error.message).toContain(fill(shape.refused.why))
    expect(error.hint).toContain(fill(shape.refused.hint))
    return 'refused'
  }
  const task: TaskJson | null = out === '' ? null : JSON.parse(out)
  if (shape.refusedByUrl && serve) {
    expect(task?.error?.message ?? err).toContain(shape.refusedByUrl)
    return 'refused'
  }
  if (task === null) throw new Error(err)
  if (shape.says) expect(err + out).toContain(fill(shape.says))
  if (shape.branch) expect(task.outputBranch).toBe(shape.branch)
  if (!serve) expect(task.repo).toMatchObject(expectedOf(shape, made))
  if (isPlanned) return 'planned'
  expect(task).toMatchObject({ status: 'completed', verdict: 'unverified', error: null })
  const { look, tree } = reference(shape, made)
  expect(decoded((await cliWith(home, {}, 'logs', task.id)).out)).toBe(look)
  // Not from the server, which runs in this process and would wait for the clone to end.
  if (serve) sh('git clone -q --no-local -- "$FOLDER" clone', dir, { FOLDER: folder })
  const cwd = serve ? path.join(dir, 'clone') : folder
  expect(await cliWith(home, { cwd }, 'pull', task.id)).toMatchObject({ code: 0 })
  const commit = { COMMIT: task.result?.commit ?? '' }
  expect(sh('git ls-tree -r -z --full-tree "$COMMIT"', cwd, commit)).toBe(tree)
  // Every object is there.
  sh('git rev-list --objects --quiet "$COMMIT"', cwd, commit)
  return 'the same'
}

function expectedOf(shape: Shape, made: Made): Partial<TaskJson['repo']> {
  const ref = shape.onlyPlanned ? { given: made.fill(shape.ref ?? '') } : { ref: made.fill(shape.ref ?? '') }
  return { ...(shape.ref === undefined ? {} : ref), baseCommit: commitOf(shape, made) }
}
