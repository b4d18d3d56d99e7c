/**
 * A forge as GitHub's API shows one, on a unix socket that `gh` is told to use: pull requests over real bare repositories,
 * checks, reviews, threads, ETags and the count of requests. What it does instead of answering is a list of faults.
 */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type Issues, issuesModel, issuesReply } from './issues.ts'

const GH = new URL('../gh.mjs', import.meta.url).pathname

export interface ForgeCheck {
  name: string
  /** `queued` and `in_progress` have no conclusion. */
  status?: 'queued' | 'in_progress' | 'completed'
  conclusion?: string | null
  /** Of a job of GitHub Actions. */
  log?: string
}

export interface ForgeThread {
  id: string
  path: string
  line: number
  isResolved?: boolean
  isOutdated?: boolean
  comments: { id: number; author: string; body: string }[]
}

export interface ForgePull {
  number: number
  state: 'open' | 'closed'
  merged: boolean
  draft: boolean
  branch: string
  base: string
  /** Null while the forge does not know; *merge*: whether git can merge it. */
  mergeable: boolean | null | 'merge'
  /** Its branch is in another repository. */
  isFork?: boolean
  threads: ForgeThread[]
  reviews: { id: number; author: string; state: string; body: string }[]
}

export interface ForgeFault {
  /** The requests that it strikes. */
  at: RegExp
  /**
   * *down*: the connection breaks; *error*: 502; *slow*: no answer ever; *secondary*: the limit of too many at once; *limit*:
   * none is left of the hour; *half*: the answer breaks off; *forbidden*: 403; *many*: 429; *again*: 403, which may be asked again at once.
   */
  kind: 'down' | 'error' | 'slow' | 'secondary' | 'limit' | 'half' | 'forbidden' | 'many' | 'again'
  times: number
}

export interface Forge {
  /** A folder with `gh` in it that goes before others on the PATH, and the configuration for it. */
  bin: string
  configHome: string
  /** The bare repository of `acme/web`. */
  bare: string
  /** Where it says that its repository is. */
  cloneUrl: string
  pulls: Map<number, ForgePull>
  issues: Issues
  /** By login. */
  permissions: Map<string, string>
  statuses: { context: string; state: string; description: string }[]
  faults: ForgeFault[]
  /** What its checks say of a commit. */
  ci(head: string): ForgeCheck[]
  /** Every request, in order; those that were answered with 304 do not count. */
  requests: { path: string; status: number; counted: boolean; method: string }[]
  pull(change?: Partial<ForgePull>): ForgePull
  head(branch: string): string
  /** In the bare repository. */
  git(...args: string[]): string
  close(): Promise<void>
}

const RESET_AFTER_S = 1_800
const LIMIT = 5_000

export async function startForge(): Promise<Forge> {
  const root = mkdtempSync(path.join(tmpdir(), 'tdf-forge-'))
  const bare = path.join(root, 'web.git')
  execFileSync('git', ['init', '--quiet', '--bare', '--initial-branch=main', bare])
  const socket = path.join(root, 'forge.sock')
  const bin = path.join(root, 'bin')
  const configHome = path.join(root, 'config')
  for (const folder of [bin, path.join(configHome, 'gh')]) mkdirSync(folder, { recursive: true })
  writeFileSync(path.join(configHome, 'gh', 'config.yml'), `http_unix_socket: ${socket}\n`)
  writeFileSync(path.join(configHome, 'gh', 'hosts.yml'), 'github.com:\n    user: tdf\n    oauth_token: of-nobody\n')
  copyFileSync(GH, path.join(bin, 'gh'))
  chmodSync(path.join(bin, 'gh'), 0o755)
  const git = (...args: string[]) =>
    execFileSync('git', ['-C', bare, ...args], { stdio: 'pipe' })
      .toString()
      .trim()
  const server = http.createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', chunk => chunks.push(chunk))
    request.on('end', () => answer(forge, request, Buffer.concat(chunks).toString('utf8'), response))
  })
  const forge: Forge = {
    ...{
      bin,
      configHome,
      bare,
      git,
      cloneUrl: 'https://github.com/acme/web.git',
      pulls: new Map(),
      issues: issuesModel(),
      statuses: [],
      faults: [],
      requests: [],
    },
    permissions: new Map([['alice', 'write']]),
    ci: () => [],
    head: branch => git('rev-parse', '--verify', `refs/heads/${branch}`),
    pull(change = {}) {
      const number = change.number ?? forge.pulls.size + 1
      const fresh: ForgePull = {
        ...{ number, state: 'open', merged: false, draft: false, branch: 'topic', base: 'main' },
        ...{ mergeable: 'merge', threads: [], reviews: [] },
        ...change,
      }
      forge.pulls.set(number, fresh)
      return fresh
    },
    async close() {
      server.closeAllConnections()
      await new Promise<void>(resolve => server.close(() => resolve()))
      rmSync(root, { recursive: true, force: true })
    },
  }
  await new Promise<void>(resolve => server.listen(socket, resolve))
  return forge
}

