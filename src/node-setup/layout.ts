/** Where things are on a node that tdf set up, and who owns them. */

/** The agent of a prepared machine listens here, on its loopback. */
export const AGENT_PORT = 8787
/** Its programs, token and settings. */
export const SYSTEM_BASE = '/opt/tdf-agent'
export const SYSTEM_STATE = '/var/lib/tdf-agent'
export const AGENT_USER = 'tdf-agent'
/** Whom the standing connection signs in as: it may forward to the agent's port and nothing else. */
export const TUNNEL_USER = 'tdf-tunnel'

/** One more than there are workspaces: a slot is being cleaned while its room is given away again. */
export function slotUsers(maxWorkspaces: number): string[] {
  return Array.from({ length: maxWorkspaces + 1 }, (_, index) => `tdf-slot${index + 1}`)
}
