import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { tokenReader } from '../../../../../src/machines/hetzner/token.ts'

const dir = mkdtempSync(path.join(tmpdir(), 'tdf-token-'))
afterAll(() => rmSync(dir, { recursive: true }))
const file = path.join(dir, 'token')

it('reads a file anew each time, so that a replaced token counts at once', () => {
  writeFileSync(file, 'first\n', { mode: 0o600 })
  const read = tokenReader({ tokenFile: file, env: { HCLOUD_TOKEN: 'other' }, stateDir: dir })
  expect(read()).toBe('first')
  writeFileSync(file, 'second')
  expect(read()).toBe('second')
})

it('prefers a systemd credential to the environment', () => {
  const env = { CREDENTIALS_DIRECTORY: dir, HCLOUD_TOKEN: 'of-the-environment' }
  const read = tokenReader({ tokenFile: '', env, stateDir: dir })
  expect(read()).toBe('of-the-environment')
  writeFileSync(path.join(dir, 'hcloud-token'), 'of-the-credential\n')
  expect(read()).toBe('of-the-credential')
})

it.each([
  ['nothing', ''],
  ['a line break in it', 'to\nken'],
  ['a blank in it', 'to ken'],
])('refuses %s, without showing it', (_, text) => {
  const read = tokenReader({ tokenFile: '', env: { HCLOUD_TOKEN: text }, stateDir: dir })
  const where = 'HCLOUD_TOKEN, token_file, the systemd credential hcloud-token or the secret HCLOUD_TOKEN'
  expect(read).toThrow(expect.objectContaining({ message: `there is no Hetzner API token in ${where}` }))
})

it.each([0o604, 0o644, 0o602])('refuses a file that everybody may open (mode %o), and says what to do', mode => {
  const open = path.join(dir, `open-${mode}`)
  writeFileSync(open, 'secret')
  chmodSync(open, mode)
  const read = tokenReader({ tokenFile: open, env: {}, stateDir: dir })
  expect(read).toThrow(
    expect.objectContaining({ code: 'PROVIDER_AUTH', message: expect.stringContaining(`chmod 600 ${open}`) }),
  )
  chmodSync(open, 0o640)
  expect(read()).toBe('secret')
})

it('says that a token file cannot be read', () => {
  const read = tokenReader({ tokenFile: path.join(dir, 'none'), env: {}, stateDir: dir })
  expect(read).toThrow(
    expect.objectContaining({ code: 'PROVIDER_AUTH', message: expect.stringContaining('is not used: ENOENT') }),
  )
})