export interface Reply {
  status: number
  headers?: Record<string, string>
  body: unknown
}

function answer(forge: Forge, request: http.IncomingMessage, input: string, response: http.ServerResponse): void {
  const at = request.url ?? ''
  const fault = forge.faults.find(one => one.times > 0 && one.at.test(at))
  if (fault) fault.times -= 1
  const { method = 'GET' } = request
  // What is struck down is not done; what breaks off is.
  const isDone = fault === undefined || fault.kind === 'half'
  const reply = isDone || method === 'GET' ? replyTo(forge, at, input, method) : NOT_FOUND
  const text = typeof reply.body === 'string' ? reply.body : JSON.stringify(reply.body)
  const etag = `"${createHash('sha256').update(text).digest('hex')}"`
  const counted = forge.requests.filter(one => one.counted).length
  const left = Math.max(LIMIT - counted - 1, 0)
  const reset = String(Math.floor(Date.now() / 1000) + RESET_AFTER_S)
  const common = { 'x-ratelimit-remaining': String(left), 'x-ratelimit-reset': reset }
  const say = (status: number, headers: Record<string, string>, body: string) => {
    forge.requests.push({ path: at, status, counted: status !== 304, method })
    response.writeHead(status, { 'content-type': 'application/json; charset=utf-8', ...common, ...headers })
    response.end(body)
  }
  switch (fault?.kind) {
    case 'down':
      request.socket.destroy()
      return
    case 'slow':
      return
    case 'error':
      return say(502, {}, '{"message":"Server Error"}')
    case 'forbidden':
      return say(403, {}, '{"message":"Resource not accessible"}')
    case 'many':
      return say(429, {}, '{"message":"Too many requests"}')
    case 'again':
      return say(403, { 'retry-after': '0' }, '{"message":"Please wait"}')
    case 'secondary':
      return say(403, { 'retry-after': '60' }, '{"message":"You have exceeded a secondary rate limit"}')
    case 'limit':
      return say(403, { 'x-ratelimit-remaining': '0' }, '{"message":"API rate limit exceeded"}')
    case 'half':
      forge.requests.push({ path: at, status: reply.status, counted: true, method })
      response.writeHead(reply.status, { 'content-length': String(text.length), etag })
      response.write(text.slice(0, Math.floor(text.length / 2)), () => request.socket.destroy())
      return
  }
  if (request.headers['if-none-match'] === etag) return say(304, { etag }, '')
  say(reply.status, { etag, ...reply.headers }, text)
}

const NOT_FOUND: Reply = { status: 404, body: { message: 'Not Found' } }

