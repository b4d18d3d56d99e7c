/**
 * The host key that tdf gave a machine at its birth lay in its user_data, which can be read for as long as it lives. It
 * is good for one thing: the first connection, over which the machine makes a key that never leaves it. Only that one
 * counts from then on, before anything of ours runs there.
 */
import { existsSync, rmSync } from 'node:fs'
import path from 'node:path'
import { TdfError } from '../../core/errors.ts'
import { parseHostKey, pinHostKeys, pinnedHostKeys } from './host-keys.ts'
import { ensureKeyPair, type KeyPair } from './keys.ts'
import { sshRun } from './run.ts'
import type { SshTarget } from './target.ts'

const KEY = '/etc/ssh/ssh_host_ed25519_key'
const ROTATE_MS = 60_000

/** Makes the new key beside the old one and tells its public half; the same again when it is there. */
const MAKE = `set -eu
[ -s ${KEY}.tdf.pub ] || { rm -f ${KEY}.tdf; ssh-keygen -q -t ed25519 -N '' -C tdf -f ${KEY}.tdf; }
cat ${KEY}.tdf.pub`

/** Puts it in place of every key that was there, and takes the old one out of what cloud-init keeps. */
const USE = `set -eu
if [ -s ${KEY}.tdf ]; then
  find /etc/ssh -maxdepth 1 -name 'ssh_host_*' ! -name '*.tdf*' -delete
  cp -p ${KEY}.tdf ${KEY}
  cp -p ${KEY}.tdf.pub ${KEY}.pub
  sync
fi
systemctl restart ssh.service
rm -f ${KEY}.tdf ${KEY}.tdf.pub
rm -f /var/lib/cloud/instances/*/user-data.txt* /var/lib/cloud/instances/*/cloud-config.txt`

const bootstrapFile = (folder: string) => path.join(folder, 'bootstrap')

/** The host key that a new machine is given in its user_data; pinned until the machine has its own. */
export async function bootstrapKey(target: SshTarget): Promise<KeyPair> {
  const pair = await ensureKeyPair(bootstrapFile(target.folder), 'tdf-bootstrap')
  const key = parseHostKey(pair.publicKey)
  if (key && pinnedHostKeys(target).length === 0) pinHostKeys(target, [key])
  return pair
}

/** Whether the machine still has the key that it was born with, as far as we know. */
export const isBornKey = ({ folder }: SshTarget): boolean => existsSync(bootstrapFile(folder))

/**
 * Safe to do again after a crash at any line: both keys are pinned while either may answer. `save` makes what is pinned
 * durable wherever the state is; the machine has no other key before.
 */
export async function rotateHostKey(nodeName: string, target: SshTarget, save: () => Promise<void>): Promise<void> {
  const pinned = pinnedHostKeys(target)
  if (pinned.length < 2) {
    const made = await sshRun(nodeName, target, { command: MAKE, timeoutMs: ROTATE_MS })
    const fresh = made.stdout.split('\n').flatMap(line => parseHostKey(line) ?? [])[0]
    if (!fresh) throw new TdfError('NODE_SETUP_FAILED', `node ${nodeName} made no host key: ${made.stderr.trim()}`)
    pinHostKeys(target, [...pinned, fresh])
  }
  await save()
  const [, fresh = ''] = pinnedHostKeys(target)
  await sshRun(nodeName, target, { command: USE, timeoutMs: ROTATE_MS })
  // From here on the old key is refused: this connection proves that the new one is in use.
  pinHostKeys(target, [fresh])
  const proved = await sshRun(nodeName, target, { command: 'true', timeoutMs: ROTATE_MS }).catch(error => {
    pinHostKeys(target, [...pinned.slice(0, 1), fresh])
    throw error
  })
  if (proved.exitCode !== 0) throw new TdfError('NODE_SETUP_FAILED', `node ${nodeName} refuses a command`)
  for (const file of [bootstrapFile(target.folder), `${bootstrapFile(target.folder)}.pub`])
    rmSync(file, { force: true })
  await save()
}
