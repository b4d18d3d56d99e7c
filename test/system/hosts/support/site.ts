/** Where the machines of a test file stand. Everything in it is removed at the end, and what a killed run left before. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import path from 'node:path'
import { type Machine, type MachineOptions, makeMachine } from './machine.ts'
import { makeBridge, removeBridge } from './network.ts'

export interface Site {
  machine(options: Pick<MachineOptions, 'name' | 'userData' | 'publicKeys'>): Machine
  remove(): Promise<void>
}

const FOLDER = '/var/tmp/tdf-hosts'
const SET_UP = path.join(import.meta.dirname, 'set-up.sh')

export function openSite(): Site {
  const base =
    execFileSync(SET_UP, { stdio: ['ignore', 'pipe', 'inherit'] })
      .toString()
      .trim()
      .split('\n')
      .at(-1) ?? ''
  clearAway()
  mkdirSync(FOLDER, { recursive: true, mode: 0o700 })
  makeBridge()
  const machines: Machine[] = []
  return {
    machine(options) {
      const made = makeMachine({ base, folder: FOLDER, number: machines.length + 2, ...options })
      machines.push(made)
      return made
    },
    async remove() {
      for (const machine of machines) await machine.remove()
      removeBridge()
      clearAway()
    },
  }
}

/** Only what carries our names: machines over our folder, mounts below it. */
function clearAway(): void {
  if (!existsSync(FOLDER)) return
  for (const name of readdirSync(FOLDER)) {
    const root = path.join(FOLDER, name, 'root')
    for (const pid of readdirSync('/proc')) {
      const words = commandLine(pid)
      if (words[0]?.endsWith('systemd-nspawn') && words.includes(root)) {
        execFileSync('sh', ['-c', `pkill -KILL -P ${pid}; kill -KILL ${pid}; sleep 0.5`], { stdio: 'ignore' })
      }
    }
    try {
      execFileSync('umount', ['-l', root], { stdio: 'ignore' })
    } catch {
      // It was not mounted.
    }
  }
  rmSync(FOLDER, { recursive: true, force: true })
}

function commandLine(pid: string): string[] {
  if (!/^\d+$/.test(pid)) return []
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
  } catch {
    return []
  }
}
