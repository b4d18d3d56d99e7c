/**
 * A VM agent as a small model: workspaces that take a while to build, sessions that take a while to run, a numbered
 * outbox that is pushed and can be pulled. It lives on while daemons die. What a session does is said by its command:
 * `["fake", JSON]` with a `Script`. Faults are switched on by name.
 */
import { createHash } from 'node:crypto'
import { type Context, Hono } from 'hono'
import type { Clock } from '../../src/platform/world.ts'
import {
  AGENT_PROTOCOL,
  type AgentSession,
  type CreateWorkspace,
  STATE_HEADER,
  type StartSession,
} from '../../src/protocol/agent-api.ts'

/** What a session of the model does. Times are in ms. */
export interface Script {
  ms?: number
  exitCode?: number
  commits?: number
  dirty?: boolean
  /** Makes so many branches beside HEAD. */
  sides?: number
  /** Leaves something that cannot be read while the node's fault `unreadable` lasts. */
  shut?: boolean
  /** Never ends by itself. */
  hangs?: boolean
  /** Goes on writing every so often; else it is silent and uses no processor. */
  busy?: boolean
  /** Uses a tool until so long after its start. */
  toolMs?: number
  cannotStart?: string
  /** What the session's view says beside its end, such as an agent of a real type would report. */
  says?: Partial<
    Pick<
      AgentSession,
      | ('outcome' | 'summary' | 'failure' | 'resetAt' | 'resumeRef' | 'usage')
      | ('agentVersion' | 'model' | 'retrying' | 'hasActed')
    >
  >
  /** So many USD a minute, as long as it runs; its view says how many by now. */
  spends?: number
  /** What ran it is ended under it, in the words of `LOST_UNDER_RUN`. */
  lost?: string
  /** Ends at a usage limit that is lifted so long after its end. */
  limitMs?: number
  /** What the sessions do that come after it, or continue its conversation elsewhere. */
  resumed?: Script
  /** Takes further prompts, as an agent in a duplex mode does. */
  steerable?: boolean
  /** Takes them and ends before it gives them to the agent. */
  ignoresPrompts?: boolean
  /** What the pick of its race says of its work: the last line that it prints; null: that it is out. */
  score?: string | null
  /** The pick never ends by itself. */
  pickHangs?: boolean
  /** Asks for this when it starts, and ends only after the answer, unless its policy answers at once. */
  asks?: { requestId: string; tool: string; detail: string }
}

export interface Faults {
  /** Nothing answers, nothing is pushed. */
  down: boolean
  losePushes: boolean
  doublePushes: boolean
  delayPushesMs: number
  /** Each answers one request by this status before anything is done. */
  refuse: { match: RegExp; status: number; retryAfterS?: number }[]
  /** Each does what one request asks and then loses the answer. */
  loseAnswer: RegExp[]
  /** Such a request is taken and never answered. */
  hangs: RegExp | null
  buildFails: string | null
  /** Builds that are begun and never end. */
  buildHangs: boolean
  salvageFails: boolean
  /** Commands leave a file to look at in their folder for that; an older agent knows no such folder. */
  artifacts: 'none' | 'one' | 'unknown'
  /** What was left shut cannot be read. */
  unreadable: boolean
  /** Tells of every workspace in the list, whose ever it is, that it failed and that its session and its check ended. */
  foreign: readonly string[]
  /** What is wrong with each page of events, if anything. */
  badPage: 'numbers that fall' | 'too many rows' | null
}

interface FakeWorkspace {
  body: CreateWorkspace
  status: 'creating' | 'ready' | 'failed' | 'stopped'
  errorMessage: string | null
  sessions: Map<string, FakeSession>
  head: string
  dirty: boolean
  ahead: number
  /** Branches beside HEAD: what follows the name of the result's ref → commit. */
  beside: Map<string, string>
  /** Something in it was never read. */
  shut: boolean
}

interface FakeSession {
  body: StartSession
  script: Script
  status: 'running' | 'exited'
  exitCode: number | null
  signal: string | null
  errorMessage: string | null
  startedAt: number
  endedAt: number
  /** By the clock that never jumps. */
  startedMono: number
  endedMono: number
  outputs: number
  /** Delivery id → text, in the order in which they came. */
  prompts: Map<string, string>
  permission: { decision: 'allow' | 'deny' | null; at: number } | null
}

