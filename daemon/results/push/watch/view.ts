/** How a pull request looks from outside, and the command of yours that may say so. */
import process from 'node:process'
import { z } from 'zod'
import type { Config } from '../../../../src/config/schema/config.ts'
import { TdfError } from '../../../../src/core/errors.ts'
import { NETWORK_VARIABLES, pickVariables, run } from '../../../../src/platform/run.ts'

const CHECKS_MAX = 1_000
const THREADS_MAX = 500
const LOG_CHARACTERS_MAX = 512 * 1024
const COMMAND_TIMEOUT_MS = 120_000
const OUTPUT_BYTES_MAX = 8 * 1024 * 1024
const SAID_CHARACTERS_MAX = 500

const short = z.string().max(1_000)

export const pullView = z.object({
  state: z.enum(['open', 'merged', 'closed']),
  draft: z.boolean().default(false),
  /** The commit that the checks are about. */
  head: z.string().regex(/^([0-9a-f]{40}|[0-9a-f]{64})$/),
  /** The branch that it is to be merged into. */
  base: short.nullable().default(null),
  title: short.nullable().default(null),
  /** Where its commits are: a branch, and the address of the repository. */
  branch: short.nullable().default(null),
  remote: short.nullable().default(null),
  /** They are in another repository than that of `base`. */
  fork: z.boolean().default(false),
  /** Whether it can be merged without a conflict; null while the forge does not know. */
  mergeable: z.boolean().nullable().default(null),
  checks: z
    .array(
      z.object({
        name: short.min(1),
        /** *ignored*: it has no say. */
        state: z.enum(['pending', 'passed', 'failed', 'ignored']),
        url: short.nullable().default(null),
        /** What it said of itself. */
        text: z.string().max(LOG_CHARACTERS_MAX).nullable().default(null),
        /** The end of its log. */
        log: z.string().max(LOG_CHARACTERS_MAX).nullable().default(null),
        /** By what its log is found, where that is not here. */
        job: short.nullable().default(null),
      }),
    )
    .max(CHECKS_MAX)
    .default([]),
  /** Those that are open. */
  threads: z
    .array(
      z.object({
        id: short.min(1),
        path: short.nullable().default(null),
        line: z.int().min(0).nullable().default(null),
        /** The lines that it is about have changed since. */
        outdated: z.boolean().default(false),
        comments: z
          .array(z.object({ id: short, author: short, mayWrite: z.boolean(), text: z.string().max(64 * 1024) }))
          .max(100),
      }),
    )
    .max(THREADS_MAX)
    .default([]),
})
export type PullView = z.output<typeof pullView>

/** Where a pull request is, and with what it may be asked for. */
export interface Place {
  taskId: string
  url: string
  remote: string
  branch: string
  token: string | null
}

/** What every program that asks a forge is given. */
export function forgeEnv(token: string | null): Record<string, string> {
  const kept = pickVariables(process.env, ['PATH', 'HOME', 'XDG_CONFIG_HOME', ...NETWORK_VARIABLES])
  const given = token === null ? {} : { GH_TOKEN: token, GH_ENTERPRISE_TOKEN: token }
  return { ...kept, LC_ALL: 'C.UTF-8', ...given }
}

/** Throws FORGE_UNAVAILABLE: the command failed, or what it printed is no such JSON. */
export async function lookByCommand(
  { command, ignoreAuthors, allowAuthors }: Pick<Config['pr'], 'command' | 'ignoreAuthors' | 'allowAuthors'>,
  { taskId, url, remote, branch, token }: Place,
  signal: AbortSignal,
): Promise<PullView> {
  const [program = '', ...args] = command
  const about = { TDF_TASK_ID: taskId, TDF_PR_URL: url, TDF_REMOTE: remote, TDF_BRANCH: branch }
  const { exitCode, stdout, stderr, timedOut } = await run(program, args, {
    cwd: '/',
    env: { ...forgeEnv(token), ...about },
    timeoutMs: COMMAND_TIMEOUT_MS,
    outputBytesMax: OUTPUT_BYTES_MAX,
    signal,
    ownGroup: true,
  })
  if (exitCode !== 0) {
    const said = stderr.trim().slice(-SAID_CHARACTERS_MAX) || `it ended with ${exitCode}`
    throw unavailable(`[pr] command: ${timedOut ? `no end within ${COMMAND_TIMEOUT_MS / 1000} s` : said}`)
  }
  const view = parsedView(stdout, '[pr] command')
  const isHeard = (author: string, mayWrite: boolean) =>
    !ignoreAuthors.includes(author) && (mayWrite || allowAuthors.includes(author))
  const threads = view.threads.map(thread => ({
    ...thread,
    comments: thread.comments.map(one => ({ ...one, mayWrite: isHeard(one.author, one.mayWrite) })),
  }))
  return { ...view, threads }
}

/** Throws FORGE_UNAVAILABLE, which names the field that is wrong. */
export function parsedView(text: string, whose: string): PullView {
  const parsed = pullView.safeParse(parsedJson(text, whose))
  if (parsed.success) return parsed.data
  throw unavailable(`${whose}: ${faultOf(parsed.error)}`)
}

/** Throws FORGE_UNAVAILABLE. */
export function shaped<T>(shape: z.ZodType<T>, json: unknown): T {
  const parsed = shape.safeParse(json)
  if (parsed.success) return parsed.data
  throw unavailable(`the forge's answer: ${faultOf(parsed.error)}`)
}

const faultOf = ({ issues }: z.ZodError) =>
  issues
    .map(({ path, message }) => `${path.join('.')}: ${message}`)
    .slice(0, 1)
    .join()

export function parsedJson(text: string, whose: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw unavailable(`${whose}: what it answered is no JSON`)
  }
}

/** `retryAfterMs`: before that it is not asked again. */
export const unavailable = (message: string, retryAfterMs?: number) =>
  new TdfError('FORGE_UNAVAILABLE', message, retryAfterMs === undefined ? {} : { retryAfterMs })

export type CheckInput = NonNullable<z.input<typeof pullView>['checks']>[number]
export type ThreadInput = NonNullable<z.input<typeof pullView>['threads']>[number]
