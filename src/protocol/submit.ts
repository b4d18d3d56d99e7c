/** The body of a submit. The CLI bundles local repositories and uploads them first; the daemon never opens one. */

import { z } from 'zod'
import { AFTER_CONDITIONS, AT_LIMIT, ON_FAILED, PULL_GOALS } from '../core/source.ts'
import { maySpawn } from './callbacks.ts'
import { artifactGlobs, counter, id, nullable, objectId, sha256, text } from './shapes.ts'

const name = text(128).min(1)

/** The label that says by which `tdf mcp` a task came. */
export const SERVER_LABEL = 'mcp'

/** An id, or the key of a task that is submitted with this one. */
const reference = text(4096).min(1)
const AFTER_MAX = 10_000

export const submitRepo = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('bundle'),
    url: text(4096).min(1),
    ref: text(1024).min(1),
    /** What its user calls the commit, where that is not `ref`: `HEAD~2`, a tag. */
    given: text(1024).min(1).optional(),
    baseCommit: objectId,
    sha256,
    bytes: counter,
  }),
  z.object({ kind: z.literal('git'), url: text(4096).min(1), ref: nullable(text(1024)) }),
  /** That of the tasks in `from`. */
  z.object({ kind: z.literal('result'), ref: z.null().default(null) }),
])

/** Until when the pull request is watched, and how often the agent may answer; null: not at all, as `[pr] rounds` says. */
export const watchWish = {
  until: z.enum(PULL_GOALS).nullable().default(null),
  rounds: z.int().min(1).max(100).nullable().default(null),
}

export const submitRequest = z.object({
  prompt: text(512 * 1024),
  title: nullable(text(512)),
  agent: nullable(name),
  /** What stands after `--`: a program and its arguments, run as the agent. */
  command: nullable(
    z
      .array(text(128 * 1024))
      .min(1)
      .max(4096),
  ),
  model: nullable(name),
  repo: submitRepo,
  author: nullable(z.object({ name: text(512).min(1), email: text(512).min(1) })),
  setup: nullable(text(64 * 1024).min(1)),
  /** Whether `setup` of the repository's `.tdf.toml` is run where there is no `setup` here. */
  repositorySetup: z.boolean().default(true),
  check: nullable(text(64 * 1024).min(1)),
  node: nullable(id),
  provider: nullable(name),
  size: nullable(name),
  location: nullable(name),
  labels: z.record(text(128).min(1), text(512)).default({}),
  priority: z.int().min(-1000).max(1000).default(0),
  timeoutMs: nullable(z.int().min(1000)),
  outputBranch: nullable(text(255).min(1)),
  interactive: z.boolean().default(false),
  maxCostUsd: nullable(z.number().positive().max(1_000_000)),
  /** At that limit: ends, which is the default, or rests with its work saved and asks its user. */
  atLimit: nullable(z.enum(AT_LIMIT)),
  permissions: nullable(z.enum(['allow', 'deny', 'ask'])),
  autoResume: z.boolean().default(true),
  /** Agents that go on when this one is at its limit; null: as its table says. */
  fallback: z.array(name).max(20).nullable().default(null),
  /** What is kept beside the result: see src/config/glob.ts. */
  artifacts: artifactGlobs.default([]),
  /** What follows when the task is completed; null: as `[push] default` says. */
  push: nullable(z.enum(['never', 'branch', 'pr'])),
  /** Where to, when that is not where the repository came from. */
  remote: nullable(text(4096).min(1)),
  ...watchWish,
  /** Tasks that it comes after, as they are called on the command line. */
  after: z.array(reference).max(AFTER_MAX).default([]),
  /** Those of them from whose saved work it begins. */
  from: z.array(reference).max(AFTER_MAX).default([]),
  if: nullable(z.enum(AFTER_CONDITIONS)),
  onFailed: nullable(z.enum(ON_FAILED)),
  maySpawn: nullable(maySpawn),
})
export type SubmitRequest = z.output<typeof submitRequest>
export type SubmitBody = z.input<typeof submitRequest>

/** A group of tasks, and how many of it may go on at once. */
const groupWish = z.object({
  name: id,
  kind: z.enum(['each', 'race', 'set']),
  atMost: nullable(z.int().min(1).max(AFTER_MAX)),
  /** Of a race: what says how good a member's work is, and whether the first that passes it wins. */
  pick: nullable(text(64 * 1024).min(1)),
  first: z.boolean().default(false),
})

export const RACE_MAX = 100

/** Tasks that are submitted together, all of them or none. */
export const batchRequest = z.object({
  group: nullable(groupWish),
  tasks: z
    .array(
      submitRequest.extend({
        /** By which those behind it name it, in `after` and `from`; in a group the same key is the same task. */
        key: nullable(text(4096).min(1)),
        idempotencyKey: nullable(text(512).min(1)),
        /** Of `from`, only those that are completed. */
        fromCompleted: z.boolean().default(false),
      }),
    )
    .min(1)
    .max(AFTER_MAX),
})
export type BatchBody = z.input<typeof batchRequest>
export const BATCH_BYTES_MAX = 64 * 1024 * 1024

/** The body of `tdf continue`; its key is a header. What is left open is as the task has it. */
export const continueRequest = z.object({
  /** What to do next; null: to go on until the task is done. */
  text: nullable(text(384 * 1024)),
  agent: nullable(name),
  check: nullable(text(64 * 1024).min(1)),
  timeoutMs: nullable(z.int().min(1000)),
  maxCostUsd: nullable(z.number().positive().max(1_000_000)),
  push: nullable(z.enum(['never', 'branch', 'pr'])),
  /** Where to when neither the task nor its repository says it. */
  fallback: nullable(text(4096).min(1)),
})
export type ContinueWish = z.output<typeof continueRequest>

/** The body of `tdf schedule add`: when, and what is submitted then. */
export const scheduleRequest = z.object({
  name: id,
  cron: text(256).min(1),
  zone: text(64).min(1),
  catchUp: z.enum(['once', 'skip']).default('once'),
  overlap: z.enum(['skip', 'queue']).default('skip'),
  jitterMs: z.int().min(0).max(86_400_000).default(0),
  keepGoing: z.boolean().default(false),
  untilGreen: z.boolean().default(false),
  request: submitRequest,
})
export type ScheduleRequest = z.output<typeof scheduleRequest>
export type ScheduleBody = z.input<typeof scheduleRequest>
