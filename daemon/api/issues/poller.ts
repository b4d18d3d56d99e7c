/**
 * Looks at the trackers of `[[sources]]` for issues that carry the label. A look may be cut off anywhere and made again: what is known
 * of an issue is a row, a task is made in the write that changes it, and what was read is kept once all of it was acted on.
 */

import type { SourceConfig } from '../../../src/config/schema/config.ts'
import { backoffMs } from '../../../src/core/backoff.ts'
import { TdfError } from '../../../src/core/errors.ts'
import {
  forgetIssues,
  readIssues,
  type SourceState,
  writeIssue,
  writeSource,
} from '../../../src/store/intake/issues.ts'
import type { RunningEngine } from '../../build.ts'
import { createTries } from '../../results/push/tries.ts'
import { type Allowance, callForge } from '../../results/push/watch/gh.ts'
import type { Sweep } from '../../sweeps/run.ts'
import { isChanged, rowOfGone, rowOfListed } from './rules.ts'
import { identityOf, rowsOf, type Scene, stateOf, taskOf } from './scene.ts'
import type { Asking, ListedIssue, Tracker } from './trackers/tracker.ts'
import { tokenOf, trackerOf } from './trackers/trackers.ts'
import { takeTurns } from './turns.ts'
import { writeBack } from './write-back.ts'

const AT_ONCE_MAX = 4
const BACKOFF_MS_MAX = 15 * 60_000
/** So many issues are asked about in one look; the next one follows at once. */
const ASKED_MAX = 50
const AT_ONCE_AGAIN_MS = 1_000
const KEPT_MS = 180 * 86_400_000

export interface Poller {
  sweep: Sweep
  /** Looks at a source now, to the end; also at one that is paused. Throws what the look has failed with. */
  run(source: SourceConfig): Promise<void>
  /** What its tracker is asked with. */
  tracker(source: SourceConfig, signal: AbortSignal): Tracker
  /** The folder of templates. */
  templates(): string
  stop(): Promise<void>
}

interface Due {
  source: SourceConfig
  state: SourceState
}

export interface PollerParts {
  /** What others ask the same forges for counts too. */
  allowance: Allowance
  /** The folder of templates. */
  templates(): string
  /** How GitHub is asked; left out: by gh. */
  call?: typeof callForge
}

export function createPoller(engine: RunningEngine, { allowance, templates, call = callForge }: PollerParts): Poller {
  const { store, world } = engine
  const now = () => world.clock.now()
  const tracker: Poller['tracker'] = (source, signal) => {
    const asking: Asking = { source, token: tokenOf(engine, source), allowance, signal, now, fetch: world.fetch, call }
    return trackerOf(asking)
  }
  const dueOf = (source: SourceConfig): Due => ({ source, state: stateOf(engine, source) })
  const tries = createTries<Due>(engine, {
    name: 'issues',
    atOnceMax: AT_ONCE_MAX,
    keyOf: ({ source }) => source.name,
    due: (at, limit) =>
      engine.config.sources
        .map(dueOf)
        .filter(({ state }) => !state.paused && state.dueAt <= at)
        .slice(0, limit),
    attempt: ({ source, state }, signal) =>
      look(
        {
          engine,
          source,
          identity: identityOf(source),
          tracker: tracker(source, signal),
          templates: templates(),
          signal,
        },
        state,
      ),
    failed: ({ source }, error) => later(engine, source, error),
  })
  return {
    sweep: tries.sweep,
    tracker,
    templates,
    async run(source) {
      await store.commit(() => {
        for (const row of readIssues(store.sql, source.name, identityOf(source))) {
          // Who may write by now is asked again.
          if (row.state === 'ignored') writeIssue(store.sql, { ...row, stamp: null })
        }
      })
      await tries.now(source.name, () => dueOf(source))
      const { error } = stateOf(engine, source)
      if (error !== null) {
        throw new TdfError('FORGE_UNAVAILABLE', error, { hint: `tdf source check ${source.name}` })
      }
    },
    stop: tries.stop,
  }
}

