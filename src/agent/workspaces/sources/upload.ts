/** `PUT …/bundle`: streamed to a file of its own while it is hashed; it counts only when the hash is the right one. */
import { createHash } from 'node:crypto'
import { rmSync } from 'node:fs'
import { open } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { makeFolder, moveDurable, syncPath } from '../../../platform/files.ts'
import { amountText } from '../../../text/progress/how-far.ts'
import type { Agent } from '../../agent.ts'
import { Refusal } from '../../errors.ts'
import { beginBuild } from '../build.ts'
import { bundlePath, scratchFolder, updateRecord, type Workspace } from '../workspace.ts'
import { hasGround } from './cache.ts'

/** The newest upload wins: an older one is most likely what a broken connection left. */
const uploads = new WeakMap<Workspace, AbortController>()
const SILENCE_MS = 60_000

/** A bundle that builds on what the node keeps of the source, and stands for the whole. */
export interface Thin {
  sha256: string
  bytes: number
}

/** Throws `conflict` for a thin one whose ground is not here: the whole may follow. */
export async function receiveBundle(
  agent: Agent,
  workspace: Workspace,
  body: IncomingMessage,
  thin?: Thin,
): Promise<void> {
  const { source } = workspace.record.request
  if (source.kind !== 'bundle') throw new Refusal('conflict', `workspace ${workspace.id} takes no bundle`)
  if (thin && !source.cache) throw new Refusal('conflict', `nothing is kept for workspace ${workspace.id}`)
  const { sha256, bytes } = thin ?? source
  const tooLarge = new Refusal('too_large', `the bundle is larger than the announced ${bytes} bytes`)
  if (Number(body.headers['content-length'] ?? 0) > bytes) throw tooLarge
  refuseWhenOver(workspace)
  uploads.get(workspace)?.abort()
  const abort = new AbortController()
  uploads.set(workspace, abort)
  const signal = AbortSignal.any([abort.signal, workspace.leaving.signal])

  makeFolder(scratchFolder(workspace))
  const path = join(scratchFolder(workspace), `upload-${agent.world.random.bytes(6).toString('hex')}`)
  try {
    const onBytes = (received: number) => {
      workspace.doing = `receiving ${amountText(received, bytes)}`
    }
    const digest = await store(agent, { path, body, bytesMax: bytes, signal, tooLarge, onBytes })
    if (digest !== sha256) throw new Refusal('conflict', `the bundle's sha256 is ${digest}`)
    if (workspace.deleted) throw new Refusal('not_found', `workspace ${workspace.id} was deleted`)
    refuseWhenOver(workspace)
    if (workspace.record.bundleReceived) return
    const isGrounded = !thin || !source.cache || (await hasGround(agent, source.cache.key, path))
    if (!isGrounded) throw new Refusal('conflict', `workspace ${workspace.id} needs the whole bundle`)
    if (workspace.record.bundleReceived || workspace.deleted) return
    syncPath(path)
    moveDurable(path, bundlePath(workspace))
    updateRecord(workspace, { bundleReceived: true, bundleIsThin: thin !== undefined })
    beginBuild(agent, workspace)
  } finally {
    rmSync(path, { force: true })
  }
}

/** A repeat of what was received is fine whenever it comes; a first one that comes too late is not. */
function refuseWhenOver(workspace: Workspace): void {
  const { status, bundleReceived } = workspace.record
  if (bundleReceived || status === 'creating') return
  throw new Refusal('conflict', `workspace ${workspace.id} is ${status}`)
}

interface Upload {
  path: string
  body: IncomingMessage
  bytesMax: number
  signal: AbortSignal
  tooLarge: Refusal
  onBytes(received: number): void
}

async function store(agent: Agent, { path, body, bytesMax, signal, tooLarge, onBytes }: Upload): Promise<string> {
  const { clock } = agent.world
  const hash = createHash('sha256')
  const file = await open(path, 'wx', 0o600)
  const giveUp = () => void body.destroy(new Refusal('timeout', 'the upload was given up'))
  let cancelSilence = clock.timer(SILENCE_MS, giveUp)
  signal.addEventListener('abort', giveUp, { once: true })
  let size = 0
  try {
    // Not destroyed at the end of the loop: the connection still has to carry our answer.
    for await (const chunk of body.iterator({ destroyOnReturn: false })) {
      cancelSilence()
      cancelSilence = clock.timer(SILENCE_MS, giveUp)
      size += chunk.length
      if (size > bytesMax) throw tooLarge
      onBytes(size)
      hash.update(chunk)
      await file.writeFile(chunk)
    }
    return hash.digest('hex')
  } finally {
    cancelSilence()
    signal.removeEventListener('abort', giveUp)
    await file.close()
  }
}
