/** Every server that carries the mark of this installation: what reconciling, leases and `tdf reap` work with. */
import { TdfError } from '../../core/errors.ts'
import type { MarkedFleet } from '../provider.ts'
import { isOurs, leaseOf, nodeOf, ofInstall, withLease } from './labels.ts'
import { aboutOf, addressOf, type Hetzner } from './machine.ts'

export function markedFleet({ api, installId, config }: Pick<Hetzner, 'api' | 'installId' | 'config'>): MarkedFleet {
  return {
    async list(signal) {
      const servers = await api.list(ofInstall(installId), signal)
      return servers
        .filter(server => isOurs(server, installId) && server.status !== 'deleting')
        .map(server => ({
          nodeName: nodeOf(server) ?? server.name,
          id: String(server.id),
          address: addressOf(server, config.transport),
          createdAt: server.created,
          leaseUntil: leaseOf(server),
          ...aboutOf(server, config.sizes),
        }))
    },
    async renew({ id, nodeName }, leaseUntil, signal) {
      // Labels are written as a whole: from what is there now, not from what was there when it was listed.
      const server = await api.getForChange(Number(id), signal)
      if (server && isOurs(server, installId, nodeName)) {
        await api.setLabels(server.id, withLease(server, leaseUntil), signal)
      }
    },
    async remove({ id, nodeName, leaseUntil }, signal) {
      const server = await api.getForChange(Number(id), signal)
      if (!server) return true
      // Relabelled, or its lease renewed, since it was listed: then it is in use.
      if (!isOurs(server, installId, nodeName) || leaseOf(server) !== leaseUntil) {
        throw new TdfError(
          'PROVIDER_REFUSED',
          `server ${id} is in use again: its labels have changed since it was listed`,
        )
      }
      if (server.status !== 'deleting') await api.remove(server.id, signal)
      return (await api.getForChange(server.id, signal)) === null
    },
  }
}
