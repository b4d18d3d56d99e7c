/**
 * A machine reached by ssh, and the command line that reaches it and no other. Every option that matters is said here,
 * where it wins over any configuration file (ssh_config(5): the first value obtained counts).
 */
import path from 'node:path'

export interface SshTarget {
  /** user@host. */
  destination: string
  /** What the machine's host key is known by. Never its address: addresses are used again. */
  hostKeyAlias: string
  /** Holds the pinned host key and what the machine offered; of this node alone. */
  folder: string
  /** A private key of ours, used alone and without any configuration; null: as the user's own configuration says. */
  identity: string | null
}

/** A frozen or cut-off machine is noticed after three of these, in seconds. */
const ALIVE_INTERVAL_S = 3
const ALIVE_COUNT_MAX = 3
const CONNECT_TIMEOUT_S = 10

/** Where the environment of ssh says that an offered host key is noted. */
export const OFFERED_VARIABLE = 'TDF_OFFERED_KEY'
/** Notes each key that is offered and answers none, so that what is pinned alone counts. */
const NOTE_OFFERED = `/bin/sh -c "test $1 = NONE || test -z "$${OFFERED_VARIABLE}" || echo $0 $1 > \\"$${OFFERED_VARIABLE}\\"" %t %K`

export const knownHostsFile = (folder: string) => path.join(folder, 'known_hosts')
export const offeredFile = (folder: string) => path.join(folder, 'offered')

/** Everything up to the destination, which always comes behind `--`: neither can be read as the other. */
export function sshOptions(target: SshTarget): string[] {
  const { folder, identity, hostKeyAlias } = target
  const own = identity === null ? [] : ['-F', 'none', ...option('IdentitiesOnly', 'yes'), '-i', identity]
  return [
    ...own,
    ...option('BatchMode', 'yes'),
    ...option('StrictHostKeyChecking', 'yes'),
    ...option('UserKnownHostsFile', quoted(knownHostsFile(folder))),
    ...option('GlobalKnownHostsFile', '/dev/null'),
    ...option('KnownHostsCommand', NOTE_OFFERED),
    ...option('HostKeyAlias', hostKeyAlias),
    ...option('CheckHostIP', 'no'),
    ...option('UpdateHostKeys', 'no'),
    ...option('VerifyHostKeyDNS', 'no'),
    ...option('ForwardAgent', 'no'),
    ...option('ForwardX11', 'no'),
    ...option('PermitLocalCommand', 'no'),
    ...option('RemoteCommand', 'none'),
    ...option('ExitOnForwardFailure', 'yes'),
    ...option('StreamLocalBindUnlink', 'yes'),
    ...option('ConnectTimeout', String(CONNECT_TIMEOUT_S)),
    ...option('ServerAliveInterval', String(ALIVE_INTERVAL_S)),
    ...option('ServerAliveCountMax', String(ALIVE_COUNT_MAX)),
  ]
}

export const option = (name: string, value: string): [string, string] => ['-o', `${name}=${value}`]

/** A path as ssh reads it back from a configuration value: in quotes, with its own signs doubled or escaped. */
function quoted(file: string): string {
  return `"${file.replaceAll('%', '%%').replace(/["\\]/g, '\\$&')}"`
}

/** One word of a command line for a shell on the other side, where ssh joins words by spaces. */
export const shellWord = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`
