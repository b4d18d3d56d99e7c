/** What is where on a machine that tdf set up, and who owns it. Pure text. */

/** The agent of a prepared machine listens here, on its loopback. */
export const AGENT_PORT = 8787
/** Its programs, token and settings. */
export const SYSTEM_BASE = '/opt/tdf-agent'
export const SYSTEM_STATE = '/var/lib/tdf-agent'
export const AGENT_USER = 'tdf-agent'
/** The user of the ssh connection: it may forward to the agent's port and nothing else. */
export const TUNNEL_USER = 'tdf-tunnel'

/** One more than there are workspaces: a slot is being cleaned while its room is given away again. */
export function slotUsers(maxWorkspaces: number): string[] {
  return Array.from({ length: maxWorkspaces + 1 }, (_, index) => `tdf-slot${index + 1}`)
}

/** A file of a prepared machine. */
export interface NodeFile {
  path: string
  mode: '0644' | '0755'
  content: string
}

/**
 * The agent runs as a user of its own with just the privileges that slots need: to become them, to give them their work
 * tree, to end their processes and to clean up after them. `KillMode=process` leaves sessions running when it restarts. With
 * `ProtectProc=invisible` a user sees its own processes alone, so that no slot reads the command line of another; the agent
 * itself sees all by CAP_SYS_PTRACE (proc(5), hidepid).
 */
export function agentUnit(slots: readonly string[]): NodeFile {
  const capabilities = 'CAP_SETUID CAP_SETGID CAP_KILL CAP_CHOWN CAP_FOWNER CAP_DAC_OVERRIDE CAP_SYS_PTRACE'
  const content = `[Unit]
Description=tdf agent
After=network.target
StartLimitIntervalSec=0

[Service]
Type=exec
User=${AGENT_USER}
Group=${AGENT_USER}
EnvironmentFile=${SYSTEM_BASE}/env
ExecStartPre=+/usr/sbin/nft -f ${SYSTEM_BASE}/slots.nft
ExecStart=/usr/bin/node ${SYSTEM_BASE}/current.mjs --listen 127.0.0.1:${AGENT_PORT} --state ${SYSTEM_STATE} --token-file ${SYSTEM_BASE}/token --name \${TDF_NODE_NAME} --slot-users ${slots.join(',')}
KillMode=process
Restart=always
RestartSec=1
AmbientCapabilities=${capabilities}
CapabilityBoundingSet=${capabilities}
NoNewPrivileges=yes
ProtectProc=invisible
StateDirectory=tdf-agent
StateDirectoryMode=0711
LimitCORE=0
OOMPolicy=continue

[Install]
WantedBy=multi-user.target
`
  return { path: '/etc/systemd/system/tdf-agent.service', mode: '0644', content }
}

/** What runs in a slot reaches neither the machine's metadata (it holds user_data) nor the agent's port. */
export function slotFirewall(slots: readonly string[]): NodeFile {
  const users = `{ ${slots.map(slot => `"${slot}"`).join(', ')} }`
  const content = `table inet tdf
delete table inet tdf
table inet tdf {
  chain output {
    type filter hook output priority 0; policy accept;
    meta skuid ${users} ip daddr 169.254.0.0/16 reject
    meta skuid ${users} oifname "lo" tcp dport ${AGENT_PORT} reject with tcp reset
  }
}
`
  return { path: `${SYSTEM_BASE}/slots.nft`, mode: '0644', content }
}

/** A dead connection of ours frees its port within half a minute; the tunnel's user can do nothing else. */
export const sshdConfiguration: NodeFile = {
  path: '/etc/ssh/sshd_config.d/10-tdf.conf',
  mode: '0644',
  content: `ClientAliveInterval 10
ClientAliveCountMax 3
PasswordAuthentication no
Match User ${TUNNEL_USER}
  AuthorizedKeysFile /etc/ssh/tdf-tunnel.keys
  AllowStreamLocalForwarding no
  PermitOpen 127.0.0.1:${AGENT_PORT}
  PermitListen 127.0.0.1:*
`,
}

export function tunnelKeys(publicKey: string): NodeFile {
  const limits = `restrict,port-forwarding,permitopen="127.0.0.1:${AGENT_PORT}",permitlisten="127.0.0.1:*",command="/bin/false"`
  return { path: '/etc/ssh/tdf-tunnel.keys', mode: '0644', content: `${limits} ${publicKey}\n` }
}

/** The machine lives for hours: an upgrade under a run does more harm than good. */
export const noUpgrades: NodeFile = {
  path: '/etc/apt/apt.conf.d/99tdf',
  mode: '0644',
  content: `APT::Periodic::Enable "0";
APT::Periodic::Unattended-Upgrade "0";
Unattended-Upgrade::Automatic-Reboot "false";
`,
}
