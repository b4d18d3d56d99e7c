/**
 * `tdf-agent.service`: the local node's agent, outside the daemon's sandbox and, for a system service, as a user of its
 * own. A restart of it ends the supervisor alone: what runs goes on and is found again.
 */
import { environmentLine, execLine, section, type Unit, type UnitOptions } from './unit.ts'

export function agentUnit(options: UnitOptions): Unit {
  const isSystem = options.scope === 'system'
  const where = isSystem
    ? '--state %S/tdf-agent --token-file %d/agent-token'
    : execLine(['--state', options.agentState, '--token-file', options.agentToken])
  const program = execLine([options.node, options.agentProgram])
  const listen = '--listen unix:%t/tdf-agent/agent.sock --socket-mode 660 --name local'
  const text = [
    section('Unit', ['Description=tdf agent of this machine', 'StartLimitIntervalSec=0']),
    section('Service', [
      `ExecStart=${program} ${listen} ${where}`,
      'Restart=always',
      'RestartSec=2s',
      'RestartPreventExitStatus=2 75 78',
      'KillMode=process',
      'TimeoutStopSec=30',
      'UMask=0077',
      'LimitCORE=0',
      ...Object.entries(options.environment).map(([name, value]) => environmentLine(name, value)),
      ...(isSystem ? SYSTEM : ['RuntimeDirectory=tdf-agent', 'RuntimeDirectoryMode=0700']),
    ]),
    section('Install', [`WantedBy=${isSystem ? 'multi-user.target' : 'default.target'}`]),
  ].join('\n')
  return { name: 'tdf-agent.service', text }
}

/**
 * Coding agents run as this user: they may not gain privileges, nor read what other people have on this machine. Nothing
 * here covers a part of /proc, or the sandbox could mount none of its own (bwrap(1)); what is there is root's to change.
 */
const SYSTEM = [
  'User=tdf-agent',
  'Group=tdf-agent',
  'StateDirectory=tdf-agent',
  'StateDirectoryMode=0700',
  'RuntimeDirectory=tdf-agent',
  'RuntimeDirectoryMode=0750',
  'LoadCredential=agent-token:/etc/tdf/secrets/agent-token',
  'NoNewPrivileges=yes',
  'ProtectHome=yes',
  'ProtectKernelModules=yes',
  'ProtectClock=yes',
  'RestrictSUIDSGID=yes',
]