interface FakeEvent {
  seq: number
  at: string
  type: string
  workspaceId: string | null
  taskId: string | null
  attempt: number | null
  sessionId: string | null
  data: Record<string, unknown>
}

export interface FakeAgent {
  app: Hono
  faults: Faults
  name: string
  /** The version of the agent API that it speaks. */
  protocol: number
  stateId: string
  workspaces: Map<string, FakeWorkspace>
  /** Every request that was answered, for "who asked what, and how often". */
  requests: string[]
  /** How often each session was really started, by id; a second start is a bug of somebody's. */
  starts: Map<string, number>
  /** What each session was started with, in the order of their starts. */
  asked: StartSession[]
  /** How often each workspace was really built. */
  builds: Map<string, number>
  /** What was deleted while work in it had not been fetched. */
  lostWork: string[]
  /** Forgets everything, like a machine that was made anew. */
  wipe(): void
  /** Says nothing more, like a machine that is gone. */
  retire(): void
  events: FakeEvent[]
}

/** `beside` is what follows the name of the result's ref in those beside it. */
export type IsHome = (taskId: string, attempt: number, beside: readonly string[]) => boolean

/** Whether deleting a workspace loses what was made in it. */
export function losesWork({ body, dirty, ahead, beside, shut }: FakeWorkspace, isHome: IsHome): boolean {
  const hasWork = dirty || ahead > 0 || beside.size > 0
  return shut || (hasWork && !isHome(body.taskId, body.attempt, [...beside.keys()]))
}

export interface FakeAgentOptions {
  clock: Clock
  name: string
  token?: string
  buildMs?: number
  /** Delivers a push; resolves with its HTTP status. Rejects while nobody listens. */
  deliver?: (path: string, token: string, body: unknown) => Promise<number>
  /** Whether what an attempt made is safe at home; without it, nobody asks. */
  isHome?: IsHome
  /** Every session of an agent that costs something, whatever becomes of it. */
  meter?: Metered[]
}

export interface Metered {
  taskId: string
  attempt: number
  workspaceId: string
  session: FakeSession
}

/** What it has cost by then, in USD; `now` by the clock that never jumps. */
export function costOf({ script, status, startedMono, endedMono }: FakeSession, now: number): number {
  return ((script.spends ?? 0) * ((status === 'running' ? now : endedMono) - startedMono)) / 60_000
}

const GONE_MAX = 2_000
const BASE = '1111111111111111111111111111111111111111'
const oidOf = (text: string) => createHash('sha1').update(text).digest('hex')

