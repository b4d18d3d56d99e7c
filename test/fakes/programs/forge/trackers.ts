/**
 * Trackers as models over the same issues: what GitHub, Forgejo, GitLab and Linear answer over HTTP, in memory. Each has ETags where the
 * real one has, a list of faults, and counts what it was asked.
 */
import { createHash } from 'node:crypto'
import { blockersOf, type ForgeIssue, type Issues, issuesModel, issuesReply, OWN_LOGIN } from './issues.ts'

export interface TrackerFault {
  at: RegExp
  /** *down*: no answer; *error*: 502; *limit*: 429 with `retry-after`; *no*: 403. */
  kind: 'down' | 'error' | 'limit' | 'no'
  times: number
}

export interface TrackerModel {
  issues: Issues
  /** Who may write. */
  members: Set<string>
  faults: TrackerFault[]
  requests: { method: string; at: string; status: number }[]
  fetch: typeof globalThis.fetch
}

interface Asked {
  method: string
  /** Path and query, without the address of the API. */
  at: string
  input: string
}

interface Reply {
  status: number
  body: unknown
}

type Answers = (model: TrackerModel, asked: Asked) => Reply

const NOT_FOUND: Reply = { status: 404, body: { message: 'not found' } }
const ok = (body: unknown, status = 200): Reply => ({ status, body })

export const MODELS = { github, forgejo, gitlab, linear } satisfies Record<string, Answers>

export function trackerModel(kind: keyof typeof MODELS, members: readonly string[] = ['alice']): TrackerModel {
  const model: TrackerModel = {
    issues: issuesModel(),
    members: new Set([...members, OWN_LOGIN]),
    faults: [],
    requests: [],
    async fetch(input, init) {
      const url = new URL(String(input))
      const asked = {
        method: init?.method ?? 'GET',
        at: `${url.pathname}${url.search}`,
        input: String(init?.body ?? ''),
      }
      const fault = model.faults.find(one => one.times > 0 && one.at.test(asked.at))
      if (fault) fault.times -= 1
      if (fault?.kind === 'down') throw new TypeError('fetch failed', { cause: new Error('connect ECONNREFUSED') })
      if (fault) {
        const status = { error: 502, limit: 429, no: 403 }[fault.kind]
        model.requests.push({ ...asked, status })
        return new Response('{"message":"no"}', {
          status,
          headers: fault.kind === 'limit' ? { 'retry-after': '120' } : {},
        })
      }
      const { status, body } = MODELS[kind](model, asked)
      const text = JSON.stringify(body)
      const etag = `"${createHash('sha256').update(text).digest('hex')}"`
      const isSame =
        kind !== 'linear' && asked.method === 'GET' && new Headers(init?.headers).get('if-none-match') === etag
      model.requests.push({ ...asked, status: isSame ? 304 : status })
      return isSame
        ? new Response(null, { status: 304, headers: { etag } })
        : new Response(text, { status, headers: { etag } })
    },
  }
  return model
}

