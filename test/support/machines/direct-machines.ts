/** Machines of the fake Hetzner as processes: each server that is made is an agent on a loopback address of its own. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { type FakeHetzner, fakeHetzner } from '../../fakes/hetzner/cloud.ts'
import { type Listening, listenHetzner } from '../../fakes/hetzner/listen.ts'
import type { FakeServer } from '../../fakes/hetzner/model.ts'
import { hasEnded, until } from '../daemon/home.ts'

const root = path.join(import.meta.dirname, '..', '..', '..')

/** Files that run at the same time do so in processes of their own, and each has its own addresses. */
const NETWORK = 64 + (process.pid % 64)

export interface DirectMachines {
  cloud: FakeHetzner
  /** What a daemon needs in its environment to order from here: another API, no ssh, and less patience. */
  env: Record<string, string>
  stop(): Promise<void>
}

/** `env` is what the agents see; what they keep lies in `dir`. */
export async function directMachines(dir: string, token: string, env: NodeJS.ProcessEnv): Promise<DirectMachines> {
  const machines = new Map<string, ChildProcess>()

  /** What the first-boot document makes of a machine: an agent with that name and that token. */
  function boot({ id, name, userData }: FakeServer): string {
    const address = `127.${NETWORK}.${id >> 8}.${id & 255}`
    const state = path.join(dir, 'machines', name)
    mkdirSync(state, { recursive: true })
    const { write_files: files } = JSON.parse(userData.replace(/^#cloud-config\n/, ''))
    for (const file of files) writeFileSync(path.join(state, path.basename(file.path)), file.content, { mode: 0o600 })
    const named = readFileSync(path.join(state, 'name'), 'utf8').trim()
    const options = ['--listen', `${address}:8787`, '--state', path.join(state, 'agent')]
    const who = ['--token-file', path.join(state, 'token'), '--name', named]
    const program = path.join(root, 'dist/tdf-agent.js')
    machines.set(name, spawn(process.execPath, [program, ...options, ...who], { env, stdio: 'ignore' }))
    return address
  }

  const cloud = fakeHetzner({
    ...{ now: Date.now, token, bootMs: 500, deleteMs: 200, born: boot },
    died: ({ name }) => void machines.get(name)?.kill('SIGTERM'),
  })
  const listening: Listening = await listenHetzner(cloud)
  return {
    cloud,
    env: {
      ...{ HCLOUD_ENDPOINT: listening.endpoint, TDF_PROVIDERS__HETZNER__TRANSPORT: 'direct' },
      ...{ TDF_RUNNER__PROVISION_POLL_INTERVAL: '300ms', TDF_RUNNER__AGENT_POLL_INTERVAL: '300ms' },
    },
    async stop() {
      for (const machine of machines.values()) machine.kill('SIGTERM')
      await until('the machines end', () => [...machines.values()].every(hasEnded))
      await listening.stop()
    },
  }
}
