/** What the routes take from a request (body, query, ids), each bounded and checked, and the one shape of an error. */
import type { IncomingMessage } from 'node:http'
import type { HttpBindings } from '@hono/node-server'
import type { Context, MiddlewareHandler } from 'hono'
import type { z } from 'zod'
import { asTdfError } from '../../core/errors.ts'
import type { World } from '../../platform/world.ts'
import { BODY_BYTES_MAX, idPattern, parseBody } from '../../protocol/shapes.ts'
import type { Agent } from '../agent.ts'
import type { EventPusher } from '../callbacks/events.ts'
import type { Contact } from '../callbacks/idle.ts'
import type { MachineLoad, NodePusher } from '../callbacks/node.ts'
import { malformed, Refusal } from '../errors.ts'
import type { Workspace } from '../workspaces/workspace.ts'

const BODY_MS = 30_000

/** For routes that take JSON or nothing. */
export const jsonOnly: MiddlewareHandler<Env> = async (c, next) => {
  const { headers } = c.env.incoming
  const length = Number(headers['content-length'] ?? 0)
  const hasBody = length > 0 || headers['transfer-encoding'] !== undefined
  if (hasBody && !/^application\/json *(;|$)/i.test(headers['content-type'] ?? '')) {
    throw new Refusal('unsupported_media', 'the body must be application/json')
  }
  if (length > BODY_BYTES_MAX) throw tooLarge()
  await next()
}

export async function readJson<T extends z.ZodType>(world: World, c: Context<Env>, shape: T): Promise<z.output<T>> {
  return parseBody(shape, parse(await readBody(world, c.env.incoming)))
}

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body))
  } catch {
    throw malformed('body', 'is not JSON in UTF-8')
  }
}

export function readBody(world: World, incoming: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let size = 0
    const settle = (act: () => void) => {
      cancel()
      incoming.off('data', onData).off('end', onEnd).off('close', onClose)
      act()
    }
    const fail = (refusal: Refusal) => settle(() => reject(refusal))
    const onData = (chunk: Buffer) => {
      size += chunk.length
      if (size > BODY_BYTES_MAX) return fail(tooLarge())
      chunks.push(chunk)
    }
    const onEnd = () => settle(() => resolve(Buffer.concat(chunks)))
    const onClose = () => fail(malformed('body', 'was cut off'))
    const cancel = world.clock.timer(BODY_MS, () => fail(new Refusal('timeout', 'the body did not come in time')))
    incoming.on('data', onData).on('end', onEnd).on('close', onClose)
    incoming.on('error', () => {})
  })
}

function tooLarge(): Refusal {
  return new Refusal('too_large', `the body is over ${BODY_BYTES_MAX} bytes`)
}

/** A whole number from 0, or the fallback when it is not given. */
export function countFrom(c: Context<Env>, name: string, fallback: number): number {
  const text = c.req.query(name)
  if (text === undefined) return fallback
  if (!/^\d{1,15}$/.test(text)) throw malformed(name, 'must be a whole number from 0')
  return Number(text)
}

export interface Env {
  Bindings: HttpBindings
}

/** What the routes are handed. */
export interface Serving {
  agent: Agent
  load: () => MachineLoad
  events: EventPusher
  node: NodePusher
  contact: Pick<Contact, 'enter'>
}

/** Ids are checked before they are looked up: none can lead out of the state folder. */
export function idFrom(c: Context<Env>, name: string): string {
  const id = c.req.param(name) ?? ''
  if (!idPattern.test(id)) throw new Refusal('not_found', 'there is no such id')
  return id
}

export function workspaceFrom(agent: Agent, c: Context<Env>): Workspace {
  const id = idFrom(c, 'workspace')
  const workspace = agent.workspaces.get(id)
  if (workspace && !workspace.deleted) return workspace
  const damage = agent.damaged.get(id)
  if (damage !== undefined) throw new Refusal('workspace_not_ready', `workspace ${id}: ${damage}`)
  throw new Refusal('not_found', `there is no workspace ${id}`)
}

/** A body that does not parse is the caller's mistake; an error without a code is a bug of the agent. */
export function asRefusal(error: unknown): Refusal {
  if (error instanceof Refusal) return error
  const known = asTdfError(error)
  if (known.code === 'BAD_REQUEST') return new Refusal('bad_request', known.message, known.field)
  return new Refusal('internal', known.message)
}

/** `{error: {code, message, field?}}` */
export function errorResponse({ code, message, field, status }: Refusal): Response {
  const error = field === undefined ? { code, message } : { code, message, field }
  return Response.json({ error }, { status })
}

/** For this request and no other: the next one on the connection has the server's limit again. */
export function allowSilence(incoming: IncomingMessage, ms: number): void {
  incoming.socket.setTimeout(ms)
}
