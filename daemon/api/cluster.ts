/** The daemons that share an installation: who they are, and how the one that serves hands over. */
import { Hono } from 'hono'
import { TdfError } from '../../src/core/errors.ts'
import type { ClusterMemberJson, FindingJson } from '../../src/protocol/upkeep.ts'

/** This daemon among them. */
export interface Cluster {
  name: string
  /** Counts takeovers. */
  epoch(): number
  /** Of the database, for people. */
  host: string
  /** Throws STORE_AWAY while the database does not answer. */
  members(): Promise<ClusterMemberJson[]>
  /** For `tdf doctor`. */
  examine(): Promise<FindingJson[]>
  /** Ends this daemon in order, so that the named one takes over, or any. Throws NOT_FOUND and WRONG_STATE, and then nothing happens. */
  handOver(to: string | null): Promise<void>
}

/** `cluster` is null where the state is a file of this daemon. */
export function clusterRoutes(cluster: Cluster | null): Hono {
  const app = new Hono()
  const shared = () => {
    if (cluster) return cluster
    const message = 'the state is a file of this daemon alone: [store] url is not set'
    throw new TdfError('WRONG_STATE', message, { hint: 'tdf config show' })
  }
  app.get('/cluster', async c => c.json(await shared().members()))
  app.post('/cluster/handover', async c => {
    await shared().handOver(c.req.query('to') ?? null)
    return c.json(await shared().members())
  })
  return app
}
