/** The fake Hetzner whose servers are real machines: what it is asked to make boots, with its user data as the document. */
import { type FakeHetzner, fakeHetzner } from '../../../fakes/hetzner/cloud.ts'
import { listenHetzner } from '../../../fakes/hetzner/listen.ts'
import type { FakeServer } from '../../../fakes/hetzner/model.ts'
import type { Machine } from './machine.ts'
import { openSite, type Site } from './site.ts'

export interface MachineCloud {
  cloud: FakeHetzner
  /** With `/v1`, as HCLOUD_ENDPOINT wants it. */
  endpoint: string
  /** The machine of a server, also of one that is deleted. Throws when there never was one. */
  machine(serverName: string): Machine
  /** Every server that was ever made, in order, as it was ordered. */
  ordered: readonly FakeServer[]
  /** Where its machines stand, for one beside them that nobody ordered. */
  site: Site
  remove(): Promise<void>
}

export interface MachineCloudOptions {
  token: string
  /** What the machine is told instead of its user data. */
  told?(server: FakeServer): string
  /** Where it listens, when others than this machine ask. */
  host?: string
}

export async function openCloud({
  token,
  told = ({ userData }) => userData,
  host,
}: MachineCloudOptions): Promise<MachineCloud> {
  const site: Site = openSite()
  const machines = new Map<string, Machine>()
  const ordered: FakeServer[] = []
  const ends: Promise<void>[] = []
  const cloud = fakeHetzner({
    ...{ now: Date.now, token, bootMs: 1_000, deleteMs: 500 },
    born(server) {
      const publicKeys = server.sshKeys.flatMap(id => cloud.model.keys.get(id)?.publicKey ?? [])
      const machine = site.machine({ name: server.name, userData: told(server), publicKeys })
      machines.set(server.name, machine)
      ordered.push(server)
      return machine.address
    },
    died: ({ name }) => void ends.push(machines.get(name)?.powerOff() ?? Promise.resolve()),
  })
  const { endpoint, stop } = await listenHetzner(cloud, host)
  return {
    ...{ cloud, endpoint, ordered, site },
    machine(name) {
      const machine = machines.get(name)
      if (!machine) throw new Error(`no server ${name} was ever made`)
      return machine
    },
    async remove() {
      await stop()
      await Promise.all(ends)
      await site.remove()
    },
  }
}
