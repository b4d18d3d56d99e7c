/** Issues of Forgejo, and of Gitea, whose API is the same: codeberg.org/api/swagger. */
import { z } from 'zod'
import { shaped } from '../../../results/push/watch/view.ts'
import { type Calls, callsByHttp, pages } from './calls.ts'
import { blockersAt, commentsShape, label, listedOf, numberedIssue, text, user } from './shapes.ts'
import { type Asking, labelled, type Tracker } from './tracker.ts'

const PAGE = 50
const PAGES_MAX = 20
const WRITES = ['owner', 'admin', 'write']
const LOGIN = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/
/** Of a label that is made there. */
const COLOUR = '#8250df'

export function forgejoTracker(asking: Asking): Tracker {
  const { source, token } = asking
  const { endpoint, project } = source
  const { reader, send } = callsByHttp(asking, endpoint, token === null ? {} : { authorization: `token ${token}` })
  const plain = () => reader({})
  const at = `repos/${project}`
  const issueAt = (id: string) => `${at}/issues/${encodeURIComponent(id)}`
  const comments = (id: string) => plain().read(`${issueAt(id)}/comments`, json => shaped(commentsShape, json))

  async function mayWrite(login: string): Promise<boolean> {
    if (!LOGIN.test(login)) return false
    const found = await plain().may(`${at}/collaborators/${login}/permission`, json => shaped(permissionShape, json))
    return found !== null && WRITES.includes(found.permission)
  }

  return {
    repository: `${new URL(endpoint).origin}/${project}.git`,
    async list(known) {
      const read = reader(known)
      const query = `type=issues&state=open&labels=${encodeURIComponent(source.label)}&limit=${PAGE}`
      const issues = await pages(PAGES_MAX, PAGE, page =>
        read.read(`${at}/issues?${query}&page=${page}`, json => shaped(listShape, json)),
      )
      const own = issues.filter(one => labelled(source, one.labels)).sort((one, other) => one.number - other.number)
      return { issues: own.map(listedOf), cache: read.fresh }
    },
    async labelling({ id }) {
      const events = await pages(PAGES_MAX, PAGE, page =>
        plain().read(`${issueAt(id)}/timeline?limit=${PAGE}&page=${page}`, json => shaped(timelineShape, json)),
      )
      const last = events.findLast(
        ({ type, label }) => type === 'label' && label !== null && labelled(source, [label.name]),
      )
      // A label that is taken away has no text.
      if (last === undefined || last.body === '') return null
      const by = last.user?.login ?? null
      return { event: String(last.id), by, isMember: by !== null && (await mayWrite(by)) }
    },
    async content({ id }) {
      const issue = await plain().read(issueAt(id), json => shaped(issueShape, json))
      const said = await comments(id)
      return { body: issue.body, comments: said.map(({ user, body }) => ({ author: user?.login ?? '', text: body })) }
    },
    async blockers({ id }) {
      const found = await blockersAt(plain(), `${issueAt(id)}/dependencies`, 'limit', blocker)
      const isHere = (name: string) => name.toLowerCase() === project.toLowerCase()
      const own = found.filter(({ state, repository }) => state === 'open' && isHere(repository.full_name))
      return own.map(({ number }) => String(number))
    },
    async stands(id) {
      const issue = await plain().may(issueAt(id), json => shaped(issueShape, json))
      return issue?.state === 'open' && labelled(source, issue.labels)
    },
    async comment(id, text, mark) {
      if (!(await comments(id)).some(({ body }) => body.includes(mark)))
        await send(`${issueAt(id)}/comments`, { body: text })
    },
    async label(id, add, remove) {
      const has = (await plain().read(issueAt(id), json => shaped(issueShape, json))).labels
      const [missing, left] = [add.filter(name => !has.includes(name)), remove.filter(name => has.includes(name))]
      if (missing.length === 0 && left.length === 0) return
      const ids = await labelIds({ reader, send }, at, missing)
      if (missing.length > 0) await send(`${issueAt(id)}/labels`, { labels: missing.map(name => ids.get(name)) })
      for (const name of left) await send(`${issueAt(id)}/labels/${ids.get(name)}`, null, 'DELETE')
    },
  }
}

/** Names of labels with what they are called by; those that are missing are made where they are wanted. */
async function labelIds({ reader, send }: Calls, at: string, wanted: readonly string[]): Promise<Map<string, number>> {
  const all = await pages(PAGES_MAX, PAGE, page =>
    reader({}).read(`${at}/labels?limit=${PAGE}&page=${page}`, json => shaped(z.array(labelShape), json)),
  )
  const ids = new Map(all.map(({ id, name }) => [name, id]))
  for (const name of wanted.filter(name => !ids.has(name))) {
    ids.set(name, shaped(labelShape, await send(`${at}/labels`, { name, color: COLOUR })).id)
  }
  return ids
}

const labelShape = z.object({ id: z.int(), name: z.string() })
const names = z
  .array(z.object({ name: z.string() }))
  .nullable()
  .default(null)
  .transform(all => (all ?? []).map(({ name }) => name))
const listShape = z.array(numberedIssue.extend({ labels: names }))
const issueShape = z.object({ state: z.string(), body: text, labels: names })
const blocker = z.object({
  number: z.int().positive(),
  state: z.string(),
  repository: z.object({ full_name: z.string() }),
})
const permissionShape = z.object({ permission: z.string() })
const timelineShape = z
  .array(z.object({ id: z.int(), type: z.string(), body: text, user, label }))
  .nullable()
  .transform(all => all ?? [])