export function fakeAgent({
  clock,
  name,
  token = 'agent-token',
  buildMs = 1_000,
  deliver,
  isHome = () => true,
  meter,
}: FakeAgentOptions): FakeAgent {
  const faults: Faults = {
    down: false,
    losePushes: false,
    doublePushes: false,
    delayPushesMs: 0,
    refuse: [],
    loseAnswer: [],
    hangs: null,
    buildFails: null,
    buildHangs: false,
    salvageFails: false,
    artifacts: 'none',
    unreadable: false,
    foreign: [],
    badPage: null,
  }
  let generation = 1
  let seq = 0
  let registration: { callback: { url: string; token: string }; heartbeatMs: number } | null = null
  const gone = new Set<string>()
  const agent: FakeAgent = {
    app: new Hono(),
    faults,
    name,
    protocol: AGENT_PROTOCOL,
    stateId: `${name}-state-1`,
    workspaces: new Map(),
    requests: [],
    starts: new Map(),
    asked: [],
    builds: new Map(),
    lostWork: [],
    events: [],
    wipe() {
      generation += 1
      agent.stateId = `${name}-state-${generation}`
      agent.workspaces.clear()
      agent.events.length = 0
      gone.clear()
      seq = 0
      registration = null
    },
    retire() {
      agent.wipe()
      faults.down = true
    },
  }
  const { app, workspaces, events } = agent

  function emit(workspace: FakeWorkspace, type: string, sessionId: string | null, data: Record<string, unknown>): void {
    seq += 1
    const { workspaceId, taskId, attempt } = workspace.body
    const body = { seq, ...data }
    events.push({ seq, at: iso(), type, workspaceId, taskId, attempt, sessionId, data: body })
    const path = PUSH[type]?.(workspaceId, taskId)
    if (path) push(path, () => workspace.body.callback.token, body)
  }

  function push(path: string, secret: () => string, body: unknown, tryNumber = 1): void {
    const born = generation
    clock.timer(faults.delayPushesMs, () => {
      if (!deliver || born !== generation) return
      const again = () =>
        clock.timer(Math.min(1_000 * 2 ** (tryNumber - 1), 30_000), () => push(path, secret, body, tryNumber + 1))
      if (faults.losePushes || faults.down) return void (tryNumber < 20 && again())
      deliver(path, secret(), body).then(status => {
        if (status >= 500 && tryNumber < 20) again()
        else if (faults.doublePushes && tryNumber === 1) push(path, secret, body, 99)
      }, again)
    })
  }

  function beat(): void {
    const now = registration
    if (!now) return
    const load = { cpuPercent: 5, memoryPercent: 20, diskPercent: 30, workspaces: workspaces.size }
    if (!faults.down && !faults.losePushes) {
      deliver?.(`/nodes/${name}/heartbeat`, now.callback.token, { stateId: agent.stateId, ...load }).catch(() => {})
    }
    clock.timer(now.heartbeatMs, () => registration === now && beat())
  }

  function build(workspace: FakeWorkspace): void {
    const { workspaceId } = workspace.body
    agent.builds.set(workspaceId, (agent.builds.get(workspaceId) ?? 0) + 1)
    if (faults.buildHangs) return
    const born = generation
    clock.timer(buildMs, () => {
      if (born !== generation || workspace.status !== 'creating' || gone.has(workspaceId)) return
      if (faults.buildFails !== null) {
        workspace.status = 'failed'
        workspace.errorMessage = faults.buildFails
        return emit(workspace, 'workspace.provisioning-failed', null, { errorMessage: faults.buildFails })
      }
      workspace.status = 'ready'
      emit(workspace, 'workspace.ready', null, { status: 'running' })
    })
  }

  function startSession(workspace: FakeWorkspace, body: StartSession): FakeSession {
    agent.asked.push(body)
    const script = /-pick$/.test(body.sessionId) ? picked(workspace) : scriptOf(body)
    agent.starts.set(body.sessionId, (agent.starts.get(body.sessionId) ?? 0) + 1)
    const ended = { exitCode: null, signal: null, errorMessage: null }
    const policy = body.permissions ?? 'allow'
    const permission = script.asks ? { decision: policy === 'ask' ? null : policy, at: clock.now() } : null
    const mono = { startedMono: clock.mono(), endedMono: clock.mono() }
    const begun = { ...mono, endedAt: 0, startedAt: clock.now(), outputs: 1, prompts: new Map(), permission }
    const session: FakeSession = { body, script, status: 'running', ...ended, ...begun }
    workspace.sessions.set(body.sessionId, session)
    const { workspaceId, taskId, attempt } = workspace.body
    if (script.spends !== undefined) meter?.push({ taskId, attempt, workspaceId, session })
    emit(workspace, 'session.started', body.sessionId, { attempt: workspace.body.attempt, sessionId: body.sessionId })
    const born = generation
    if (!script.hangs && permission?.decision !== null) {
      clock.timer(script.ms ?? 1_000, () => {
        if (born !== generation) return
        if (script.lost === undefined) end(workspace, session, script.exitCode ?? 0, null)
        else end(workspace, session, null, 'SIGKILL', script.lost)
      })
    }
    if (body.timeoutMs !== null) {
      clock.timer(body.timeoutMs, () => born === generation && end(workspace, session, null, 'SIGTERM', 'timeout'))
    }
    const { idleMs } = body
    if (idleMs !== undefined && !script.busy) {
      const isIdle = () => born === generation && session.permission?.decision !== null
      clock.timer(idleMs, () => isIdle() && end(workspace, session, null, 'SIGTERM', 'idle'))
    }
    return session
  }

  function end(
    workspace: FakeWorkspace,
    session: FakeSession,
    exitCode: number | null,
    signal: string | null,
    errorMessage: string | null = null,
  ): void {
    if (session.status === 'exited') return
    Object.assign(session, {
      status: 'exited',
      exitCode,
      signal,
      errorMessage,
      endedAt: clock.now(),
      endedMono: clock.mono(),
    })
    const isOfAgent = !/-(check|pick)$/.test(session.body.sessionId)
    if (isOfAgent) {
      workspace.ahead += session.script.commits ?? 0
      if (session.script.commits)
        workspace.head = oidOf(`${workspace.body.workspaceId}:${session.body.sessionId}:${workspace.ahead}`)
      workspace.dirty ||= session.script.dirty ?? false
      workspace.shut ||= session.script.shut ?? false
      for (let nth = 1; nth <= (session.script.sides ?? 0); nth++) {
        const suffix = `-heads/side-${workspace.beside.size + 1}`
        workspace.beside.set(suffix, oidOf(`${workspace.body.workspaceId}${suffix}`))
      }
    }
    const { sessionId } = session.body
    const status = exitCode === 0 ? 'completed' : 'failed'
    const { attempt } = workspace.body
    emit(workspace, 'session.exited', sessionId, { attempt, sessionId, status, exitCode, signal, errorMessage })
  }

  function view(session: FakeSession) {
    const { body, script, status, exitCode, signal, errorMessage, startedAt, outputs, ...more } = session
    const { prompts, permission, endedAt } = more
    const isWaiting = status === 'running' && permission?.decision === null
    const isDenied = status === 'exited' && permission?.decision === 'deny'
    return {
      ...{ sessionId: body.sessionId, status, exitCode, signal, errorMessage },
      startedAt: new Date(startedAt).toISOString(),
      lastOutputAt: new Date(startedAt + outputs).toISOString(),
      cpuMs: outputs,
      ...{ resumeRef: null, usage: null, summary: null, resetAt: null, outcome: 'none', failure: null },
      ...{ agentVersion: null, model: body.model ?? null, retrying: null },
      ...script.says,
      ...(script.spends === undefined ? {} : { usage: spentBy(costOf(session, clock.mono())) }),
      ...(script.toolMs === undefined ? {} : { usesTool: clock.now() < startedAt + script.toolMs }),
      ...(script.limitMs === undefined ? {} : limited(endedAt + script.limitMs)),
      // What ended it is not known before it has ended.
      ...(status === 'running' ? { outcome: null, failure: null } : {}),
      ...(isDenied ? { outcome: 'permission_denied', failure: 'denied' } : {}),
      pendingPermission:
        isWaiting && script.asks ? { ...script.asks, at: new Date(permission?.at ?? 0).toISOString() } : null,
      steerable: script.steerable ?? false,
      undelivered: status === 'exited' && script.ignoresPrompts ? [...prompts.keys()] : [],
    }
  }

  const iso = () => new Date(clock.now()).toISOString()
  const refuse = (c: Context, status: 400 | 401 | 404 | 409 | 410 | 422 | 500 | 503, code: string, message = code) =>
    c.json({ error: { code, message } }, status)
  const summary = ({ body, status, errorMessage }: FakeWorkspace) => ({
    workspaceId: body.workspaceId,
    taskId: body.taskId,
    attempt: body.attempt,
    status,
    errorMessage,
  })

  function badPageOf(page: FakeEvent[]): FakeEvent[] {
    const [first] = page
    if (faults.badPage === null || !first) return page
    return faults.badPage === 'numbers that fall' ? [...page, first] : Array.from({ length: 501 }, () => first)
  }

  app.use(async (c, next) => {
    const line = `${c.req.method} ${c.req.path}`
    if (faults.down) throw new Error('connection refused')
    agent.requests.push(line)
    if (faults.hangs?.test(line)) await new Promise(() => {})
    const refused = faults.refuse.findIndex(({ match }) => match.test(line))
    if (refused >= 0) {
      const [{ status, retryAfterS }] = faults.refuse.splice(refused, 1) as [Faults['refuse'][number]]
      if (retryAfterS !== undefined) c.header('retry-after', String(retryAfterS))
      return refuse(c, status as 500, 'fault', 'a fault of the model')
    }
    const authorization = c.req.header('authorization')
    if (line === 'GET /health' && authorization === undefined) return c.json({ status: 'healthy' })
    if (authorization !== `Bearer ${token}`) return refuse(c, 401, 'unauthorized')
    const meant = c.req.header(STATE_HEADER)
    if (c.req.path.startsWith('/workspaces') && meant !== undefined && meant !== agent.stateId)
      return refuse(c, 409, 'wrong_state')
    await next()
    const lost = faults.loseAnswer.findIndex(match => match.test(line))
    if (lost < 0) return
    faults.loseAnswer.splice(lost, 1)
    throw new Error('the answer was lost')
  })
  app.onError(error => {
    throw error
  })

  app.get('/health', c => {
    const load = { cpuPercent: 5, memoryPercent: 20, diskPercent: 30 }
    return c.json({
      status: 'healthy',
      nodeName: agent.name,
      stateId: agent.stateId,
      version: '0.0.0',
      protocol: agent.protocol,
      ...load,
      workspaces: workspaces.size,
    })
  })
  app.put('/registration', async c => {
    const body = await c.req.json()
    if (body.nodeName !== agent.name) return refuse(c, 409, 'wrong_node')
    const isNew = registration === null || registration.callback.token !== body.callback.token
    registration = body
    if (isNew) {
      push(`/nodes/${name}/ready`, () => body.callback.token, { agentVersion: '0.0.0', stateId: agent.stateId })
      clock.timer(body.heartbeatMs, beat)
    }
    return c.body(null, 204)
  })
  app.get('/events', c => {
    const after = Number(c.req.query('after') ?? 0)
    const told = events.filter(event => event.seq > after).slice(0, 500)
    const room = 500 - told.length
    const lies = faults.foreign
      .flatMap(liesAbout)
      .slice(0, room)
      .map(lie => ({ ...lie, seq: ++seq, at: iso() }))
    return c.json({ stateId: agent.stateId, events: badPageOf([...told, ...lies]) })
  })
  app.get('/workspaces', c => c.json({ workspaces: [...workspaces.values()].map(summary) }))
  app.post('/workspaces', async c => {
    const body: CreateWorkspace = await c.req.json()
    const known = workspaces.get(body.workspaceId)
    if (known) {
      if (!isSame(known.body, body)) return refuse(c, 409, 'conflict')
      known.body = body
      return c.json({ workspaceId: body.workspaceId, status: known.status })
    }
    if (gone.has(body.workspaceId)) return refuse(c, 410, 'gone')
    const fresh = {
      status: 'creating',
      errorMessage: null,
      sessions: new Map(),
      head: body.source.kind === 'bundle' ? body.source.sha256.slice(0, 40) : BASE,
      dirty: false,
      ahead: 0,
      beside: new Map<string, string>(),
      shut: false,
    } as const
    const workspace: FakeWorkspace = { body, ...fresh }
    workspaces.set(body.workspaceId, workspace)
    if (body.source.kind === 'git') build(workspace)
    return c.json({ workspaceId: body.workspaceId, status: 'creating' }, 202)
  })
  app.put('/workspaces/:id/bundle', c => {
    const workspace = workspaces.get(c.req.param('id'))
    if (!workspace) return refuse(c, 404, 'not_found')
    if (!agent.builds.has(workspace.body.workspaceId)) build(workspace)
    return c.body(null, 204)
  })
  app.get('/workspaces/:id', c => {
    const workspace = workspaces.get(c.req.param('id'))
    return workspace ? c.json(summary(workspace)) : refuse(c, 404, 'not_found')
  })
  app.post('/workspaces/:id/agent-sessions', async c => {
    const workspace = workspaces.get(c.req.param('id'))
    if (!workspace) return refuse(c, 404, 'not_found')
    const body: StartSession = await c.req.json()
    const known = workspace.sessions.get(body.sessionId)
    if (known && !isSame(known.body, body)) return refuse(c, 409, 'conflict')
    if (known) return c.json({ sessionId: body.sessionId, status: known.status })
    if (workspace.status !== 'ready') return refuse(c, 409, 'workspace_not_ready')
    if ([...workspace.sessions.values()].some(({ status }) => status === 'running'))
      return refuse(c, 409, 'session_running')
    const { cannotStart } = scriptOf(body)
    if (cannotStart !== undefined) return refuse(c, 422, 'cannot_start', cannotStart)
    startSession(workspace, body)
    return c.json({ sessionId: body.sessionId, status: 'running' }, 201)
  })
  app.get('/workspaces/:id/agent-sessions/:sid', c => {
    const session = workspaces.get(c.req.param('id'))?.sessions.get(c.req.param('sid'))
    if (!session) return refuse(c, 404, 'not_found')
    if (session.script.busy && session.status === 'running') session.outputs += 1
    return c.json(view(session))
  })
  app.post('/workspaces/:id/agent-sessions/:sid/prompt', async c => {
    const session = workspaces.get(c.req.param('id'))?.sessions.get(c.req.param('sid'))
    if (!session) return refuse(c, 404, 'not_found')
    const { deliveryId, text } = await c.req.json()
    if (session.prompts.has(deliveryId)) return c.json({}, 200)
    if (session.status === 'exited') return refuse(c, 409, 'session_exited')
    if (!session.script.steerable) return refuse(c, 409, 'not_steerable')
    session.prompts.set(deliveryId, text)
    return c.json({}, 202)
  })
  app.post('/workspaces/:id/agent-sessions/:sid/permission', async c => {
    const workspace = workspaces.get(c.req.param('id'))
    const session = workspace?.sessions.get(c.req.param('sid'))
    const { requestId, decision } = await c.req.json()
    if (!workspace || !session?.permission || session.script.asks?.requestId !== requestId)
      return refuse(c, 404, 'not_found')
    if (session.permission.decision === decision) return c.json({}, 200)
    if (session.permission.decision !== null) return refuse(c, 409, 'conflict')
    if (session.status === 'exited') return refuse(c, 409, 'session_exited')
    session.permission.decision = decision
    const { script } = session
    if (!script.hangs) clock.timer(script.ms ?? 1_000, () => end(workspace, session, script.exitCode ?? 0, null))
    return c.json({}, 202)
  })
  app.post('/workspaces/:id/agent-sessions/:sid/cancel', c => {
    const workspace = workspaces.get(c.req.param('id'))
    const session = workspace?.sessions.get(c.req.param('sid'))
    if (!workspace || !session) return refuse(c, 404, 'not_found')
    clock.timer(100, () => end(workspace, session, null, 'SIGTERM'))
    return c.json({}, 202)
  })
  app.post('/workspaces/:id/salvage', async c => {
    const workspace = workspaces.get(c.req.param('id'))
    if (!workspace) return refuse(c, 404, 'not_found')
    if (faults.salvageFails) return refuse(c, 500, 'disk_full', 'no space left on device')
    const { ref, live = false, after } = await c.req.json()
    if (!live && [...workspace.sessions.values()].some(({ status }) => status === 'running'))
      return refuse(c, 409, 'session_running')
    const commit = workspace.dirty ? oidOf(`${workspace.head}+dirty`) : workspace.head
    const ahead = workspace.ahead + (workspace.dirty ? 1 : 0)
    const saved = [...workspace.beside].map(([suffix, oid]) => ({
      ...{ ref: `${ref}${suffix}`, name: suffix.slice('-heads/'.length), kind: 'branch', commit: oid, ahead: 1 },
    }))
    const isShut = workspace.shut && faults.unreadable
    const leftOut = isShut ? [{ path: 'data/', bytes: null, reason: 'permission denied', kind: 'unreadable' }] : []
    if (!live) workspace.shut = isShut
    const files =
      faults.artifacts === 'unknown' || live
        ? {}
        : { files: faults.artifacts === 'one' ? oneFile(after ?? 'agent') : null }
    return c.json({ commit, baseCommit: BASE, ahead, salvaged: workspace.dirty, saved, leftOut, ...files })
  })
  app.get('/workspaces/:id/bundle', c => {
    const workspace = workspaces.get(c.req.param('id'))
    return workspace ? c.body(`bundle of ${workspace.body.workspaceId}`) : refuse(c, 404, 'not_found')
  })
  app.get('/workspaces/:id/logs', c => {
    const session = c.req.query('session') ?? ''
    const { score = null } = workspaces.get(c.req.param('id'))?.sessions.get(session)?.script ?? {}
    c.header('x-next-offset', '0')
    return c.body(score === null ? '' : `looking\n${score}\n`.slice(Number(c.req.query('after') ?? 0)))
  })
  app.post('/workspaces/:id/stop', c => {
    const workspace = workspaces.get(c.req.param('id'))
    if (workspace) {
      for (const session of workspace.sessions.values()) end(workspace, session, null, 'SIGTERM')
      workspace.status = 'stopped'
    }
    return c.json({})
  })
  app.delete('/workspaces/:id', c => {
    const id = c.req.param('id')
    const doomed = workspaces.get(id)
    if (doomed && losesWork(doomed, isHome)) agent.lostWork.push(id)
    for (const session of workspaces.get(id)?.sessions.values() ?? []) {
      if (session.status === 'running')
        Object.assign(session, { status: 'exited', endedAt: clock.now(), endedMono: clock.mono() })
    }
    workspaces.delete(id)
    gone.add(id)
    const [oldest = ''] = gone
    if (gone.size > GONE_MAX) gone.delete(oldest)
    for (let index = events.length - 1; index >= 0; index--)
      if (events[index]?.workspaceId === id) events.splice(index, 1)
    return c.json({})
  })
  return agent
}

