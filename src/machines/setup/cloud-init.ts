/**
 * The document that a new machine reads at its first boot, for debian-13. It can be read on the machine for as long as
 * it lives, so it holds nothing that stays secret: the host key in it is replaced over the first connection, the agent
 * and its token come by ssh after that.
 */
import { agentUnit, noUpgrades, slotFirewall, sshdConfiguration, tunnelKeys } from './files.ts'
import { setupScript } from './script.ts'

export interface FirstBoot {
  /** The private key in the form of a file, and the line of the public one. */
  hostKey: { privateKey: string; publicKey: string }
  /** Who may forward to the agent's port and nothing else. */
  tunnelKey: string
  slots: readonly string[]
}

/** What Hetzner takes as user_data, in bytes. */
export const USER_DATA_BYTES_MAX = 32 * 1024

export function cloudInit({ hostKey, tunnelKey, slots }: FirstBoot): string {
  const script = { path: '/usr/local/sbin/tdf-node-setup', mode: '0755', content: setupScript(slots, true) }
  const files = [agentUnit(slots), slotFirewall(slots), sshdConfiguration, tunnelKeys(tunnelKey), noUpgrades, script]
  const written = files.map(
    ({ path, mode, content }) =>
      `  - path: ${path}\n    permissions: '${mode}'\n    owner: root:root\n    content: |\n${indented(content, 6)}`,
  )
  return `#cloud-config
disable_root: false
ssh_pwauth: false
ssh_deletekeys: true
ssh_keys:
  ed25519_private: |
${indented(hostKey.privateKey, 4)}  ed25519_public: ${JSON.stringify(hostKey.publicKey)}
bootcmd:
  - systemctl mask --now apt-daily.timer apt-daily-upgrade.timer unattended-upgrades.service || true
write_files:
${written.join('')}runcmd:
  - [/usr/local/sbin/tdf-node-setup]
`
}

function indented(text: string, spaces: number): string {
  const lines = text.replace(/\n$/, '').split('\n')
  return lines.map(line => (line === '' ? '\n' : `${' '.repeat(spaces)}${line}\n`)).join('')
}
