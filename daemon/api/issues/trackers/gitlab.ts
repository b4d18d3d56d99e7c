/** Issues of GitLab: docs.gitlab.com/api/issues, /issue_links, /resource_label_events, /members. */
import { z } from 'zod'
import type { Reader } from '../../../results/push/watch/gh.ts'
import { shaped } from '../../../results/push/watch/view.ts'
import { callsByHttp, pages } from './calls.ts'
import { type Asking, labelled, listedIssue, type Tracker, those } from './tracker.ts'

const PAGE = 100
const PAGES_MAX = 10
/** Developer: may push to a branch (docs.gitlab.com/api/access_requests). */
const MAY_WRITE = 30

export function gitlabTracker(asking: Asking): Tracker {
  const { source, token } = asking
  const endpoint = source.endpoint === '' ? 'https://gitlab.com/api/v4' : source.endpoint
  const { reader, send } = callsByHttp(asking, endpoint, token === null ? {} : { authorization: `Bearer ${token}` })
  const plain = () => reader({})
  const at = `projects/${encodeURIComponent(source.project)}`
  const issueAt = (id: string) => `${at}/issues/${encodeURIComponent(id)}`

  async function mayWrite(userId: number): Promise<boolean> {
    const member = await plain().may(`${at}/members/all/${userId}`, json => shaped(memberShape, json))
    return member !== null && member.access_level >= MAY_WRITE
  }

  return {
    repository: `${new URL(endpoint).origin}/${source.project}.git`,
    async list(known) {
      const read = reader(known)
      const query = `labels=${encodeURIComponent(source.label)}&state=opened&order_by=created_at&sort=asc&per_page=${PAGE}`
      const issues = await pages(PAGES_MAX, PAGE, page =>
        read.read(`${at}/issues?${query}&page=${page}`, json => shaped(listShape, json)),
      )
      const listed = issues.map(({ iid, title, web_url: url, labels, updated_at: stamp }) =>
        shaped(listedIssue, { id: String(iid), title, url, labels, stamp }),
      )
      return { issues: listed, cache: read.fresh }
    },
    async labelling({ id }) {
      const events = await pages(PAGES_MAX, PAGE, page =>
        plain().read(`${issueAt(id)}/resource_label_events?per_page=${PAGE}&page=${page}`, json =>
          shaped(eventsShape, json),
        ),
      )
      const last = events.findLast(({ label }) => label !== null && labelled(source, [label.name]))
      if (last?.action !== 'add') return null
      const { user } = last
      return {
        event: String(last.id),
        by: user?.username ?? null,
        isMember: user !== null && (await mayWrite(user.id)),
      }
    },
    async content({ id }) {
      const issue = await plain().read(issueAt(id), json => shaped(issueShape, json))
      const said = await notes(plain(), issueAt(id))
      return {
        body: issue.description ?? '',
        comments: said.map(({ author, body }) => ({ author: author?.username ?? '', text: body })),
      }
    },
    async blockers({ id, url }) {
      const links = (await plain().may(`${issueAt(id)}/links`, json => shaped(those(linkShape), json))) ?? []
      return links.filter(link => blocks(link, url)).map(({ iid }) => String(iid))
    },
    async stands(id) {
      const issue = await plain().may(issueAt(id), json => shaped(issueShape, json))
      return issue?.state === 'opened' && labelled(source, issue.labels)
    },
    async comment(id, text, mark) {
      if (!(await notes(plain(), issueAt(id))).some(({ body }) => body.includes(mark)))
        await send(`${issueAt(id)}/notes`, { body: text })
    },
    async label(id, add, remove) {
      const { labels } = await plain().read(issueAt(id), json => shaped(issueShape, json))
      const isSo = add.every(name => labels.includes(name)) && !remove.some(name => labels.includes(name))
      if (!isSo) await send(issueAt(id), { add_labels: add.join(','), remove_labels: remove.join(',') }, 'PUT')
    },
  }
}

/** The newest first there; without what the system notes, and what only members may read. */
async function notes(reader: Reader, at: string): Promise<z.output<typeof notesShape>> {
  const path = `${at}/notes?sort=desc&order_by=created_at&per_page=${PAGE}`
  const found = await reader.read(path, json => shaped(notesShape, json))
  return found.filter(({ system, internal, confidential }) => !system && !internal && !confidential).reverse()
}

/** A project may be named by its number: its issues know its path. */
const projectAt = (url: string) => url.replace(/(\/-)?\/(issues|work_items)\/(incident\/)?\d+$/, '')

const linkShape = z.object({
  iid: z.int().positive(),
  state: z.string(),
  link_type: z.string(),
  web_url: z.string(),
})
/** The issue at `url` from there. */
const blocks = ({ link_type: type, state, web_url: at }: z.output<typeof linkShape>, url: string | null) =>
  type === 'is_blocked_by' && state === 'opened' && url !== null && projectAt(at) === projectAt(url)

const listShape = z.array(
  z.object({
    iid: z.int().positive(),
    title: z.string(),
    web_url: z.string(),
    updated_at: z.string(),
    labels: z.array(z.string()),
  }),
)
const issueShape = z.object({
  state: z.string(),
  description: z.string().nullable().default(null),
  labels: z.array(z.string()),
})
const notesShape = z.array(
  z.object({
    body: z.string().default(''),
    system: z.boolean().default(false),
    internal: z.boolean().default(false),
    confidential: z.boolean().default(false),
    author: z.object({ username: z.string() }).nullable().default(null),
  }),
)
const memberShape = z.object({ access_level: z.int() })
const eventsShape = z.array(
  z.object({
    id: z.int(),
    action: z.string(),
    user: z.object({ id: z.int(), username: z.string() }).nullable().default(null),
    label: z.object({ name: z.string() }).nullable().default(null),
  }),
)
