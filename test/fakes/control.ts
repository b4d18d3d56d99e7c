/** A daemon as the dashboard sees it: many tasks, a journal that never rests, no engine behind it. On a unix socket. */
import http from 'node:http'
import { STEPS } from '../../src/core/task.ts'
import { API_LEVEL } from '../../src/platform/version.ts'
import type { EventJson, NodeJson } from '../../src/protocol/control.ts'
import type { ScreenTaskJson, SnapshotJson } from '../../src/protocol/screen.ts'

export interface FakeControl {
  socket: string
  /** Begins to tell that many events a second. */
  start(eventsASecond: number): void
  close(): Promise<void>
}

const BEAT_MS = 50
const LINE_BYTES = 60
const EVENTS_A_LINE = 200
const LIVE = ['queued', 'delegated', 'in_progress', 'parked']

/** What the daemon has. */
export interface Scene {
  tasks: ScreenTaskJson[]
  nodes?: NodeJson[]
  /** Why tasks wait, and what their agents and checks printed, by id; `ID check` for a check. */
  whys?: Record<string, string>
  logs?: Record<string, string>
}

export const manyTasks = (count: number): Scene => ({
  tasks: Array.from({ length: count }, (_, index) => taskOf(index)),
})

export async function fakeControl(
  socket: string,
  { tasks, nodes = [], whys = {}, logs = {} }: Scene,
): Promise<FakeControl> {
  const listeners = new Set<http.ServerResponse>()
  let seq = 0
  let beat: NodeJS.Timeout | undefined

  const answers: [RegExp, (path: URL) => unknown][] = [
    [/^\/v1\/snapshot$/, (): SnapshotJson => ({ seq, tasks, nodes, others: {} })],
    [/^\/v1\/nodes$/, () => nodes],
    [/^\/v1\/tasks$/, () => tasks.filter(({ status }) => LIVE.includes(status))],
    [/^\/v1\/spent$/, () => ({ since: new Date().toISOString(), costUsd: 0.42, machineUsd: 0 })],
    [/^\/v1\/screen$/, ({ searchParams }) => rowsOf(searchParams.getAll('task'))],
    [/^\/v1\/tasks\/\w+\/events$/, () => []],
    [/^\/v1\/tasks\/\w+\/why$/, () => null],
    [/^\/v1\/tasks\/\w+$/, () => tasks[0]],
    [/^\/v1\/events$/, () => []],
  ]

  function rowsOf(ids: readonly string[]) {
    return tasks.filter(({ id }) => ids.includes(id)).map(task => ({ task, why: whys[task.id] ?? null }))
  }

  /** Where nothing is given, a line of the same length about every second, as agents write. */
  function logFor({ pathname, searchParams }: URL): string {
    const id = pathname.split('/')[3] ?? ''
    const after = Number(searchParams.get('after') ?? 0)
    const given = logs[searchParams.get('session') === 'check' ? `${id} check` : id]
    if (given !== undefined) return Buffer.from(given).subarray(after).toString()
    const from = Math.floor(after / LINE_BYTES)
    const lines = Array.from(
      { length: Math.max(Math.floor(seq / EVENTS_A_LINE) - from, 0) },
      (_, index) => from + index,
    )
    return lines.map(number => `${`edit of file ${number}`.padEnd(LINE_BYTES - 1)}\n`).join('')
  }

  const server = http.createServer((request, response) => {
    response.setHeader('x-tdf-api', API_LEVEL)
    const url = new URL(request.url ?? '', 'http://tdf')
    if (request.headers.accept === 'text/event-stream') {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders()
      listeners.add(response)
      request.on('close', () => listeners.delete(response))
      return
    }
    if (url.pathname.endsWith('/logs')) return response.writeHead(200).end(logFor(url))
    if (url.pathname.endsWith('/log-times')) return response.writeHead(200).end()
    const answer = answers.find(([path]) => path.test(url.pathname))
    response.writeHead(answer ? 200 : 404, { 'content-type': 'application/json' })
    response.end(JSON.stringify(answer?.[1](url) ?? null))
  })

  function tell(count: number): void {
    let text = ''
    for (let index = 0; index < count; index += 1) {
      seq += 1
      const task = tasks[(seq * 7_919) % tasks.length]
      if (!task) return
      const to = STEPS[(STEPS.indexOf(task.step ?? 'node_selection') + 1) % STEPS.length] ?? 'running'
      const at = new Date().toISOString()
      const event: EventJson = {
        seq,
        at,
        type: 'task.step',
        taskId: task.id,
        nodeName: null,
        step: to,
        attempt: 1,
        data: { from: task.step, to, ms: 40 },
      }
      Object.assign(task, { step: to, stepEnteredAt: at })
      text += `id: ${seq}\nevent: journal\ndata: ${JSON.stringify(event)}\n\n`
    }
    for (const listener of listeners) listener.write(text)
  }

  await new Promise<void>(resolve => server.listen(socket, resolve))
  return {
    socket,
    start(eventsASecond) {
      beat = setInterval(() => tell(Math.round((eventsASecond * BEAT_MS) / 1_000)), BEAT_MS)
    },
    close: () =>
      new Promise(resolve => {
        clearInterval(beat)
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

function taskOf(index: number): ScreenTaskJson {
  const at = new Date(Date.now() - index * 1_000).toISOString()
  return {
    schema: 'tdf.task.v1',
    id: `t${String(index).padStart(9, '0')}`,
    attempt: 1,
    title: `a task with number ${index} and a title of the usual length`,
    agent: 'claude',
    after: [],
    from: [],
    group: null,
    score: null,
    pick: null,
    repo: { url: '/home/you/site', ref: 'main', baseCommit: null },
    outputBranch: `tdf/${index}`,
    labels: {},
    priority: 0,
    status: index % 10 === 0 ? 'in_progress' : 'queued',
    step: STEPS[index % STEPS.length] ?? 'running',
    stepEnteredAt: at,
    stepAttempt: 1,
    wakeAt: null,
    waitingFor: null,
    parkedUntil: null,
    node: null,
    workspace: null,
    session: {
      id: `s${index}`,
      agent: 'claude',
      status: 'running',
      exitCode: null,
      signal: null,
      resumeRef: null,
      agentVersion: null,
      model: null,
    },
    agentsUsed: [],
    fallback: null,
    verdict: null,
    result: null,
    attempts: [],
    continued: null,
    usage: null,
    saved: [],
    leftOut: [],
    artifacts: [],
    fit: null,
    landing: null,
    totalUsage: null,
    maxCostUsd: null,
    maySpawn: null,
    parent: null,
    machineCost: null,
    error: null,
    cleanup: null,
    push: null,
    pr: null,
    schedule: null,
    scheduled: null,
    source: null,
    createdAt: at,
    startedAt: null,
    completedAt: null,
    updatedAt: at,
  }
}
