/**
 * A pull request as GitHub's API shows it, and every forge that speaks like it: the pull request, check runs and statuses of
 * its head, reviews and review threads. Shapes: docs.github.com/rest, docs.github.com/graphql (2022-11-28).
 */
import { z } from 'zod'
import { type Address, addressOf, type Cache, callForge, createReader, type Look, type Reader } from './gh.ts'
import { threadsOf } from './reviews.ts'
import { type CheckInput, type PullView, parsedView, shaped, unavailable } from './view.ts'

const PAGE = 100
const PAGES_MAX = 5

/** Throws FORGE_UNAVAILABLE. */
export async function lookAtGitHub(look: Look): Promise<{ view: PullView; cache: Cache }> {
  const { place, allowance, now } = look
  const address = addressOf(place.url)
  if (address === null) throw unavailable(`${place.url} is no pull request that gh knows; set [pr] command`)
  const about = { host: address.host, token: place.token, signal: look.signal }
  const reader = createReader(about, look.known, allowance, now)
  const at = `repos/${address.repository}`
  const pull = await reader.read(`${at}/pulls/${address.number}`, json => shaped(pullShape, json))
  const { head, base, draft, mergeable } = pull
  const state = pull.merged ? ('merged' as const) : pull.state
  const mayMerge = mergeable === false && pull.mergeable_state !== 'dirty' ? null : mergeable
  const from = head.repo ?? base.repo
  const isFork = head.repo?.full_name !== base.repo?.full_name
  const whole = {
    ...{ state, draft, head: head.sha, base: base.ref, mergeable: mayMerge, title: cut(pull.title) },
    ...{ branch: cut(head.ref), remote: from && cut(from.clone_url), fork: isFork },
  }
  if (state !== 'open') return { view: viewOf({ ...whole, checks: [], threads: [] }, address), cache: reader.fresh }
  const checks = await checksOf(reader, `${at}/commits/${head.sha}`)
  const threads = await threadsOf(reader, look, address)
  return { view: viewOf({ ...whole, checks, threads }, address), cache: reader.fresh }
}

const viewOf = (view: unknown, { host }: Address) => parsedView(JSON.stringify(view), host)

const repoShape = z.object({ full_name: z.string(), clone_url: z.string() }).nullable().default(null)

const pullShape = z.object({
  title: z.string().default(''),
  state: z.enum(['open', 'closed']),
  merged: z.boolean().default(false),
  draft: z.boolean().default(false),
  mergeable: z.boolean().nullable().default(null),
  mergeable_state: z.string().default(''),
  head: z.object({ sha: z.string(), ref: z.string().default(''), repo: repoShape }),
  base: z.object({ ref: z.string(), repo: repoShape }),
})

const runShape = z.object({
  check_runs: z.array(
    z.object({
      id: z.number(),
      name: z.string(),
      status: z.string(),
      conclusion: z.string().nullable().default(null),
      details_url: z.string().nullable().default(null),
      app: z
        .object({ slug: z.string().default('') })
        .nullable()
        .default(null),
      output: z
        .object({ title: z.string().nullable().default(null), summary: z.string().nullable().default(null) })
        .nullable()
        .default(null),
    }),
  ),
})

const CONCLUSIONS: Record<string, 'passed' | 'failed' | 'ignored'> = {
  success: 'passed',
  neutral: 'ignored',
  skipped: 'ignored',
}
/** It begins again, or waits for a person. */
const UNDECIDED = ['stale', 'action_required']

const statusShape = z.object({
  statuses: z.array(
    z.object({
      context: z.string(),
      state: z.string(),
      description: z.string().nullable().default(null),
      target_url: z.string().nullable().default(null),
    }),
  ),
})

async function checksOf(reader: Reader, at: string): Promise<CheckInput[]> {
  const runs: CheckInput[] = []
  for (let page = 1; page <= PAGES_MAX; page++) {
    const found = await reader.read(`${at}/check-runs?per_page=${PAGE}&page=${page}`, json =>
      shaped(runShape, json).check_runs.map(checkOfRun),
    )
    runs.push(...found)
    if (found.length < PAGE) break
  }
  const statuses = await reader.read(`${at}/status?per_page=${PAGE}`, json =>
    shaped(statusShape, json).statuses.map(({ context, state, description, target_url }) => ({
      name: cut(context),
      state:
        state === 'success' ? ('passed' as const) : state === 'pending' ? ('pending' as const) : ('failed' as const),
      text: description,
      url: target_url && cut(target_url),
    })),
  )
  return [...runs, ...statuses]
}

const NAME_CHARACTERS_MAX = 500
const cut = (text: string) => text.slice(0, NAME_CHARACTERS_MAX)
const TEXT_CHARACTERS_MAX = 16 * 1024

function checkOfRun(run: z.output<typeof runShape>['check_runs'][number]): CheckInput {
  const { name, status, conclusion, details_url, app, output } = run
  const isOver = status === 'completed' && conclusion !== null && !UNDECIDED.includes(conclusion)
  const said = [output?.title, output?.summary].filter(Boolean).join('\n')
  // The log of a job of GitHub Actions is found by its id, which stands in its address.
  const job = app?.slug === 'github-actions' ? (/\/job\/(\d+)$/.exec(details_url ?? '')?.[1] ?? null) : null
  return {
    name: cut(name),
    state: isOver ? (CONCLUSIONS[conclusion] ?? 'failed') : 'pending',
    url: details_url && cut(details_url),
    text: said === '' ? null : said.slice(0, TEXT_CHARACTERS_MAX),
    job,
  }
}

/** Throws FORGE_UNAVAILABLE. The forge redirects to where the log is, and gh follows. */
export async function readLog(look: Omit<Look, 'known' | 'config'>, job: string): Promise<string> {
  const { place, allowance, now, signal } = look
  const address = addressOf(place.url)
  if (address === null) throw unavailable(`${place.url} is no pull request that gh knows`)
  const path = `repos/${address.repository}/actions/jobs/${job}/logs`
  const answer = await callForge({ host: address.host, path, token: place.token, signal }, allowance, now)
  if (answer.kind === 'no') throw unavailable(answer.why)
  return answer.kind === 'new' ? answer.body : ''
}