/** The check of a task is a shell command; the model passes it unless it says otherwise. */
function scriptOf({ agent: { command }, resumeRef, sessionId }: StartSession): Script {
  if (command[0] === 'fake') {
    const script: Script = JSON.parse(command[1] ?? '{}')
    const goesOn = resumeRef !== null || !sessionId.endsWith('-s1')
    return goesOn && script.resumed ? script.resumed : script
  }
  return { ms: 500, exitCode: command.at(-1) === 'false' ? 1 : 0 }
}

/** What the pick of a race finds is what the script of the agent says. */
function picked({ sessions }: FakeWorkspace): Script {
  const scores = [...sessions.values()].flatMap(({ script: { score } }) => (score === undefined ? [] : [score]))
  const score = scores.length === 0 ? '' : (scores.at(-1) ?? null)
  if ([...sessions.values()].some(({ script }) => script.pickHangs)) return { hangs: true }
  return { ms: 500, exitCode: score === null ? 1 : 0, score }
}

const spentBy = (costUsd: number) => ({ inputTokens: Math.floor(costUsd * 100), outputTokens: 0, costUsd })

const limited = (until: number) => ({
  ...{ outcome: 'usage_limit', failure: 'usage_limit', resetAt: new Date(until).toISOString() },
})

/** The same content, whatever may be newer about it. */
function isSame(known: CreateWorkspace | StartSession, body: CreateWorkspace | StartSession): boolean {
  const content = (of: object) =>
    JSON.stringify({ ...of, callback: null, author: null, idleMs: null }).replace(/"env":\{[^}]*\}/, '')
  return content(known) === content(body)
}

