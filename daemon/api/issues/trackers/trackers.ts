/** The trackers by their kind, and what is settled for all of them: which one it is, and with what it is asked. */
import type { SourceConfig } from '../../../../src/config/schema/config.ts'
import { forgeToken } from '../../../results/push/watch/adopt.ts'
import type { Engine } from '../../../services.ts'
import { commandTracker } from './command.ts'
import { forgejoTracker } from './forgejo.ts'
import { githubTracker } from './github.ts'
import { gitlabTracker } from './gitlab.ts'
import { linearTracker } from './linear.ts'
import type { Asking, Tracker } from './tracker.ts'

const TRACKERS = {
  github: githubTracker,
  gitlab: gitlabTracker,
  forgejo: forgejoTracker,
  linear: linearTracker,
  command: commandTracker,
} satisfies Record<SourceConfig['kind'], (asking: Asking) => Tracker>

export const trackerOf = (asking: Asking): Tracker => TRACKERS[asking.source.kind](asking)

/** Where people look at the tracker, for the tokens of hosts. */
export function originOf({ kind, endpoint }: Pick<SourceConfig, 'kind' | 'endpoint'>): string {
  if (endpoint !== '') return new URL(endpoint).origin
  return (
    { github: 'https://github.com', gitlab: 'https://gitlab.com', linear: 'https://api.linear.app' }[String(kind)] ?? ''
  )
}

/** Null: without one; of GitHub, by the login of gh. */
export function tokenOf(engine: Engine, source: SourceConfig): string | null {
  if (source.token !== '') return engine.secrets([source.token])[source.token] ?? null
  return forgeToken(engine, originOf(source), '')
}
