/** What systemd units are made of. Everything in this folder is pure: options in, text out. */

/** *system*: the machine's own daemon, with users of its own. *user*: one person's, without any privilege. */
export type Scope = 'system' | 'user'

export interface UnitOptions {
  scope: Scope
  /** The running node and the installed programs, absolute. */
  node: string
  program: string
  agentProgram: string
  /** Where the local agent keeps its state and finds its token, absolute; for *user* only. */
  agentState: string
  agentToken: string
  /** What both must be told: TDF_HOME and TDF_CONFIG when they were set, a user's programs (PATH), a proxy, certificates. */
  environment: Readonly<Record<string, string>>
}

export interface Unit {
  name: string
  text: string
}

/** A section with its lines; what is false is left out. */
export function section(name: string, lines: readonly (string | false)[]): string {
  return [`[${name}]`, ...lines.filter(line => line !== false), ''].join('\n')
}

/**
 * A command line for Exec…=: systemd.service(5) splits at spaces, unquotes, and expands `%` and `$`. A path with any of
 * these stays one word.
 */
export function execLine(words: readonly string[]): string {
  return words.map(execWord).join(' ')
}

function execWord(word: string): string {
  const literal = word.replaceAll('%', '%%').replaceAll('$', '$$$$')
  return /^[\w@%+=:,./$-]+$/.test(literal) ? literal : `"${literal.replace(/[\\"]/g, '\\$&')}"`
}

/** One assignment for Environment=, where `$` has no meaning. */
export function environmentLine(name: string, value: string): string {
  return `Environment="${name}=${value.replaceAll('%', '%%').replace(/[\\"]/g, '\\$&')}"`
}

/** What a user's manager can set up, too: it needs no mounts, no namespaces, no capabilities. */
const ANYWHERE = [
  'NoNewPrivileges=yes',
  'LockPersonality=yes',
  'RestrictRealtime=yes',
  'RestrictSUIDSGID=yes',
  'RestrictNamespaces=yes',
  'RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6',
  'SystemCallArchitectures=native',
  'SystemCallFilter=@system-service',
  'SystemCallFilter=~@privileged @resources',
  // ssh takes on its own ids once more before it runs a command of its options (OpenSSH, subprocess() in misc.c).
  'SystemCallFilter=setresuid setresgid',
  'SystemCallErrorNumber=EPERM',
]

const SYSTEM_ONLY = [
  'CapabilityBoundingSet=',
  'AmbientCapabilities=',
  'ProtectSystem=strict',
  'ProtectHome=yes',
  'PrivateTmp=yes',
  'PrivateDevices=yes',
  'PrivateUsers=yes',
  'PrivateMounts=yes',
  'DevicePolicy=closed',
  'ProtectKernelTunables=yes',
  'ProtectKernelModules=yes',
  'ProtectKernelLogs=yes',
  'ProtectControlGroups=yes',
  'ProtectClock=yes',
  'ProtectHostname=yes',
  'ProtectProc=invisible',
  'ProcSubset=pid',
  'RemoveIPC=yes',
  'KeyringMode=private',
]

/**
 * What the daemon may not do. It needs its state folder, its sockets, git and ssh, and nothing else.
 * MemoryDenyWriteExecute stays off: V8 writes code, and node aborts at its start.
 */
export const daemonHardening = { system: [...SYSTEM_ONLY, ...ANYWHERE], user: ANYWHERE } as const
