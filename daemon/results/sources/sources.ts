/**
 * Fetches of repositories by url: one at a time for each source. Tasks that ask for the same before it begins share it; those
 * that come later share the next, which sees what was pushed meanwhile and brings only that. Nothing of it is on record: after a
 * restart the tasks that still wait ask again.
 */
import { asTdfError, TdfError } from '../../../src/core/errors.ts'
import type { AttemptKey, SourceFacts, Task } from '../../../src/core/task.ts'
import { withoutPasswords } from '../../../src/platform/git.ts'
import { type Lines, makeLines } from '../../../src/platform/world.ts'
import { wakeAttempt } from '../../../src/store/tables/attempts.ts'
import { taskSubject } from '../../engine/loop.ts'
import type { Engine } from '../../services.ts'
import type { GitResults } from '../git-results.ts'
import type { Sources } from '../results.ts'
import { accessTo } from './access.ts'
import { fetchCommit } from './fetch.ts'
import { largeFor } from './large.ts'
import { packCommit } from './pack.ts'
import { fetchSubmodules, NOTHING } from './submodules.ts'

export interface RunningSources extends Omit<Sources, 'whole' | 'keep'> {
  /** Ends every fetch with all that it started. */
  stop(): Promise<void>
}

export interface SourcesParts {
  results: Pick<GitResults, 'open' | 'files'>
  /** For what is being packed. */
  folder: string
  /** Throws DISK_LOW while there is no room. */
  assertRoom(): void
}

interface Fetch {
  /** What is asked for: tasks with the same one share it. */
  key: string
  task: Task
  /** By subject. */
  waiting: Map<string, AttemptKey>
  abort: AbortController
  /** What is being done, for people. */
  progress: string | null
  /** Undefined until it has ended. */
  result?: SourceFacts | TdfError
}

const AT_ONCE_MAX = 8

export function createSources(engine: () => Engine, given: SourcesParts): RunningSources {
  const parts = { ...given, line: makeLines() }
  /** By subject, until the task has its result or leaves. */
  const fetches = new Map<string, Fetch>()
  const queue: Fetch[] = []
  /** By url. */
  const running = new Map<string, { fetch: Fetch; done: Promise<void> }>()

  function fetched(task: Task): SourceFacts | null {
    const subject = taskSubject(task)
    const known = fetches.get(subject)
    if (known?.result) {
      fetches.delete(subject)
      if (known.result instanceof TdfError) throw known.result
      return known.result
    }
    if (!known) join(subject, task)
    return null
  }

  function join(subject: string, task: Task): void {
    const { url, ref } = task.spec.repo
    const key = JSON.stringify([url, ref])
    const asked = queue.find(fetch => fetch.key === key)
    if (!asked) parts.assertRoom()
    const open: Fetch = asked ?? { key, task, waiting: new Map(), abort: new AbortController(), progress: null }
    if (!asked) queue.push(open)
    open.waiting.set(subject, { id: task.id, attempt: task.attempt })
    fetches.set(subject, open)
    startNext()
  }

  function startNext(): void {
    while (running.size < AT_ONCE_MAX) {
      const at = queue.findIndex(({ task }) => !running.has(task.spec.repo.url))
      const [fetch] = at < 0 ? [] : queue.splice(at, 1)
      if (!fetch) return
      running.set(fetch.task.spec.repo.url, { fetch, done: run(fetch) })
    }
  }

  async function run(fetch: Fetch): Promise<void> {
    const result = await perform(engine(), parts, fetch)
    running.delete(fetch.task.spec.repo.url)
    if (!fetch.abort.signal.aborted) {
      fetch.result = result
      wake(engine(), [...fetch.waiting.values()])
    }
    startNext()
  }

  return {
    fetched,
    progress: task => fetches.get(taskSubject(task))?.progress ?? null,
    tip: (url, ref, signal) => tipOf(engine(), parts, { url, ref }, signal),
    leave(task) {
      const subject = taskSubject(task)
      const fetch = fetches.get(subject)
      fetches.delete(subject)
      if (!fetch?.waiting.delete(subject) || fetch.waiting.size > 0) return
      if (queue.includes(fetch)) queue.splice(queue.indexOf(fetch), 1)
      else fetch.abort.abort(new Error('no task waits for it'))
    },
    async stop() {
      queue.splice(0)
      for (const { fetch } of running.values()) fetch.abort.abort(new Error('the daemon stops'))
      await Promise.all([...running.values()].map(({ done }) => done))
    },
  }
}

