/** Issues of GitHub, by `gh api`. Shapes: docs.github.com/rest/issues (2022-11-28), /issues/issue-dependencies. */
import { z } from 'zod'
import type { Reader } from '../../../results/push/watch/gh.ts'
import { mayWrite } from '../../../results/push/watch/reviews.ts'
import { shaped } from '../../../results/push/watch/view.ts'
import { callsOf, pages } from './calls.ts'
import { blockersAt, commentsShape, label, listedOf, numberedIssue, text, user } from './shapes.ts'
import { type Asking, labelled, type Tracker } from './tracker.ts'

const PAGE = 100
const PAGES_MAX = 10
const EVENT_PAGES_MAX = 20
const TEXT_CHARS_MAX = 256 * 1024
/** Who may write is asked of everybody: [pr] has no say here. */
const NOBODY = { ignoreAuthors: [], allowAuthors: [] }

export function githubTracker(asking: Asking): Tracker {
  const { source, call } = asking
  const host = source.endpoint === '' ? 'github.com' : new URL(source.endpoint).host
  const { reader, send } = callsOf(asking, host, call)
  const plain = () => reader({})
  const at = `repos/${source.project}`
  const issueAt = (id: string) => `${at}/issues/${encodeURIComponent(id)}`
  const one = (id: string) => plain().may(issueAt(id), json => shaped(issueShape, json))

  /** One that was moved to another repository is found there, and others block from there. */
  const isHere = (url: string, id: string) => url.toLowerCase().endsWith(`/${issueAt(id)}`.toLowerCase())

  return {
    repository: `https://${host}/${source.project}.git`,
    async list(known) {
      const read = reader(known)
      const query = `labels=${encodeURIComponent(source.label)}&state=open&sort=created&direction=asc&per_page=${PAGE}`
      const issues = await pages(PAGES_MAX, PAGE, page =>
        read.read(`${at}/issues?${query}&page=${page}`, json => shaped(listShape, json)),
      )
      return { issues: issues.filter(isIssue).map(listedOf), cache: read.fresh }
    },
    async labelling({ id }) {
      const events = await pages(EVENT_PAGES_MAX, PAGE, page =>
        plain().read(`${issueAt(id)}/events?per_page=${PAGE}&page=${page}`, json => shaped(eventsShape, json)),
      )
      const last = events.findLast(
        ({ event, label }) =>
          (event === 'labeled' || event === 'unlabeled') && label !== null && labelled(source, [label.name]),
      )
      if (last?.event !== 'labeled') return null
      const by = last.actor?.login ?? null
      return { event: String(last.id), by, isMember: by !== null && (await mayWrite(plain(), NOBODY, at, by)) }
    },
    async content({ id }) {
      const issue = await plain().read(issueAt(id), json => shaped(issueShape, json))
      const said = issue.comments === 0 ? [] : await newest(plain(), issueAt(id), issue.comments)
      const comments = said.map(({ user, body }) => ({ author: user?.login ?? '', text: cut(body) }))
      return { body: cut(issue.body), comments }
    },
    async blockers({ id }) {
      const found = await blockersAt(plain(), `${issueAt(id)}/dependencies/blocked_by`, 'per_page', blocker)
      const own = found.filter(({ url, number, state }) => state === 'open' && isHere(url, String(number)))
      return own.map(({ number }) => String(number))
    },
    async stands(id) {
      const issue = await one(id)
      if (!issue || !isHere(issue.url, id)) return false
      return issue.state === 'open' && labelled(source, issue.labels)
    },
    async comment(id, text, mark) {
      const issue = await plain().read(issueAt(id), json => shaped(issueShape, json))
      const said = issue.comments === 0 ? [] : await newest(plain(), issueAt(id), issue.comments)
      if (!said.some(({ body }) => body.includes(mark))) await send(`${issueAt(id)}/comments`, { body: text })
    },
    async label(id, add, remove) {
      const has = (await one(id))?.labels ?? []
      const missing = add.filter(name => !has.includes(name))
      if (missing.length > 0) await send(`${issueAt(id)}/labels`, { labels: missing })
      for (const name of remove.filter(name => has.includes(name))) {
        await send(`${issueAt(id)}/labels/${encodeURIComponent(name)}`, null, 'DELETE')
      }
    },
  }
}

/** The newest comments: the last page, and the one before it. */
async function newest(reader: Reader, at: string, count: number): Promise<z.output<typeof commentsShape>> {
  const last = Math.max(Math.ceil(count / PAGE), 1)
  const wanted = last === 1 ? [1] : [last - 1, last]
  const found: z.output<typeof commentsShape> = []
  for (const page of wanted) {
    const path = `${at}/comments?per_page=${PAGE}&page=${page}`
    found.push(...(await reader.read(path, json => shaped(commentsShape, json))))
  }
  return found
}

const cut = (found: string) => found.slice(0, TEXT_CHARS_MAX)

const names = z
  .array(z.union([z.string(), z.object({ name: z.string().default('') })]))
  .transform(all => all.map(one => (typeof one === 'string' ? one : one.name)))

const listShape = z.array(numberedIssue.extend({ labels: names, pull_request: z.unknown().optional() }))

/** A pull request is an issue there, and none here. */
const isIssue = ({ pull_request: pull }: z.output<typeof listShape>[number]) => pull === undefined || pull === null

const issueShape = z.object({
  url: z.string(),
  state: z.string(),
  body: text,
  comments: z.int().min(0).default(0),
  labels: names,
})

const eventsShape = z.array(z.object({ id: z.int(), event: z.string(), actor: user, label }))

const blocker = z.object({ number: z.int().positive(), state: z.string(), url: z.string() })
