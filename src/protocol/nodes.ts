/** What `tdf node add` sends. */
import { z } from 'zod'

const NODE_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/
/** As in the configuration: nothing that ssh would read as an option. */
const SSH_TARGET =
  /^([A-Za-z0-9_][A-Za-z0-9_.-]*@)?([A-Za-z0-9_][A-Za-z0-9_.-]*|[0-9A-Fa-f]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f.]*)$/
const HOST_KEY = /^[a-z0-9-]{1,40} [A-Za-z0-9+/]{32,2000}={0,2}$/

export const scanBox = z.object({ ssh: z.string().regex(SSH_TARGET, 'must be user@host') })

export const addBox = scanBox.extend({
  name: z.string().regex(NODE_NAME, 'must be letters, digits, ".", "_" or "-", 1 to 63 of them'),
  /** The host key that it is known by from now on: type and base64. */
  hostKey: z.string().regex(HOST_KEY, 'must be a public host key, such as "ssh-ed25519 AAAA…"'),
  size: z.string().max(63).optional(),
  location: z.string().max(63).optional(),
  maxWorkspaces: z.int().min(1).max(1_000).optional(),
})
export type AddBox = z.output<typeof addBox>

export interface ScannedBoxJson {
  hostKey: string
  /** As `ssh-keygen -l` prints it. */
  fingerprint: string
}
