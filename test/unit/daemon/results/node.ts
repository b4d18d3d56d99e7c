/** A node as the results see it: a repository with work in it, what it says of that, and the bundles that it gives. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type GitResults, gitResults } from '../../../../daemon/results/git-results.ts'
import type { AgentClient } from '../../../../src/clients/agent.ts'
import type { Config } from '../../../../src/config/schema/config.ts'
import type { SavedRef } from '../../../../src/core/saved.ts'
import { resultRefOf, type Task } from '../../../../src/core/task.ts'
import type { Salvaged, SalvageHow } from '../../../../src/protocol/salvage.ts'
import type { BlobStore } from '../../../../src/store/ledger/ledger.ts'
import { afterFile } from '../../../support/after-file.ts'
import { aConfig, aPlacedTask } from '../../../support/builders.ts'

const AUTHOR = { GIT_AUTHOR_NAME: 'A', GIT_AUTHOR_EMAIL: 'a@x', GIT_COMMITTER_NAME: 'A', GIT_COMMITTER_EMAIL: 'a@x' }
const ENV = { PATH: process.env.PATH ?? '', HOME: '/nonexistent', GIT_CONFIG_NOSYSTEM: '1', ...AUTHOR }

export const gitIn = (folder: string, ...args: string[]): string =>
  execFileSync('git', args, { cwd: folder, env: ENV, stdio: ['ignore', 'pipe', 'pipe'] })
    .toString()
    .trim()

export interface ResultsScene {
  root: string
  results: GitResults
  config: Config
  /** Where the work is; `main` has one commit. */
  node: string
  base: string
  task: Task
  ref: string
  /** What the agent was asked: `salvage REF [live]`, `bundle REF`. */
  asked: string[]
  /** What the last bundle could leave out. */
  had: readonly string[]
  /** The refs that the next bundle names, with their commits; none: there is nothing new. */
  gives: Map<string, string>
  /** What the agent says was saved. */
  says: Salvaged
  agent: AgentClient
  /** A commit on top of another, or of the base. */
  commit(files: Record<string, string | null>, on?: string): string
  /** In the repository of results. */
  home(...args: string[]): Promise<string>
  refs(): Promise<Record<string, string>>
}

export function resultsScene(
  room: { assertRoom(): void } = { assertRoom() {} },
  blobs: BlobStore | null = null,
): ResultsScene {
  const root = mkdtempSync(path.join(tmpdir(), 'tdf-results-'))
  afterFile(() => rm(root, { recursive: true, force: true }))
  const node = path.join(root, 'node')
  mkdirSync(node)
  gitIn(node, 'init', '-q', '-b', 'main')
  writeFileSync(path.join(node, 'a.txt'), 'one\n')
  gitIn(node, 'add', '-A')
  gitIn(node, 'commit', '-q', '-m', 'first')
  const base = gitIn(node, 'rev-parse', 'HEAD')
  const task = aPlacedTask()
  const ref = resultRefOf(task.id, task.attempt)
  const bundleFile = (sha256: string) => path.join(root, `${sha256}.bundle`)
  const assertRoom = () => room.assertRoom()
  const results = gitResults({ stateDir: root, bundleFile, logBytesMax: 1_000, assertRoom, blobs })

  const agent = {
    async salvage(_workspace: string, name: string, { live, after }: SalvageHow = {}) {
      scene.asked.push(`salvage ${name}${live ? ' live' : ''}${after ? ` after ${after}` : ''}`)
      return scene.says
    },
    async bundle(_workspace: string, name: string, have: readonly string[], file: string) {
      scene.asked.push(`bundle ${name}`)
      scene.had = have
      if (scene.gives.size === 0) return false
      for (const [given, oid] of scene.gives) gitIn(node, 'update-ref', given, oid)
      const known = have.filter(oid => gitIn(node, 'cat-file', '--batch-check', '--batch-all-objects').includes(oid))
      gitIn(node, 'bundle', 'create', '-q', file, ...scene.gives.keys(), ...known.map(oid => `^${oid}`))
      for (const given of scene.gives.keys()) gitIn(node, 'update-ref', '-d', given)
      return true
    },
  }

  const scene: ResultsScene = {
    ...{ root, results, config: aConfig(), node, base, task, ref, asked: [], had: [], gives: new Map() },
    says: { commit: base, baseCommit: base, ahead: 0, salvaged: false, saved: [], leftOut: [] },
    // The parts of the client that results use.
    agent: agent as unknown as AgentClient,
    commit(files, on = base) {
      gitIn(node, 'checkout', '-q', '--detach', on)
      for (const [name, text] of Object.entries(files)) {
        if (text === null) gitIn(node, 'rm', '-q', name)
        else writeFileSync(path.join(node, name), text)
      }
      gitIn(node, 'add', '-A')
      gitIn(node, 'commit', '-q', '-m', `change ${Object.keys(files)}`)
      return gitIn(node, 'rev-parse', 'HEAD')
    },
    home: async (...args) => gitIn((await results.of(scene.task)).dir, ...args),
    async refs() {
      const listed = await scene.home(
        'for-each-ref',
        '--format=%(refname) %(objectname)',
        'refs/tdf',
        'refs/tdf-checkpoint',
      )
      return Object.fromEntries(listed.split('\n').flatMap(line => (line === '' ? [] : [line.split(' ')])))
    },
  }
  return scene
}

export const besideRef = (ref: string, kind: SavedRef['kind'], name: string, commit: string): SavedRef => ({
  ...{ ref, name, kind, commit, ahead: 1 },
})