export function replyTo(forge: Forge, at: string, input: string, method = 'GET'): Reply {
  if (at === '/graphql') return threadsReply(forge, input)
  const [, rest = ''] = /^\/repos\/acme\/web\/([^?]*)/.exec(at) ?? []
  const [kind = '', name = '', what = '', more = ''] = rest.split('/')
  if (kind === 'issues') return issuesReply(forge.issues, method, at.replace('/repos/acme/web/', ''), input)
  if (kind === 'pulls') return pullReply(forge.pulls.get(Number(name)), what, forge)
  if (kind === 'commits') return commitReply(forge, name, what)
  if (kind === 'collaborators') {
    return { status: 200, body: { permission: forge.permissions.get(decodeURIComponent(name)) ?? 'none' } }
  }
  if (kind === 'actions' && more === 'logs')
    return { status: 302, headers: { location: `http://logs.test/${what}` }, body: '' }
  if (at.startsWith('/') && /^\/\d+$/.test(at)) return logReply(forge, Number(at.slice(1)))
  return NOT_FOUND
}

function pullReply(pull: ForgePull | undefined, what: string, forge: Forge): Reply {
  if (!pull) return NOT_FOUND
  if (what === 'comments') {
    const all = pull.threads.flatMap(({ comments }) => comments.map(({ id }) => ({ id })))
    return { status: 200, body: all.sort((a, b) => b.id - a.id).slice(0, 1) }
  }
  if (what === 'reviews') {
    return {
      status: 200,
      body: pull.reviews.map(({ id, author, state, body }) => ({ id, state, body, user: { login: author } })),
    }
  }
  const mergeable = pull.mergeable === 'merge' ? isMergeable(forge, pull) : pull.mergeable
  return {
    status: 200,
    body: {
      ...{ number: pull.number, state: pull.state, merged: pull.merged, draft: pull.draft, mergeable },
      mergeable_state: mergeable === false ? 'dirty' : 'clean',
      title: `change ${pull.branch}`,
      head: {
        ...{ ref: pull.branch, sha: forge.head(pull.branch) },
        repo: { full_name: pull.isFork ? 'mallory/web' : 'acme/web', clone_url: forge.cloneUrl },
      },
      base: { ref: pull.base, repo: { full_name: 'acme/web', clone_url: forge.cloneUrl } },
    },
  }
}

function isMergeable({ git }: Forge, { branch, base }: ForgePull): boolean {
  try {
    git('merge-tree', '--write-tree', `refs/heads/${base}`, `refs/heads/${branch}`)
    return true
  } catch {
    return false
  }
}

/** The ids of jobs: one for each check of each commit, the same for the same. */
const jobOf = (head: string, name: string) =>
  Number.parseInt(createHash('sha256').update(`${head} ${name}`).digest('hex').slice(0, 8), 16)
const logs = new Map<number, string>()

function commitReply(forge: Forge, head: string, what: string): Reply {
  if (what === 'status') {
    const statuses = forge.statuses.map(one => ({ ...one, target_url: null }))
    return { status: 200, body: { state: 'pending', statuses } }
  }
  if (what !== 'check-runs') return NOT_FOUND
  const runs = forge.ci(head).map(({ name, status = 'completed', conclusion = 'success', log }) => {
    const id = jobOf(head, name)
    if (log !== undefined) logs.set(id, log)
    return {
      ...{ id, name, status, conclusion: status === 'completed' ? conclusion : null },
      details_url: `https://github.com/acme/web/actions/runs/1/job/${id}`,
      app: { slug: log === undefined ? 'other-ci' : 'github-actions' },
      output: { title: log === undefined ? `${name} says so` : null, summary: null },
    }
  })
  return { status: 200, body: { total_count: runs.length, check_runs: runs } }
}

const logReply = (_forge: Forge, id: number): Reply => {
  const log = logs.get(id)
  return log === undefined ? NOT_FOUND : { status: 200, body: log }
}

function threadsReply({ pulls }: Forge, input: string): Reply {
  const { variables } = JSON.parse(input) as { variables: { number: number } }
  const nodes = (pulls.get(variables.number)?.threads ?? []).map(
    ({ id, path, line, isResolved, isOutdated, comments }) => ({
      ...{ id, path, line, isResolved: isResolved === true, isOutdated: isOutdated === true },
      comments: { nodes: comments.map(one => ({ databaseId: one.id, body: one.body, author: { login: one.author } })) },
    }),
  )
  return { status: 200, body: { data: { repository: { pullRequest: { reviewThreads: { nodes } } } } } }
}
