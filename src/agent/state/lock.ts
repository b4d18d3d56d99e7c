/**
 * One agent for each state folder. Whoever starts first writes down who it is, then looks at the others: of two that
 * see each other the one with the smaller name waits for the larger to give up, so that never both go on. A holder
 * that died is told by pid, start time and boot, so its entry counts for nothing and the next holder removes it.
 */
import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { z } from 'zod'
import { makeFolder } from '../../platform/files.ts'
import { identify, isAlive, type ProcessIdentity } from '../../platform/process.ts'
import { sleep, type World } from '../../platform/world.ts'
import { readJson, writeJson } from './durable.ts'

export const processIdentity = z.object({ pid: z.int().min(1), startTicks: z.string(), bootId: z.string() })

export type Lock = { kind: 'held'; release(): void } | { kind: 'taken'; pid: number }

const GIVE_UP_MS = 2_000
const LOOK_MS = 20

export async function takeLock(world: World, state: string): Promise<Lock> {
  const folder = join(state, 'lock')
  makeFolder(folder)
  const self = identify(process.pid)
  if (!self) throw new Error('cannot read /proc/self/stat: tdf-agent needs Linux with /proc')
  const name = `${self.startTicks}-${self.pid}.json`
  writeJson(join(folder, name), self)
  const release = () => rmSync(join(folder, name), { force: true })
  const deadline = world.clock.mono() + GIVE_UP_MS
  for (;;) {
    const others = livingOthers(folder, name)
    const [first] = others
    if (!first) return { kind: 'held', release }
    if (others.some(other => other.name < name) || world.clock.mono() > deadline) {
      release()
      return { kind: 'taken', pid: first.identity.pid }
    }
    await sleep(world.clock, LOOK_MS)
  }
}

function livingOthers(folder: string, ownName: string): { name: string; identity: ProcessIdentity }[] {
  const living = []
  for (const name of readdirSync(folder)) {
    if (name === ownName || !name.endsWith('.json')) continue
    const identity = readJson(join(folder, name), processIdentity)
    if (identity && isAlive(identity)) living.push({ name, identity })
    else rmSync(join(folder, name), { force: true })
  }
  return living
}
