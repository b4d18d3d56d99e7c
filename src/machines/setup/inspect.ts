/** One look at a machine: what it is, and how far it is prepared. */
import { SYSTEM_BASE, SYSTEM_STATE } from './files.ts'

export interface NodeInspection {
  /** Root with systemd: the agent becomes a service with slots. Else it is a process of the user who signed in. */
  isSystem: boolean
  base: string
  state: string
  /** What `node --version` says, empty without Node. */
  nodeVersion: string
  /** As cloud-init puts it; empty where there is none. */
  cloudInit: string
  prepared: string
  /** Hash of the agent's program in use, its version, and a hash of its token. */
  program: string
  version: string
  tokenHash: string
  /** Where the agent listens; empty when it does not run. */
  address: string
  workspaces: number
  /** Names of what was done once. */
  done: string[]
}

export const INSPECT = `
isSystem=no
base=$HOME/.local/share/tdf-agent
state=$base/state
if [ "$(id -u)" = 0 ] && [ -d /run/systemd/system ]; then isSystem=yes; base=${SYSTEM_BASE}; state=${SYSTEM_STATE}; fi
address= pid=
if [ -r "$state/listen.json" ]; then
  pid=$(sed -n 's/.*"pid":\\([0-9]*\\).*/\\1/p' "$state/listen.json")
  if [ -n "$pid" ] && tr '\\0' ' ' < "/proc/$pid/cmdline" 2>/dev/null | grep -q "$base/current.mjs"; then
    address=$(sed -n 's/.*"address":"\\([^"]*\\)".*/\\1/p' "$state/listen.json")
  fi
fi
echo "isSystem=$isSystem"
echo "base=$base"
echo "state=$state"
echo "nodeVersion=$(node --version 2>/dev/null)"
echo "cloudInit=$(command -v cloud-init >/dev/null && cloud-init status 2>/dev/null | sed -n 's/^status: //p')"
echo "prepared=$(cat "$base/prepared" 2>/dev/null)"
echo "program=$(readlink "$base/current.mjs" 2>/dev/null | sed 's/\\.mjs$//')"
echo "version=$(cat "$base/version" 2>/dev/null)"
echo "tokenHash=$(cat "$base/token" 2>/dev/null | sha256sum | cut -d' ' -f1)"
echo "address=$address"
echo "workspaces=$(ls "$state/workspaces" 2>/dev/null | wc -l)"
echo "done=$(ls "$base/done" 2>/dev/null | tr '\\n' ' ')"
`

/** Reads what `INSPECT` printed; lines that a login script adds are skipped. */
export function parseInspection(text: string): NodeInspection {
  const said = new Map<string, string>()
  for (const line of text.split('\n')) {
    const found = /^([A-Za-z]+)=(.*)$/.exec(line)
    if (found) said.set(found[1] ?? '', (found[2] ?? '').trim())
  }
  const value = (key: string) => said.get(key) ?? ''
  return {
    isSystem: value('isSystem') === 'yes',
    base: value('base'),
    state: value('state'),
    nodeVersion: value('nodeVersion'),
    cloudInit: value('cloudInit'),
    prepared: value('prepared'),
    program: value('program'),
    version: value('version'),
    tokenHash: value('tokenHash'),
    address: value('address'),
    workspaces: Number(value('workspaces')) || 0,
    done: value('done')
      .split(' ')
      .filter(name => name !== ''),
  }
}

/** Negative when `one` is older than `other`, positive when it is newer. What follows a dash counts for nothing. */
export function compareVersions(one: string, other: string): number {
  const [ours, theirs] = [numbers(one), numbers(other)]
  for (const [index, number] of ours.entries()) {
    const difference = number - (theirs[index] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}

function numbers(version: string): number[] {
  const found = /(\d+)\.(\d+)\.(\d+)/.exec(version)
  return found ? found.slice(1).map(Number) : [0, 0, 0]
}
