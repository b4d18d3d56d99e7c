/** Issues of the fake forge: labels with the events of setting them, comments, closing. */

export interface ForgeIssue {
  number: number
  title: string
  body: string
  author: string
  state: 'open' | 'closed'
  labels: string[]
  comments: { id: number; author: string; body: string }[]
  events: { id: number; event: 'labeled' | 'unlabeled'; actor: string; label: string }[]
  /** What blocks it; of another project where it says so. */
  blockedBy: { number: number; project: string }[]
  /** Counts its changes; the time of the last. */
  changed: number
  isPull?: boolean
}

export interface Issues {
  all: Map<number, ForgeIssue>
  /** Opens one. */
  open(change?: Partial<ForgeIssue>): ForgeIssue
  label(number: number, name: string, by: string): void
  unlabel(number: number, name: string, by: string): void
  close(number: number): void
  reopen(number: number): void
  block(number: number, by: number, project?: string): void
  say(number: number, author: string, body: string): void
}

/** What the daemon's own login is called there. */
export const OWN_LOGIN = 'tdf'

export function issuesModel(): Issues {
  const all = new Map<number, ForgeIssue>()
  let ids = 1_000
  const of = (number: number) => {
    const issue = all.get(number)
    if (!issue) throw new Error(`there is no issue ${number}`)
    issue.changed += 1
    return issue
  }
  return {
    all,
    open(change = {}) {
      const number = change.number ?? Math.max(400, ...all.keys()) + 1
      const fresh: ForgeIssue = {
        ...{ number, title: `issue ${number}`, body: `the text of ${number}`, author: 'mallory', state: 'open' },
        ...{ labels: [], comments: [], events: [], blockedBy: [], changed: 1 },
        ...change,
      }
      all.set(number, fresh)
      return fresh
    },
    label(number, name, by) {
      const issue = of(number)
      if (issue.labels.includes(name)) return
      issue.labels.push(name)
      ids += 1
      issue.events.push({ id: ids, event: 'labeled', actor: by, label: name })
    },
    unlabel(number, name, by) {
      const issue = of(number)
      issue.labels = issue.labels.filter(one => one !== name)
      ids += 1
      issue.events.push({ id: ids, event: 'unlabeled', actor: by, label: name })
    },
    close(number) {
      of(number).state = 'closed'
    },
    reopen(number) {
      of(number).state = 'open'
    },
    block(number, by, project = 'acme/web') {
      of(number).blockedBy.push({ number: by, project })
    },
    say(number, author, body) {
      ids += 1
      of(number).comments.push({ id: ids, author, body })
    },
  }
}

interface Reply {
  status: number
  body: unknown
}

const NOT_FOUND: Reply = { status: 404, body: { message: 'Not Found' } }
const BEGAN = Date.UTC(2026, 0, 1)

/** Those of other projects are open, and have the numbers that they are given. */
export function blockersOf({ all }: Issues, { blockedBy }: ForgeIssue): { issue: ForgeIssue; project: string }[] {
  return blockedBy.flatMap(({ number, project }) => {
    const issue = all.get(number)
    if (project === 'acme/web') return issue ? [{ issue, project }] : []
    return [{ issue: { ...issuesModel().open({ number }), body: 'of another' }, project }]
  })
}

/** `rest` is what stands behind `/repos/acme/web/`, with its query. */
export function issuesReply(issues: Issues, method: string, rest: string, input: string): Reply {
  const { pathname, searchParams: query } = new URL(rest, 'http://forge.test/')
  const [, number = '', what = '', name = ''] = pathname.replace(/^\//, '').split('/')
  const page = Number(query.get('page') ?? 1)
  const per = Number(query.get('per_page') ?? 30)
  const paged = <T>(list: readonly T[]) => list.slice((page - 1) * per, page * per)
  if (number === '') {
    const label = query.get('labels') ?? ''
    const found = [...issues.all.values()].filter(one => one.state === 'open' && one.labels.includes(label))
    return { status: 200, body: paged(found).map(one => shown(one)) }
  }
  const issue = issues.all.get(Number(number))
  if (!issue) return NOT_FOUND
  if (what === '') return { status: 200, body: shown(issue) }
  const sent = input === '' ? {} : (JSON.parse(input) as { body?: string; labels?: string[] })
  if (what === 'comments' && method === 'POST') {
    issues.say(issue.number, OWN_LOGIN, sent.body ?? '')
    return { status: 201, body: issue.comments.at(-1) }
  }
  if (what === 'dependencies') {
    const body = paged(blockersOf(issues, issue)).map(one => shown(one.issue, one.project))
    return { status: 200, body }
  }
  if (what === 'comments') {
    return {
      status: 200,
      body: paged(issue.comments).map(({ id, author, body }) => ({ id, body, user: { login: author } })),
    }
  }
  if (what === 'events') {
    const events = issue.events.map(({ id, event, actor, label }) => ({
      id,
      event,
      actor: { login: actor },
      label: { name: label },
    }))
    // Others stand between them.
    const other = { id: 1, event: 'subscribed', actor: { login: issue.author } }
    return { status: 200, body: paged([other, ...events]) }
  }
  if (what === 'labels' && method === 'POST') {
    for (const label of sent.labels ?? []) issues.label(issue.number, label, OWN_LOGIN)
    return { status: 200, body: issue.labels.map(label => ({ name: label })) }
  }
  if (what === 'labels' && method === 'DELETE') {
    const label = decodeURIComponent(name)
    if (!issue.labels.includes(label)) return NOT_FOUND
    issues.unlabel(issue.number, label, OWN_LOGIN)
    return { status: 200, body: issue.labels.map(one => ({ name: one })) }
  }
  return NOT_FOUND
}

function shown(issue: ForgeIssue, project = 'acme/web'): object {
  const { number, title, body, author, state, labels, comments, changed, isPull } = issue
  return {
    ...{ id: 7_000 + number, number, title, body, state, comments: comments.length, user: { login: author } },
    url: `https://api.github.com/repos/${project}/issues/${number}`,
    html_url: `https://github.com/${project}/issues/${number}`,
    updated_at: new Date(BEGAN + changed * 1_000).toISOString(),
    labels: labels.map(name => ({ name })),
    ...(isPull ? { pull_request: { url: '' } } : {}),
  }
}
