/** A workspace as its build leaves it, and salvages of it in the process of the test. The script of an agent runs in its work tree. */
import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Agent, limitsFrom } from '../../../../../src/agent/agent.ts'
import { checkpoint, salvage } from '../../../../../src/agent/salvage/salvage.ts'
import { makeWorkspace, type Workspace, workspaceRecord } from '../../../../../src/agent/workspaces/workspace.ts'
import { realWorld } from '../../../../../src/platform/world.ts'
import { tempFolder } from '../support/temp.ts'
import { GIT_ENV, git, writeFiles } from '../support/work.ts'

export const REF = 'refs/tdf/task-1/1'
const FILES = { '.gitignore': '*.log\n/.claude/\n', 'a.txt': 'a\n', 'd/b.txt': 'b\n' }

/** How a session ended. */
export const ENDED = {
  ...{ exitCode: 0, signal: null, errorMessage: null, startedAt: null, cannotStart: null },
  endedAt: '2026-01-02T03:05:00.000Z',
}

export interface Template {
  folder: string
  base: string
}

/** Two commits on `main`; the base is the second. */
export function template(files: Record<string, string> = FILES, format = 'sha1'): Template {
  const folder = join(tempFolder(), 'template')
  const work = join(folder, 'work')
  mkdirSync(work, { recursive: true })
  git(work, 'init', '-q', '-b', 'main', `--object-format=${format}`)
  writeFiles(work, files)
  git(work, 'add', '-A')
  git(work, 'commit', '-q', '-m', 'first')
  writeFiles(work, { 'a.txt': 'second\n' })
  git(work, 'commit', '-q', '-am', 'second')
  git(folder, 'clone', '-q', '--bare', work, 'salvage.git')
  const base = git(work, 'rev-parse', 'HEAD').trim()
  git(join(folder, 'salvage.git'), 'update-ref', 'refs/keep/base', base)
  git(work, 'checkout', '-q', '-b', 'tdf/task-1')
  writeFileSync(
    join(folder, 'built-refs.json'),
    JSON.stringify({ 'refs/heads/main': base, 'refs/heads/tdf/task-1': base }),
  )
  return { folder, base }
}

export function scene({ folder: from, base }: Template, request: Record<string, unknown> = {}) {
  const folder = join(tempFolder(), 'ws-1')
  cpSync(from, folder, { recursive: true })
  const work = join(folder, 'work')
  const author = { name: 'Ann Author', email: 'ann@example.com' }
  const record = workspaceRecord.parse({
    ...{ format: 1, contentHash: '', createdAt: '2026-01-02T03:04:05.000Z', status: 'ready', built: 'ready' },
    ...{ errorMessage: null, baseCommit: base, bundleReceived: true, slot: null },
    request: {
      ...{ workspaceId: 'ws-1', taskId: 'task-1', attempt: 1, source: { kind: 'git', url: 'file:///r', ref: null } },
      ...{ outputBranch: 'tdf/task-1', author, setup: null, callback: { token: 't' }, ...request },
    },
  })
  const workspace: Workspace = makeWorkspace('ws-1', folder, record)
  const logged: string[] = []
  const facts: unknown[] = []
  // The parts of an agent that salvage uses.
  const agent = {
    ...{ world: realWorld(), limits: limitsFrom({}), slots: [], state: folder },
    log(_level: string, message: string, about: unknown) {
      logged.push(message)
      facts.push(about)
    },
  } as unknown as Agent
  const sh = (script: string) =>
    execFileSync('sh', ['-ec', script], { cwd: work, env: GIT_ENV, stdio: 'pipe' }).toString()
  const kept = (...args: string[]) => git(join(folder, 'salvage.git'), ...args).trim()
  return {
    ...{ agent, workspace, folder, work, base, logged, facts, sh, kept },
    salvage: (bytesMax = 100_000) => salvage(agent, workspace, REF, bytesMax),
    checkpoint: (bytesMax = 100_000) => checkpoint(agent, workspace, REF, bytesMax),
    files: (ref = REF) => kept('ls-tree', '-r', '--name-only', ref).split('\n'),
    /** One that began and, unless `exit` is null, ended. */
    session(sessionId: string, number: number, files: Record<string, unknown> = {}) {
      const at = join(folder, 'sessions', sessionId)
      const facts = {
        'request.json': {
          ...{ sessionId, workspaceId: 'ws-1', taskId: 'task-1', attempt: 1, number, contentHash: '', type: 'command' },
          ...{ command: ['true'], stdin: 'nothing', timeoutMs: null, workTree: work, createdAt: '' },
        },
        'claim.json': { kind: 'runner', runner: { pid: 1, bootId: '', startTicks: '' } },
        'exit.json': ENDED,
        ...files,
      }
      const texts = Object.entries(facts).map(([name, value]) => [
        name,
        typeof value === 'string' ? value : JSON.stringify(value),
      ])
      writeFiles(at, Object.fromEntries(texts))
      return at
    },
  }
}

export type Scene = ReturnType<typeof scene>

export const COMMIT = (name: string) => `echo ${name} > ${name}; git add -A; git commit -qm ${name}`
