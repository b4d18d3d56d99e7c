/** From the node to our disk: the agent saves the work, we fetch it, check it and say so. Used by the step and the sweep. */
import type { AgentClient } from '../../src/clients/agent.ts'
import type { Config } from '../../src/config/schema/config.ts'
import { TdfError } from '../../src/core/errors.ts'
import type { SalvageFacts, SavedRef } from '../../src/core/saved.ts'
import { resultRefOf, type Task, type TaskResult } from '../../src/core/task.ts'
import type { ArtifactWish, Salvaged } from '../../src/protocol/salvage.ts'
import { checkpointRefOf } from './receive/checkpoints.ts'
import type { Results } from './results.ts'

interface Surroundings {
  results: Results
  config: Config
}

/** Everything in it may be done again. Throws while the work is not safe on our disk. `missing` names what the node could not give. */
export async function bringHome(
  { results, config }: Surroundings,
  task: Task,
  agent: AgentClient,
): Promise<BroughtHome> {
  if (task.workspaceId === null) throw new TdfError('BUG', `task ${task.id} has no workspace to save`)
  const ref = resultRefOf(task.id, task.attempt)
  const answer = wholeOf(task, await agent.salvage(task.workspaceId, ref, { artifacts: wishOf(config, task) }))
  const file = results.downloadFile(task)
  try {
    const came = await agent.bundle(task.workspaceId, ref, await results.have(task, answer), file)
    const salvage = await results.receive(task, answer, came ? file : null)
    const [missing, result] = await Promise.all([
      results.missing(task, { ...salvage, saved: [...salvage.saved, ...notTaken(answer, salvage)] }),
      results.describe(task, salvage),
    ])
    return { salvage, result, missing }
  } finally {
    await results.discard(file)
  }
}

/**
 * What the check left where artifacts are looked for, beside what was saved before it; null from a node's agent that knows no
 * artifacts. May be done again. Throws while it is not home.
 */
export async function bringArtifacts(
  { results, config }: Surroundings,
  task: Task,
  agent: AgentClient,
): Promise<SalvageFacts | null> {
  const { workspaceId } = task
  const before = task.facts.salvage
  if (workspaceId === null || before?.files === undefined) return null
  const ref = resultRefOf(task.id, task.attempt)
  const { files, leftOut } = await agent.salvage(workspaceId, ref, { artifacts: wishOf(config, task), after: 'check' })
  if (!files || files.commit === before.files?.commit) return { ...before, leftOut }
  const fetch = (have: string[], file: string) => agent.bundle(workspaceId, ref, have, file)
  return { ...before, files: await results.keepArtifacts(task, files, fetch), leftOut }
}

const wishOf = ({ results }: Config, { spec }: Task): ArtifactWish => ({
  globs: spec.artifacts ?? [],
  maxBytes: results.artifactMaxBytes,
})

/** What the node named and we gave no name, as it is no name of this result. */
function notTaken(answer: Salvaged, salvage: Salvaged): SavedRef[] {
  const taken = new Set(salvage.saved.map(({ ref }) => ref))
  return answer.saved.filter(({ ref }) => !taken.has(ref))
}

export interface BroughtHome {
  salvage: Salvaged
  result: TaskResult
  /** What is still only in the workspace, by name: it may not go before. */
  missing: string[]
}

/** The same while the run goes on or rests; what comes home then is no result yet. */
export async function saveCheckpoint({ results }: { results: Results }, task: Task, agent: AgentClient): Promise<void> {
  const { workspaceId } = task
  if (workspaceId === null) return
  const ref = checkpointRefOf(task)
  const saved = wholeOf(task, await agent.salvage(workspaceId, ref, { live: true }))
  await results.keepCheckpoint(task, saved, (have, file) => agent.bundle(workspaceId, ref, have, file))
}

/** The node counts from where its workspace began; the result of a resumed task begins where the task did. */
function wholeOf({ facts: { resume } }: Task, salvage: Salvaged): Salvaged {
  if (!resume) return salvage
  return { ...salvage, baseCommit: resume.baseCommit, salvaged: salvage.salvaged || resume.salvaged }
}
