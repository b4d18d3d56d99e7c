/**
 * What the daemon may not do. It needs its state folder, its sockets, git and ssh, and nothing else.
 * MemoryDenyWriteExecute stays off: V8 writes code, and node aborts at its start.
 */

/** Holds for anybody's manager: no mounts, no namespaces, no capabilities are needed to set it up. */
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

export const daemonHardening = { system: [...SYSTEM_ONLY, ...ANYWHERE], user: ANYWHERE } as const
