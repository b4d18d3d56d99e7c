import { execFileSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { cloudInit, USER_DATA_BYTES_MAX } from '../../../../../src/machines/setup/cloud-init.ts'
import { slotUsers } from '../../../../../src/machines/setup/files.ts'
import { INSPECT } from '../../../../../src/machines/setup/inspect.ts'
import { PUSH_PROGRAM, RUN_ONCE, START_AGENT } from '../../../../../src/machines/setup/install.ts'
import { setupScript, wholeScript } from '../../../../../src/machines/setup/script.ts'

const KEY = ['-----BEGIN OPENSSH PRIVATE KEY-----', 'b3BlbnNzaC1rZXktdjEA', '-----END OPENSSH PRIVATE KEY-----', '']

const document = (slots: readonly string[]) =>
  cloudInit({
    hostKey: { privateKey: KEY.join('\n'), publicKey: 'ssh-ed25519 AAAAbootstrap tdf-bootstrap' },
    tunnelKey: 'ssh-ed25519 AAAAtunnel tdf-tunnel',
    slots,
  })

describe('the first-boot document', () => {
  it('is the one on record', async () => {
    await expect(document(slotUsers(3))).toMatchFileSnapshot('../../../../golden/cloud-init.yaml')
  })

  it('stays under what Hetzner takes, with as many slots as a node may have', () => {
    expect(Buffer.byteLength(document(slotUsers(100)))).toBeLessThan(USER_DATA_BYTES_MAX)
  })

  it('ties the tunnel to one port and no command', () => {
    const line = document(slotUsers(1))
      .split('\n')
      .find(text => text.includes('AAAAtunnel'))
    expect(line?.trim()).toBe(
      'restrict,port-forwarding,permitopen="127.0.0.1:8787",permitlisten="127.0.0.1:*",command="/bin/false" ssh-ed25519 AAAAtunnel tdf-tunnel',
    )
  })
})

describe('the scripts that run on a node', () => {
  it.each([
    ['setup', setupScript(slotUsers(2), true)],
    ['setup of a box', wholeScript(slotUsers(2), [], false)],
    ['inspect', INSPECT],
    ['push', PUSH_PROGRAM],
    ['start', START_AGENT],
    ['once', RUN_ONCE],
  ])('%s is a script that sh takes', (_name, script) => {
    expect(execFileSync('sh', ['-n'], { input: script }).toString()).toBe('')
  })
})
