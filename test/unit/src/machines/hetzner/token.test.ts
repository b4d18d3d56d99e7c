import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
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

it('takes the first that is not empty, the kept secret last, without the blanks around it', () => {
  const state = path.join(dir, 'state')
  const credentials = path.join(dir, 'empty')
  for (const folder of [path.join(state, 'secrets'), credentials]) mkdirSync(folder, { recursive: true })
  writeFileSync(path.join(credentials, 'hcloud-token'), '\n')
  writeFileSync(path.join(state, 'secrets', 'HCLOUD_TOKEN'), 'of-the-secret\n')
  const env: Record<string, string> = { CREDENTIALS_DIRECTORY: credentials, HCLOUD_TOKEN: ' ' }
  const read = tokenReader({ tokenFile: '', env, stateDir: state })
  expect(read()).toBe('of-the-secret')
  env.HCLOUD_TOKEN = ' of-the-environment\t'
  expect(read()).toBe('of-the-environment')
})

it('says how a token is kept, and when it is looked for again; a named file is all that is named', () => {
  const none = tokenReader({ tokenFile: '', env: {}, stateDir: path.join(dir, 'nothing') })
  const about = { code: 'PROVIDER_AUTH', retryAfterMs: 60_000 }
  expect(none).toThrow(expect.objectContaining({ ...about, hint: 'tdf secret set HCLOUD_TOKEN' }))
  const long = path.join(dir, 'long')
  writeFileSync(long, 'x'.repeat(512), { mode: 0o600 })
  const read = tokenReader({ tokenFile: long, env: {}, stateDir: dir })
  expect(read()).toHaveLength(512)
  writeFileSync(long, 'x'.repeat(513))
  const message = `there is no Hetzner API token in ${long}`
  expect(read).toThrow(expect.objectContaining({ ...about, message, hint: 'tdf config show' }))
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
