/** The nodes of the configuration at the start of a daemon: new ones get a row, and rows take over what was changed. */
import { afterEach, describe, expect, it } from 'vitest'
import { takeOverStandingNodes } from '../../../../daemon/nodes/standing.ts'
import type { StaticNode } from '../../../../src/machines/provider.ts'
import { readNode } from '../../../../src/store/tables/nodes.ts'
import { type Lives, lives } from '../../../support/daemon/lives.ts'

describe('a node that is simply there', () => {
  let all: Lives
  afterEach(() => all.end())
  const sql = () => all.life.engine.store.sql
  const row = (name = 'n1') => readNode(sql(), name)
  const listing = async (nodes: Partial<StaticNode>[]) => {
    const [provider] = Object.values(all.life.engine.providers)
    const plain = { size: null, location: null, address: 'model', maxWorkspaces: 3 }
    Object.assign(provider ?? {}, { staticNodes: () => nodes.map(one => ({ ...plain, name: 'n1', ...one })) })
    await all.life.engine.store.commit(() => takeOverStandingNodes(all.life.engine))
  }
  async function begin(): Promise<void> {
    all = await lives()
    await all.until(() => row()?.status === 'ready', 60_000)
  }

  it.each([{ size: 'large' }, { location: 'here' }, { address: 'elsewhere' }, { maxWorkspaces: 5 }])(
    'takes over %o from the configuration, and nothing is written when nothing has changed',
    async change => {
      await begin()
      const rev = row()?.rev ?? 0
      await listing([{}])
      expect(row()?.rev).toBe(rev)
      await listing([change])
      expect(row()).toMatchObject({ ...change, rev: rev + 1, status: 'ready' })
    },
  )

  it('is drained when it is taken out, once, and serves again when it is back', async () => {
    await begin()
    await listing([])
    expect(row()).toMatchObject({ status: 'draining', facts: { isUnlisted: true }, waitingFor: expect.any(String) })
    const rev = row()?.rev
    await listing([])
    expect(row()?.rev).toBe(rev)
    await listing([{}])
    expect(row()).toMatchObject({ status: 'ready', waitingFor: null })
    expect(row()?.facts).not.toHaveProperty('isUnlisted')
    expect(row()?.facts).toHaveProperty('agentVersion')
  })

  it('stays drained when its user has drained it before', async () => {
    await begin()
    sql().run("update nodes set status = 'draining'")
    const rev = row()?.rev
    await listing([])
    expect(row()).toMatchObject({ status: 'draining', rev })
    await listing([{ size: 'large' }])
    expect(row()).toMatchObject({ status: 'draining', size: 'large' })
  })

  it('that does not serve is noted as taken out, and comes back as it is', async () => {
    await begin()
    sql().run("update nodes set status = 'lost'")
    await listing([])
    expect(row()).toMatchObject({ status: 'lost', facts: { isUnlisted: true } })
    await listing([{}])
    expect(row()).toMatchObject({ status: 'lost' })
    expect(row()?.facts).not.toHaveProperty('isUnlisted')
  })

  it('is a new row when it is new, and a machine that was ordered is left alone', async () => {
    await begin()
    await listing([{}, { name: 'n2', size: 'small' }])
    expect(row('n2')).toMatchObject({ provider: 'static', size: 'small', autoProvisioned: false, status: 'ordered' })
    sql().run('update nodes set auto_provisioned = 1')
    await listing([{ size: 'large' }])
    expect([row('n1'), row('n2')]).toMatchObject([
      { size: null, status: 'ready' },
      { size: 'small', facts: {} },
    ])
    expect(row('n2')?.facts).not.toHaveProperty('isUnlisted')
  })
})
