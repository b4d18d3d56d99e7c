/** What lies in a home that a confined command may not see, and what of it is its own after all. Paths are below the home. */
import { basename, join } from 'node:path'

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
