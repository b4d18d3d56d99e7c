/** JSON bodies: bounded in size and time, and really JSON. */
import type { IncomingMessage } from 'node:http'
import type { Context, MiddlewareHandler } from 'hono'
import type { z } from 'zod'
import { BODY_BYTES_MAX } from '../../protocol/limits.ts'
import { parseBody } from '../../protocol/shapes.ts'
import type { World } from '../../world.ts'
import { malformed, Refusal } from '../refusal.ts'
import type { Env } from './context.ts'

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