const TIP_MS = 5 * 60_000

/** In the line of its url, as every fetch. */
async function tipOf(
  { world, config, secrets }: Engine,
  parts: SourcesParts & { line: Lines },
  wanted: { url: string; ref: string | null },
  signal: AbortSignal,
): Promise<{ commit: string; ref: string }> {
  const { url } = wanted
  const startedAt = world.clock.mono()
  const leftMs = () => startedAt + TIP_MS - world.clock.mono()
  const open = (idLength?: number) => parts.results.open(url, idLength)
  parts.assertRoom()
  const access = await accessTo(url, config, secrets, await open())
  const { commit, ref } = await parts.line(url, () => fetchCommit(open, wanted, { access, leftMs, signal }))
  return { commit, ref }
}

/** One fetch and its bundle, within the time that a workspace has to be built. Never throws. */
async function perform(
  engine: Engine,
  parts: SourcesParts & { line: Lines },
  fetch: Fetch,
): Promise<SourceFacts | TdfError> {
  const { task, abort } = fetch
  const { world, config, secrets, log } = engine
  const { url, ref } = task.spec.repo
  const about = { url: withoutPasswords(url), ref }
  const startedAt = world.clock.mono()
  const leftMs = () => startedAt + config.runner.workspaceReadyTimeout - world.clock.mono()
  const { signal } = abort
  const onProgress = (text: string) => {
    fetch.progress = text
  }
  try {
    const open = (idLength?: number) => parts.results.open(url, idLength)
    const access = await accessTo(url, config, secrets, await open())
    const { repository, isNew, ...fetched } = await parts.line(url, () =>
      fetchCommit(open, { url, ref }, { access, leftMs, signal, onProgress }),
    )
    const isLeft = config.repositories.submodules === 'leave'
    const top = { repository, url, commit: fetched.commit }
    const beside = isLeft ? NOTHING : await fetchSubmodules(engine, parts, top, { leftMs, signal, onProgress })
    const large = await parts.line(url, () =>
      largeFor(repository, fetched.commit, {
        ...{ url, folder: parts.folder, leftMs, signal, onProgress },
        accessTo: server => accessTo(server, config, secrets, repository),
      }),
    )
    const timeoutMs = Math.max(1, Math.ceil(leftMs()))
    onProgress('packing what a workspace needs')
    const packed = { ...fetched, source: url }
    const refs = new Map([...beside.refs, ...large.refs])
    const call = { folder: parts.folder, files: parts.results.files, timeoutMs, signal }
    const source = await packCommit(engine, repository, packed, { ...beside, refs }, call)
    const ms = Math.round(world.clock.mono() - startedAt)
    log.info({ ...about, commit: fetched.commit, isNew, bytes: source.bytes, ms }, 'repository fetched')
    return large.missing === null ? source : { ...source, pointers: large.missing }
  } catch (thrown) {
    const error = asTdfError(thrown)
    if (!signal.aborted) log.warn({ ...about, code: error.code, err: error.message }, 'repository not fetched')
    return error
  }
}

/** Who waits for it looks now; a wake that is lost costs the time until the next look. */
function wake({ store, world, loop, log }: Engine, keys: readonly AttemptKey[]): void {
  const now = world.clock.now()
  store
    .commit(() => {
      for (const key of keys) {
        if (wakeAttempt(store.sql, key, now)) store.afterCommit(() => loop.schedule(taskSubject(key), now))
      }
    })
    .catch(error => log.error({ err: String(error) }, 'the tasks of a fetch could not be woken'))
}
