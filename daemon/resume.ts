/** What a task goes on from: the tree that was saved last, and the conversation that made it. */
import { TdfError } from '../src/errors.ts'
import { type AgentType, type ResumeFacts, resultRefOf, type Task } from '../src/task.ts'

/** For the next attempt. Throws NO_RESULT when nothing of this one was saved. */
export function resumeOf(task: Task): ResumeFacts {
  const { salvage, usages, resume } = task.facts
  if (!salvage || !task.result) {
    const why = 'nothing of its last attempt was saved, so there is nothing to go on from'
    throw new TdfError('NO_RESULT', `task ${task.id} cannot be resumed: ${why}`, { hint: `tdf retry ${task.id}` })
  }
  return { ...resumeFrom(task, salvage), usages: { ...resume?.usages, ...usages } }
}

/** Of whose conversations we know where they lie, so that they come along (src/agent/conversations/places.ts). */
const CARRIED: readonly AgentType[] = ['claude', 'codex']

/** For the same attempt on another machine. */
export function resumeFrom(task: Task, salvage: NonNullable<Task['facts']['salvage']>): ResumeFacts {
  const { commit, baseCommit, salvaged } = salvage
  const { resume, session } = task.facts
  return {
    ref: resultRefOf(task.id, task.attempt),
    ...{ commit, baseCommit, salvaged },
    resumeRef: CARRIED.includes(task.spec.agent.type) ? (session?.resumeRef ?? resume?.resumeRef ?? null) : null,
    ...(resume?.usages ? { usages: resume.usages } : {}),
  }
}
