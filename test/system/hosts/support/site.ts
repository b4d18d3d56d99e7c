/** Where the machines of a test file stand. Everything in it is removed at the end, and what a killed run left before. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import path from 'node:path'
import { type Machine, type MachineOptions, makeMachine } from './machine.ts'
import { makeBridge, removeBridge } from './network.ts'

/** *plain*: Debian with what a node needs; *cluster*: PostgreSQL, Patroni and etcd beside that. */
type Image = 'plain' | 'cluster'

export interface Site {
  /** Made from the plain image where no other is named. */
  machine(options: Pick<MachineOptions, 'name' | 'userData' | 'publicKeys'> & { image?: Image }): Machine
  remove(): Promise<void>
}

const FOLDER = '/var/tmp/tdf-hosts'
const SET_UP = path.join(import.meta.dirname, 'set-up.sh')

export function openSite(): Site {
  const plain = baseOf('plain')
  clearAway()
  mkdirSync(FOLDER, { recursive: true, mode: 0o700 })
  makeBridge()
  const machines: Machine[] = []
  return {
    machine({ image = 'plain', ...options }) {
      const base = image === 'plain' ? plain : baseOf(image)
      const made = makeMachine({
        base,
        isVolatile: image === 'cluster',
        folder: FOLDER,
        number: machines.length + 2,
        ...options,
      })
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

/** Made where it is not there yet. */
function baseOf(image: Image): string {
  const printed = execFileSync(SET_UP, image === 'plain' ? [] : [`--${image}`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  return printed.toString().trim().split('\n').at(-1) ?? ''
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
