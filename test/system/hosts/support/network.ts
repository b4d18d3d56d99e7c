/** A bridge of this machine's with one network namespace for each host, and the cable between, which can be cut. */
import { execFileSync } from 'node:child_process'

const BRIDGE = 'tdfh0'
const NET = '10.231.7'
/** This machine's own, as the hosts reach it. */
export const BRIDGE_ADDRESS = `${NET}.1`
/** Of every host. */
export const NETWORK = `${NET}.0/24`
/** Where clouds have their metadata service; the tests put one there. */
export const METADATA_ADDRESS = '169.254.169.254'

const ip = (...args: string[]) => void execFileSync('ip', args, { stdio: 'pipe' })
const quietly = (act: () => void) => {
  try {
    act()
  } catch {
    // It was not there, or is there already.
  }
}

export function makeBridge(): void {
  quietly(() => ip('link', 'del', BRIDGE))
  ip('link', 'add', BRIDGE, 'type', 'bridge')
  ip('addr', 'add', `${BRIDGE_ADDRESS}/24`, 'dev', BRIDGE)
  ip('addr', 'add', `${METADATA_ADDRESS}/32`, 'dev', BRIDGE)
  ip('link', 'set', BRIDGE, 'up')
}

export function removeBridge(): void {
  quietly(() => ip('link', 'del', BRIDGE))
}

export interface Cable {
  address: string
  namespace: string
  /** Packets vanish in both directions, as when a network is cut. */
  cut(): void
  mend(): void
  remove(): void
}

/** `number` is 2 to 254 and the last part of the host's address. */
export function layCable(number: number): Cable {
  const [namespace, outer] = [`tdfh-${number}`, `tdfh-v${number}`]
  const remove = () => {
    quietly(() => ip('link', 'del', outer))
    quietly(() => ip('netns', 'del', namespace))
  }
  remove()
  const address = `${NET}.${number}`
  ip('netns', 'add', namespace)
  ip('link', 'add', outer, 'type', 'veth', 'peer', 'name', 'host0', 'netns', namespace)
  ip('link', 'set', outer, 'master', BRIDGE, 'up')
  ip('-n', namespace, 'addr', 'add', `${address}/24`, 'dev', 'host0')
  ip('-n', namespace, 'link', 'set', 'host0', 'up')
  ip('-n', namespace, 'link', 'set', 'lo', 'up')
  ip('-n', namespace, 'route', 'add', 'default', 'via', BRIDGE_ADDRESS)
  return {
    address,
    namespace,
    cut: () => ip('link', 'set', outer, 'nomaster'),
    mend: () => ip('link', 'set', outer, 'master', BRIDGE),
    remove,
  }
}
