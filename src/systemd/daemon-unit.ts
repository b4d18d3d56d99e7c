/** `tdfd.service`: the daemon, told to systemd when it is ready and watched by it from then on. */
import { daemonHardening, environmentLine, execLine, section, type Unit, type UnitOptions } from './unit.ts'

/** Silence of the main loop after which systemd ends the daemon and starts it anew. */
const WATCHDOG_SECONDS = 60

export function daemonUnit(options: UnitOptions): Unit {
  const isSystem = options.scope === 'system'
  // A user's manager knows nothing of the network.
  const before = isSystem ? 'network-online.target tdf-agent.service' : 'tdf-agent.service'
  const command = [options.node, options.program, 'daemon']
  const environment = { NODE_ENV: 'production', TDF_AGENT_SOCKET: '%t/tdf-agent/agent.sock', ...options.environment }
  const text = [
    section('Unit', [
      'Description=tdf, runs coding-agent tasks',
      `After=${before}`,
      `Wants=${before}`,
      'StartLimitIntervalSec=0',
    ]),
    section('Service', [
      'Type=notify',
      // systemd-notify is a process of its own.
      'NotifyAccess=all',
      `ExecStart=${execLine([...command, 'run'])}`,
      `ExecReload=${execLine([...command, 'reload'])}`,
      'Restart=always',
      'RestartSec=2s',
      // Wrong usage, another daemon at work, wrong configuration: another try would end the same.
      'RestartPreventExitStatus=2 75 78',
      // A large database is checked, copied and migrated before the daemon is ready.
      'TimeoutStartSec=300',
      'TimeoutStopSec=30',
      `WatchdogSec=${WATCHDOG_SECONDS}`,
      'KillMode=mixed',
      'LimitCORE=0',
      'UMask=0077',
      ...Object.entries(environment).map(([name, value]) => assignment(name, value)),
      ...(isSystem ? SYSTEM : ['EnvironmentFile=-%h/.config/tdf/environment', 'RuntimeDirectory=tdf']),
      ...daemonHardening[options.scope],
    ]),
    section('Install', [`WantedBy=${isSystem ? 'multi-user.target' : 'default.target'}`]),
  ].join('\n')
  return { name: 'tdfd.service', text }
}

/** Only what is ours may hold a specifier of systemd. */
function assignment(name: string, value: string): string {
  return value.startsWith('%t/') ? `Environment=${name}=${value}` : environmentLine(name, value)
}

const SYSTEM = [
  // Its user is not root, which would make it the daemon of that user alone.
  'Environment=TDF_SYSTEM=1',
  'User=tdf',
  'Group=tdf',
  // The way to the agent's socket; the agent's user has no way back.
  'SupplementaryGroups=tdf-agent',
  'StateDirectory=tdf',
  'StateDirectoryMode=0700',
  'RuntimeDirectory=tdf',
  'RuntimeDirectoryMode=0750',
  'ConfigurationDirectory=tdf',
  // Variables that [agents.*] env may hand on, readable by root alone.
  'EnvironmentFile=-/etc/tdf/environment',
  'LoadCredential=agent-token:/etc/tdf/secrets/agent-token',
  // Without a token there is an empty one, so that the daemon starts.
  'LoadCredential=hcloud-token:/etc/tdf/secrets/hcloud-token',
  String.raw`SetCredential=hcloud-token:\n`,
  'LoadCredential=store-url:/etc/tdf/secrets/store-url',
  String.raw`SetCredential=store-url:\n`,
]