const PUSH: Record<string, (workspaceId: string, taskId: string) => string> = {
  'workspace.ready': id => `/workspaces/${id}/ready`,
  'workspace.provisioning-failed': id => `/workspaces/${id}/provisioning-failed`,
  'session.exited': (_, taskId) => `/tasks/${taskId}/status`,
}

/** Of a workspace `TASK-ATTEMPT-PLACEMENT`: what would end its task, whatever step that is in. */
function liesAbout(workspaceId: string): Omit<FakeEvent, 'seq' | 'at'>[] {
  const [, taskId = '', number] = /^(.+)-(\d+)-\d+$/.exec(workspaceId) ?? []
  const attempt = Number(number)
  const about = { workspaceId, taskId, attempt }
  const exits = ['s1', 's1-check'].map(name => {
    const sessionId = `${workspaceId}-${name}`
    const data = { seq: 1, attempt, sessionId, status: 'completed', exitCode: 0, signal: null, errorMessage: null }
    return { ...about, type: 'session.exited', sessionId, data }
  })
  const failed = { type: 'workspace.provisioning-failed', sessionId: null, data: { seq: 1, errorMessage: 'a lie' } }
  return [{ ...about, ...failed }, ...exits]
}

const oneFile = (from: 'agent' | 'check') => ({
  commit: oidOf(`files of the ${from}`),
  list: [{ path: 'report.xml', bytes: 1, sha256: 'c'.repeat(64), from }],
})
