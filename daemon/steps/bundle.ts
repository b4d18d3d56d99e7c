/**
 * The bundle from which a node makes a workspace. A node keeps the objects of sources that tasks began from, says which
 * commits it has, and gets what is new on top of them; the whole where it has none, or lost what it said it has.
 */
import { createHash } from 'node:crypto'
import type { AgentClient } from '../../src/clients/agent.ts'
import type { Task } from '../../src/core/task.ts'
import type { CreateWorkspace } from '../../src/protocol/agent-api.ts'
import type { ThinBundle } from '../results/results.ts'
import type { StepContext } from './step.ts'

type Places = Pick<StepContext, 'bundleFile' | 'results' | 'installId'>

/** A small one is sent whole: to ask and to pack would take longer. */
const THIN_BYTES_MIN = 256 * 1024

/** What was asked for, or the saved work from which the task goes on. */
export function sourceOf(
  { installId, config }: Pick<StepContext, 'installId' | 'config'>,
  task: Task,
): CreateWorkspace['source'] {
  const { repo } = task.spec
  const { resume, source } = task.facts
  const whole = (ref: string | null, { sha256, bytes }: { sha256: string; bytes: number }) => {
    const cache = cacheOf(installId, task, bytes)
    return { kind: 'bundle' as const, ref, sha256, bytes, ...(cache === null ? {} : { cache }) }
  }
  if (resume?.source) return whole(resume.ref, resume.source)
  if (source) return { ...whole(source.ref, source), ...(repo.kind === 'git' ? { origin: repo.url } : {}) }
  if (repo.kind === 'git') {
    const submodules = config.repositories.submodules === 'checkout'
    return { kind: 'git', url: repo.url, ref: repo.ref, ...(submodules ? { submodules } : {}) }
  }
  return whole(repo.ref, repo)
}

/** What an agent saved is never kept for other tasks. Nodes may serve several of us: none has what another brought. */
function cacheOf(installId: string, { spec: { repo }, facts }: Task, bytes: number) {
  if (bytes < THIN_BYTES_MIN) return null
  const idLength = (repo.baseCommit ?? facts.source?.commit ?? facts.resume?.baseCommit)?.length
  const key = createHash('sha256')
    .update(JSON.stringify([installId, repo.url, idLength]))
    .digest('hex')
  return { key, adds: !facts.resume }
}

/** The bundle to upload; null when the node fetches by itself. */
export function bundleOf(ctx: Pick<Places, 'bundleFile' | 'results'>, task: Task): string | null {
  const { repo } = task.spec
  const { resume, source } = task.facts
  if (resume) return ctx.results.packFile(task)
  if (source) return ctx.bundleFile(source.sha256)
  return repo.kind === 'bundle' ? ctx.bundleFile(repo.sha256) : null
}

/** To the workspace of a task, which was made just now. */
export async function sendBundle(
  ctx: Pick<StepContext, 'results' | 'installId' | 'config' | 'signal'>,
  task: Task,
  agent: AgentClient,
  workspaceId: string,
  whole: string,
): Promise<void> {
  const { results, signal } = ctx
  const source = sourceOf(ctx, task)
  const key = source.kind === 'bundle' ? source.cache?.key : undefined
  const have = key === undefined ? [] : await agent.commitsKept(key)
  const thin = have.length === 0 ? null : await results.thin(task, whole, have, signal)
  const isThere = thin !== null && (await sendThin(results, agent, workspaceId, thin))
  return isThere ? undefined : agent.uploadBundle(workspaceId, whole)
}

async function sendThin(
  results: Pick<Places['results'], 'discard'>,
  agent: AgentClient,
  workspaceId: string,
  thin: ThinBundle,
): Promise<boolean> {
  try {
    return await agent.uploadThin(workspaceId, thin)
  } finally {
    await results.discard(thin.file)
  }
}
