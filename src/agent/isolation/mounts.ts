/**
 * What a confined command sees of the file system: everything read-only, of some places nothing, and its own places to
 * write. Of two places of which one lies in the other, each is what it was said to be.
 */

import { mkdirSync, realpathSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { SessionRequest } from '../sessions/folder.ts'

/** *private*: empty, to write, gone with the command. */
export type Access = 'hidden' | 'private' | 'read' | 'write'

export interface Mount {
  /** Without links. */
  path: string
  isFolder: boolean
  access: Access
}

export interface Confined {
  request: SessionRequest
  promptFile: string
  /** The command's own. */
  env: Record<string, string>
}

/** Parents before what lies in them. What is not there is left out. Makes the folders of an agent that has none yet. */
export function mountsFor({ request, promptFile, env }: Confined): Mount[] {
  const { sandbox, type, command, workTree } = request
  const home = env.HOME || '/'
  const own = ownPlaces(type, command, env).map(path => inHome(home, path))
  // A login in a file of its own beside them is the user's to make.
  for (const path of own.filter(one => !one.endsWith('.json'))) mkdirSync(path, { recursive: true, mode: 0o700 })
  // The last word about a place counts.
  const wishes: [Access, readonly string[]][] = [
    ['private', ['/tmp', '/var/tmp', ...CACHES]],
    // Sockets are not stopped by a file system that is read-only: the user's bus alone would start anything outside.
    ['hidden', ['/run', '/var/run', ...SECRETS, ...allOwnPlaces(), ...(sandbox?.hidden ?? [])]],
    ['read', ['/etc/resolv.conf', ...(sandbox?.readable ?? [])]],
    ['write', [...own, ...(sandbox?.writable ?? [])]],
    ['read', [promptFile]],
    ['write', [workTree]],
  ]
  const mounts = new Map<string, Mount>()
  for (const [access, paths] of wishes) {
    for (const path of paths) {
      const found = look(inHome(home, path))
      if (found) mounts.set(found.path, { ...found, access })
    }
  }
  return [...mounts.values()].sort((one, other) => depth(one) - depth(other))
}

const depth = ({ path }: Mount) => path.split('/').length

function look(path: string): Omit<Mount, 'access'> | null {
  try {
    const real = realpathSync(path)
    return { path: real, isFolder: statSync(real).isDirectory() }
  } catch {
    return null
  }
}

/** What lies in a home that a confined command may not see, and what of it is its own after all. Paths are below the home. */

/** Logins, keys, tokens, and what is as good as one. */
export const SECRETS = [
  ...['.ssh', '.gnupg', '.aws', '.azure', '.kube', '.docker', '.oci', '.fly', '.vault-token', '.password-store'],
  ...['.netrc', '.git-credentials', '.npmrc', '.pypirc', '.pgpass', '.my.cnf', '.terraform.d', '.m2/settings.xml'],
  ...['.cargo/credentials', '.cargo/credentials.toml', '.gem/credentials', '.config/git/credentials', '.config/gh'],
  ...['.config/glab-cli', '.config/gcloud', '.config/hcloud', '.config/doctl', '.config/op', '.config/rclone'],
  ...['.config/sops', '.config/age', '.config/containers', '.config/tdf', '.local/share/keyrings'],
  ...['.mozilla', '.thunderbird', '.config/google-chrome', '.config/chromium', '.config/BraveSoftware'],
  ...['.bash_history', '.zsh_history', '.python_history', '.node_repl_history'],
]

/** Shared with everything else of this user: a command has empty ones that end with it. */
export const CACHES = ['.cache', '.npm']

type Env = Readonly<Record<string, string>>

/** By the name of its program: where an agent keeps its login, its settings and its conversations. */
const OWN: Readonly<Record<string, (env: Env) => readonly string[]>> = {
  claude: ({ CLAUDE_CONFIG_DIR }) => (CLAUDE_CONFIG_DIR ? [CLAUDE_CONFIG_DIR] : ['.claude', '.claude.json']),
  codex: ({ CODEX_HOME }) => [CODEX_HOME || '.codex'],
  opencode: () => ['.local/share/opencode', '.local/state/opencode', '.config/opencode', '.cache/opencode'],
  gemini: () => ['.gemini'],
}

/** The folders of the agent that a command is; it may stand behind what starts it, as in `npx opencode`. */
export function ownPlaces(type: string, command: readonly string[], env: Env): string[] {
  const names = [type, ...command.slice(0, 2).map(word => basename(word))]
  const name = names.find(one => Object.hasOwn(OWN, one))
  return name === undefined ? [] : [...(OWN[name]?.(env) ?? [])]
}

/** Of every agent: nobody else's are shown to one. */
export function allOwnPlaces(): string[] {
  return Object.values(OWN).flatMap(places => places({}))
}

export const inHome = (home: string, path: string) =>
  path.startsWith('/') ? path : join(home, path.startsWith('~/') ? path.slice(2) : path)
