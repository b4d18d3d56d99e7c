/**
 * A tracker that a program of yours speaks for: `list` prints a line of JSON for each issue, `comment` and `label` get what is to be
 * written as JSON on stdin. What it lists counts as labelled by somebody who may.
 */
import { z } from 'zod'
import { run } from '../../../../src/platform/run.ts'
import { forgeEnv, parsedJson, shaped, unavailable } from '../../../results/push/watch/view.ts'
import { type Asking, labelled, listedIssue, type Tracker } from './tracker.ts'

const TIMEOUT_MS = 120_000
const OUTPUT_BYTES_MAX = 16 * 1024 * 1024
const SAID_CHARACTERS_MAX = 500
const ISSUES_MAX = 2_000

const name = z.union([z.string(), z.int()]).transform(String)
const line = z.object({
  id: name,
  title: z.string().default(''),
  body: z.string().nullable().default(null),
  url: z.string().nullable().default(null),
  labels: z.array(z.string()).default([]),
  comments: z.array(z.object({ author: z.string().default(''), text: z.string() })).default([]),
  /** Ids of what has to be done before. */
  blocked_by: z.array(name).default([]),
  /** Names the act of setting the label. */
  event: z
    .union([z.string().max(200), z.int()])
    .transform(String)
    .nullable()
    .default(null),
})
type Line = z.output<typeof line>

export function commandTracker({ source, token, signal }: Asking): Tracker {
  let lines = new Map<string, Line>()
  /** Without the label, too. */
  let open = new Set<string>()

  async function call(verb: string, id: string | null, input: object | null): Promise<string> {
    const [program = '', ...args] = source.command
    const { exitCode, stdout, stderr, timedOut } = await run(program, [...args, verb], {
      cwd: '/',
      env: {
        ...forgeEnv(token),
        ...{ TDF_SOURCE: source.name, TDF_PROJECT: source.project, TDF_LABEL: source.label, TDF_ISSUE: id ?? '' },
      },
      input: input === null ? '' : `${JSON.stringify(input)}\n`,
      timeoutMs: TIMEOUT_MS,
      outputBytesMax: OUTPUT_BYTES_MAX,
      signal,
      ownGroup: true,
    })
    if (exitCode === 0) return stdout
    const late = timedOut ? `no end within ${TIMEOUT_MS / 1000} s` : 'it did not end in the time that it had'
    const said = stderr.trim().slice(-SAID_CHARACTERS_MAX) || `it ended with ${exitCode}`
    throw unavailable(`${program} ${verb}: ${timedOut || signal.aborted ? late : said}`)
  }

  async function listed(): Promise<Map<string, Line>> {
    const printed = (await call('list', null, null)).split('\n').filter(text => text.trim() !== '')
    if (printed.length > ISSUES_MAX)
      throw unavailable(`it lists ${printed.length} issues; at most ${ISSUES_MAX} are taken`)
    const all = printed.map((text, index) => shaped(line, parsedJson(text, `line ${index + 1} of what it lists`)))
    open = new Set(all.map(({ id }) => id))
    return new Map(all.filter(({ labels }) => labelled(source, labels)).map(one => [one.id, one]))
  }

  return {
    repository: null,
    async list() {
      lines = await listed()
      const issues = [...lines.values()].map(({ event, id, title, url, labels }) =>
        shaped(listedIssue, { id, title, url, labels, stamp: event ?? '' }),
      )
      return { issues, cache: {} }
    },
    async labelling({ id }) {
      return { event: lines.get(id)?.event ?? null, by: null, isMember: true }
    },
    async content({ id }) {
      const { body = null, comments = [] } = lines.get(id) ?? {}
      return { body: body ?? '', comments }
    },
    async blockers({ id }) {
      const named = lines.get(id)?.blocked_by ?? []
      return named.filter(one => open.has(one))
    },
    stands: async () => false,
    async comment(id, text, mark) {
      if (!(lines.get(id)?.comments ?? []).some(one => one.text.includes(mark))) {
        await call('comment', id, { id, text, mark })
      }
    },
    async label(id, add, remove) {
      await call('label', id, { id, add, remove })
    },
  }
}
