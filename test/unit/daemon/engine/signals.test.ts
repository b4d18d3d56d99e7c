/** What is told of a workspace: taken when it is of the attempt that is meant, answered with the reason when not. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ingestEvent, receiveSignal, type WorkspaceSignal } from '../../../../daemon/engine/signals.ts'
import type { AgentEvent } from '../../../../src/protocol/agent-api.ts'
import { addSignal, openSignals } from '../../../../src/store/tables/inbox.ts'
import { HOUR, type Lives, lives } from '../../../support/daemon/lives.ts'

let all: Lives
const key = { id: 'task-1', attempt: 1 }
beforeEach(async () => {
  all = await lives()
  await all.submit({}, { hangs: true, busy: true })
  expect(await all.until(() => all.life.task('task-1').step === 'running', HOUR)).toBe(true)
})
afterEach(() => all.end())

const sql = () => all.life.engine.store.sql
const now = () => all.life.world.clock.now()
const kinds = () => openSignals(sql(), key).map(({ kind }) => kind)
const commit = <T>(act: () => T) => all.life.engine.store.commit(act)

describe('a signal of a workspace', () => {
  const receive = (change: Partial<WorkspaceSignal> = {}) => {
    const about = { workspaceId: 'task-1-1-1', kind: 'session_started', sessionId: 's1', payload: {}, ...change }
    return commit(() => receiveSignal(all.life.engine, about as WorkspaceSignal))
  }

  it('makes its task due, and counts once', async () => {
    sql().run('update attempts set wake_at = ?', now() + HOUR)
    expect(await receive()).toEqual({ accepted: true })
    expect(all.life.task('task-1').wakeAt).toBe(now())
    expect(await receive()).toEqual({ accepted: true })
    expect(kinds().filter(kind => kind === 'session_started').length).toBeLessThanOrEqual(1)
  })

  it('is refused with the reason when it is not of the attempt that goes on', async () => {
    const refused = (reason: string) => ({ accepted: false, reason })
    expect(await receive({ workspaceId: 'nobody' })).toEqual(refused('the workspace is not known'))
    sql().run("update attempts set workspace_id = 'task-1-1-2'")
    expect(await receive()).toEqual(refused('a newer placement took over'))
    sql().run("update attempts set status = 'failed'")
    expect(await receive()).toEqual(refused('the run is over'))
  })

  it('is refused while too many are not used yet, unless it is known already', async () => {
    const put = (dedupe: string, text: string) =>
      addSignal(sql(), { ...key, kind: 'session_started', dedupe, payload: { text } }, now())
    const refused = { accepted: false, reason: 'too many signals of this attempt are not used yet' }
    put('session_started:task-1-1-1:known', 'x'.repeat(1024 * 1024))
    expect(await receive({ sessionId: 'new' })).toEqual(refused)
    expect(await receive({ sessionId: 'known' })).toEqual({ accepted: true })
    // What comes once for a workspace has its place.
    expect(await receive({ kind: 'workspace_ready', sessionId: null })).toEqual({ accepted: true })
    expect(await receive({ kind: 'provisioning_failed', sessionId: null })).toEqual({ accepted: true })
    sql().run('delete from inbox')
    await commit(() => Array.from({ length: 256 }, (_, row) => put(`row-${row}`, '')))
    expect(await receive({ sessionId: 'new' })).toEqual(refused)
  })
})

describe('an event in the outbox of a node', () => {
  const data = {
    seq: 1,
    attempt: 1,
    sessionId: 's9',
    status: 'completed',
    exitCode: 0,
    signal: null,
    errorMessage: null,
  }
  const ingest = (change: object = {}, nodeName = 'n1') => {
    const event = { seq: 1, at: 'x', type: 'session.exited', workspaceId: 'task-1-1-1', data, ...change }
    return commit(() => ingestEvent(all.life.engine, nodeName, event as unknown as AgentEvent))
  }

  it('counts for a workspace that is on the node', async () => {
    expect(await ingest()).toBe('taken')
    expect(openSignals(sql(), key)).toMatchObject([{ kind: 'session_exited', payload: { sessionId: 's9' } }])
    sql().run('delete from inbox')
    expect(await ingest({ type: 'workspace.ready', data: { attempt: 1, path: '/w', baseCommit: null } })).not.toBe(
      'foreign',
    )
    expect(await ingest({ type: 'workspace.provisioning-failed', data: {} })).toBe('unreadable')
  })

  it('counts for no other node, and for no other attempt', async () => {
    expect(await ingest({}, 'n2')).toBe('foreign')
    expect(await ingest({ data: { ...data, attempt: 2 } })).toBe('foreign')
    expect(kinds()).toEqual([])
  })

  it('is skipped when its type or its workspace is not known, and refused when it cannot be read', async () => {
    expect(await ingest({ type: 'session.other' })).toBe('skipped')
    expect(await ingest({ workspaceId: null })).toBe('skipped')
    expect(await ingest({ workspaceId: 'nobody' })).toBe('skipped')
    expect(await ingest({ data: { ...data, status: 'well' } })).toBe('unreadable')
    expect(kinds()).toEqual([])
  })

  it('of a task whose row is damaged keeps no other from being read', async () => {
    sql().run("update attempts set facts = '{'")
    expect(await ingest()).toBe('skipped')
  })
})
