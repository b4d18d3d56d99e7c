/** Whose file may say what runs before an agent, by where it came from and where it would run. */
import { expect, it } from 'vitest'
import { repositorySetup } from '../../../../daemon/steps/workspace.ts'
import type { TaskSpec } from '../../../../src/core/task.ts'
import { aConfig, aSpec } from '../../../support/builders.ts'

const url: TaskSpec['repo'] = { kind: 'git', url: 'https://example.org/x.git', ref: null, baseCommit: null }
const about = { ref: 'refs/heads/main', baseCommit: 'a'.repeat(40), sha256: 'b'.repeat(64), bytes: 1 }
const folder: TaskSpec['repo'] = { kind: 'bundle', url: '/home/you/x', ...about }
const asked = { setup: { command: 'make', timeoutMs: 1_000 } }

it.each([
  ['own', 'a folder of yours on a machine of yours', { repo: folder }, false, 'run'],
  ['own', 'a clone on a machine that was ordered', { repo: url }, true, 'run'],
  ['own', 'a clone on a machine of yours', { repo: url }, false, 'refuse'],
  ['always', 'a clone on a machine of yours', { repo: url }, false, 'run'],
  ['never', 'a folder of yours', { repo: folder }, false, undefined],
  ['own', 'a task that wants none', { repo: folder, repositorySetup: false }, false, undefined],
  ['own', 'a task with a command of its own', { repo: folder, ...asked }, false, undefined],
] as const)('[runner] repository_setup = "%s": %s', (whose, _, spec, autoProvisioned, policy) => {
  const { runner } = aConfig({ runner: { repositorySetup: whose } })
  expect(repositorySetup(runner, aSpec(spec), { autoProvisioned }).repositorySetup?.policy).toBe(policy)
})
