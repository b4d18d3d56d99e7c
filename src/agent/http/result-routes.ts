/** What a workspace's agent did, brought home. */
import { createReadStream, rmSync, statSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { pipeline } from 'node:stream/promises'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import type { Hono } from 'hono'
import { salvageRequest } from '../../protocol/salvage.ts'
import { salvageBytesMax } from '../agent.ts'
import { malformed } from '../errors.ts'
import { writeBundle } from '../salvage/keep.ts'
import { checkpoint, checkRef, salvage, salvageAfterCheck } from '../salvage/salvage.ts'
import { allowSilence, type Env, readJson, type Serving, workspaceFrom } from './request.ts'

/** A salvage or a bundle of a large tree says nothing for a while. */
const WORK_MS = 15 * 60_000
const HAVE_MAX = 1_000

export function resultRoutes(app: Hono<Env>, { agent }: Serving): void {
  app.post('/workspaces/:workspace/salvage', async c => {
    const workspace = workspaceFrom(agent, c)
    const { ref, maxBytes, live, artifacts, after } = await readJson(agent.world, c, salvageRequest)
    allowSilence(c.env.incoming, WORK_MS)
    const bytesMax = maxBytes ?? salvageBytesMax(agent)
    if (after === 'check') return c.json(await salvageAfterCheck(agent, workspace, ref, artifacts))
    if (live) return c.json(await checkpoint(agent, workspace, ref, bytesMax))
    return c.json(await salvage(agent, workspace, ref, bytesMax, artifacts))
  })

  app.get('/workspaces/:workspace/bundle', async c => {
    const workspace = workspaceFrom(agent, c)
    const have = (c.req.queries('have') ?? []).flatMap(word => word.split(',')).filter(word => word !== '')
    if (have.length > HAVE_MAX) throw malformed('have', `must not be more than ${HAVE_MAX}`)
    if (!have.every(oid => /^[0-9a-f]{40}([0-9a-f]{24})?$/.test(oid))) throw malformed('have', 'must be object ids')
    allowSilence(c.env.incoming, WORK_MS)
    const ref = c.req.query('ref') ?? ''
    checkRef(ref)
    const file = await writeBundle(agent, workspace, ref, have)
    if (file === null) return c.body(null, 204)
    await sendFile(c.env.outgoing as ServerResponse, file)
    return RESPONSE_ALREADY_SENT
  })
}

/** The file is whole, so its length is known and a cut connection cannot be taken for its end. */
async function sendFile(outgoing: ServerResponse, file: string): Promise<void> {
  try {
    const { size } = statSync(file)
    outgoing.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': size })
    await pipeline(createReadStream(file), outgoing)
  } catch {
    outgoing.destroy()
  } finally {
    rmSync(file, { force: true })
  }
}
