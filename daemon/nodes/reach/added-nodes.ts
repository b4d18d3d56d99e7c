/**
 * Boxes that `tdf node add` brought: kept in a file of the state folder beside those of the configuration, and there at
 * once, without a restart. The host key that was confirmed is the one that counts from then on.
 */
import { existsSync, readFileSync, rmSync } from 'node:fs'
import path from 'node:path'
import type { StaticNodeConfig } from '../../../src/config/schema/config.ts'
import { asTdfError, TdfError } from '../../../src/core/errors.ts'
import { fingerprint, offeredHostKey, parseHostKey, pinHostKeys } from '../../../src/machines/ssh/host-keys.ts'
import { sshRun } from '../../../src/machines/ssh/run.ts'
import type { SshTarget } from '../../../src/machines/ssh/target.ts'
import { writeDurable } from '../../../src/platform/files.ts'
import type { AddBox, ScannedBoxJson } from '../../../src/protocol/nodes.ts'
import { insertNode, readNode } from '../../../src/store/tables/nodes.ts'
import { nodeSubject } from '../../engine/loop.ts'
import type { Engine } from '../../services.ts'
import { newStaticNode } from '../new-node.ts'

export interface AddedNodes {
  list(): readonly StaticNodeConfig[]
  /** Asks the machine for its host key; nothing is sent to it. Throws NODE_UNREACHABLE. */
  scan(ssh: string): Promise<ScannedBoxJson>
  /** Throws WRONG_STATE when there is a node of that name. */
  add(engine: Engine, box: AddBox): Promise<void>
  /** What takes it off the list; undefined when it is not one of these. */
  remover(name: string): (() => void) | undefined
}

/** A machine that we know nothing of refuses nothing: it is never signed in to. */
const SCAN_MS = 20_000

/** `saveFiles` makes what it keeps durable wherever the state is; left out: it is. */
export function createAddedNodes(
  stateDir: string,
  targetOf: (name: string, ssh: string) => SshTarget,
  saveFiles: () => Promise<void> = async () => {},
): AddedNodes {
  const file = path.join(stateDir, 'nodes.json')
  // We wrote it, whole.
  let addedNodes = (existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : []) as StaticNodeConfig[]
  let scans = 0

  function keep(next: StaticNodeConfig[]): void {
    writeDurable(file, `${JSON.stringify(next, null, 1)}\n`)
    addedNodes = next
  }

  return {
    list: () => addedNodes,
    async scan(ssh) {
      scans += 1
      const unverified = targetOf(`.scan-${scans}`, ssh)
      pinHostKeys(unverified, [])
      try {
        const failure = await sshRun(ssh, unverified, { command: 'true', timeoutMs: SCAN_MS }).catch(asTdfError)
        const hostKey = offeredHostKey(unverified)
        if (hostKey) return { hostKey, fingerprint: fingerprint(hostKey) }
        throw failure instanceof TdfError ? failure : new TdfError('NODE_UNREACHABLE', `${ssh} shows no host key`)
      } finally {
        rmSync(unverified.folder, { recursive: true, force: true })
      }
    },
    async add(engine, { name, ssh, hostKey, size = '', location = '', maxWorkspaces }) {
      const { store, world, loop, config } = engine
      if (readNode(store.sql, name)) {
        throw new TdfError('WRONG_STATE', `there is a node ${name} already`, { hint: `tdf node show ${name}` })
      }
      const key = parseHostKey(hostKey)
      if (!key) throw new TdfError('BAD_REQUEST', 'hostKey: no key of a kind that ssh uses', { field: 'hostKey' })
      pinHostKeys(targetOf(name, ssh), [key])
      keep([...addedNodes, { name, url: '', ssh, token: '', tokenFile: '', size, location, maxWorkspaces }])
      await saveFiles()
      const now = world.clock.now()
      const staticNode = { name, size: size || null, location: location || null, address: ssh }
      const slots = maxWorkspaces ?? config.nodes.maxWorkspaces
      const node = newStaticNode('static', { ...staticNode, maxWorkspaces: slots }, now)
      await store.commit(() => insertNode(store.sql, node))
      loop.schedule(nodeSubject(name), now)
    },
    remover(name) {
      const box = addedNodes.find(one => one.name === name)
      if (!box) return undefined
      return () => {
        keep(addedNodes.filter(one => one !== box))
        rmSync(targetOf(name, box.ssh).folder, { recursive: true, force: true })
        // Within a write, which cannot wait: what is not saved now is so with the next change.
        saveFiles().catch(() => {})
      }
    },
  }
}
