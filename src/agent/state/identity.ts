/** Who this agent is: the id of its state folder, made once, and the node's name. */
import { hostname } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { id, idPattern, nullable } from '../../protocol/shapes.ts'
import type { World } from '../../world.ts'
import { readJsonStrictly, writeJson } from './json-file.ts'

const agentFile = z.object({ stateId: id, nodeName: nullable(id) })

export interface Identity {
  readonly stateId: string
  /** The host's name until somebody names the node. */
  nodeName(): string
  /** Takes the name when there is none yet; false when the node has another one. */
  adopt(nodeName: string): boolean
}

/** A damaged agent.json stops the start: a new state id would tell the daemon that all runs are gone. */
export function openIdentity(world: World, state: string, givenName: string | null): Identity {
  const path = join(state, 'agent.json')
  const known = readJsonStrictly(path, agentFile)
  const stateId = known?.stateId ?? world.random.bytes(16).toString('hex')
  let name = givenName ?? known?.nodeName ?? null
  if (known?.nodeName !== name || !known) writeJson(path, { stateId, nodeName: name })
  return {
    stateId,
    nodeName: () => name ?? hostName(),
    adopt: nodeName => {
      if (name !== null) return name === nodeName
      writeJson(path, { stateId, nodeName })
      name = nodeName
      return true
    },
  }
}

function hostName(): string {
  const name = hostname()
    .replace(/[^A-Za-z0-9._-]/g, '-')
    .slice(0, 128)
  return idPattern.test(name) ? name : 'node'
}
