/** What people do to nodes: refused with the next command where work would be lost, and once done, done for good. */
import { afterEach, describe, expect, it } from 'vitest'
import { drainNode, findNode, removeNode } from '../../../../daemon/nodes/actions.ts'
import type { StaticNode } from '../../../../src/machines/provider.ts'
import { addCleanup, cleanupsOf } from '../../../../src/store/tables/cleanups.ts'
import { readEvents } from '../../../../src/store/tables/journal.ts'
import { readNode } from '../../../../src/store/tables/nodes.ts'
import { HOUR, type Lives, lives, MIN } from '../../../support/daemon/lives.ts'

let all: Lives
afterEach(() => all.end())

const sql = () => all.life.engine.store.sql
const node = (name = 'n1') => readNode(sql(), name)
const status = () => node()?.status
const drain = (flags = {}) => drainNode(all.life.engine, 'n1', { undo: false, dryRun: false, ...flags })
const remove = (flags = {}) => removeNode(all.life.engine, 'n1', { discard: false, dryRun: false, ...flags })
const refused = (message: string, hint: string) => expect.objectContaining({ code: 'WRONG_STATE', message, hint })
async function begin(): Promise<void> {
  all = await lives()
  await all.until(() => status() === 'ready', MIN)
}
async function work(): Promise<string> {
  const id = await all.submit({}, { commits: 1, ms: HOUR, busy: true })
  expect(await all.until(() => all.life.task(id).step === 'running', HOUR)).toBe(true)
  return id
}
/** The node stands in the configuration no more, or was added by hand. */
function listed(nodes: Partial<StaticNode>[]): void {
  const [provider] = Object.values(all.life.engine.providers)
  Object.assign(provider ?? {}, { staticNodes: () => nodes })
}
const unsaved = () => {
  const about = { attempt: 1, kind: 'salvage', nodeName: 'n1', subject: 'w1', dueAt: 0 } as const
  addCleanup(sql(), { id: 'task-1', ...about })
}

describe('a node that is drained', () => {
  it('takes no new work at once, and does again when it is undone', async () => {
    await begin()
    await drain()
    expect(node()).toMatchObject({ status: 'draining', waitingFor: null, wakeAt: all.life.world.clock.now() })
    const rev = node()?.rev
    await drain()
    expect(node()?.rev).toBe(rev)
    await drain({ undo: true })
    expect(status()).toBe('ready')
  })

  it('changes nothing in a dry run', async () => {
    await begin()
    await drain({ dryRun: true })
    expect(status()).toBe('ready')
    await expect(drain({ dryRun: true, undo: true })).resolves.toBeUndefined()
  })

  it('has to serve first, and to be drained before that is undone', async () => {
    await begin()
    sql().run("update nodes set status = 'lost'")
    await expect(drain()).rejects.toThrow(refused('node n1 is lost', 'tdf node show n1'))
    await expect(drain({ undo: true })).rejects.toThrow(refused('node n1 is lost', 'tdf node show n1'))
  })

  it('stays drained when the configuration does not have it any more', async () => {
    await begin()
    await drain()
    sql().run('update nodes set facts = ?', JSON.stringify({ isUnlisted: true }))
    const message = 'node n1 is not in the configuration any more'
    await expect(drain({ undo: true })).rejects.toThrow(refused(message, 'tdf config path'))
    expect(status()).toBe('draining')
  })
})

describe('a node that is removed', () => {
  it('has to be known', async () => {
    await begin()
    const unknown = expect.objectContaining({
      code: 'NOT_FOUND',
      message: 'there is no node "n9"',
      hint: 'tdf node ls',
    })
    expect(() => findNode(all.life.engine, 'n9')).toThrow(unknown)
  })

  it('stays while the configuration has it', async () => {
    await begin()
    const message = 'node n1 is in the configuration; remove it there'
    await expect(remove()).rejects.toThrow(refused(message, 'tdf config path'))
    await remove({ discard: true })
    expect(node()).toMatchObject({ status: 'ready', wakeAt: all.life.world.clock.now() })
  })

  it.each([
    ['that was taken out of the configuration', []],
    ['that was added by hand', [{ name: 'n1', forget: () => {} }]],
  ])('%s is forgotten, with what is known of the way to it', async (_, nodes) => {
    await begin()
    let forgotten = 0
    const forget = () => {
      forgotten += 1
    }
    listed(nodes.map(one => ({ ...one, forget })))
    await remove({ dryRun: true })
    expect([status(), forgotten]).toEqual(['ready', 0])
    await remove()
    expect([node(), forgotten]).toEqual([undefined, nodes.length])
    expect(all.life.engine.loop.knows('node:n1')).toBe(false)
    const events = readEvents(sql(), { after: 0, limit: 100 }).filter(({ type }) => type === 'node.removed')
    expect(events).toMatchObject([{ nodeName: 'n1', data: {} }])
  })

  it('is refused while tasks are on it, and while it was found without an owner', async () => {
    await begin()
    listed([])
    await work()
    await expect(remove()).rejects.toThrow(refused('node n1 has 1 workspaces on it', 'tdf node drain n1'))
    sql().run('update nodes set facts = ?', JSON.stringify({ adopted: true }))
    const message = 'node n1 was found without an owner, and what is on it is not saved yet'
    await expect(remove()).rejects.toThrow(refused(message, 'tdf node rm n1 --discard-work'))
    expect(status()).toBe('ready')
  })

  it('is refused for work that is not saved, until that is given up, which is put on record', async () => {
    await begin()
    listed([])
    const id = await work()
    sql().run('update workspaces set released_at = 1')
    unsaved()
    const message = 'node n1 has the work of 1 tasks that is not saved on it'
    await expect(remove()).rejects.toThrow(refused(message, 'tdf node rm n1 --discard-work'))
    await remove({ discard: true, dryRun: true })
    expect(cleanupsOf(sql(), { id, attempt: 1 })).toMatchObject([{ state: 'pending' }])
    await remove({ discard: true })
    const error = 'discarded: tdf node rm n1 --discard-work'
    expect(cleanupsOf(sql(), { id, attempt: 1 })).toMatchObject([{ state: 'done', error }])
    expect(node()).toBeUndefined()
  })

  it('is destroyed when it is a machine of ours, once', async () => {
    await begin()
    sql().run('update nodes set auto_provisioned = 1')
    await remove()
    expect(node()).toMatchObject({ status: 'destroying', wakeAt: all.life.world.clock.now() })
    expect(node()?.waitingFor).toContain('remove')
    await all.life.world.settle()
    expect(status()).toBe('destroyed')
    for (const there of ['destroyed', 'destroying']) {
      sql().run('update nodes set status = ?, wake_at = null', there)
      const rev = node()?.rev
      await remove()
      expect(node()).toMatchObject({ status: there, rev })
    }
  })
})
