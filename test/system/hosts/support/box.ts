/** A machine that nobody ordered: root and an ordinary user `ci` are reached there with a key that an ssh-agent(1) holds. */
import { execFileSync, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import path from 'node:path'
import { ensureKeyPair } from '../../../../src/machines/ssh/keys.ts'
import { until } from '../../../support/daemon/home.ts'
import type { Machine } from './machine.ts'
import type { Site } from './site.ts'

const USER_DATA = `#cloud-config
disable_root: false
users:
  - default
  - name: ci
    shell: /bin/bash
runcmd:
  - install -d -m 0700 -o ci -g ci /home/ci/.ssh
  - install -m 0600 -o ci -g ci /root/.ssh/authorized_keys /home/ci/.ssh/authorized_keys
  - sed -i 's/.*ssh-ed25519/ssh-ed25519/' /home/ci/.ssh/authorized_keys
  - touch /root/ready
`

export interface Box {
  machine: Machine
  /** Of its host key, as `ssh-keygen -l` prints it. */
  fingerprint: string
  /** What a daemon needs in its environment to reach it. */
  env: { SSH_AUTH_SOCK: string }
  /** Ends the key agent; the machine goes with its site. */
  remove(): void
}

/** `folder` is for the key. */
export async function openBox(site: Pick<Site, 'machine'>, folder: string): Promise<Box> {
  const key = await ensureKeyPair(path.join(folder, 'key'), 'you')
  const machine = site.machine({ name: 'box', userData: USER_DATA, publicKeys: [key.publicKey] })
  const socket = path.join(folder, 'key-agent')
  const keyAgent = spawn('ssh-agent', ['-D', '-a', socket], { stdio: 'ignore' })
  await until('the key agent listens', () => existsSync(socket))
  execFileSync('ssh-add', ['-q', key.file], { env: { SSH_AUTH_SOCK: socket, PATH: process.env.PATH }, stdio: 'ignore' })
  await until('its first boot is over', () => existsSync(path.join(machine.root, 'root/ready')), 120_000)
  const hostKey = path.join(machine.root, 'etc/ssh/ssh_host_ed25519_key.pub')
  const fingerprint = execFileSync('ssh-keygen', ['-l', '-f', hostKey]).toString().split(' ')[1] ?? ''
  return { machine, fingerprint, env: { SSH_AUTH_SOCK: socket }, remove: () => void keyAgent.kill() }
}
