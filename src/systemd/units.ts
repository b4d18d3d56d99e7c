/** Every unit of an installation, in the order in which they are started. */
import { agentUnit } from './agent-unit.ts'
import { daemonUnit } from './daemon-unit.ts'
import { execLine, section, type Unit, type UnitOptions } from './unit.ts'

/** A user's units reap nothing: without the user's session they would not run either. */
export function unitsOf(options: UnitOptions): Unit[] {
  const both = [agentUnit(options), daemonUnit(options)]
  return options.scope === 'system' ? [...both, ...reapUnits(options)] : both
}

/** Units that are enabled and started; the others are called by them. */
export const STARTED = ['tdf-agent.service', 'tdfd.service', 'tdf-reap.timer'] as const

/** `tdf-reap.timer`: ends paid machines whose lease has run out, also when the daemon does not start any more. */
function reapUnits(options: UnitOptions): Unit[] {
  const service = [
    section('Unit', [
      'Description=tdf, removes paid machines whose lease has run out',
      'After=network-online.target',
      'Wants=network-online.target',
      'ConditionPathExists=/etc/tdf/secrets/hcloud-token',
    ]),
    section('Service', [
      'Type=oneshot',
      `ExecStart=${execLine([options.node, options.program, 'reap', '--yes', '--no-input'])}`,
      'TimeoutStartSec=600',
      'User=tdf',
      'Group=tdf',
      'UMask=0077',
      'StateDirectory=tdf',
      'StateDirectoryMode=0700',
      'ConfigurationDirectory=tdf',
      'LoadCredential=hcloud-token:/etc/tdf/secrets/hcloud-token',
      'NoNewPrivileges=yes',
      'CapabilityBoundingSet=',
      'ProtectSystem=strict',
      'ProtectHome=yes',
      'PrivateTmp=yes',
      'PrivateDevices=yes',
    ]),
  ].join('\n')
  const timer = [
    section('Unit', ['Description=tdf, removes paid machines whose lease has run out']),
    section('Timer', ['OnBootSec=15min', 'OnUnitActiveSec=1h', 'RandomizedDelaySec=5min', 'Persistent=yes']),
    section('Install', ['WantedBy=timers.target']),
  ].join('\n')
  return [
    { name: 'tdf-reap.service', text: service },
    { name: 'tdf-reap.timer', text: timer },
  ]
}
