/** The parts of the API's objects that we use. A status that we do not know reads as "not ready". */
import { z } from 'zod'

const labels = z.record(z.string(), z.string()).catch({})
const price = z.object({ location: z.string(), price_hourly: z.object({ gross: z.string() }) })

export const server = z.object({
  id: z.int(),
  name: z.string(),
  status: z.string(),
  created: z.iso.datetime({ offset: true }).transform(text => Date.parse(text)),
  labels,
  public_net: z.object({
    ipv4: z.object({ ip: z.string() }).nullish(),
    ipv6: z.object({ ip: z.string() }).nullish(),
  }),
  private_net: z.array(z.object({ ip: z.string() })).catch([]),
  server_type: z.object({ name: z.string(), prices: z.array(price).catch([]) }),
  /** Absent in answers of an older API, which said it by the datacenter. */
  location: z.object({ name: z.string() }).optional(),
})
export type Server = z.output<typeof server>

export const action = z.object({
  id: z.int(),
  status: z.string(),
  error: z.object({ code: z.string(), message: z.string() }).nullish(),
})
export type Action = z.output<typeof action>

export const sshKey = z.object({ id: z.int(), name: z.string(), fingerprint: z.string(), labels })

const meta = z.object({ pagination: z.object({ next_page: z.int().nullish() }) }).optional()

export const oneServer = z.object({ server })
export const created = z.object({ server, action })
export const manyServers = z.object({ servers: z.array(server), meta })
export type ServerPage = z.output<typeof manyServers>
export const manyActions = z.object({ actions: z.array(action) })
export const oneKey = z.object({ ssh_key: sshKey })
export const manyKeys = z.object({ ssh_keys: z.array(sshKey) })
export const anything = z.unknown()