function github({ issues, members }: TrackerModel, { method, at, input }: Asked): Reply {
  const rest = at.replace(/^(\/api\/v3)?\/repos\/acme\/web\//, '')
  const [, login] = /^collaborators\/([^/]+)\/permission/.exec(rest) ?? []
  if (login !== undefined) return ok({ permission: members.has(decodeURIComponent(login)) ? 'write' : 'read' })
  return rest.startsWith('issues') ? issuesReply(issues, method, rest, input) : NOT_FOUND
}

const stamp = ({ changed }: ForgeIssue) => new Date(Date.UTC(2026, 0, 1) + changed * 1_000).toISOString()
const open = ({ all }: Issues, label: string) =>
  [...all.values()].filter(one => one.state === 'open' && !one.isPull && one.labels.includes(label))
const idOf = (name: string) => Number.parseInt(createHash('sha256').update(name).digest('hex').slice(0, 7), 16)

function forgejo({ issues, members }: TrackerModel, { method, at, input }: Asked): Reply {
  const { pathname, searchParams: query } = new URL(at, 'http://x')
  const rest = pathname.replace('/api/v1/repos/acme/web/', '')
  const [kind, number = '', what = '', name = ''] = rest.split('/')
  const sent = input === '' ? {} : JSON.parse(input)
  const shown = (one: ForgeIssue, project = 'acme/web') => ({
    ...{ number: one.number, title: one.title, body: one.body, state: one.state, updated_at: stamp(one) },
    html_url: `http://git.test/${project}/issues/${one.number}`,
    repository: { full_name: project },
    labels: one.labels.map(label => ({ id: idOf(label), name: label })),
  })
  const page = Number(query.get('page') ?? 1)
  const per = Number(query.get('limit') ?? 50)
  const paged = <T>(list: readonly T[]) => list.slice((page - 1) * per, page * per)
  if (kind === 'collaborators') return ok({ permission: members.has(number) ? 'write' : 'read' })
  // It has no label yet but the one that people set.
  if (kind === 'labels' && method === 'GET') {
    const names = new Set([...issues.all.values()].flatMap(({ labels }) => labels))
    return ok(paged([...names].map(label => ({ id: idOf(label), name: label }))))
  }
  if (kind === 'labels') return ok({ id: idOf(sent.name), name: sent.name }, 201)
  if (kind !== 'issues') return NOT_FOUND
  // The newest come first there.
  if (number === '') return ok(paged(open(issues, query.get('labels') ?? '').reverse()).map(one => shown(one)))
  const issue = issues.all.get(Number(number))
  if (!issue) return NOT_FOUND
  if (what === '') return ok(shown(issue))
  if (what === 'dependencies') {
    return ok(paged(blockersOf(issues, issue)).map(one => shown(one.issue, one.project)))
  }
  if (what === 'timeline') {
    const events = issue.events.map(({ id, event, actor, label }) => ({
      ...{ id, type: 'label', body: event === 'labeled' ? '1' : '', user: { login: actor } },
      label: { id: idOf(label), name: label },
    }))
    return ok(paged([{ id: 1, type: 'comment', body: 'x', user: { login: 'mallory' }, label: null }, ...events]))
  }
  if (what === 'comments' && method === 'POST') {
    issues.say(issue.number, OWN_LOGIN, sent.body)
    return ok({}, 201)
  }
  if (what === 'comments') return ok(issue.comments.map(({ author, body }) => ({ body, user: { login: author } })))
  const labelOf = (id: number) =>
    ['tdf:running', 'tdf:done', 'tdf:needs-you', 'tdf'].find(one => idOf(one) === id) ?? ''
  if (method === 'DELETE') issues.unlabel(issue.number, labelOf(Number(name)), OWN_LOGIN)
  else for (const id of sent.labels) issues.label(issue.number, labelOf(id), OWN_LOGIN)
  return ok([])
}

function gitlab({ issues, members }: TrackerModel, { method, at, input }: Asked): Reply {
  const { pathname, searchParams: query } = new URL(at, 'http://x')
  const rest = pathname.replace('/api/v4/projects/acme%2Fweb/', '')
  const [kind, number = '', what = ''] = rest.split('/')
  const sent = input === '' ? {} : JSON.parse(input)
  const page = Number(query.get('page') ?? 1)
  const paged = <T>(list: readonly T[]) => list.slice((page - 1) * 100, page * 100)
  const shown = (one: ForgeIssue, project = 'acme/web') => ({
    ...{ iid: one.number, title: one.title, description: one.body, labels: one.labels, updated_at: stamp(one) },
    ...{
      state: one.state === 'open' ? 'opened' : 'closed',
      web_url: `http://gitlab.test/${project}/-/issues/${one.number}`,
    },
  })
  if (kind === 'members') {
    const member = [...members].find(login => idOf(login) === Number(what))
    return member === undefined ? NOT_FOUND : ok({ access_level: 30 })
  }
  if (number === '') return ok(paged(open(issues, query.get('labels') ?? '')).map(one => shown(one)))
  const issue = issues.all.get(Number(number))
  if (!issue) return NOT_FOUND
  if (method === 'PUT') {
    const list = (text: string) => text.split(',').filter(one => one !== '')
    for (const label of list(sent.add_labels)) issues.label(issue.number, label, OWN_LOGIN)
    for (const label of list(sent.remove_labels)) issues.unlabel(issue.number, label, OWN_LOGIN)
    return ok(shown(issue))
  }
  if (what === '') return ok(shown(issue))
  if (what === 'links') {
    const links = blockersOf(issues, issue).map(one => ({
      ...shown(one.issue, one.project),
      link_type: 'is_blocked_by',
    }))
    const others = [...issues.all.values()].flatMap(one => [
      { ...shown(one), link_type: 'relates_to' },
      { ...shown(one), link_type: 'blocks' },
    ])
    return ok([...others, ...links])
  }
  if (what === 'resource_label_events') {
    const events = issue.events.map(({ id, event, actor, label }) => ({
      ...{ id, action: event === 'labeled' ? 'add' : 'remove', user: { id: idOf(actor), username: actor } },
      label: { name: label },
    }))
    return ok(paged(events))
  }
  if (method === 'POST') {
    issues.say(issue.number, OWN_LOGIN, sent.body)
    return ok({}, 201)
  }
  const notes = issue.comments.map(({ author, body }) => ({ body, system: false, author: { username: author } }))
  return ok([...notes, { body: 'changed the label', system: true, author: { username: 'x' } }].reverse())
}

const stateOf = ({ state }: ForgeIssue) => (state === 'open' ? 'started' : 'completed')

function linear({ issues, members }: TrackerModel, { input }: Asked): Reply {
  const { query, variables } = JSON.parse(input) as { query: string; variables: Record<string, string> }
  const numberOf = (id = '') => Number(id.replace(/^ENG-/, ''))
  const issue = issues.all.get(numberOf(variables.id))
  const person = (login: string) => ({ displayName: login, guest: !members.has(login), active: true })
  const nodes = (names: readonly string[]) => ({ nodes: names.map(name => ({ id: name, name })) })
  const last = { hasNextPage: false, endCursor: null }
  const data = (found: unknown) => ok({ data: found })
  if (query.includes('issues(')) {
    const found = open(issues, variables.label ?? '').reverse()
    const shown = found.map(one => ({
      ...{ identifier: `ENG-${one.number}`, title: one.title, url: `https://linear.test/x/ENG-${one.number}` },
      ...{ updatedAt: stamp(one), labels: nodes(one.labels) },
    }))
    return data({ issues: { pageInfo: last, nodes: shown } })
  }
  if (query.includes('issueLabels(')) return data({ issueLabels: { nodes: [] } })
  if (query.includes('issueLabelCreate')) return data({ issueLabelCreate: { issueLabel: { id: variables.name } } })
  if (!issue) return ok({ data: null, errors: [{ message: 'Entity not found: Issue' }] })
  if (query.includes('commentCreate')) issues.say(issue.number, OWN_LOGIN, variables.body ?? '')
  else if (query.includes('issueAddLabel')) issues.label(issue.number, variables.label ?? '', OWN_LOGIN)
  else if (query.includes('issueRemoveLabel')) issues.unlabel(issue.number, variables.label ?? '', OWN_LOGIN)
  else if (query.includes('inverseRelations(')) {
    const named = (number: number, project: string) => `${project === 'acme/web' ? 'ENG' : 'OPS'}-${number}`
    const found = blockersOf(issues, issue).map(one => ({
      type: 'blocks',
      issue: { identifier: named(one.issue.number, one.project), state: { type: stateOf(one.issue) } },
    }))
    const others = [...issues.all.keys()].map(number => ({
      type: 'related',
      issue: { identifier: `ENG-${number}`, state: { type: 'started' } },
    }))
    return data({ issue: { inverseRelations: { nodes: [...others, ...found] } } })
  } else if (query.includes('history(')) {
    const entries = issue.events.map(({ id, event, actor, label }) => ({
      ...{ id: String(id), createdAt: new Date(id * 1_000).toISOString(), actor: person(actor) },
      addedLabels: event === 'labeled' ? [{ name: label }] : [],
      removedLabels: event === 'unlabeled' ? [{ name: label }] : [],
    }))
    return data({ issue: { creator: person(issue.author), history: { pageInfo: last, nodes: entries.reverse() } } })
  } else {
    const comments = issue.comments.map(({ id, author, body }) => ({
      ...{ body, createdAt: new Date(id * 1_000).toISOString(), user: { displayName: author } },
    }))
    const state = { type: stateOf(issue) }
    const about = { id: `ENG-${issue.number}`, description: issue.body, state, team: { id: 't', key: 'ENG' } }
    return data({ issue: { ...about, labels: nodes(issue.labels), comments: { nodes: comments.reverse() } } })
  }
  return data({ done: { success: true } })
}
