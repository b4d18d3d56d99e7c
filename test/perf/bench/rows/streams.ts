/** Events to many listeners at once, and a long log on its way from the agent to whoever reads it; a real daemon. */
import http from 'node:http'
import type { EventJson } from '../../../../src/protocol/control.ts'
import { type Home, makeHome, makeRepository, tdf } from '../../../support/daemon/home.ts'
import type { Row } from '../report.ts'

const LISTENERS = 32
const LOG_BYTES = 48 * 2 ** 20

export async function streamRows(tasks: number): Promise<Row[]> {
  const home = makeHome('[nodes]\nmax_workspaces = 4\n')
  const repository = makeRepository()
  try {
    await home.start()
    return [await fanOut(home, tasks), await logs(home, repository.dir)]
  } finally {
    await home.remove()
    repository.remove()
  }
}

/** Tasks for a node that is not there: each makes two events at submit and more when it is cancelled. */
async function fanOut(home: Home, tasks: number): Promise<Row> {
  const heard = Array.from({ length: LISTENERS }, () => listen(home.client.socket))
  await Promise.all(heard.map(({ open }) => open))
  const startedAt = performance.now()
  const spec = { prompt: 'wait', command: ['true'], repo: REPO, size: 'large' }
  for (let index = 0; index < tasks; index++) {
    await home.client.call({ method: 'POST', path: '/tasks', json: { ...spec, idempotencyKey: `k${index}` } })
  }
  const wanted = tasks * 2
  while (heard.some(({ count }) => count() < wanted)) {
    if (performance.now() - startedAt > 120_000) throw new Error('the listeners did not hear everything')
    await new Promise(resolve => setTimeout(resolve, 2))
  }
  const seconds = (performance.now() - startedAt) / 1000
  for (const { close } of heard) close()
  const each = wanted / seconds
  return {
    what: `events to ${LISTENERS} listeners`,
    bar: '',
    measured: `${each.toFixed(0)} events/s to each, ${(each * LISTENERS).toFixed(0)} in all, with their submits`,
    holds: null,
  }
}

const REPO = { kind: 'git', url: 'https://example.org/repo.git', ref: null, baseCommit: null }

function listen(socketPath: string) {
  let events = 0
  const headers = { host: 'tdf', accept: 'text/event-stream' }
  const sent = http.get({ socketPath, path: '/v1/events?after=now', headers })
  const open = new Promise<void>((resolve, reject) => {
    sent.on('error', reject)
    sent.on('response', response => {
      response.on('data', (chunk: Buffer) => {
        events += chunk.toString('latin1').split('event: journal').length - 1
      })
      response.on('error', () => {})
      resolve()
    })
  })
  return { open, count: () => events, close: () => sent.destroy() }
}

async function logs(home: Home, repository: string): Promise<Row> {
  const script = `head -c ${LOG_BYTES} /dev/zero | tr '\\0' x | fold -w 200`
  const { code, out, err } = await tdf(home, 'submit', '--repo', repository, '-q', '--wait', '--', 'sh', '-c', script)
  if (code !== 0) throw new Error(err)
  const id = out.trim().split('\n')[0] ?? ''
  const startedAt = performance.now()
  let bytes = 0
  for (;;) {
    const { body } = await home.client.raw({ path: `/tasks/${id}/logs?after=${bytes}` })
    if (body.length === 0) break
    bytes += body.length
  }
  const seconds = (performance.now() - startedAt) / 1000
  const events = await home.client.call<EventJson[]>({ path: `/tasks/${id}/events` })
  const ran = events.find(event => event.type === 'task.step' && event.data.from === 'running')
  const megabytes = bytes / 1e6
  return {
    what: `a log of ${megabytes.toFixed(0)} MB`,
    bar: '',
    measured: `written and seen to its end at ${(megabytes / (Number(ran?.data.ms) / 1000)).toFixed(0)} MB/s, read back at ${(megabytes / seconds).toFixed(0)} MB/s`,
    holds: null,
  }
}