async function look(scene: Scene, state: SourceState): Promise<void> {
  const { engine, source, tracker, signal } = scene
  const { store, world } = engine
  const { issues, cache } = await tracker.list(state.cache ?? {})
  signal.throwIfAborted()
  const listed = new Map(issues.map(issue => [issue.id, issue]))
  const isWhole = (await seeListed(scene, listed)) && (await seeGone(scene, listed))
  await takeTurns(scene, listed)
  await writeBack(scene, rowsOf(scene.engine, scene.source))
  await store.commit(() => {
    const now = world.clock.now()
    const seen = stateOf(engine, source)
    const dueAt = now + (isWhole ? source.poll : Math.min(AT_ONCE_AGAIN_MS, source.poll))
    writeSource(store.sql, { ...seen, cache, dueAt, tries: 0, error: null, lookedAt: now, updatedAt: now })
    forgetIssues(store.sql, source.name, now - KEPT_MS)
  })
}

/** False when there are more issues to ask about. */
async function seeListed(scene: Scene, listed: ReadonlyMap<string, ListedIssue>): Promise<boolean> {
  const { engine, source, identity, tracker, signal } = scene
  const rows = new Map(rowsOf(scene.engine, scene.source).map(row => [row.issue, row]))
  const changed = [...listed.values()].filter(issue => isChanged(rows.get(issue.id), issue))
  for (const issue of changed.slice(0, ASKED_MAX)) {
    const labelling = await tracker.labelling(issue)
    signal.throwIfAborted()
    const row = rows.get(issue.id)
    const task = row && taskOf(scene.engine, row)
    const now = engine.world.clock.now()
    const next = rowOfListed({ ...source, identity }, { row, issue, labelling, task, now })
    await engine.store.commit(() => writeIssue(engine.store.sql, next))
  }
  return changed.length <= ASKED_MAX
}

/** False when there are more issues to ask about. */
async function seeGone(scene: Scene, listed: ReadonlyMap<string, ListedIssue>): Promise<boolean> {
  const { engine, source, tracker, signal } = scene
  const missing = rowsOf(scene.engine, scene.source).filter(
    ({ state, issue }) => state !== 'gone' && !listed.has(issue),
  )
  for (const row of missing.slice(0, ASKED_MAX)) {
    if (await tracker.stands(row.issue)) continue
    signal.throwIfAborted()
    const now = engine.world.clock.now()
    const gone = rowOfGone(source, { row, task: taskOf(scene.engine, row), now })
    if (gone.cancel && row.task !== null) await engine.signal({ kind: 'cancel', taskId: row.task })
    const about = { source: row.source, issue: row.issue, url: row.url, state: 'gone', why: gone.row.reason }
    await engine.store.commit(() => {
      writeIssue(engine.store.sql, gone.row)
      if (row.task === null) return
      engine.store.append({ type: 'task.issue', taskId: row.task, data: about }, now)
    })
  }
  return missing.length <= ASKED_MAX
}

/** What a tracker cannot be asked now is asked later and later; nothing of what is known is lost. */
function later({ store, world, log }: RunningEngine, source: SourceConfig, error: TdfError): Promise<void> {
  const at = world.clock.now()
  return store.commit(() => {
    const seen = stateOf({ store }, source)
    const tries = seen.tries + 1
    const backoff = backoffMs(tries, { baseMs: source.poll, maxMs: Math.max(BACKOFF_MS_MAX, source.poll) })
    const dueAt = at + Math.max(backoff, error.retryAfterMs ?? 0)
    log.warn({ source: source.name, tries, err: error.message }, 'a tracker cannot be looked at')
    writeSource(store.sql, { ...seen, tries, dueAt, error: error.message, updatedAt: at })
  })
}
