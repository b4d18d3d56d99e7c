/** Tables of places: what of a machine a confined command is shown, and what nobody is shown who did not ask for it. */
import { basename, join } from 'node:path'

/** Programs and libraries: what every user of a machine may read (hier(7)); Nix and Guix keep theirs in stores. */
export const SYSTEM = [
  ...['/usr', '/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32', '/opt'],
  ...[
    '/nix/store',
    '/nix/var/nix/profiles',
    '/gnu/store',
    '/run/current-system',
    '/snap',
    '/home/linuxbrew/.linuxbrew',
  ],
  // Processors and memory, which run-times count their threads by.
  '/sys/devices/system',
]

/** Entries of /etc that programs need; a star stands for any ending. Everything else there may hold a password. */
const SETTINGS = [
  ...['passwd', 'group', 'hosts', 'host.conf', 'hostname', 'gai.conf', 'nsswitch.conf', 'networks', 'protocols'],
  ...['services', 'rpc', 'ssl', 'pki', 'ca-certificates*', 'crypto-policies', 'alternatives', 'ld.so.*', 'localtime'],
  ...['timezone', 'locale*', 'os-release', 'lsb-release', '*-release', 'debian_version', 'machine-id', 'profile'],
  ...['profile.d', 'bash*', 'zsh*', 'inputrc', 'terminfo', 'shells', 'login.defs', 'mime.types', 'magic*', 'fonts'],
  ...['java*', 'jvm*', 'maven*', 'gradle*', 'python*', 'perl', 'php*', 'ruby*', 'dotnet*', 'texmf', 'gtk-*', 'vim'],
  ...['ImageMagick*', 'OpenCL', 'vulkan', 'glvnd', 'alsa', 'xml', 'sgml', 'nanorc', 'manpath.config', 'dpkg', 'static'],
  ...['postgresql-common', 'debconf.conf'],
]
const PATTERNS = SETTINGS.map(name => new RegExp(`^${name.replaceAll('.', '\\.').replaceAll('*', '.*')}$`))

export const isSetting = (name: string) => PATTERNS.some(pattern => pattern.test(name))

/** Compilers, package managers and version managers in a home, without what they keep logins in. */
export const TOOLCHAINS = [
  ...['bin', 'go/bin', 'go/pkg', 'n', '.local/bin', '.local/lib', '.local/share/mise', '.local/share/uv'],
  ...['.local/share/pnpm', '.local/share/fnm', '.local/share/rtx', '.local/share/virtualenvs', '.local/share/claude'],
  ...[
    '.nvm',
    '.fnm',
    '.volta',
    '.asdf',
    '.nodenv',
    '.npm-global',
    '.npm-packages',
    '.pnpm',
    '.yarn',
    '.bun',
    '.deno/bin',
  ],
  ...['.pyenv', '.rye', '.pixi/bin', '.pixi/envs', '.conda', 'miniconda3', 'miniforge3', 'anaconda3', '.poetry'],
  ...['.rbenv', '.rvm', '.gem/ruby', '.phpenv', '.jenv', '.sdkman', '.goenv', '.cargo/bin', '.cargo/env', '.rustup'],
  ...['.ghcup', '.elan', '.juliaup', '.julia', '.dotnet', '.swiftly', '.foundry/bin', '.nix-profile', '.opam'],
  ...['.linuxbrew', '.opencode/bin', '.config/nvm'],
]

/** Logins, keys, tokens, and what is as good as one: not shown even where a whole home is. Paths are below the home. */
export const SECRETS = [
  ...['.ssh', '.gnupg', '.aws', '.azure', '.kube', '.docker', '.oci', '.fly', '.vault-token', '.password-store'],
  ...['.netrc', '.git-credentials', '.npmrc', '.pypirc', '.pgpass', '.my.cnf', '.terraform.d', '.m2/settings.xml'],
  ...['.cargo/credentials', '.cargo/credentials.toml', '.gem/credentials', '.config/git/credentials', '.config/gh'],
  ...['.config/glab-cli', '.config/gcloud', '.config/hcloud', '.config/doctl', '.config/op', '.config/rclone'],
  ...['.config/sops', '.config/age', '.config/containers', '.config/tdf', '.local/share/keyrings'],
  ...['.mozilla', '.thunderbird', '.config/google-chrome', '.config/chromium', '.config/BraveSoftware'],
  ...['.bash_history', '.zsh_history', '.python_history', '.node_repl_history'],
]

/** Kernel settings, and switches that reach the whole machine: read-only, whoever asks (proc(5), sysrq.rst). */
export const KERNEL_SETTINGS = ['sys', 'sysrq-trigger', 'irq', 'bus', 'fs', 'acpi', 'scsi'].map(name => `/proc/${name}`)

/** Memory and keys of the kernel. */
export const KERNEL_SECRETS = ['kcore', 'keys', 'timer_list', 'sched_debug', 'latency_stats'].map(
  name => `/proc/${name}`,
)

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

/** Of every agent: one agent is not shown the folders of another. */
export function allOwnPlaces(): string[] {
  return Object.values(OWN).flatMap(places => places({}))
}

/** A path below the home, or a full one, as a full one. */
export const inHome = (home: string, path: string) =>
  path.startsWith('/') ? path : join(home, path.startsWith('~/') ? path.slice(2) : path === '~' ? '' : path)
