/** The routes of the model: the same checks, codes and shapes as the API's for what tdf and the hcloud client use. */
import { type Context, Hono } from 'hono'
import { images, locations, serverTypes } from './catalogue.ts'
import {
  actionJson,
  type FakeAction,
  type FakeServer,
  fingerprint,
  keyJson,
  type Model,
  serverJson,
  settle,
} from './model.ts'
import { matches } from './selector.ts'

export interface Rules {
  token: string
  /** Room for each type and place, as `cx23/fsn1`; what is not named has room. */
  capacity: Map<string, number>
  /** Types that a place does not offer at all. */
  unsupported: Set<string>
  serverLimit: number
  /** How servers fare that are made from now on. */
  fate: FakeServer['fate']
  born(server: FakeServer): string
  died(server: FakeServer): void
}

/** RFC 1123. */
const HOST_NAME = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/i
const LABEL = /^([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?$/
const USER_DATA_BYTES_MAX = 32 * 1024
const PAGE = 25
const PAGE_MAX = 50

export class Refusal extends Error {
  readonly status: number
  readonly code: string
  constructor(status: number, code: string, message = code) {
    super(message)
    this.status = status
    this.code = code
  }
}

const invalid = (message: string) => new Refusal(422, 'invalid_input', message)
const missing = (what: string) => new Refusal(404, 'not_found', `${what} not found`)

export function hetznerApp(model: Model, rules: Rules): Hono {
  const app = new Hono()
  const tidy = () => settle(model).forEach(rules.died)

  app.onError((error, c) => {
    const { status, code, message } =
      error instanceof Refusal ? error : new Refusal(500, 'server_error', String(error.stack))
    // The API answers with these numbers and no others.
    return c.json({ error: { code, message, details: null } }, status as 422)
  })
  app.use(async (c, next) => {
    if (c.req.header('authorization') !== `Bearer ${rules.token}`) {
      throw new Refusal(401, 'unauthorized', 'unable to authenticate')
    }
    tidy()
    await next()
  })

  app.get('/servers', c => {
    const { name, label_selector: selector, status } = c.req.query()
    const wanted = (server: FakeServer) =>
      (name === undefined || server.name === name) && matches(server.labels, selector ?? '')
    const found = [...model.servers.values()].filter(wanted).map(server => serverJson(model, server))
    return c.json(paged(c, 'servers', status ? found.filter(one => one.status === status) : found))
  })
  app.get('/servers/:id', c => c.json({ server: serverJson(model, serverOf(c)) }))
  app.post('/servers', async c => {
    const { server, action, next } = create(await bodyOf(c))
    const shown = { server: serverJson(model, server), action: actionJson(model, action) }
    return c.json({ ...shown, next_actions: [actionJson(model, next)], root_password: null }, 201)
  })
  app.put('/servers/:id', async c => {
    const server = serverOf(c)
    const { labels } = await bodyOf(c)
    if (labels !== undefined) server.labels = labelsOf(labels)
    return c.json({ server: serverJson(model, server) })
  })
  app.delete('/servers/:id', c => {
    const server = serverOf(c)
    if (server.deletedAt !== null) throw new Refusal(423, 'locked', 'server is locked')
    server.deletedAt = model.now()
    const action = act('delete_server', server, model.deleteMs)
    return c.json({ action: actionJson(model, action) })
  })

  app.get('/actions', c => {
    const ids = c.req.queries('id')?.map(Number)
    if (!ids) throw new Refusal(410, 'deprecated_api_endpoint', 'listing all actions is gone')
    const found = ids.flatMap(id => model.actions.get(id) ?? [])
    return c.json(
      paged(
        c,
        'actions',
        found.map(action => actionJson(model, action)),
      ),
    )
  })
  app.get('/actions/:id', c => {
    const action = model.actions.get(Number(c.req.param('id')))
    if (!action) throw missing('action')
    return c.json({ action: actionJson(model, action) })
  })

  app.get('/ssh_keys', c => {
    const { fingerprint: print, name, label_selector: selector } = c.req.query()
    const wanted = [...model.keys.values()]
      .filter(key => (print === undefined || key.fingerprint === print) && (name === undefined || key.name === name))
      .filter(({ labels }) => matches(labels, selector ?? ''))
    return c.json(paged(c, 'ssh_keys', wanted.map(keyJson)))
  })
  app.post('/ssh_keys', async c => {
    const { name, public_key: publicKey, labels } = await bodyOf(c)
    const print = typeof publicKey === 'string' ? fingerprint(publicKey) : null
    if (typeof name !== 'string' || typeof publicKey !== 'string' || !print) throw invalid('invalid public key')
    if ([...model.keys.values()].some(key => key.name === name || key.fingerprint === print)) {
      throw new Refusal(409, 'uniqueness_error', 'SSH key with the same fingerprint or name already exists')
    }
    const key = {
      id: model.nextId++,
      name,
      publicKey,
      fingerprint: print,
      labels: labelsOf(labels),
      created: model.now(),
    }
    model.keys.set(key.id, key)
    return c.json({ ssh_key: keyJson(key) }, 201)
  })

  app.delete('/ssh_keys/:id', c => {
    if (!model.keys.delete(Number(c.req.param('id')))) throw new Refusal(404, 'not_found', 'ssh key not found')
    return c.body(null, 204)
  })

  app.get('/locations', c => c.json(paged(c, 'locations', named(c, locations))))
  app.get('/server_types', c => c.json(paged(c, 'server_types', named(c, serverTypes))))
  app.get('/images', c => c.json(paged(c, 'images', named(c, images))))
  app.get('/images/:id', c => c.json({ image: images.find(({ id }) => id === Number(c.req.param('id'))) }))
  app.get('/datacenters', () => {
    throw new Refusal(410, 'deprecated_api_endpoint', 'datacenters are gone since 2026-10-01')
  })
  app.notFound(() => {
    throw missing('endpoint')
  })

  function serverOf(c: Context): FakeServer {
    const server = model.servers.get(Number(c.req.param('id')))
    if (!server) throw missing('server')
    return server
  }

  function act(command: string, server: FakeServer, ms: number): FakeAction {
    const now = model.now()
    const fails = command === 'create_server' && server.fate === 'fails'
    const action = { id: model.nextId++, command, serverId: server.id, started: now, endsAt: now + ms, fails }
    model.actions.set(action.id, action)
    return action
  }

  function create(body: Record<string, unknown>) {
    const { name, server_type: type, location, image, user_data: userData = '', ssh_keys: keys = [], labels } = body
    if (body.datacenter !== undefined) throw invalid("unknown field 'datacenter'")
    if (typeof name !== 'string' || !HOST_NAME.test(name)) throw invalid("invalid input in field 'name'")
    const isKnown = (list: { id: number; name: string }[], wanted: unknown) =>
      list.some(one => one.name === wanted || one.id === wanted || String(one.id) === wanted)
    if (!isKnown(serverTypes, type)) throw invalid('server type not found')
    if (!isKnown(images, image)) throw invalid('image not found')
    if (typeof userData !== 'string' || Buffer.byteLength(userData) > USER_DATA_BYTES_MAX) throw invalid('user_data')
    const place = locations.find(one => one.name === (location ?? 'fsn1') || one.id === location)
    if (!place) throw invalid('location not found')
    const typeName = serverTypes.find(one => one.name === type || one.id === type)?.name ?? ''
    const offer = `${typeName}/${place.name}`
    if (rules.unsupported.has(offer)) throw invalid('unsupported location for server type')
    for (const key of keys as unknown[]) {
      const isThere = [...model.keys.values()].some(({ id, name: keyName }) => id === key || keyName === key)
      if (!isThere) throw missing('ssh key')
    }
    if ([...model.servers.values()].some(server => server.name === name)) {
      throw new Refusal(409, 'uniqueness_error', 'server name is already used')
    }
    if (model.servers.size >= rules.serverLimit) {
      throw new Refusal(403, 'resource_limit_exceeded', 'server limit exceeded')
    }
    const room = rules.capacity.get(offer)
    if (room === 0) throw new Refusal(412, 'resource_unavailable', 'error during placement')
    if (room !== undefined) rules.capacity.set(offer, room - 1)
    const server: FakeServer = {
      ...{ id: model.nextId++, name, type: typeName, location: place.name, labels: labelsOf(labels), userData },
      ...{ sshKeys: keys as number[], created: model.now(), fate: rules.fate, deletedAt: null, address: '' },
    }
    server.address = rules.born(server)
    model.servers.set(server.id, server)
    return { server, action: act('create_server', server, 1_500), next: act('start_server', server, model.bootMs) }
  }

  return app
}

async function bodyOf(c: Context): Promise<Record<string, unknown>> {
  const body = await c.req.json().catch(() => null)
  if (typeof body !== 'object' || body === null) throw new Refusal(400, 'json_error', 'invalid JSON')
  return body
}

function labelsOf(labels: unknown): Record<string, string> {
  const found = Object.entries(Object(labels ?? {}))
  for (const [key, value] of found) {
    if (key === '' || !LABEL.test(key) || typeof value !== 'string' || !LABEL.test(value)) throw invalid('label')
  }
  return Object.fromEntries(found.map(([key, value]) => [key, String(value)]))
}

function named<T extends { name: string }>(c: Context, list: readonly T[]): T[] {
  const name = c.req.query('name')
  return list.filter(one => name === undefined || one.name === name)
}

function paged(c: Context, key: string, all: readonly unknown[]) {
  const page = Math.max(Number(c.req.query('page') ?? 1), 1)
  const size = Math.min(Math.max(Number(c.req.query('per_page') ?? PAGE), 1), PAGE_MAX)
  const last = Math.max(Math.ceil(all.length / size), 1)
  const pagination = {
    ...{ page, per_page: size, previous_page: page > 1 ? page - 1 : null, next_page: page < last ? page + 1 : null },
    ...{ last_page: last, total_entries: all.length },
  }
  return { [key]: all.slice((page - 1) * size, page * size), meta: { pagination } }
}
