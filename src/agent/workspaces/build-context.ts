/** What the steps of a build share. */
import type { Agent } from '../agent.ts'
import type { Workspace } from './workspace.ts'

export interface BuildContext {
  agent: Agent
  workspace: Workspace
  signal: AbortSignal
  /** Where the work tree is made; it moves to its place when it is whole. */
  tree: string
}

/** The workspace cannot be built and the message says why, fit for the person who asked for it. */
export class BuildFailure extends Error {}
