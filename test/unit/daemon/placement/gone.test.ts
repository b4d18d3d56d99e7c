/** A slot is looked at once more when it is taken: its node may have gone since it was reserved. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { isServing, NODE_STATUSES } from '../../../../src/core/node.ts'
import { placeWorkspace, reserve } from '../../../../src/store/tables/slots.ts'
import { type Lives, lives } from '../../../support/daemon/lives.ts'

let all: Lives
beforeEach(async () => {
  all = await lives({ nodes: ['n1', 'n2'] })
})
afterEach(() => all.end())

it.each(NODE_STATUSES)('a node that is %s takes a workspace only if it serves', status => {
  const { sql } = all.life.engine.store
  sql.run('update nodes set status = ? where name = ?', status, 'n1')
  reserve(sql, { id: 't1', attempt: 1, nodeName: 'n1' }, 0)
  const about = { taskId: 't1', attempt: 1, placement: 1, status: 'creating' }
  const place = () => placeWorkspace(sql, { ...about, id: 't1-1-1', nodeName: 'n1' }, 0)
  if (isServing({ status })) expect(place).not.toThrow()
  else expect(place).toThrow(/no slot left/)
})
