/** The script that prepares a machine for the agent: programs, users, rules. Doing it again changes nothing. */
import { createHash } from 'node:crypto'
import { AGENT_USER, type NodeFile, SYSTEM_BASE, SYSTEM_STATE, TUNNEL_USER } from './files.ts'

const HEAD = `#!/bin/sh
# Prepares this machine for tdf-agent. Doing it again changes nothing.
set -eu
`

/** Programs come from the distribution; an image that has them already needs no network for that. */
const PROGRAMS = `
missing=
for program in node npm git nft setpriv; do
  command -v "$program" >/dev/null || missing="$missing $program"
done
if [ -n "$missing" ]; then
  for try in 1 2 3 4 5; do
    if apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends \\
      nodejs npm git nftables ca-certificates curl; then break; fi
    [ "$try" -lt 5 ] || { echo "missing and not to be had from apt:$missing" >&2; exit 1; }
    sleep 5
  done
fi
`

const USERS = `
exists() { getent passwd "$1" >/dev/null; }
exists ${AGENT_USER} || useradd --system --user-group --no-create-home --home-dir ${SYSTEM_STATE} --shell /usr/sbin/nologin ${AGENT_USER}
for slot in $slots; do
  exists "$slot" || useradd --system --user-group --no-create-home --home-dir "/home/$slot" --shell /bin/bash "$slot"
  [ -d "/home/$slot" ] || install -d -m 0700 -o "$slot" -g "$slot" "/home/$slot"
  for list in /etc/cron.deny /etc/at.deny; do
    grep -qsx "$slot" "$list" || echo "$slot" >> "$list"
  done
done
install -d -m 0755 ${SYSTEM_BASE}
`

/** A restart, which keeps the connections: where ssh.socket holds the port, a reload ends in a daemon that cannot bind. */
const TUNNEL = `
exists ${TUNNEL_USER} || useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /bin/false ${TUNNEL_USER}
systemctl try-restart ssh.service
`

const TAIL = `
systemctl daemon-reload
`

/** Without its files, which cloud-init writes by itself. */
export function setupScript(slots: readonly string[], hasTunnel: boolean): string {
  const names = `slots='${slots.join(' ')}'\n`
  return `${HEAD}${names}${PROGRAMS}${USERS}${hasTunnel ? TUNNEL : ''}${TAIL}echo ${scriptHash(slots)} > ${SYSTEM_BASE}/prepared\n`
}

/** Names what a machine was prepared with, so that a change of it is done again. */
export function scriptHash(slots: readonly string[]): string {
  return createHash('sha256')
    .update([HEAD, PROGRAMS, USERS, TAIL, ...slots].join('\n'))
    .digest('hex')
    .slice(0, 16)
}

/** The same for a machine without a first-boot document: the files first. */
export function wholeScript(slots: readonly string[], files: readonly NodeFile[], hasTunnel: boolean): string {
  const written = files.map(
    ({ path, mode, content }) =>
      `mkdir -p "$(dirname ${path})"\ncat > ${path} <<'TDF_END_OF_FILE'\n${content}TDF_END_OF_FILE\nchmod ${mode} ${path}\n`,
  )
  return `${written.join('')}${setupScript(slots, hasTunnel)}`
}
